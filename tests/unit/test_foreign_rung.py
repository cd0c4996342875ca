"""A rung of another package climbs, is diagnosed and reported like ours; one that breaks its contract is named."""

import io
import json
import shutil
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from rung import plugins
from rung.config import asked_roles
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import ConfigError, PluginError, UnknownPlugin
from rung.ladder import climb
from rung.prompts.similar import chat_system, representative
from rung.prompts.templates import as_it_stands
from rung.protocols import Kit, Rung, System
from rung.report.advice import matrix_of
from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.text import render_text
from rung.store.folder import from_json, to_json
from rung.store.run import RunFolder
from rung.testing.rungs import check_rung
from rung.types import (
    Answer,
    Candidate,
    ChatLearned,
    Completion,
    Demonstration,
    FitInput,
    Fitted,
    Learned,
    RungPlan,
    Task,
)
from tests.unit._worlds import NEEDS_EXAMPLES, world


@dataclass(frozen=True, kw_only=True)
class FlashcardsLearned(ChatLearned):
    kind: Literal["flashcards"] = "flashcards"
    brings: ClassVar[str] = "a prompt with flash cards"
    cards: int


class Flashcards(BaseModel):
    """Five training rows in the prompt, the same ones for every input."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    learned: ClassVar[type[Learned]] = FlashcardsLearned
    title: ClassVar[str] = "flash cards"
    trains: ClassVar[bool] = False
    asks: ClassVar[tuple[str, ...]] = ("pupil",)
    fixes: ClassVar[frozenset[str]] = frozenset({"missing convention", "label confusion", "content"})
    usual_cost: ClassVar[tuple[str, str]] = ("a pack of cards", "one evening")
    said_to_fix: ClassVar[float | None] = 0.4

    pupil: str = "main"
    cards: int = 5

    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        shown = [given.train[i] for i in representative(given.train, self.cards, None)]
        template = as_it_stands(given.task)
        learned = FlashcardsLearned(
            messages=template.messages,
            columns=template.columns,
            demonstrations=tuple(Demonstration.of(e) for e in shown),
            cards=len(shown),
        )
        candidate = Candidate("flashcards", f"{len(shown)} cards", learned, self.pupil, tuple(e.id for e in shown))
        return Fitted(candidate, await kit.run(candidate, given.dev))

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        return RungPlan(1, len(given.dev), ())

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: Kit) -> System:
        return chat_system(candidate, kit)


@contextmanager
def installed(patch: pytest.MonkeyPatch, **rungs: type):
    """Offer rungs as an installed package would."""
    module = type(sys)("strangers_rungs")
    for name, cls in rungs.items():
        setattr(module, name, cls)
    patch.setitem(sys.modules, "strangers_rungs", module)
    points = [EntryPoint(name, f"strangers_rungs:{name}", "rung.rungs") for name in rungs]
    patch.setattr(plugins, "entry_points", lambda group: [p for p in points if p.group == group])
    plugins.available.cache_clear()
    yield
    plugins.available.cache_clear()


@pytest.fixture
def install(monkeypatch):
    """Offer rungs as an installed package would; none takes them away again."""
    with ExitStack() as held:
        yield lambda **rungs: held.enter_context(installed(monkeypatch, **rungs))


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A climb with the stranger's rung, for all tests that look at what one leaves."""
    root = tmp_path_factory.mktemp("climbed")
    with pytest.MonkeyPatch.context() as patch, installed(patch, flashcards=Flashcards):
        climb(
            world(root, 500, model=NEEDS_EXAMPLES, ladder=["baseline", "prompt", "flashcards"], task={"goal": 0.8}),
            root / "run",
        )
    return root


@pytest.fixture
def run(install, once, tmp_path):
    """Lay a copy of that climb into the test's own folder, with its rung installed."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    install(flashcards=Flashcards)
    return RunFolder.open(tmp_path / "run")


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_rung():
    assert isinstance(Flashcards(), Rung)
    assert check_rung(Flashcards, name="flashcards") is not None


@pytest.mark.slow
def test_it_is_planned_measured_diagnosed_and_verified_like_ours(run, tmp_path):
    report = load_report(run)
    assert (report.verdict.decision, report.verdict.winner) == ("meets", "flashcards")
    assert report.verdict.headline == "No fine-tuning needed: a prompt with flash cards meets the goal."
    below = report.rung("prompt").diagnosis
    assert below.next_rung == "flashcards"
    convention = next(c for c in below.experiments if c.name == "missing convention")
    assert convention.predicts.rung == "flashcards"
    [told] = [p for p in report.rung("flashcards").predicted if p.cause == "missing convention"]
    assert told.at == "prompt"
    assert [c.what for c in verify(run) if not c.passed] == []


@pytest.mark.slow
def test_it_stands_in_matrix_page_terminal_markdown_and_json(run):
    report = load_report(run)
    found = matrix_of(report)
    assert found.by_evidence == "prompting"
    assert any("flashcards" in c.value for r in found.rows for c in r.cells if c.column == "prompting")
    page = render_page(report)
    assert "by hand usually: a pack of cards, one evening" in page
    assert "40 %" in page or "40%" in page
    screen = io.StringIO()
    render_text(run, Console(file=screen, width=120))
    assert "flashcards" in screen.getvalue()
    assert "flashcards" in render_markdown(run)
    stored = next(r for r in as_data(run)["rungs"] if r["label"] == "flashcards")
    assert stored["candidate"]["settings"] == {"cards": 5}
    assert stored["candidate"]["messages"][0]["role"] == "system"


def test_a_plan_asks_the_role_that_the_rung_declares(install, tmp_path):
    install(flashcards=Flashcards)
    config = world(
        tmp_path,
        200,
        models={"small": {"provider": "fake", "answers": {}}},
        ladder=[{"flashcards": {"pupil": "small"}}],
    )
    assert asked_roles(config) == {"small": ("the approach flashcards",)}
    assert plan(config).rungs[0].dev_calls > 0
    with pytest.raises(ConfigError, match=r"models\.nobody"):
        climb(world(tmp_path, 200, ladder=[{"flashcards": {"pupil": "nobody"}}]), tmp_path / "run")


@pytest.mark.slow
def test_its_stored_candidates_say_what_is_missing_once_it_is_gone(run, install):
    fitted = run.load("rungs/flashcards/fit.json", Fitted)
    assert fitted.candidate.learned.cards == 5
    assert from_json(to_json(fitted, Fitted), Fitted) == fitted
    assert json.loads(to_json(fitted.candidate, Candidate))["learned"]["kind"] == "flashcards"
    install()
    with pytest.raises(
        UnknownPlugin, match=r"learned 'flashcards', which no installed approach knows .* install the plug-in"
    ):
        run.load("rungs/flashcards/fit.json", Fitted)


def test_a_planned_rung_takes_its_place_after_the_step_before_it(install):
    install(flashcards=Flashcards, other=Flashcards)
    usual = ("baseline", "prompt", "fewshot", "rag", "finetune", "scratch")
    assert plugins.usual_order([]) == plugins.usual_order(["prompt", "fewshot"]) == usual
    assert plugins.usual_order(["prompt", "flashcards", "other", "fewshot"])[:5] == (
        "baseline", "prompt", "flashcards", "other", "fewshot",
    )  # fmt: skip
    assert plugins.usual_order(["flashcards", "nobody"]) == ("flashcards", *usual)


class Raises(Flashcards):
    async def fit(self, given, kit):
        raise ZeroDivisionError("division by zero")


class GivesNothing(Flashcards):
    async def fit(self, given, kit):
        return None


class ForgetsRows(Flashcards):
    async def fit(self, given, kit):
        found = await super().fit(given, kit)
        return replace(found, dev=found.dev[1:])


class OtherName(Flashcards):
    async def fit(self, given, kit):
        found = await super().fit(given, kit)
        return replace(found, candidate=replace(found.candidate, rung="prompt"))


class RevivesNothing(Flashcards):
    @staticmethod
    def revive(candidate, task, kit):
        return "an answer"


class GivesTexts(Flashcards):
    async def fit(self, given, kit):
        found = await super().fit(given, kit)
        return replace(found, dev=tuple("an answer" for _ in found.dev))


def says(answer):
    """A rung whose system answers so."""

    class Says:
        async def answer(self, inputs):
            return answer

    class Odd(Flashcards):
        @staticmethod
        def revive(candidate, task, kit):
            return Says()

    return Odd


PAID_BACK = Completion("billing", "odd", 1, 1, 0.1, -3.0)


class PlansNothing(Flashcards):
    def plan(self, given, kit):
        return 7


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Raises, "rungs plugin 'flashcards': fit must give a Fitted .* and raised ZeroDivisionError: division by zero"),
        (GivesNothing, "rungs plugin 'flashcards': fit must give a Fitted .*, not NoneType None"),
        (ForgetsRows, "rungs plugin 'flashcards': fit must give a Fitted .* every dev example in order, not list"),
        (OtherName, "rungs plugin 'flashcards': fit must give a Fitted whose candidate names its approach"),
        (GivesTexts, "rungs plugin 'flashcards': fit must give a Fitted .* every dev example in order, not list"),
        (says("billing"), "rungs plugin 'flashcards': answer must give an Answer with text, .* not str 'billing'"),
        (says(Answer("billing", latency_s=float("nan"))), "answer must give an Answer .* not Answer .*"),
        (says(Answer("billing", (PAID_BACK,))), "answer must give an Answer .* dollars are 0 or more, not Answer .*"),
        (RevivesNothing, "rungs plugin 'flashcards': revive must give a System .*, not str 'an answer'"),
    ],
)
def test_a_broken_contract_names_the_plug_in_the_method_and_what_was_expected(install, tmp_path, cls, said):
    install(flashcards=cls)
    with pytest.raises(PluginError, match=said):
        climb(world(tmp_path, 200, ladder=["flashcards"]), tmp_path / "run")


def test_a_plan_that_is_none_and_a_class_without_traits_are_named(install, tmp_path):
    install(flashcards=PlansNothing)
    with pytest.raises(PluginError, match="rungs plugin 'flashcards': plan must give a RungPlan, not int 7"):
        plan(world(tmp_path, 200, ladder=["flashcards"]))
    install(flashcards=type("Bare", (BaseModel,), {}))
    with pytest.raises(PluginError, match=r"rungs plugin 'flashcards' \(Bare\) lacks learned, title, trains, asks"):
        world(tmp_path, 200, ladder=["flashcards"])


@pytest.mark.slow
def test_a_rung_that_trains_is_gated_by_the_model_that_its_own_setting_names(install, tmp_path):
    """Seeking the cheapest, a small model may be trained although a large one is good enough, whatever the setting's name."""
    trained = type("Trained", (Flashcards,), {"trains": True, "__module__": Flashcards.__module__})
    install(flashcards=trained)
    small = {
        "provider": "fake",
        "name": "small",
        **NEEDS_EXAMPLES,
        "input_usd_per_mtok": 0.1,
        "output_usd_per_mtok": 0.1,
    }
    ladder = ["prompt", {"flashcards": {"pupil": "small"}}]
    settings = {"models": {"small": small}, "task": {"goal": 0.8, "objective": "cheapest"}}
    made = world(tmp_path, 300, model={"abilities": {"base": 1.0}}, ladder=ladder, **settings)
    found = climb(made, tmp_path / "run")
    assert found.results["prompt"].good_enough
    assert [label for label in found.results if label.startswith("flashcards")]
    assert RunFolder.open(tmp_path / "run").skipped.need() == ()
