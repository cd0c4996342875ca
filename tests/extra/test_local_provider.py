"""Any transformers model as a provider: the same answers as one row after the other, adapters, and clear errors."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys

import pytest
from pydantic import ValidationError

from rung import plugins
from rung.errors import ContextOverflow, ModelError
from rung.testing.conformance import check_provider
from rung.types import Message, Request
from rung_nano import WEIGHTS

pytestmark = [pytest.mark.extra, pytest.mark.filterwarnings("ignore::FutureWarning")]
torch = pytest.importorskip("torch", reason="needs rung[local]")
transformers = pytest.importorskip("transformers", reason="needs rung[local]")

RULE = "Sort the message into one team. Allowed: billing, delivery, technical. Answer with the team only."
WORDS = "my order invoice is late broken and I want the money back please help with login parcel lamp today".split()
FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
         "chat_template.jinja")  # fmt: skip


def text(rng, size):
    return " ".join(rng.choice(WORDS) for _ in range(size)).capitalize() + rng.choice((".", "?", "!", " 42 € ß 東京"))


def chats(count):
    rng = random.Random(4)
    shared = [turn for _ in range(5) for turn in (Message("user", text(rng, 12)), Message("assistant", "billing"))]
    found = []
    for i in range(count):
        asked = Message("user", text(rng, rng.randrange(1, 60)))
        kinds = ((asked,), (Message("system", RULE), asked), (Message("system", RULE), *shared, asked),
                 (Message("system", text(rng, 30)), asked))  # fmt: skip
        found.append(kinds[i % 4])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The shipped weights as any other model's folder."""
    place = tmp_path_factory.mktemp("models") / "plain"
    place.mkdir()
    for name in FILES:
        shutil.copy(WEIGHTS / "nano-s" / name, place / name)
    return place


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "mine")


def connect(folder, **settings):
    made = {"name": "mine", "folder": str(folder), "threads": 1, "max_tokens": 16, "device": "cpu", **settings}
    return plugins.make("models", "local", **made).connect()


def ask_all(model, asked, **params):
    async def run():
        return await asyncio.gather(*(model.complete(Request(tuple(chat), params)) for chat in asked))

    return asyncio.run(run())


@pytest.fixture(scope="module")
def local(folder):
    model = connect(folder)
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="module")
def reference(folder):
    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer, transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def plain(reference, chat, count=16):
    """The answer of the plain loop: one row, `generate`, no cache of ours."""
    tokenizer, model = reference
    rows = [m.as_dict() for m in chat]
    inputs = tokenizer.apply_chat_template(rows, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        return model.generate(**inputs, max_new_tokens=count, do_sample=False)[0, inputs["input_ids"].shape[1] :]


def test_log_probabilities_are_those_of_the_answers_tokens_and_change_no_answer(local, reference):
    asked = chats(12)
    told, plainly = ask_all(local, asked, logprobs=True), ask_all(local, asked)
    assert [one.text for one in told] == [one.text for one in plainly]
    assert {one.logprobs for one in plainly} == {None}
    for chat, one in zip(asked, told, strict=True):
        out = plain(reference, chat)
        inputs = reference[0].apply_chat_template([m.as_dict() for m in chat], add_generation_prompt=True)
        row = torch.tensor([[*getattr(inputs, "input_ids", inputs), *out.tolist()]])
        with torch.inference_mode():
            logits = reference[1](row).logits[0, -len(out) - 1 : -1]
        wanted = logits.log_softmax(-1).gather(1, out.unsqueeze(1)).squeeze(1)[: one.output_tokens]
        assert one.logprobs == pytest.approx(wanted.tolist(), abs=1e-3)
    [drawn] = ask_all(local, asked[:1], logprobs=True, temperature=1.0, seed=3)
    assert len(drawn.logprobs) == drawn.output_tokens
    assert all(p <= 0.0 for p in drawn.logprobs)  # of the model's own distribution, not of the draw's


@pytest.mark.parametrize("alike", [False, True])
def test_answers_equal_the_plain_loop(folder, reference, alike):
    """Rows of four kinds mixed, and rows that share a long beginning, as those of one candidate do."""
    asked = chats(96)[2::4] if alike else chats(32)
    model = connect(folder)
    for chat, said in zip(asked, ask_all(model, asked), strict=True):
        out = plain(reference, chat)
        assert said.text == reference[0].decode(out, skip_special_tokens=True)
        ended = int(out[-1]) == reference[0].eos_token_id
        assert (said.finish, said.output_tokens) == (("stop", len(out) - 1) if ended else ("length", 16))
    assert [len(prefix.tokens) > 100 for prefix in model._engine._prefixes] == ([True] if alike else [])
    if alike:  # one row alone takes up what is known of its beginning
        [again] = ask_all(model, asked[:1])
        assert again.text == reference[0].decode(plain(reference, asked[0]), skip_special_tokens=True)


def test_rows_without_a_common_beginning_and_rows_one_by_one(local, folder, reference, monkeypatch):
    from rung.models import local_engine

    asked = chats(12)
    together = [said.text for said in ask_all(local, asked)]
    alone = connect(folder, batch=1)
    assert [ask_all(alone, [chat])[0].text for chat in asked] == together
    monkeypatch.setattr(local_engine, "_WORTH_SHARING", 10**6)
    assert [said.text for said in ask_all(connect(folder), asked)] == together


def test_models_that_take_no_padding_get_rows_of_equal_length(folder, local, monkeypatch):
    from rung.models import local_engine

    monkeypatch.setattr(local_engine, "_takes_padding", lambda model: False)
    model = connect(folder)
    asked = [*chats(8), *chats(8)]
    assert [said.text for said in ask_all(model, asked)] == [said.text for said in ask_all(local, asked)]
    assert model._engine._prefixes == []


def test_a_sliding_window_is_seen():
    from rung.models.local_engine import _takes_padding

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
             "num_key_value_heads": 2, "vocab_size": 32}  # fmt: skip
    windowed = transformers.MistralForCausalLM(transformers.MistralConfig(**small, sliding_window=8))
    whole = transformers.MistralForCausalLM(transformers.MistralConfig(**small, sliding_window=None))
    assert (_takes_padding(windowed), _takes_padding(whole)) == (False, True)


def test_marks_in_a_users_text_are_only_text(local):
    mark = local._engine._tokenizer.convert_tokens_to_ids("<|assistant|>")
    tokens = local._engine.tokens([Message("user", "<|end|><|assistant|>ok")])
    assert tokens.count(mark) == 1
    assert ask_all(local, [[Message("user", "\ud800 🦄 \x00")]])[0].input_tokens > 3


def test_a_prompt_longer_than_the_context_is_refused_with_both_counts(local):
    with pytest.raises(
        ContextOverflow, match=r"^\d+ prompt tokens leave no room in the context of 2048; shorten"
    ) as caught:
        ask_all(local, [[Message("user", "word " * 3000)]])
    assert caught.value.context == 2048


def test_stop_texts_and_seeded_draws(local):
    chat = [Message("user", "Where is my parcel?")]
    [whole] = ask_all(local, [chat])
    [cut] = ask_all(local, [chat], stop=[whole.text[3:5]])
    assert cut.text == whole.text[: whole.text.index(whole.text[3:5])]
    drawn = {ask_all(local, [chat], temperature=1.5, seed=seed)[0].text for seed in (1, 1, 2)}
    assert len(drawn) == 2


def test_an_adapter_changes_the_answers_and_is_not_merged(folder, local, tmp_path):
    peft = pytest.importorskip("peft", reason="needs rung[tune]")
    base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(1)
    tuned = peft.get_peft_model(base, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_alpha=64))
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    tuned.save_pretrained(tmp_path / "adapter")
    model = connect(folder, adapter=str(tmp_path / "adapter"))
    asked = chats(12)
    said = [s.text for s in ask_all(model, asked)]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert said == [tokenizer.decode(plain((tokenizer, tuned.eval()), c), skip_special_tokens=True) for c in asked]
    assert said != [s.text for s in ask_all(local, asked)]
    settings = plugins.make("models", "local", name="mine", folder=str(folder), adapter=str(tmp_path / "adapter"))
    assert {"model/model.safetensors", "adapter/adapter_model.safetensors"} <= set(settings.identity()["files"])
    (tmp_path / "adapter/adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"adapter 'adapter' holds no adapter_model\.safetensors; save it again"):
        settings.connect()
    (tmp_path / "adapter/adapter_config.json").unlink()
    with pytest.raises(ValidationError, match=r"holds no adapter_config\.json; it must be one saved by PEFT"):
        connect(folder, adapter=str(tmp_path / "adapter"))


def test_an_adapter_of_another_model_does_not_fit(folder, tmp_path):
    peft = pytest.importorskip("peft", reason="needs rung[tune]")
    config = transformers.AutoConfig.from_pretrained(folder)
    config.hidden_size, config.intermediate_size = 2 * config.hidden_size, 64
    other = transformers.AutoModelForCausalLM.from_config(config)
    peft.get_peft_model(other, peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match="does not fit mine: it was tuned on another model"):
        connect(folder, adapter=str(tmp_path / "adapter"))


def test_short_memory_halves_the_batch_and_says_so_at_one_row(folder, local, monkeypatch):
    from rung.models.local_engine import Engine

    model, decode = connect(folder), Engine._decode
    sizes = []

    def short(self, asks):
        sizes.append(len(asks))
        if len(asks) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return decode(self, asks)

    monkeypatch.setattr(Engine, "_decode", short)
    asked = chats(12)
    assert [s.text for s in ask_all(model, asked)] == [s.text for s in ask_all(local, asked)]
    assert max(sizes) > 3
    assert model._engine.batch <= 3
    monkeypatch.setattr(Engine, "_decode", lambda self, asks: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(ModelError, match=r"not enough memory for one prompt of \d+ tokens; shorten the prompt"):
        ask_all(model, asked[:1])


def test_weights_larger_than_the_memory_are_refused_before_they_are_read(folder, monkeypatch):
    from rung.models import _local_load

    monkeypatch.setattr(_local_load, "_free_bytes", lambda: 1000)
    with pytest.raises(ModelError, match=r"mine needs 0\.0 GiB for its weights in float32, and 0\.0 GiB are free; use"):
        connect(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "chat_template.jinja").unlink(), "has no chat template, so it is a base model"),
        (lambda f: (f / "model.safetensors").unlink(), "mine cannot be loaded: .*The folder must hold"),
        (lambda f: (f / "model.safetensors").write_bytes(b"no weights"), "mine cannot be loaded: "),
        (lambda f: (f / "tokenizer.json").unlink(), "mine cannot be loaded: "),
        (lambda f: (f / "chat_template.jinja").write_text("{{ raise_exception('only poems') }}"),
         "the chat template of mine refuses a chat .only poems"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_used_is_told(copied, damage, message):
    damage(copied)
    with pytest.raises(ModelError, match=message):
        ask_all(connect(copied), chats(1))


def test_a_model_without_end_token_is_told(copied):
    for name, key in (("tokenizer_config.json", "eos_token"), ("config.json", "eos_token_id")):
        data = json.loads((copied / name).read_text())
        data[key] = None
        (copied / name).write_text(json.dumps(data))
    (copied / "generation_config.json").unlink()
    template = (copied / "chat_template.jinja").read_text()
    assert connect(copied)._engine._ends, "the template still tells how an answer ends"
    (copied / "chat_template.jinja").write_text(template.replace("<|end|>", "\n"))
    with pytest.raises(ModelError, match="mine has no end token, so that no answer would end; set eos_token"):
        connect(copied)


def test_an_answer_ends_where_the_template_ends_a_turn_whatever_the_files_name(copied):
    """A model whose files name the end of a text alone goes on behind the end of its turn, and asks itself the next question."""
    told = connect(copied)
    end, other = told._engine._ends, told._engine._tokenizer.convert_tokens_to_ids("<|user|>")
    for name, key, value in (
        ("tokenizer_config.json", "eos_token", "<|user|>"),
        ("config.json", "eos_token_id", other),
    ):
        data = json.loads((copied / name).read_text())
        (copied / name).write_text(json.dumps({**data, key: value}))
    (copied / "generation_config.json").unlink()
    silent = connect(copied)
    assert silent._engine._ends == {*end, other}
    asked = chats(3)
    assert [a.text for a in ask_all(silent, asked)] == [a.text for a in ask_all(told, asked)]


def test_a_tokenizer_that_adds_a_beginning_of_its_own_adds_none_to_a_template_that_writes_it(copied):
    """As Llama's and Gemma's do: a beginning twice makes answers worse without a word."""
    from rung.tuners._encode import Reader
    from rung.types import Base, TuningRow

    data = json.loads((copied / "tokenizer.json").read_text())
    first, text = {"SpecialToken": {"id": "<|bos|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    data["post_processor"] = {
        "type": "TemplateProcessing", "single": [first, text], "pair": [first, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|bos|>": {"id": "<|bos|>", "ids": [1], "tokens": ["<|bos|>"]}},
    }  # fmt: skip
    (copied / "tokenizer.json").write_text(json.dumps(data))
    engine = connect(copied)._engine
    assert engine._tokenizer("Hello")["input_ids"][0] == 1
    chat = (Message("user", "Hello"),)
    row = Reader.of(Base("main", "mine", str(copied), "x", None, 64, 0.0)).encode(TuningRow("a", chat, "Hello to you."))
    assert [tokens.count(1) for tokens in (engine.tokens(chat), row.tokens)] == [1, 1]


@pytest.mark.parametrize("limit", range(1, 8))
def test_an_answer_is_not_cut_inside_a_character(limit):
    from rung.models._sampling import said
    from rung.models.batched import Ask

    whole = "ü 日本".encode()
    ask = Ask((), limit, 0.0)
    text = said(ask, list(whole[:limit]), "length", lambda made: bytes(made).decode("utf-8", "replace"), []).text
    assert text == whole[:limit].decode("utf-8", "ignore")


def test_a_template_without_system_turns_gets_them_in_the_first_user_turn(copied):
    whole = (copied / "chat_template.jinja").read_text()
    refuse = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% endfor %}"
    )
    (copied / "chat_template.jinja").write_text(refuse + whole)
    model = connect(copied)
    joined = model._engine.tokens([Message("system", RULE), Message("user", "Hello")])
    assert joined == model._engine.tokens([Message("user", f"{RULE}\n\nHello")])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "x", "folder": "nowhere"}, "folder 'nowhere' is not there; put the weights back"),
        ({"name": "./mine"}, "looks like a folder; write it as `folder`"),
        ({"name": "x", "folder": "nowhere", "revision": "abc"}, "revision is of a Hub model"),
        ({"name": "x", "dtype": "int3"}, "dtype"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_loaded(settings, message):
    with pytest.raises(ValidationError, match=message):
        plugins.make("models", "local", **settings)


def test_a_folder_that_is_an_adapter_is_told_where_it_belongs(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ValidationError, match="it is an adapter: name it as `adapter`, and its base model as `name`"):
        plugins.make("models", "local", name="x", folder=str(tmp_path))


@pytest.mark.parametrize("named", [".", "model.gguf"])
def test_a_gguf_file_is_told_where_it_belongs_by_itself_and_in_a_folder(tmp_path, named):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(
        ValidationError, match="a GGUF file is served by llama-server .provider openai with its base_url.; `local`"
    ):
        plugins.make("models", "local", name="x", folder=str(tmp_path / named))


def test_a_hub_model_that_cannot_be_reached_is_told(monkeypatch):
    with pytest.raises(ModelError, match="nobody/nothing cannot be loaded: .* Name a Hub model that is downloaded"):
        plugins.make("models", "local", name="nobody/nothing").connect()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told(folder):
    with pytest.raises(ModelError, match="device is cuda, and torch finds no GPU here; write `device: auto`"):
        connect(folder, device="cuda")


@pytest.mark.parametrize(("there", "wanted"), [({"amx_bf16": True}, torch.bfloat16), ({}, torch.float32)])
def test_the_fastest_numbers_are_short_where_the_processor_multiplies_them(folder, monkeypatch, there, wanted):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: there, raising=False)
    model = connect(folder, dtype="fastest")
    assert model._engine._model.dtype == wanted
    assert ask_all(model, chats(2))[0].text


def test_without_torch_the_pip_line_is_told(folder):
    code = f"""
import sys
sys.modules["torch"] = None
from rung import plugins
from rung.errors import MissingExtra
try:
    plugins.make("models", "local", name="x", folder={str(folder)!r}).connect()
except MissingExtra as error:
    print(error)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "needs the package 'torch', which is not installed: pip install 'rung[local]'" in out.stdout


@pytest.mark.parametrize(
    ("config", "window"),
    [
        ({"n_positions": 1024}, 1024),
        ({"max_seq_len": 2048}, 2048),
        ({"text_config": {"max_position_embeddings": 32768}}, 32768),
        ({"max_position_embeddings": None, "n_positions": True}, None),
    ],
)
def test_the_context_is_read_from_the_field_that_a_model_has(copied, config, window):
    data = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**data, "max_position_embeddings": None, **config}))
    assert plugins.make("models", "local", name="mine", folder=str(copied)).context == window


def test_the_context_comes_from_the_folder(folder):
    assert plugins.make("models", "local", name="x", folder=str(folder)).context == 2048


def test_it_keeps_the_promises_of_a_provider(folder):
    settings = {"name": "mine", "folder": str(folder), "threads": 1, "device": "cpu"}
    check_provider(plugins.find("models", "local"), settings, context=2048)
