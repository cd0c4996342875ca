"""The tuning loop: TRL's loss, bit-identical resumption after kill -9, weights that are served as they were trained."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rung import plugins
from rung.errors import TuningError
from rung.testing.tuners import check_tuner
from rung.types import Base, Message, TuningRow
from rung_nano import EXAMPLES, WEIGHTS

pytestmark = pytest.mark.extra
torch = pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")
from rung.tuners._encode import Reader  # noqa: E402

SafetensorError = pytest.importorskip("safetensors").SafetensorError

NANO = Base("main", "nano-s", str(WEIGHTS / "nano-s"), "x", None, 64, 0.0)
ROWS = EXAMPLES / "brand-voice" / "rows.jsonl"


def rows(count: int, start: int = 0) -> list[TuningRow]:
    with ROWS.open(encoding="utf-8") as file:
        found = [json.loads(line) for line in file][start : start + count]
    return [TuningRow(r["id"], (Message("user", r["message"]),), r["reply"]) for r in found]


def recipe(name: str = "lora", **settings):
    values = {"threads": 1, "search": False, "batch_rows": 8, "epochs": 2, **settings}
    return plugins.make("tuners", name, **values).variants(NANO)[0]


def sent_by_nano(messages):
    return _connection().prompt_tokens(messages)


def _connection(found=[]):  # noqa: B006
    if not found:
        found.append(plugins.make("models", "nano", threads=1).connect())
    return found[0]


def files_hash(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_rates_come_from_the_width_and_neighbours_are_half_a_power_of_ten_away():
    default = plugins.make("tuners", "lora").variants(NANO)
    assert default[0].learning_rate == pytest.approx(5e-4 * (2000 / 160) ** 0.781, rel=0.02)
    assert [v.learning_rate for v in default[1:3]] == [pytest.approx(0.0011), pytest.approx(0.011)]
    assert [v.rank for v in default] == [16, 16, 16, 4]
    full = plugins.make("tuners", "full").variants(NANO)
    assert full[0].learning_rate == pytest.approx(default[0].learning_rate / 10, rel=0.02)
    assert plugins.make("tuners", "lora", learning_rate=1e-3, search=False).variants(NANO)[0].learning_rate == 1e-3


@pytest.mark.filterwarnings("ignore:.*activation_checkpointing.*:FutureWarning")  # between trl, peft and transformers
@pytest.mark.parametrize("name", ["lora", "full"])
def test_the_first_losses_are_those_of_trl(name, tmp_path):
    """One batch a step in the same order: TRL's SFTTrainer reports the same losses, adapters and all weights alike."""
    trl = pytest.importorskip("trl", reason="needs rung[tune]")
    datasets = pytest.importorskip("datasets", reason="needs rung[tune]")
    transformers = pytest.importorskip("transformers")
    own = recipe(name, learning_rate=1e-3, epochs=1, warmup=0.0, clip=1.0)
    data = rows(8)
    run = own.start(NANO, data, tmp_path / "state", 3)
    losses = [run.train(1, lambda _: None)]
    start = {n: p.detach().clone() for n, p in run.model.named_parameters()} if name == "lora" else None
    run.close()
    tokenizer = transformers.AutoTokenizer.from_pretrained(NANO.weights)
    chats = [
        {
            "prompt": [m.as_dict() for m in r.messages],
            "completion": [{"role": "assistant", "content": r.answer}],
        }
        for r in data
    ]
    model = transformers.AutoModelForCausalLM.from_pretrained(NANO.weights, dtype=torch.float32)
    config = trl.SFTConfig(
        output_dir=str(tmp_path / "trl"), per_device_train_batch_size=8, max_steps=1, learning_rate=1e-3, max_length=None,
        completion_only_loss=True, packing=False, bf16=False, gradient_checkpointing=False, use_cpu=True, report_to="none",
        dataloader_pin_memory=False, save_strategy="no", logging_steps=1, disable_tqdm=True, seed=3,
    )  # fmt: skip
    peft_config = None
    if start is not None:
        from peft import LoraConfig

        peft_config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = trl.SFTTrainer(
        model=model, args=config, train_dataset=datasets.Dataset.from_list(chats), processing_class=tokenizer,
        peft_config=peft_config,
    )  # fmt: skip
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(losses[0], abs=2e-4)


@pytest.mark.parametrize(("name", "settings"), [("lora", {"dropout": 0.1}), ("full", {})])
def test_a_run_that_goes_on_from_its_state_ends_in_the_same_bytes(name, settings, tmp_path):
    own, data = recipe(name, **settings), rows(24)
    whole = own.start(NANO, data, tmp_path / "a" / "state", 3)
    whole.train(6, lambda _: None)
    (tmp_path / "whole").mkdir()
    whole.write(tmp_path / "whole")
    first = own.start(NANO, data, tmp_path / "b" / "state", 3)
    first.train(3, lambda _: None)
    first.save()
    first.train(5, lambda _: None)  # lost
    first.close()
    torch.manual_seed(99)
    second = own.start(NANO, data, tmp_path / "b" / "state", 3)
    assert (second.step, second.steps) == (3, 6)
    second.train(6, lambda _: None)
    (tmp_path / "resumed").mkdir()
    second.write(tmp_path / "resumed")
    assert files_hash(tmp_path / "whole") == files_hash(tmp_path / "resumed")
    assert second.tokens == whole.tokens
    kept = {p.suffix for p in (tmp_path / "b" / "state").iterdir()}
    assert kept == {".safetensors", ".json"}


KILLED = """
import sys, time
from pathlib import Path
from tests.extra.test_tuning_loop import NANO, recipe, rows
run = recipe().start(NANO, rows(24), Path(sys.argv[1]) / "state", 3)
for until in (1, 2):
    run.train(until, lambda _: None)
    run.save()
print("saved", flush=True)
run.train(3, lambda _: None)  # lost
time.sleep(600)
"""


def test_kill_9_loses_at_most_the_work_since_the_last_checkpoint(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "x")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=os.getcwd())
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "saved"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    def to_the_end(name):
        run = recipe().start(NANO, rows(24), tmp_path / name / "state", 3)
        began = run.step
        for until in range(began + 1, run.steps + 1):
            run.train(until, lambda _: None)
            run.save()
        (tmp_path / name / "out").mkdir(parents=True)
        run.write(tmp_path / name / "out")
        run.close()
        return began, run.steps

    assert to_the_end("x") == (2, 6)
    assert to_the_end("y") == (0, 6)
    assert files_hash(tmp_path / "x" / "out") == files_hash(tmp_path / "y" / "out")


def test_a_kill_between_two_renames_is_mended(tmp_path):
    own, data = recipe(), rows(16)
    run = own.start(NANO, data, tmp_path / "state", 3)
    run.train(2, lambda _: None)
    run.save()
    run.close()
    (tmp_path / "state").rename(tmp_path / ".state.old")
    again = own.start(NANO, data, tmp_path / "state", 3)
    assert again.step == 2


@pytest.mark.filterwarnings("ignore:.*activation_checkpointing.*:FutureWarning")
def test_adapters_are_served_as_peft_would_and_hold_no_path(tmp_path):
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    run = recipe(epochs=4).start(NANO, rows(16), tmp_path / "state", 3)
    run.train(8, lambda _: None)
    (tmp_path / "adapter").mkdir()
    run.write(tmp_path / "adapter")
    assert sorted(p.name for p in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert str(WEIGHTS) not in (tmp_path / "adapter" / "adapter_config.json").read_text()
    base = transformers.AutoModelForCausalLM.from_pretrained(NANO.weights, dtype=torch.float32)
    merged = peft.PeftModel.from_pretrained(base, str(tmp_path / "adapter")).merge_and_unload()
    served = plugins.make("models", "nano", threads=1).with_weights(tmp_path / "adapter")
    assert served.identity() != plugins.make("models", "nano", threads=1).identity()
    engine = served.connect()._engine
    chat = torch.tensor([engine.tokens(rows(1)[0].messages)])
    with torch.inference_mode():
        assert torch.allclose(engine._model(chat).logits, merged(chat).logits, atol=1e-4)
        with engine._model.disable_adapter():
            assert not torch.allclose(engine._model(chat).logits, merged(chat).logits, atol=1e-2)
    run.close()


def test_full_weights_are_a_model_of_their_own(tmp_path):
    run = recipe("full").start(NANO, rows(16), tmp_path / "state", 3)
    run.train(2, lambda _: None)
    (tmp_path / "model").mkdir()
    run.write(tmp_path / "model")
    assert str(WEIGHTS) not in "".join(p.read_text() for p in (tmp_path / "model").glob("*.json"))
    served = plugins.make("models", "nano", threads=1).with_weights(tmp_path / "model")
    served.connect()
    local = plugins.make("models", "local", name="own", folder=str(tmp_path / "model"), threads=1)
    assert local.with_weights(tmp_path / "model").folder == str(tmp_path / "model")


def test_preflight_passes_on_what_is_right_and_shows_the_mask():
    found = recipe().preflight(NANO, rows(24), sent_by_nano, 3)
    assert found.failed == ()
    assert [c.what for c in found.checks] == [
        "nothing truncated", "train and inference templates", "answers whole", "end of answer", "labels in the loss",
        "overfits one batch", "memory",
    ]  # fmt: skip
    assert found.shown.endswith("<|end|>\u27e7")
    assert "<|assistant|>\u27e6" in found.shown


def test_the_memory_told_is_that_of_the_rows_not_of_the_largest_batch_allowed():
    given = rows(24)
    found = recipe().preflight(NANO, given, sent_by_nano, 3)
    longest = max(len(Reader.of(NANO).encode(row).tokens) for row in given)
    assert found.checks[-1].found.endswith(f"at its peak with {recipe().batch_rows * longest}")


def test_more_memory_than_is_free_is_refused_by_what_a_part_of_a_step_took(monkeypatch):
    measured = recipe().preflight(NANO, rows(24), sent_by_nano, 3).checks[-1]
    assert (measured.what, measured.passed) == ("memory", True)
    free = iter(
        [10**12, 10**12]
    )  # before anything is loaded, and for how many tokens at once; then there is hardly any
    for module in ("_local", "_preflight"):
        monkeypatch.setattr(f"rung.tuners.{module}.free_bytes", lambda device: next(free, 1_000))
    monkeypatch.setattr("rung.tuners._preflight.peak_memory", lambda device: 10**12)
    [failed] = recipe().preflight(NANO, rows(24), sent_by_nano, 3).failed
    assert failed.what == "memory"
    assert failed.found.endswith("1 MB are free: use a smaller batch_tokens, a smaller base, or a larger machine")


@pytest.mark.parametrize("name", ["lora", "full"])
def test_the_seconds_told_are_those_of_a_run(name, tmp_path, monkeypatch):
    """Of the processor, on one thread: what else runs here counts on neither side."""
    own, given = recipe(name), rows(64)
    monkeypatch.setattr("rung.tuners._preflight.time", SimpleNamespace(perf_counter=time.process_time))
    told = own.preflight(NANO, given, sent_by_nano, 3).seconds
    run = own.start(NANO, given, tmp_path / "state", 3)
    run.train(1, lambda _: None)
    began = time.process_time()
    run.train(run.steps, lambda _: None)
    took = (time.process_time() - began) * run.steps / (run.steps - 1)
    run.close()
    assert took / 1.75 < told < 1.75 * took  # 1.1 to 1.2 of it, as measured


def test_preflight_fails_where_inference_sends_something_else():
    found = recipe().preflight(NANO, rows(8), lambda messages: (*sent_by_nano(messages)[:-1], 7), 3)
    [failed] = found.failed
    assert failed.what == "train and inference templates"
    assert "they differ in example m0001 from token" in failed.found
    assert "give both the same chat_template.jinja" in failed.found


def copied_base(tmp_path: Path, **changes: str | None) -> Base:
    shutil.copytree(NANO.weights, tmp_path / "base")
    for name, text in changes.items():
        place = tmp_path / "base" / name.replace("__", ".")
        if text is None:
            place.unlink()
        else:
            place.write_text(text)
    return replace(NANO, weights=str(tmp_path / "base"), name="odd")


def test_a_model_without_a_chat_template_is_one_paragraph(tmp_path):
    base = copied_base(tmp_path, chat_template__jinja=None)
    with pytest.raises(TuningError, match="odd has no chat template, .* choose its instruction-tuned sibling"):
        recipe().preflight(base, rows(4), sent_by_nano, 3)


def test_a_tokenizer_without_an_end_token_is_one_paragraph(tmp_path):
    template = (Path(NANO.weights) / "chat_template.jinja").read_text().replace("<|end|>", "\n")
    base = copied_base(tmp_path, generation_config__json='{"do_sample": false}', chat_template__jinja=template)
    for name, key in (("tokenizer_config.json", "eos_token"), ("config.json", "eos_token_id")):
        place = Path(base.weights) / name
        settings = json.loads(place.read_text())
        settings.pop(key, None)
        place.write_text(json.dumps(settings))
    with pytest.raises(TuningError, match="the tokenizer of odd names no end token, so a tuned model would never stop"):
        recipe().preflight(base, rows(4), sent_by_nano, 3)


def test_a_template_that_does_not_close_answers_fails_loudly(tmp_path):
    text = (Path(NANO.weights) / "chat_template.jinja").read_text()
    open_end = text.replace(
        "{{ m['content'] }}<|end|>", "{{ m['content'] }}{% if m['role'] != 'assistant' %}<|end|>{% endif %}"
    )
    assert open_end != text
    base = copied_base(tmp_path, chat_template__jinja=open_end)
    with pytest.raises(TuningError, match="does not close an answer with the end token"):
        recipe().preflight(base, rows(4), sent_by_nano, 3)


def test_a_thought_that_the_template_writes_before_answers_alone_is_not_learnt(tmp_path):
    """Qwen3's form without a switch: the prompt ends where the answer begins, and the last answer of a chat gets an empty thought."""
    text = (Path(NANO.weights) / "chat_template.jinja").read_text()
    thinks = (
        "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}<|end|>"
    )
    template = text.replace("{{ m['content'] }}<|end|>", thinks)
    assert template != text
    base = copied_base(tmp_path, chat_template__jinja=template)
    reader = Reader.of(base)
    found = reader.encode(replace(rows(1)[0], answer="Thank you."))
    assert found.tokens[: found.prompt] == reader.prompt(rows(1)[0].messages)
    assert reader.tokenizer.decode(found.learned) == "Thank you.<|end|>"
    for answer in ("end", "n", "|", "<|bos|>"):  # as they stand in the end mark, too
        assert reader.tokenizer.decode(reader.encode(replace(rows(1)[0], answer=answer)).learned) == f"{answer}<|end|>"
    checks = recipe().preflight(base, rows(4), reader.prompt, 3).checks
    assert [c.passed for c in checks if c.what == "answers whole"] == [True]


@pytest.mark.parametrize("before", ["\n", "<think>\n\n</think>\n\n"])
def test_an_answer_follows_the_prompt_as_it_is_asked_whatever_the_template_writes_between(before, tmp_path):
    """A template that ends a prompt in what the turns of a chat do not hold, or in a line end with which an answer begins."""
    text = (Path(NANO.weights) / "chat_template.jinja").read_text()
    ends = text.replace("<|assistant|>{% endif %}", f"<|assistant|>{before}{{% endif %}}")
    assert ends != text
    reader = Reader.of(copied_base(tmp_path, chat_template__jinja=ends))
    for answer in ("Thank you.", "\n\nThank you."):
        row = replace(rows(1)[0], answer=answer)
        found = reader.encode(row)
        assert found.tokens[: found.prompt] == reader.prompt(row.messages)
        assert reader.tokenizer.decode(found.learned) == "Thank you.<|end|>"
    marked = reader.encode(replace(rows(1)[0], answer="Thank <|end|> you."))
    assert marked.learned.count(marked.learned[-1]) == 1, "a mark in an answer stays text"
    assert reader.tokenizer.decode(marked.learned) == "Thank <|end|> you.<|end|>"


def test_rows_longer_than_the_context_are_left_out_whole_and_too_many_of_them_fail():
    long = [replace(r, answer=r.answer + " and so on" * 900) for r in rows(2, start=100)]
    some = recipe().preflight(NANO, [*rows(60), *long], sent_by_nano, 3)
    [lengths] = [c for c in some.checks if c.what == "nothing truncated"]
    assert lengths.passed
    assert lengths.found.startswith("2 of 62 examples are longer than the context of 2048 tokens (m0101, m0102;")
    many = recipe().preflight(NANO, [*rows(4), *long], sent_by_nano, 3)
    assert [c.what for c in many.failed] == ["nothing truncated"]
    with pytest.raises(TuningError, match="no training example fits the context of nano-s"):
        recipe().preflight(NANO, long, sent_by_nano, 3)


def test_too_little_memory_is_told_before_anything_is_loaded(monkeypatch):
    monkeypatch.setattr("rung.tuners._local.free_memory", lambda: 50_000_000)
    with pytest.raises(TuningError, match=r"would take about \d+ MB of memory, and about 50 MB are free: use LoRA"):
        recipe("full").preflight(NANO, rows(4), sent_by_nano, 3)


def test_a_full_disk_in_a_checkpoint_is_one_paragraph(monkeypatch, tmp_path):
    run = recipe().start(NANO, rows(8), tmp_path / "state", 3)
    run.train(1, lambda _: None)

    for error in (OSError(28, "No space left on device"), SafetensorError("IoError: No space left on device")):

        def full(*_, error=error, **__):
            raise error

        monkeypatch.setattr("rung.tuners._local.save_state", full)
        with pytest.raises(
            TuningError, match="not be written .*No space left on device.* goes on from its last checkpoint"
        ):
            run.save()
    monkeypatch.setattr("rung.tuners._local.write_adapter", full)
    with pytest.raises(OSError, match="No space left on device"):
        run.write(tmp_path)


def test_a_base_that_takes_no_adapter_on_the_named_layers_is_one_paragraph(tmp_path):
    with pytest.raises(
        TuningError, match="nano-s takes no LoRA adapter on .*nowhere.* or tune all weights with `tuner: full`"
    ):
        recipe(targets=["nowhere"]).start(NANO, rows(4), tmp_path / "state", 3)


def test_several_processes_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TuningError, match=r"has 2 processes \(WORLD_SIZE=2\)"):
        recipe().start(NANO, rows(4), tmp_path / "state", 3)


def test_a_rate_that_is_far_too_high_is_told_and_not_kept(tmp_path):
    run = recipe("full", learning_rate=0.9, epochs=30, clip=1e9).start(NANO, rows(8), tmp_path / "state", 3)
    run.model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(TuningError, match="is no number after step 1: the learning rate is too high"):
        run.train(1, lambda _: None)


def test_the_loss_is_over_the_answer_and_nothing_else(tmp_path):
    """Other words in the prompt's masked part of the same length leave the targets alone; other answers change them."""
    from rung.tuners._encode import Reader

    reader = Reader.of(NANO)
    row = rows(1)[0]
    encoded = reader.encode(row)
    assert reader.learned_text(encoded) == row.answer
    assert encoded.tokens[-1] in reader.ends
    marked = reader.encode(replace(row, answer="Say <|end|> or <|assistant|>"))
    assert sum(t in reader.ends for t in marked.learned) == 1  # a mark inside an answer is text


def test_random_rows_tokens_are_those_that_inference_sends():
    rng = random.Random(8)
    from rung.tuners._encode import Reader

    reader = Reader.of(NANO)
    for _ in range(40):
        text = "".join(rng.choice("abc é東🙂<|end|>\n \t{}%") for _ in range(rng.randrange(60)))
        chat = (Message("system", text[::-1]), Message("user", text))
        assert reader.prompt(chat) == sent_by_nano(chat)


@pytest.mark.parametrize("name", sorted(plugins.available("tuners")))
def test_every_recipe_keeps_its_promises(name, tmp_path):
    check_tuner(plugins.find("tuners", name), {"threads": 1, "batch_rows": 4}, NANO, rows(16), tmp_path)
