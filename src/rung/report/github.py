"""The report as a comment on a pull request: verdict, approaches, goal and limits, and the paired difference to another run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rung.decide.across import Across, across
from rung.decide.wording import bound, tally
from rung.engine.sides import side
from rung.errors import IntegrityError, RungError
from rung.report import figures
from rung.report.claims import claims
from rung.report.escape import markdown as safe
from rung.report.load import Report, load_report
from rung.report.markdown import answer, table
from rung.report.several import why_not_paired
from rung.report.summary import summary
from rung.store.run import RunFolder
from rung.types import content_hash

HOLDS = {"holds": "yes", "fails": "**no**", "open": "not shown", "unmeasured": "not measured"}


def render_github(folder: RunFolder, baseline: RunFolder | None = None) -> str:
    """Return the comment as GitHub's Markdown; nothing of it can be read as markup, mention or link. Reads no row.

    `baseline`: another run, as the last one on the main branch. It is compared row by row where both answered the same test
    examples under the same metric; otherwise the comment says why not. The first line names the task, so that a later comment can take
    the place of this one.
    """
    return "\n".join(_lines(load_report(folder, rows=False), folder, baseline)) + "\n"


def marker(task: str) -> str:
    """Return the first line of the comment on a task: equal names, equal line; no name can end the comment that it is."""
    return f"<!-- rung {content_hash(task)[:16]} -->"


def _lines(report: Report, folder: RunFolder, baseline: RunFolder | None) -> Iterator[str]:
    said = summary(report)
    yield marker(report.task.name)
    yield f"### rung: {safe(report.task.name)}"
    yield ""
    yield from answer(said)
    held = [(safe(c.name), safe(c.measured), HOLDS[c.state]) for c in claims(report)]
    yield from table(("what must hold", "measured", "holds"), "lll", held)
    yield ""
    if baseline is not None:
        yield from _against(report, folder, baseline)
        yield ""
    yield from _details(report)
    opened = figures.count(report.opened)
    yield f"<sub>{safe(said.spent)}; openings of the test set: {opened}; rung {safe(str(report.head['rung_version']))}.</sub>"


def _against(report: Report, folder: RunFolder, baseline: RunFolder) -> Iterator[str]:
    """Say how the run stands to the baseline, by what each would use: its winner, else its tentative pick, else its last approach."""
    try:
        theirs, mine = (
            replace(s, name=s.name.rpartition(":")[2]) for s in (side(str(baseline.path)), side(str(folder.path)))
        )
        found = across(replace(theirs, name=f"{theirs.name} of the baseline"), mine)
    except IntegrityError as error:
        yield f"**Against the baseline:** not compared, {safe(why_not_paired(folder, baseline, error))}."
        return
    except RungError as error:
        yield f"**Against the baseline:** not compared, {safe(str(error).replace(str(baseline.path), 'the baseline').replace(str(folder.path), 'this run'))}."
        return
    yield f"**Against the baseline:** {safe(_difference(found))}"
    before, now = baseline.verdict.get(), report.verdict
    if before is not None and now is not None and before.decision != now.decision:
        yield f"\nThe verdict was _{before.decision}_ and is _{now.decision}_."
    yield from (f"\n_{safe(note)}_" for note in found.notes)


def _difference(found: Across) -> str:
    pair = found.comparison
    costs = [figures.cost(s.result.cost_per_1k_usd) for s in (found.lower, found.upper)]
    said = (
        f"{pair.upper} against {pair.lower}: {pair.gain:+.3f} (95 % CI {bound(pair.low)} to {bound(pair.high)}; {pair.n:,} test "
        f"examples, {tally(pair.wins, pair.losses)}; {figures.p_value(pair.p_value)}), {found.word}"
    )
    if found.not_worse is not None and not found.better:
        said += f"; {'' if found.not_worse.shown else 'not '}shown to be at most {found.margin:g} worse"
    spares = f", {found.spares}" if found.spares else ""
    return f"{said}. Cost of 1,000 requests {costs[0]} before, {costs[1]} now{spares}."


def _details(report: Report) -> Iterator[str]:
    verdict = report.verdict
    reasons = [r.claim for r in verdict.reasons] if verdict is not None else []
    changes = list(report.counterfactuals)
    causes = [r.diagnosis.sentence for r in report.rungs if r.diagnosis is not None and r.diagnosis.failed]
    if not (reasons or changes or causes):
        return
    yield "<details><summary>Why, and what would change the answer</summary>"
    yield ""
    yield from (f"- {safe(line)}" for line in (*reasons, *causes, *changes))
    yield ""
    yield "</details>"
    yield ""
