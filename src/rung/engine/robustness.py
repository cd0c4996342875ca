"""After the last approach is measured: the winner and the runner-up answer changed dev examples, which decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rung.config import Config
from rung.decide.verdict import decide
from rung.diagnosis.changes import APPROACHES, CHANGES, changed
from rung.diagnosis.robustness import robustness_of
from rung.engine.conclude import gathered
from rung.errors import IntegrityError, RungError
from rung.evaluate.kit import RunKit, apart
from rung.evaluate.profile import is_stored
from rung.progress import Progress, paid
from rung.store.records import Changed, Robustness
from rung.store.run import RunFolder
from rung.types import Example, Result, Skipped


async def perturb(
    config: Config,
    run: RunFolder,
    kit: RunKit,
    results: Mapping[str, Result],
    skipped: Sequence[Skipped],
    progress: Progress,
) -> None:
    """Let the two best approaches answer changed dev examples where rung.yaml asks for that, and keep what they lose.

    Trouble on the way (money, a model that does not answer) leaves out the rest of an approach and is written down: the verdict
    stands without. Raises IntegrityError for answers over documents that changed.
    """
    run.forget_robustness()
    if not config.robustness or not results:
        return
    dev = run.parts.dev.need()
    examples = kit.rng("robustness").sample(list(dev), min(config.robustness, len(dev)))
    best = _best(config, run, kit, results, skipped)
    run.robustness.save(tuple([await _asked(label, examples, config.split.seed, run, kit, progress) for label in best]))


def _best(
    config: Config, run: RunFolder, kit: RunKit, results: Mapping[str, Result], skipped: Sequence[Skipped]
) -> list[str]:
    """Return the winner and the best of the others by its test score, of those that can be asked.

    Stored answers cannot, and what asks no model is not where its judge costs money.
    """
    metric = run.task.metrics[0].name
    verdict = decide(gathered(run, config, results, skipped, None))
    first = verdict.winner or verdict.tentative_pick
    able = [
        (label != first, -result.estimates[metric].point, label)
        for label, result in results.items()
        if metric in result.estimates
        and not is_stored(result.candidate, kit)
        and (result.candidate.model is not None or kit.free(result.candidate))
    ]
    return [label for _, _, label in sorted(able)[:APPROACHES]]


async def _asked(
    label: str, examples: Sequence[Example], seed: int, run: RunFolder, kit: RunKit, progress: Progress
) -> Robustness:
    """Ask one approach, as it was chosen, before it learnt from dev examples."""
    record, task = run.rung(label), run.task
    answered: list[Changed] = []
    untried: list[Skipped] = []
    for change in CHANGES:
        candidate, rows = changed(change, record.fitted.need().candidate, examples, task, seed)
        try:
            with progress.stage(f"{label}: dev examples changed, {change}", len(rows)) as bar:
                outcomes = await kit.answer(candidate, rows, lambda row: bar.advance(usd=paid(row))) if rows else ()
        except IntegrityError:
            raise
        except RungError as error:
            untried.append(Skipped(change, " ".join(str(error).split())))
            progress.say(f"{label}: its robustness is not known in full: {untried[0].reason}")
            break
        answered += [Changed(change, outcome) for outcome in apart(kit, outcomes, rows)]
    record.changed.save(tuple(answered))
    return robustness_of(label, record.dev.need(), answered, untried, task, seed)
