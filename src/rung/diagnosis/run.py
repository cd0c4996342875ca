"""Why dev rows of a rung failed: read every failed answer, make experiments on a sample, and predict the next rung."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rung import plugins
from rung.decide.knowledge import lacks_facts, told
from rung.diagnosis.capacity import capacity
from rung.diagnosis.convention import missing_convention
from rung.diagnosis.experiments import Experiment, ExperimentBudget, ExperimentRun
from rung.diagnosis.failed_examples import FailedExamples, Subject, share_of
from rung.diagnosis.form import cheapest_first, form_loss
from rung.diagnosis.instruction import missing_instruction
from rung.diagnosis.knowledge import ROUNDS, knowledge, split
from rung.diagnosis.reading import Reading, causes, read
from rung.diagnosis.repeats import REPEATS, unstable
from rung.errors import BudgetSpent, ConfigError, ModelError, NotOffered
from rung.evaluate.first_answers import mostly_one
from rung.evaluate.profile import is_stored
from rung.protocols import Judge, Kit, Metric
from rung.types import Cause, Diagnosis, FormLoss, KnowledgeSplit, Outcome, Prediction, RagLearned, Skipped
from rung.usual_names import shown_name

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("unstable", unstable, rounds=REPEATS),
    Experiment("missing instruction", missing_instruction),
    Experiment("missing convention", missing_convention),
    Experiment("capacity", capacity),
)
KNOWLEDGE = Experiment("knowledge", knowledge, rounds=ROUNDS)  # where there are documents
NOT_TRIED: tuple[str, ...] = ("transport", "metric")  # no answer was judged: there is nothing to explain
WORTH_FOLLOWING = 0.1  # share of tried rows that an experiment must mend before it names the next rung


@dataclass(frozen=True)
class _Made:
    """What the experiments brought: causes, what was not tried and why, calls asked."""

    causes: tuple[Cause, ...] = ()
    untried: tuple[Skipped, ...] = ()
    calls: int = 0


async def diagnose(subject: Subject, kit: Kit, means: ExperimentBudget | None = None) -> Diagnosis:
    """Say why the dev rows of a rung failed and which rung should attack that next.

    A row failed when it has no score or one below the task's goal (for yes/no metrics: when it is wrong). Shares carry
    Wilson's interval. Experiments ask at most `means.calls` calls; trouble in one of them (money, a model that does not
    answer) leaves it out and says so, since a climb must not fail by its diagnosis.
    """
    means = means or ExperimentBudget()
    if is_stored(subject.candidate, kit):
        means = replace(means, calls=0)  # nothing can be asked again
    subject = replace(subject, ladder=means.ladder)
    case = FailedExamples.of(subject, kit)
    reading = read(case)
    made = await _experiments(case, reading, kit, means)
    made, known = await _split(case, kit, made)
    found = [_foretold(c, reading, subject, made.causes) for c in causes(case, reading)]
    form = form_loss(case)
    if subject.met or (form is not None and form.reaches(subject.task.goal) and not _mended_above(subject)):
        next_rung = None
    elif known is not None and told(known):
        next_rung = _by_split(subject, known)
    else:
        next_rung = _by_experiment(subject, made.causes) or _by_reading(subject, found, form)
    lost = len(case.failed)
    if (mostly := mostly_one(subject.candidate, subject.outcomes, subject.dev, subject.task)) is not None:
        kit.say(f"{subject.rung}: {mostly}")
    return Diagnosis(
        rung=subject.rung,
        n=len(subject.outcomes),
        failed=lost,
        causes=tuple(found),
        next_rung=next_rung,
        sentence=_sentence(subject, found, made.causes, (form, _other_model(subject, means, next_rung)), next_rung),
        experiments=made.causes,
        untried=made.untried,
        calls=made.calls,
        knowledge=known,
        form=form,
        mostly=mostly,
    )


async def _split(case: FailedExamples, kit: Kit, made: _Made) -> tuple[_Made, KnowledgeSplit | None]:
    """Split the rows of a rung that looks answers up, whatever else is tried: the climb and the verdict stand on it."""
    if not isinstance(case.subject.candidate.learned, RagLearned):
        return made, None
    try:
        known = await split(case, kit)
    except (NotOffered, BudgetSpent, ModelError, ConfigError) as error:
        left = Skipped("knowledge split", " ".join(str(error).split()))
        return replace(made, untried=(*made.untried, left)), None
    return replace(made, causes=(*made.causes, *known.failures)), known


async def _experiments(case: FailedExamples, reading: Reading, kit: Kit, means: ExperimentBudget) -> _Made:
    rows = [o for o in case.failed if reading.cause_of(o.example_id) not in NOT_TRIED]
    if not means.calls or not case.asks_model or not rows:
        return _Made()
    kit.rng(f"diagnosis of {case.subject.rung}").shuffle(rows)
    found: list[Cause] = []
    untried: list[Skipped] = []
    calls, each = 0, _calls_each(rows, case.metric)
    planned = (
        *EXPERIMENTS,
        *(
            [KNOWLEDGE]
            if kit.document_index() is not None and not isinstance(case.subject.candidate.learned, RagLearned)
            else []
        ),
    )
    for experiment in planned:  # every one has an equal part of the calls
        trial = ExperimentRun(
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


def _foretold(cause: Cause, reading: Reading, subject: Subject, experiments: Sequence[Cause]) -> Cause:
    """Return a cause by reading with what it predicts.

    Where no rung can mend it, that; else what the experiment that works like the next rung against it did to its rows.
    """
    fixers = subject.fixers(cause.name)
    ids = tuple(o.example_id for o in reading.rows[cause.name])
    if not fixers and cause.name not in NOT_TRIED:
        return replace(cause, predicts=Prediction(None, (), ids, share_of(0, len(ids))))
    for fixer in (r for r in fixers if r in subject.above):
        tried = next((e.predicts for e in experiments if e.predicts and e.predicts.rung == fixer), None)
        fixed = tuple(i for i in ids if tried and i in tried.fixed)
        not_fixed = tuple(i for i in ids if tried and i in tried.not_fixed)
        if fixed or not_fixed:
            share = share_of(len(fixed), len(fixed) + len(not_fixed))
            return replace(cause, predicts=Prediction(fixer, fixed, not_fixed, share))
    return cause


def _by_experiment(subject: Subject, experiments: Sequence[Cause]) -> str | None:
    """Return the rung above whose experiment fixed most, on a tie the lower one; None where none fixed enough."""
    shares = {
        c.predicts.rung: c.predicts.share.mean or 0.0
        for c in experiments
        if c.predicts is not None and c.predicts.rung in subject.above
    }
    best = max(shares, key=lambda r: (shares[r], -subject.order.index(str(r))), default=None)
    return best if best is not None and shares[best] >= WORTH_FOLLOWING else None


def _by_split(subject: Subject, known: KnowledgeSplit) -> str | None:
    """Return the rung above that may mend most of what fails with passages; None where facts are what is missing."""
    missing, rows = lacks_facts(known.failures)
    return next(iter(subject.above), None) if rows and 2 * missing < rows else None


def _mended_above(subject: Subject) -> bool:
    """Whether the rung that mends form at no cost is still to come."""
    return any(rung in subject.above for rung in subject.fixers("format")[:1])


def _by_reading(subject: Subject, causes: Sequence[Cause], form: FormLoss | None) -> str | None:
    """Return the rung above this one that attacks the most failures.

    None where no rung above can do anything about most of them (bad labels, transport, a limit on the answer's length), or
    where post-processing that was not tried comes first.
    """
    cheaper = (
        {"format", "outside labels"} if form is not None and form.untried and not _mended_above(subject) else set()
    )
    counts: Counter[str] = Counter()
    lost = 0
    for cause in causes:
        fixers = [r for r in subject.fixers(cause.name) if r in subject.above]
        if fixers and cause.name not in cheaper:
            counts[fixers[0]] += cause.count
        else:
            lost += cause.count
    if not counts:
        return None
    best = min(counts, key=lambda r: (-counts[r], subject.order.index(r)))
    return best if counts[best] >= lost else None


def _other_model(subject: Subject, means: ExperimentBudget, next_rung: str | None) -> str | None:
    """Name a configured model that no step asks, where the next rung would change weights: it is the cheaper thing to try."""
    own = subject.candidate.model
    if next_rung is None or own is None or not plugins.rung_type(next_rung).trains:
        return None
    other = means.other_than(own)
    return None if other is None else f"another model (models: [{own}, {other}])"


def _sentence(
    subject: Subject,
    found: Sequence[Cause],
    experiments: Sequence[Cause],
    cheaper: tuple[FormLoss | None, str | None],
    next_rung: str | None,
) -> str:
    """Say what failed and what to try next. `cheaper`: what comes first, the form of answers and a model that is not tried."""
    form, other = cheaper
    rung, n, lost = shown_name(subject.rung), len(subject.outcomes), sum(c.count for c in found)
    if not lost:
        return f"At {rung} no dev example failed (n={n})."
    first = found[0]
    how = f"{lost} of {n} dev {'example' if n == 1 else 'examples'} failed"
    if first.count == lost:
        why = f"{'' if lost == 1 else 'all '}by {first.name}"
    else:
        why = f"{first.count} of them by {first.name} ({first.share.low:.0%} to {first.share.high:.0%} of the failures)"
    passing = [c for c in experiments if c.predicts is not None and c.predicts.fixed]
    best = max(passing, key=lambda c: len(c.predicts.fixed) if c.predicts else 0, default=None)
    tried = ""
    if best is not None and best.predicts is not None:
        tried = (
            f"; re-run with one change, {len(best.predicts.fixed)} of {best.predicts.share.n} pass (cause: {best.name})"
        )
    steps = [] if subject.met or form is None or _mended_above(subject) else cheapest_first(form, subject.task)
    if other is not None:
        steps.append(other if steps else f"next to try: {other}")
    if next_rung:
        steps.append(f"{'' if steps else 'next to try: '}{shown_name(next_rung)}")
    elif not steps:
        steps.append(first.suggests)
    ends = "the goal is met" if subject.met else "; then ".join(steps)
    return f"At {rung} {how}, {why}{tried}; {ends}."
