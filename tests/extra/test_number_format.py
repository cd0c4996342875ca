"""A model whose number format is open is asked in bfloat16 only where the processor multiplies it and 30 dev examples score the same."""

from __future__ import annotations

import json
import random

import pytest

from rung.config import parse_config
from rung.config.sections import LimitsSection as Limits
from rung.engine import number_format
from rung.engine.verify import verify
from rung.ladder import climb
from rung.models import local
from rung.store.run import RunFolder
from rung.types import Answer
from rung_nano import WEIGHTS

pytestmark = [pytest.mark.extra, pytest.mark.filterwarnings("ignore::FutureWarning")]
torch = pytest.importorskip("torch", reason="needs rung[local]")
pytest.importorskip("transformers", reason="needs rung[local]")

TEAMS = {"billing": "invoice", "delivery": "parcel", "technical": "login"}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    monkeypatch.setattr(local, "_WORTH_COMPARING", 0)
    rng, made = random.Random(3), []
    for i in range(150):
        team = rng.choice(sorted(TEAMS))
        made.append(
            {"id": f"r{i}", "text": f"My {TEAMS[team]} number {rng.randrange(10**6)} is not right.", "team": team}
        )
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))

    def of(**model):
        raw = {
            "task": {
                "name": "teams", "kind": "classification", "instruction": "Sort the message into one team. Answer with the team only: billing, delivery or technical.",
                "inputs": ["text"], "target": "team", "metrics": ["normalized_match"], "goal": 0.9,
            },
            "data": {"path": "rows.jsonl", "id": "id"},
            "split": {"test": 0.3, "dev": 0.3},
            "models": {"main": {"provider": "local", "name": "nano", "folder": str(WEIGHTS / "nano-s"), "max_tokens": 6, **model}},
            "ladder": [{"prompt": {"rewrites": False}}],
            "diagnosis": {"calls": 0},
        }  # fmt: skip
        return parse_config(raw, tmp_path)

    return of


def found(run):
    kept = RunFolder.open(run).facts.get(number_format.FACT)
    return kept if kept is None else {role: one["dtype"] for role, one in kept.items()}


class Scored:
    """A kit whose answers score as a model's would: `wrong` examples that the shorter format answers otherwise, or one score for all."""

    wrong, alike, worded = 0, False, True

    def __init__(self, task, roles, *_):
        self.short = roles["main"].settings.dtype == "bfloat16"

    async def answer(self, candidate, examples):
        return [
            _Outcome(
                1.0 if self.alike else float(i % 2 == (self.short and i < self.wrong)),
                "worse" if self.worded and self.short else "so",
            )
            for i, _ in enumerate(examples)
        ]


class _Outcome:
    def __init__(self, score, text):
        self.score, self.answer = score, Answer(text, ())

    def value(self, metric, failure_score):
        return self.score


@pytest.mark.parametrize(
    ("wrong", "alike", "worded", "kept"),
    [(0, False, True, "bfloat16"), (1, False, True, "auto"), (0, True, True, "auto"), (0, True, False, "bfloat16")],
)
def test_the_shorter_format_is_kept_where_all_score_the_same_and_not_all_alike_or_are_the_same_words(
    config, tmp_path, monkeypatch, wrong, alike, worded, kept
):
    monkeypatch.setattr(Scored, "worded", worded)
    monkeypatch.setattr(Scored, "wrong", wrong)
    monkeypatch.setattr(Scored, "alike", alike)
    monkeypatch.setattr(number_format, "RunKit", Scored)
    made = climb(config(), tmp_path / "run")
    assert found(tmp_path / "run") == {"main": kept}
    assert (
        RunFolder.open(tmp_path / "run").facts["config"]["models"]["main"].get("dtype", "auto") == "auto"
    )  # what the user wrote
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []
    assert climb(config(), tmp_path / "run").verdict == made.verdict
    [told] = [f for f in RunFolder.open(tmp_path / "run").findings.need() if f.check == number_format.CHECK]
    assert (
        f"computes in {'bfloat16' if kept == 'bfloat16' else 'float32'}: {30 - wrong} of 30 dev examples score the same"
        in told.message
    )


def test_what_was_found_is_of_the_model_that_was_compared(config, tmp_path):
    climb(config(), tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    run.note(**{number_format.FACT: {"main": {**run.facts[number_format.FACT]["main"], "dtype": "bfloat16"}}})
    assert number_format.as_found(config(), run).models["main"]["dtype"] == "bfloat16"
    for other in (config(dtype="float32"), config(name="another")):
        assert number_format.as_found(other, run).models == other.models


def test_real_answers_are_compared_once_and_those_of_the_kept_format_are_not_asked_again(config, tmp_path):
    climb(config(), tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    assert set(found(tmp_path / "run")) == {"main"}
    calls = folder.spend.need()["calls"]
    plain = climb(config(dtype="float32"), tmp_path / "plain")
    before = RunFolder.open(tmp_path / "plain").spend.need()["calls"]
    assert plain.verdict.decision
    assert 0 <= calls - before <= number_format.ROWS


@pytest.mark.parametrize("model", [{"dtype": "float32"}, {"dtype": "fastest"}])
def test_a_format_that_was_chosen_is_not_compared(config, tmp_path, model):
    climb(config(**model), tmp_path / "run")
    assert found(tmp_path / "run") == {}


def test_nothing_is_compared_for_small_weights_or_on_a_processor_without_bfloat16(config, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    climb(config(), tmp_path / "run")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    monkeypatch.setattr(local, "_WORTH_COMPARING", 10**12)
    climb(config(), tmp_path / "other")
    assert found(tmp_path / "run") == found(tmp_path / "other") == {}


def test_a_budget_that_ends_within_the_comparison_ends_the_climb_as_ever(config, tmp_path):
    tight = config(usd_per_hour=1.0).model_copy(update={"limits": Limits(budget_usd=1e-9)})
    found_out = climb(tight, tmp_path / "run")
    assert found_out.verdict.decision == "stopped"
    assert found(tmp_path / "run") is None
