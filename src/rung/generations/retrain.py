"""The same experiment again as a new generation: climb, hold the winner against the champion, and keep the better one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from rung.config import Config
from rung.data.configured import read_rows
from rung.data.parts import check_unchanged
from rung.decide.across import Side
from rung.decide.promotion import Contest, contest
from rung.engine.fresh import answers_to
from rung.engine.sides import side
from rung.engine.start import other_configuration
from rung.errors import IntegrityError, Interrupted, NotTheSame, RungError
from rung.exports.served import same_as_measured
from rung.exports.write import chosen
from rung.generations.examples import Grown, grown
from rung.judging.human_labels import is_opinion
from rung.ladder import climb
from rung.progress import Progress, Silent
from rung.stats.spending import next_level
from rung.store.generations import WON, Generations, Step, fingerprint, need_champion
from rung.store.run import RunFolder
from rung.types import Verdict


class NothingNew(RungError):
    """A new generation would be the last one again."""


@dataclass(frozen=True)
class Retrained:
    """What became of a new generation. `contest`: None where it had nothing to hold against the champion."""

    step: Step
    champion: Step
    verdict: Verdict
    contest: Contest | None
    examples: Grown

    @property
    def promoted(self) -> bool:
        return self.step.what == "promoted"


def retrain(
    config: Config, place: Generations, first: Path, by: str, why: str = "", progress: Progress | None = None
) -> Retrained:
    """Climb the experiment as the next generation and promote its winner where it is shown to be better, or equal and cheaper.

    `first`: the run that becomes generation 1 of a new folder. What was broken off goes on. Not inside an event loop. Raises RungError as
    a climb does; FolderBusy where another process changes the folder; IntegrityError for a generation that is not what was recorded.
    The champion stays in each of these cases.
    """
    progress = progress or Silent()
    if not place.steps:
        _winner(RunFolder.open(first))  # refused before the folder is made
    with place.held():
        if not place.steps:
            _begin(place, RunFolder.open(first), by)
        champion = need_champion(place)
        now = place.run_of(champion)
        if is_opinion(now.task):
            raise RungError(
                f"{now.task.name} is judged by a model, whose opinion promotes nothing: climb in another folder, label answers, and hold "
                "the runs against each other with `rung compare`"
            )
        examples = grown(config, now, place.tested.need(), place.seen, place.path)
        _must_be_new(place, config, examples)
        number, folder = next_folder(place, examples.config)
        progress.say(f"generation {number}: {examples.new:,} new examples, {len(examples.fresh):,} of them test")
        ended = climb(examples.config, folder, progress)
        run = RunFolder.open(folder)
        if ended.unanswered_rows or ended.verdict.decision == "stopped" or any(s.awaited for s in run.skipped.need()):
            raise Interrupted(
                f"generation {number} in {folder} has not come to its end ({ended.verdict.decision}), so nothing is decided and the champion "
                "stays; the same command goes on"
            )
        found = _held_against(place, champion, run, examples, progress) if _may_win(ended.verdict, now) else None
        label = chosen(run) if found is not None else run.measured[-1]
        won, said = found is not None and found.won, "no approach of the new generation meets the goal"
        if found is not None:
            said = found.why
        if won:
            place.run_of(champion)  # what a rollback goes back to must be whole before the alias moves
            other = not_as_measured(run, label)
            won, said = other is None, f"{said}, but {other}" if other else said
        place.tested.save(run.parts.manifest.need()["test"]["ids"])
        step = place.record(
            Step(
                "promoted" if won else "kept",
                number,
                place.place_of(run),
                label,
                fingerprint(run, label),
                by,
                "; ".join(filter(None, (said, why))),
                level(place, run.task.alpha) if found is not None else None,
            )
        )
        return Retrained(step, champion, ended.verdict, found, examples)


def _must_be_new(place: Generations, config: Config, examples: Grown) -> None:
    """Raise NothingNew where the last generation had this experiment on these examples: deciding it again would spend error for nothing."""
    last = max(place.steps, key=lambda s: s.generation)
    run = RunFolder(place.path / last.folder)
    same = config if last.what == "begun" else examples.config
    if not examples.new and run.begun and run.facts.get("config_sha256") == same.sha256:
        raise NothingNew(
            f"nothing has changed since generation {last.generation}: no new example, and the same experiment. Nothing is decided, and no error is spent"
        )


def level(place: Generations, alpha: float) -> float:
    """Return the error at which the next generation is decided: all generations of the folder together spend alpha."""
    return next_level(alpha, [s.what in WON for s in place.steps if s.level is not None])


def not_as_measured(run: RunFolder, label: str) -> str | None:
    """Return how the approach, opened as for service, answers stored dev examples otherwise than it did; None: it does not."""
    if run.rung(label).result.need().candidate.stored:
        return None  # nothing could be asked
    try:
        same_as_measured(run, label)
    except NotTheSame as error:
        return str(error)
    return None


def _winner(run: RunFolder) -> str:
    verdict = run.verdict.get()
    label = (verdict.winner or verdict.tentative_pick) if verdict is not None else None
    if label is None:
        raise RungError(
            f"{run.path} has no winner and no tentative pick, so there is no champion to begin with; begin with a run that has one"
        )
    return label


def _begin(place: Generations, run: RunFolder, by: str) -> None:
    label = _winner(run)
    place.tested.save(run.parts.manifest.need()["test"]["ids"])
    place.record(Step("begun", 1, place.place_of(run), label, fingerprint(run, label), by, "the first generation"))


def _may_win(verdict: Verdict, champion: RunFolder) -> bool:
    """Whether the new winner may stand for the goal: it meets it, or nothing of the champion's run did."""
    before = champion.verdict.need().winner
    return verdict.winner is not None or (before is None and verdict.tentative_pick is not None)


def next_folder(place: Generations, config: Config) -> tuple[int, Path]:
    """Return number and folder of the next generation: one that was broken off goes on where its experiment is still the same."""
    first = 1 + max(s.generation for s in place.steps)
    folder = first_fitting((place.path / str(number) for number in count(first)), config)
    return int(folder.name), folder


def first_fitting(folders: Iterator[Path], config: Config) -> Path:
    """Return the first folder that holds no run, or one of this experiment on these examples that goes on."""
    return next(f for f in folders if not RunFolder(f).begun or _goes_on(RunFolder.open(f), config))


def _goes_on(run: RunFolder, config: Config) -> bool:
    manifest = run.parts.manifest.get()
    if other_configuration(run, config) is not None:
        return False
    try:
        if manifest is not None:
            check_unchanged(read_rows(config).whole, manifest)
    except IntegrityError:
        return False
    return True


def _held_against(place: Generations, champion: Step, run: RunFolder, examples: Grown, progress: Progress) -> Contest:
    mine = side(f"{run.path}:{chosen(run)}")
    theirs = _asked(side(f"{place.path / champion.folder}:{champion.approach}"), mine, run, examples.config, progress)
    theirs = replace(theirs, name=f"generation {champion.generation} ({champion.approach})")
    mine = replace(mine, name=f"generation {run.path.name} ({chosen(run)})")
    return contest(theirs, mine, examples.fresh, level(place, run.task.alpha))


def _asked(champion: Side, challenger: Side, run: RunFolder, config: Config, progress: Progress) -> Side:
    """Return the champion with its answers to every test example of the challenger."""
    wanted = {o.example_id for o in challenger.result.outcomes}
    known = {o.example_id: o for o in champion.result.outcomes if o.example_id in wanted and not o.unanswered}
    folder, _, approach = champion.name.rpartition(":")
    asked = answers_to(Path(folder), approach, run, wanted - known.keys(), config.limits.budget_usd, progress)
    lost = sum(o.unanswered for o in asked)
    if lost:
        raise Interrupted(f"the champion gave no answer to {lost} new test examples; the same command asks them again")
    result = replace(
        champion.result,
        outcomes=(*known.values(), *asked),
        test_sha256=challenger.result.test_sha256,
        stopped_early_at=None,
    )
    return replace(champion, result=result)
