"""Why dev rows of a rung failed: read every failed answer, make experiments on a sample, and foretell the next rung."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rung.errors import BudgetSpent, ConfigError, ModelError, NotOffered
from rung.evaluate.diagnosis.capacity import capacity
from rung.evaluate.diagnosis.case import RUNGS, Case, Subject, above, share_of
from rung.evaluate.diagnosis.convention import missing_convention
from rung.evaluate.diagnosis.instruction import missing_instruction
from rung.evaluate.diagnosis.knowledge import ROUNDS, knowledge, lacks_facts, split, told
from rung.evaluate.diagnosis.lab import Experiment, Means, Trial
from rung.evaluate.diagnosis.reading import Reading, causes, read
from rung.evaluate.diagnosis.repeats import REPEATS, unstable
from rung.protocols import Judge, Kit, Metric
from rung.types import Cause, Diagnosis, KnowledgeSplit, Outcome, Prediction, Skipped

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("unstable", unstable, rounds=REPEATS),
    Experiment("missing instruction", missing_instruction),
    Experiment("missing convention", missing_convention),
    Experiment("capacity", capacity),
)
KNOWLEDGE = Experiment("knowledge", knowledge, rounds=ROUNDS)  # where there are documents
NOT_TRIED: tuple[str, ...] = ("transport", "metric")  # no answer was judged: there is nothing to explain
WORTH_FOLLOWING = 0.1  # share of tried rows that an experiment must mend before it names the next rung
ATTACKED_BY: dict[str, tuple[str, ...]] = {
    "refusal": ("prompt",),
    "truncation": ("prompt",),
    "format": ("prompt", "fewshot", "finetune"),
    "knowledge": ("rag",),
    "label confusion": ("prompt", "fewshot", "finetune"),
    "outside labels": ("prompt", "fewshot", "finetune"),
    "content": ("prompt", "fewshot", "finetune"),
}


@dataclass(frozen=True)
class _Made:
    """What the experiments brought: causes, what was not tried and why, calls asked."""

    causes: tuple[Cause, ...] = ()
    untried: tuple[Skipped, ...] = ()
    calls: int = 0


async def diagnose(subject: Subject, kit: Kit, means: Means | None = None) -> Diagnosis:
    """Say why the dev rows of a rung failed and which rung should attack that next.

    A row failed when it has no score or one below the task's goal (for yes/no metrics: when it is wrong). Shares carry
    Wilson's interval. Experiments ask at most `means.calls` calls; trouble in one of them (money, a model that does not
    answer) leaves it out and says so, since a climb must not fail by its diagnosis.
    """
    case = Case.of(subject, kit)
    reading = read(case)
    made = await _experiments(case, reading, kit, means or Means())
    made, known = await _split(case, kit, made)
    found = [_foretold(c, reading, subject.rung, made.causes) for c in causes(case, reading)]
    if known is not None and told(known):
        next_rung = _by_split(subject.rung, known)
    else:
        next_rung = _by_experiment(subject.rung, made.causes) or _by_reading(subject.rung, found)
    lost = len(case.failed)
    return Diagnosis(
        rung=subject.rung,
        n=len(subject.outcomes),
        failed=lost,
        causes=tuple(found),
        next_rung=next_rung,
        sentence=_sentence(subject, lost, found, made.causes, next_rung),
        experiments=made.causes,
        untried=made.untried,
        calls=made.calls,
        knowledge=known,
    )


async def _split(case: Case, kit: Kit, made: _Made) -> tuple[_Made, KnowledgeSplit | None]:
    """Split the rows of a rung that looks answers up, whatever else is tried: the climb and the verdict stand on it."""
    if case.subject.candidate.rung != "rag":
        return made, None
    try:
        known = await split(case, kit)
    except (NotOffered, BudgetSpent, ModelError, ConfigError) as error:
        left = Skipped("knowledge split", " ".join(str(error).split()))
        return replace(made, untried=(*made.untried, left)), None
    return replace(made, causes=(*made.causes, *known.failures)), known


async def _experiments(case: Case, reading: Reading, kit: Kit, means: Means) -> _Made:
    rows = [o for o in case.failed if reading.cause_of(o.example_id) not in NOT_TRIED]
    if not means.calls or not case.asks_model or not rows:
        return _Made()
    kit.rng(f"diagnosis of {case.subject.rung}").shuffle(rows)
    found: list[Cause] = []
    untried: list[Skipped] = []
    calls, each = 0, _calls_each(rows, case.metric)
    planned = (
        *EXPERIMENTS,
        *([KNOWLEDGE] if kit.library() is not None and case.subject.candidate.rung != "rag" else []),
    )
    for experiment in planned:  # every one has an equal part of the calls
        trial = Trial(
            case, reading, tuple(rows[: means.calls // len(planned) // (each * experiment.rounds)]), kit, means
        )
        try:
            if not trial.rows:
                raise NotOffered(f"{means.calls} calls are too few for it (diagnosis.calls)")
            found += await experiment.find(trial)
        except (NotOffered, BudgetSpent, ModelError, ConfigError) as error:
            untried.append(Skipped(experiment.name, " ".join(str(error).split())))
        calls += trial.calls
    return _Made(tuple(found), tuple(untried), calls)


def _calls_each(rows: Sequence[Outcome], metric: Metric) -> int:
    """Return the most calls that answering and judging one of these rows took."""
    answering = max(len(o.answer.calls) if o.answer else 1 for o in rows)
    return max(1, answering) + (1 if isinstance(metric, Judge) else 0)


def _foretold(cause: Cause, reading: Reading, rung: str, experiments: Sequence[Cause]) -> Cause:
    """Return a cause by reading with what it foretells.

    Where no rung can mend it, that; else what the experiment that works like the next rung against it did to its rows.
    """
    attackers = ATTACKED_BY.get(cause.name, ())
    ids = tuple(o.example_id for o in reading.rows[cause.name])
    if not attackers and cause.name not in NOT_TRIED:
        return replace(cause, predicts=Prediction(None, (), ids, share_of(0, len(ids))))
    for attacker in (r for r in attackers if r in above(rung)):
        tried = next((e.predicts for e in experiments if e.predicts and e.predicts.rung == attacker), None)
        mended = tuple(i for i in ids if tried and i in tried.mended)
        unmended = tuple(i for i in ids if tried and i in tried.unmended)
        if mended or unmended:
            share = share_of(len(mended), len(mended) + len(unmended))
            return replace(cause, predicts=Prediction(attacker, mended, unmended, share))
    return cause


def _by_experiment(rung: str, experiments: Sequence[Cause]) -> str | None:
    """Return the rung above whose experiment mended most, on a tie the lower one; None where none mended enough."""
    shares = {
        c.predicts.rung: c.predicts.share.mean or 0.0
        for c in experiments
        if c.predicts is not None and c.predicts.rung in above(rung)
    }
    best = max(shares, key=lambda r: (shares[r], -RUNGS.index(str(r))), default=None)
    return best if best is not None and shares[best] >= WORTH_FOLLOWING else None


def _by_split(rung: str, known: KnowledgeSplit) -> str | None:
    """Return the rung above that may mend most of what fails with passages; None where facts are what is missing."""
    missing, rows = lacks_facts(known.failures)
    return next(iter(above(rung)), None) if rows and 2 * missing < rows else None


def _by_reading(rung: str, causes: Sequence[Cause]) -> str | None:
    """Return the rung above this one that attacks the most failures.

    None where no rung above can do anything about most of them (bad labels, transport, a limit on the answer's length).
    """
    counts: Counter[str] = Counter()
    lost = 0
    for cause in causes:
        attackers = [r for r in ATTACKED_BY.get(cause.name, ()) if r in above(rung)]
        if attackers:
            counts[attackers[0]] += cause.count
        else:
            lost += cause.count
    if not counts:
        return None
    best = min(counts, key=lambda r: (-counts[r], RUNGS.index(r)))
    return best if counts[best] >= lost else None


def _sentence(
    subject: Subject, lost: int, found: Sequence[Cause], experiments: Sequence[Cause], next_rung: str | None
) -> str:
    rung, n = subject.rung, len(subject.outcomes)
    if not lost:
        return f"At {rung} no dev row failed (n={n})."
    first = found[0]
    how = f"{lost} of {n} dev {'row' if n == 1 else 'rows'} failed"
    if first.count == lost:
        why = f"{'' if lost == 1 else 'all '}by {first.name}"
    else:
        why = f"{first.count} of them by {first.name} ({first.share.low:.0%} to {first.share.high:.0%} of the failures)"
    passing = [c for c in experiments if c.predicts is not None and c.predicts.mended]
    best = max(passing, key=lambda c: len(c.predicts.mended) if c.predicts else 0, default=None)
    tried = ""
    if best is not None and best.predicts is not None:
        tried = f"; tried again, {len(best.predicts.mended)} of {best.predicts.share.n} pass by {best.name}"
    return f"At {rung} {how}, {why}{tried}; {f'next to try: {next_rung}' if next_rung else first.suggests}."
