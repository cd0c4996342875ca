"""Test examples that are added once to a run that has its verdict (`rung climb --more`): the second look at its question, decided honestly.

With `split.alpha_for_more` the two looks share alpha, and all test examples decide, by their exact boundary where scores are 0 or 1; without
it nothing is left for the old ones, and the new ones alone decide (docs/statistics.md).
"""

from __future__ import annotations

import shlex
from typing import Any

from rung.config import Config
from rung.data.configured import Loaded, as_task, moments_of_all, part_rows, read_rows
from rung.data.parts import Parts
from rung.data.split import with_more
from rung.engine.audited import audited
from rung.errors import ConfigError, IntegrityError, Problem
from rung.evaluate.alpha import FIRST_LOOK, first_hits
from rung.judging.human_labels import is_opinion
from rung.store.run import RunFolder
from rung.types import Finding

MORE = "data.more"


def begin_second_look(run: RunFolder, config: Config) -> None:
    """Give up the verdict and the frozen test set of a run, which is to be looked at once more with further test examples; note what it said.

    Everything that may refuse them is asked before. One that was begun and broken off goes on; before its test set is frozen, the file may be
    given up for another one, or for none: no approach has seen it, and the first look stands.

    Raises ConfigError where the run has no open question, or had its second look, and what reading the files, adding to the parts and the audit raise.
    """
    manifest = run.parts.manifest.get()
    if run.facts.get(FIRST_LOOK) is not None and (manifest is None or "first" not in manifest["settings"]):
        return _give_up(run) if config.data.more is not None else run.note(**{FIRST_LOOK: None})
    problem = _problem(run, config)
    if problem is not None:
        raise ConfigError([Problem(MORE, problem)], "The run folder")
    verdict, test = run.verdict.need(), run.parts.manifest.need()["test"]
    loaded = read_rows(config)
    kind, parts = part_rows(config, loaded)
    parts = _with_more(config, loaded, parts)
    audited(config, loaded, parts, as_task(config, kind, (*parts.train, *parts.dev)))
    seen = {label: first_hits(run.rung(label).measured(), run.task) for label in run.measured}
    run.note(
        **{
            FIRST_LOOK: {
                "headline": verdict.headline,
                "decision": verdict.decision,
                "rows": test["rows"],
                "sha256": test["sha256"],
                "hits": {
                    label: hits for label, hits in seen.items() if hits is not None and config.split.alpha_for_more
                },
            }
        }
    )
    run.event("test_extended", after=verdict.decision, rows=test["rows"])
    _give_up(run)


def _give_up(run: RunFolder) -> None:
    """Give up what the first look concluded; the frozen test set last, by which it is known that nothing is left of it."""
    run.reconsider()
    run.alpha.forget()
    run.findings.forget()
    run.parts.manifest.forget()


def _problem(run: RunFolder, config: Config) -> str | None:
    if run.facts.get(FIRST_LOOK) is not None and config.data.more is None:
        return f"was given to this run: `rung climb {shlex.quote(str(run.path))}` goes on with it, and reads the verdict of both looks"
    if run.facts.get(FIRST_LOOK) is not None:
        return "has been given to this run once: begin a new run with all examples, which is then its own first look"
    verdict = run.verdict.get()
    if verdict is None:
        return "adds test examples to a run that has its verdict, and this one has none: let `rung climb` end first"
    if verdict.decision == "meets":
        return "would ask again what this run has answered: the goal is met already"
    if is_opinion(config.as_task(kind=run.task.kind, labels=None)):
        return "is not for a judge that decides: human labels were drawn among the first test examples"
    return None


def with_second_look(run: RunFolder, config: Config, loaded: Loaded, parts: Parts) -> Parts:
    """Return the parts with the test examples that were added; as they are where none were.

    Raises ConfigError for a run that had no first look, IntegrityError where the old rows are not those of the first, SplitError as
    `rung.data.split.with_more` does.
    """
    if config.data.more is None:
        return parts
    first: dict[str, Any] | None = run.facts.get(FIRST_LOOK)
    if first is None:
        says = "names test examples to add to a run that has its verdict: begin without it"
        raise ConfigError([Problem(MORE, says, str(config.data.more))], "The run folder")
    if parts.manifest["test"]["sha256"] != first["sha256"]:
        raise IntegrityError(
            f"{loaded.whole.source} is not what the first look at this run's test examples was on: put the old file back"
        )
    return _with_more(config, loaded, parts)


def _with_more(config: Config, loaded: Loaded, parts: Parts) -> Parts:
    together, own_ids = config.split.alpha_for_more > 0, config.data.id is not None
    return with_more(parts, loaded.further, together, str(config.data.more), own_ids, moments_of_all(config, loaded))


def told(run: RunFolder, config: Config, parts: Parts, added: int) -> tuple[Finding, ...]:
    """Return what the report says of a second look."""
    if config.data.more is None:
        return ()
    first: dict[str, Any] | None = run.facts.get(FIRST_LOOK)
    if first is None:
        return ()
    kept = config.split.alpha_for_more
    how = (
        f"all {len(parts.test):,} decide, {_at(kept, exact=bool(first.get('hits')))}"
        if kept
        else "they alone decide, at alpha of their own, since no alpha was kept for this; both looks together may err twice as often"
    )
    said = f"{added:,} test examples were added after a first look at {first['rows']:,} ({first['headline'].rstrip('.')}): {how}."
    more = "" if kept else "Keep some next time: `split: {alpha_for_more: 0.2}` before the first look."
    return (Finding("second-look", "note", said, more or "Nothing to do.", measured={"added": added, "kept": kept}),)


def _at(kept: float, *, exact: bool) -> str:
    """Say at which level a second look at all test examples decides."""
    if exact:
        return f"and both looks together err at most as often as one would ({100 * kept:.3g} % of alpha were kept for this)"
    return f"at the {100 * kept:.3g} % of alpha that were kept for this"
