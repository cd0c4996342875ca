"""GGUF: what llama.cpp reads of a Llama, byte by byte; what is none of the family is refused with the reason."""

import json
import stat
import struct

import numpy as np
import pytest

import rung_nano
from rung.errors import RungError
from rung.exports._gguf import ALIGNED, convert, pre_tokenizer, why_not
from rung.exports.gguf import modelfile

NANO = next(p for p in __import__("pathlib").Path(rung_nano.__file__).parent.rglob("nano-s/config.json")).parent
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4,
    "intermediate_size": 6, "num_hidden_layers": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "vocab_size": 6,
    "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": [1, 2], "rope_parameters": {"rope_theta": 5e4, "rope_type": "default"},
}  # fmt: skip
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
TOKENIZER = {
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTES]},
    "model": {"type": "BPE", "vocab": {"<s>": 0, "a": 3, "b": 4}, "merges": [["a", "b"]]},
    "added_tokens": [{"id": 0, "content": "<s>", "special": True}, {"id": 1, "content": "</s>", "special": True}, {"id": 2, "content": "+", "special": False}],
}  # fmt: skip
SHAPES = {
    "model.embed_tokens.weight": (6, 8), "model.norm.weight": (8,), "lm_head.weight": (6, 8),
    "model.layers.0.input_layernorm.weight": (8,), "model.layers.0.post_attention_layernorm.weight": (8,),
    "model.layers.0.self_attn.q_proj.weight": (8, 8), "model.layers.0.self_attn.k_proj.weight": (4, 8),
    "model.layers.0.self_attn.v_proj.weight": (4, 8), "model.layers.0.self_attn.o_proj.weight": (8, 8),
    "model.layers.0.mlp.gate_proj.weight": (6, 8), "model.layers.0.mlp.up_proj.weight": (6, 8), "model.layers.0.mlp.down_proj.weight": (8, 6),
}  # fmt: skip


def folder(place, dtype="F32", shapes=SHAPES, config=CONFIG):
    """Write a tiny Llama; return its weights in float32."""
    place.mkdir()
    rng, header, data, weights = np.random.default_rng(1), {}, b"", {}
    for name, shape in shapes.items():
        whole = rng.normal(size=shape).astype(np.float32)
        bits = (whole.view(np.uint32) >> 16).astype(np.uint16)
        raw = {"F32": whole, "F16": whole.astype(np.float16), "BF16": bits}[dtype]
        weights[name] = {
            "F32": whole,
            "F16": raw.astype(np.float32),
            "BF16": (bits.astype(np.uint32) << 16).view(np.float32),
        }[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + raw.nbytes]}
        data += raw.tobytes()
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    (place / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (place / "config.json").write_text(json.dumps(config))
    (place / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (place / "chat_template.jinja").write_text("{{ messages }}")
    return weights


class Reader:
    """GGUF read back by the letter of its description."""

    def __init__(self, path):
        self.data, self.at = path.read_bytes(), 0
        magic, version, tensors, facts = self.take("<4sIQQ")
        assert (magic, version) == (b"GGUF", 3)
        self.facts = {self.text(): self.value(self.take("<I")[0]) for _ in range(facts)}
        places = {}
        for _ in range(tensors):
            name, (n,) = self.text(), self.take("<I")
            places[name] = (self.take(f"<{n}Q")[::-1], *self.take("<IQ"))
        start = -(-self.at // ALIGNED) * ALIGNED
        self.tensors = {}
        for name, (shape, kind, offset) in places.items():
            assert offset % ALIGNED == 0
            form = {0: "<f4", 1: "<f2", 30: "<u2"}[kind]
            found = np.frombuffer(self.data, form, int(np.prod(shape)), start + offset).reshape(shape)
            self.tensors[name] = (
                (found.astype(np.uint32) << 16).view(np.float32) if kind == 30 else found.astype(np.float32)
            )

    def take(self, form):
        found = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return found

    def text(self):
        (n,) = self.take("<Q")
        self.at += n
        return self.data[self.at - n : self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, n = self.take("<IQ")
            return [self.value(inner) for _ in range(n)]
        return self.take({4: "<I", 5: "<i", 6: "<f", 7: "<?"}[kind])[0]


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_every_weight_is_where_llama_cpp_looks_for_it_and_unchanged(tmp_path, dtype):
    weights = folder(tmp_path / "model", dtype)
    convert(tmp_path / "model", tmp_path / "out.gguf")
    found = Reader(tmp_path / "out.gguf")
    assert stat.S_IMODE((tmp_path / "out.gguf").stat().st_mode) == 0o600
    assert "output.weight" not in found.tensors  # tied
    assert len(found.tensors) == len(SHAPES) - 1
    layer = "model.layers.0"
    for ours, theirs in {
        "token_embd": "model.embed_tokens", "output_norm": "model.norm", "blk.0.attn_norm": f"{layer}.input_layernorm",
        "blk.0.ffn_norm": f"{layer}.post_attention_layernorm", "blk.0.attn_v": f"{layer}.self_attn.v_proj",
        "blk.0.attn_output": f"{layer}.self_attn.o_proj", "blk.0.ffn_gate": f"{layer}.mlp.gate_proj",
        "blk.0.ffn_up": f"{layer}.mlp.up_proj", "blk.0.ffn_down": f"{layer}.mlp.down_proj",
    }.items():  # fmt: skip
        assert np.array_equal(found.tensors[f"{ours}.weight"], weights[f"{theirs}.weight"]), ours
    for ours, theirs, heads in (("attn_q", "q_proj", 2), ("attn_k", "k_proj", 1)):
        before, after = weights[f"{layer}.self_attn.{theirs}.weight"], found.tensors[f"blk.0.{ours}.weight"]
        for head in range(heads):
            for i in range(2):  # of a head's four rows, i and i + 2 turn together: they come to lie beside each other
                assert np.array_equal(after[4 * head + 2 * i], before[4 * head + i])
                assert np.array_equal(after[4 * head + 2 * i + 1], before[4 * head + i + 2])
    facts = found.facts
    assert (facts["general.architecture"], facts["general.file_type"]) == (
        "llama",
        {"F32": 0, "F16": 1, "BF16": 32}[dtype],
    )
    assert (
        facts["llama.attention.head_count"],
        facts["llama.attention.head_count_kv"],
        facts["llama.rope.freq_base"],
    ) == (2, 1, 5e4)
    assert facts["tokenizer.ggml.tokens"] == ["<s>", "</s>", "+", "a", "b", "[PAD5]"]
    assert facts["tokenizer.ggml.token_type"] == [3, 3, 4, 1, 1, 5]
    assert (facts["tokenizer.ggml.merges"], facts["tokenizer.ggml.pre"]) == (["a b"], "smollm")
    assert (facts["tokenizer.ggml.eos_token_id"], facts["tokenizer.ggml.add_bos_token"]) == (1, False)
    assert facts["tokenizer.chat_template"] == "{{ messages }}"


def test_the_bundled_model_is_one_of_the_family_and_its_file_is_read_whole(tmp_path):
    config, tokenizer = (json.loads((NANO / f"{name}.json").read_text()) for name in ("config", "tokenizer"))
    assert why_not(config, tokenizer) is None
    convert(NANO, tmp_path / "nano.gguf")
    found = Reader(tmp_path / "nano.gguf")
    assert found.tensors["token_embd.weight"].shape == (config["vocab_size"], config["hidden_size"])
    assert len(found.tensors) == 2 + 9 * config["num_hidden_layers"]
    with pytest.raises(FileExistsError):
        convert(NANO, tmp_path / "nano.gguf")


@pytest.mark.parametrize(
    ("config", "tokenizer", "said"),
    [
        ({"architectures": ["Qwen2ForCausalLM"]}, {}, "Qwen2ForCausalLM, not LlamaForCausalLM"),
        ({"architectures": None}, {}, "unknown"),
        ({"attention_bias": True}, {}, "biases"),
        ({"rope_parameters": {"rope_type": "llama3"}}, {}, "llama3"),
        ({"rope_parameters": None, "rope_scaling": {"rope_type": "yarn"}}, {}, "yarn"),
        ({}, {"model": {"type": "Unigram"}}, "cuts its texts"),
        ({}, {"pre_tokenizer": {"type": "Metaspace"}}, "cuts its texts"),
        ({}, {"pre_tokenizer": None}, "cuts its texts"),
        (
            {},
            {
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [{"type": "Split", "pattern": {"Regex": "x"}}, BYTES],
                }
            },
            "cuts its texts",
        ),
    ],
)
def test_what_is_none_of_the_family_is_refused_with_the_reason(config, tokenizer, said):
    assert said in why_not({**CONFIG, **config}, {**TOKENIZER, **tokenizer})


def test_the_ways_to_cut_a_text_that_are_known_have_llama_cpps_names():
    assert pre_tokenizer({"pre_tokenizer": BYTES}) == "gpt-2"
    assert pre_tokenizer(TOKENIZER) == "smollm"
    assert pre_tokenizer({"pre_tokenizer": {**BYTES, "add_prefix_space": True}}) is None


def test_a_tensor_that_no_llama_has_is_named(tmp_path):
    folder(tmp_path / "model", shapes={**SHAPES, "model.layers.0.self_attn.q_proj.bias": (8,)})
    with pytest.raises(ValueError, match="q_proj.bias"):
        convert(tmp_path / "model", tmp_path / "out.gguf")


def chat(turns):
    return "".join(f"<{t['role']}>{t['content']}<end>" for t in turns) + "<assistant>"


def test_a_modelfile_writes_chats_as_the_template_does():
    found = modelfile(chat, {"temperature": 0.0, "num_ctx": 64, "num_predict": None})
    assert found == (
        'FROM ./model.gguf\nTEMPLATE """{{ if .System }}<system>{{ .System }}<end><user>{{ .Prompt }}<end><assistant>{{ else }}'
        '<user>{{ .Prompt }}<end><assistant>{{ end }}{{ .Response }}"""\nPARAMETER temperature 0.0\nPARAMETER num_ctx 64\n'
    )
    no_system = modelfile(lambda turns: chat([t for t in turns if t["role"] == "user"]), {})
    assert "System" not in no_system
    for odd in ("{{ .Prompt }}", '"""\nFROM other'):
        with pytest.raises(RungError, match="cannot be written for Ollama"):
            modelfile(lambda turns, odd=odd: odd + chat(turns), {})
