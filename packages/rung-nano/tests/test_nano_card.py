"""Cards of the bundled models are written from records, and their numbers are those of the records."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.nano import card as cards
from bench.nano.curve import svg
from bench.nano.entries import Entry, duels

CURVE = [{"tokens": i * 1e5, "minutes": i / 10, "loss": 4 - i / 20, "answer_accuracy": i / 50} for i in range(1, 41)]
RUN = {
    "origin": "nothing",
    "threads": 2,
    "settings": {
        "tokens": 2_000_000, "tokens_per_batch": 4096, "matrix_rate": 0.016, "other_rate": 0.0025, "warmup_steps": 60, "decay_share": 0.35, "bf16": True, "seed": 0,
    },
    "tokens": 4_000_000, "steps": 500, "wall_minutes": 20.0, "data_sha256": "ab" * 32, "tokenizer_sha256": "ef" * 32,
    "versions": {"python": "3.11.0", "torch": "2.13.0"}, "curve": CURVE,
}  # fmt: skip
CONFIG = {"hidden_size": 160, "num_hidden_layers": 5, "num_attention_heads": 5, "vocab_size": 2048, "max_position_embeddings": 2048, "intermediate_size": 432}  # fmt: skip
CELL = {"task": "brand voice", "rung": "prompt", "n": 400, "all_checks": 0.5, "low": 0.45, "high": 0.55, "mean": 0.75}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cards, "WEIGHTS", tmp_path)
    monkeypatch.setattr(cards, "HERE", tmp_path)
    made = tmp_path / "nano-s"
    for name, value in (
        ("config", CONFIG),
        ("training", {"stages": [RUN, RUN | {"origin": "the weights of the stage before"}]}),
    ):
        made.mkdir(exist_ok=True)
        (made / f"{name}.json").write_text(json.dumps(value))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "nano-s.json").write_text(json.dumps([CELL]))
    return made


def test_a_card_states_seed_versions_hashes_tokens_minutes_energy_and_limits(folder: Path) -> None:
    text = cards.card("nano-s")
    for said in (
        "Llama of 1.9 million parameters", "seed 0", "torch 2.13.0", "`abababababababababababababababab`",
        "from nothing, 4.00 million tokens in 500 steps of 4,096 padded tokens;", "from the weights of the stage before, 4.00 million", "40 minutes of wall time",
        "at an assumed 15 W for a core it is at most 0.02 kWh", "| 8.0 | 24 | 2.00 | 0.800 |",
        "knows **no facts of ours**", "| brand voice | prompt | 400 | 0.500 | 0.450 to 0.550 | 0.750 |",
    ):  # fmt: skip
        assert said in text
    assert "Tuned on" not in text
    (folder.parent / "results" / "tuned.md").write_text("| a table |")
    (folder.parent / "results" / "facts.md").write_text("| stale facts |")
    told = {"task": "brand voice", "model": "nano-s tuned (all weights)", "all_checks": 0.98}
    (folder.parent / "results" / "tuned.json").write_text(
        json.dumps([told, told | {"model": "nano-l", "all_checks": 0.4}])
    )
    text = cards.card("nano-s")
    assert "| a table |" in text
    assert "| stale facts |" in text
    assert "| brand voice |  | 0.50 |  |  | 0.98 |" in text


def test_the_curve_table_ends_where_the_run_does() -> None:
    rows = cards.curve_table(CURVE).splitlines()
    assert rows[-1] == "| 4.0 | 4 | 2.00 | 0.800 |"
    assert 8 <= len(rows) <= 14


def test_the_picture_of_the_curves_is_xml_with_a_line_a_model() -> None:
    root = ET.fromstring(svg({"nano-s": CURVE, "nano-l": CURVE[:5]}))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    assert len(str(lines[0].get("points")).split(" ")) == len(CURVE)
    ET.fromstring(svg({}))


def test_a_duel_sets_the_best_tuned_against_the_large_at_its_best_prompt() -> None:
    def entry(model: str, prompt: str, hits: float, ms: float) -> Entry:
        return Entry("codes", model, prompt, 400, hits, 0.0, 1.0, hits, 100.0, ms, ms / 2)

    entries = [
        entry("nano-s", "+ 5 examples", 0.6, 20.0), entry("nano-s", "+ 8 examples", 0.7, 30.0),
        entry("nano-l", "+ 5 examples", 0.7, 60.0), entry("nano-l", "+ 8 examples", 0.8, 90.0),
        entry("nano-s tuned (LoRA 16)", "short", 0.9, 10.0), entry("nano-s tuned (all weights)", "short", 0.95, 9.0),
    ]  # fmt: skip
    assert duels(entries, "nano-s", "nano-l") == ["| codes | 0.950 | 0.800 (+ 8 examples) | +0.150 | 3.0 | 10.0 |"]
    assert duels(entries[:2], "nano-s", "nano-l") == []
