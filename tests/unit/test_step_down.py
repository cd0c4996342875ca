"""Does a lower approach suffice by now? Measured beside the winner, with what it saves; what cannot be asked is said first."""

import sys
from types import SimpleNamespace

import pytest
import yaml

from rung import cli
from rung.errors import ConfigError, RungError
from rung.generations.step_down import Held, saved_a_month, stepping_down
from rung.ladder import climb
from rung.store.run import RunFolder
from tests.unit._worlds import rows, world

N = 700
LADDER = ["prompt", {"fewshot": {"model": "large"}}]


def of(root, small, **more):
    """The experiment: a small model whose ability grows, and a large one at fifty times the price."""
    large = {"provider": "fake", "answers": {r["text"]: r["team"] for r in rows(N)}, "abilities": {"base": 0.99},
             "input_usd_per_mtok": 50.0, "output_usd_per_mtok": 100.0}  # fmt: skip
    given = {"ladder": LADDER, "diagnosis": {"calls": 0}, "models": {"large": large}, **more}
    return world(root, N, model={"abilities": {"base": small}}, task={"goal": 0.95, "min_gain": 0.05}, **given)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("stairs")
    climb(of(root, 0.6), root / "run")
    return root


def test_a_small_model_that_became_better_takes_the_place_and_the_saving_is_told(root, monkeypatch, capsys):
    assert RunFolder.open(root / "run").verdict.need().winner == "fewshot@large"
    asked, where = stepping_down(of(root, 0.99, volume={"requests_per_month": 100_000}), root / "run")
    assert [s.label for s in asked.ladder] == ["fewshot@large", "prompt"]
    assert (asked.current, asked.task.goal.margin, where.name) == ("fewshot@large", 0.05, "run-step-down")
    raw = of(root, 0.99, volume={"requests_per_month": 100_000}).model_dump(mode="json", exclude={"root"})
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["rung", "climb", "--step-down", "--folder", "run"])
    assert cli.run() == 0
    out = capsys.readouterr().out
    assert RunFolder.open(root / "run-step-down").verdict.need().winner == "prompt"
    assert RunFolder.open(root / "run").verdict.need().winner == "fewshot@large"
    assert "100,000 requests a month cost $" in out
    assert out.rstrip().endswith("saved")


def test_a_prompt_that_won_is_rewritten_as_it_was_when_it_won(tmp_path):
    config = of(tmp_path, 0.99, ladder=["baseline", "prompt"])
    climb(config, tmp_path / "run")
    assert stepping_down(config, tmp_path / "run")[0].ladder[0].settings["rewrites"] is True
    plain = of(tmp_path, 0.99, ladder=["baseline", {"prompt": {"rewrites": False}}])
    assert stepping_down(plain, tmp_path / "run")[0].ladder[0].settings["rewrites"] is False


def test_what_cannot_be_asked_is_said_before_anything_is_spent(root, monkeypatch, capsys):
    with pytest.raises(RungError, match="fewshot@large is not on the ladder any more"):
        stepping_down(of(root, 0.6, ladder=["prompt"]), root / "run")
    with pytest.raises(RungError, match="fewshot@large is the lowest approach of the ladder"):
        stepping_down(of(root, 0.6, ladder=LADDER[1:]), root / "run")
    wide = of(root, 0.6)
    wide = wide.model_copy(update={"task": wide.task.model_copy(update={"min_gain": 0.6})})
    with pytest.raises(
        ConfigError, match=r"^the experiment of `rung climb --step-down` on .*run has 1 problem:\n  - task.goal"
    ):
        stepping_down(wide, root / "run")
    monkeypatch.setattr("rung.generations.step_down.is_opinion", lambda task: True)
    with pytest.raises(RungError, match="is judged by a model"):
        stepping_down(of(root, 0.6), root / "run")
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["rung", "climb", "--step-down", "--dev"])
    assert cli.run() == 2
    assert "--step-down" in capsys.readouterr().err


def pair(status="meets", *, shown=True, better=False, held=True):
    result = SimpleNamespace(status=status, limits_held=held)
    return SimpleNamespace(not_worse=SimpleNamespace(shown=shown), better=better, upper=SimpleNamespace(result=result))


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({"prompt": pair(), "fewshot": pair()}, "prompt"),
        ({"prompt": pair(shown=False), "fewshot": pair("inconclusive")}, "fewshot"),
        ({"prompt": pair(shown=False, better=True)}, "prompt"),
        ({"prompt": pair("misses"), "fewshot": pair(held=False)}, None),
        ({"prompt": pair(shown=False)}, None),
    ],
)
def test_the_lowest_approach_that_suffices_in_place_of_a_tuned_one(found, wanted):
    assert Held("finetune", found, 0.025).suffices == wanted


def test_without_a_volume_or_a_price_no_saving_is_made_up(root):
    results = {label: RunFolder.open(root / "run").rung(label).result.need() for label in ("prompt", "fewshot@large")}
    assert saved_a_month(results, "fewshot@large", "prompt", None) is None
    assert "saved" in saved_a_month(results, "fewshot@large", "prompt", 1000)
