"""Blocks as Markdown: for a pull request or a chat. Nothing in it can be read as markup, mention or link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rung.report import blocks as b
from rung.report.escape import code
from rung.report.escape import markdown as safe
from rung.report.load import load_report
from rung.report.plain import worded
from rung.report.sections import page_of
from rung.report.summary import Summary
from rung.store.run import RunFolder


def render_markdown(folder: RunFolder) -> str:
    """Return the report as Markdown. Reads no row."""
    page = page_of(load_report(folder, rows=False))
    return "\n".join([f"## rung: {safe(page.name)}", "", *_sections(page)]) + "\n"


def _sections(page: b.Page) -> Iterator[str]:
    for section in page.sections:
        lines = [line for block in section.blocks for line in written(block)]
        if lines:
            yield from ([f"### {safe(section.title)}", ""] if section.title else [])
            for line, after in zip(lines, [*lines[1:], ""], strict=True):
                yield line
                if line.startswith("- ") and after and not after.startswith("- "):
                    yield ""


def written(block: b.Block) -> Iterator[str]:
    """Write one block; what only a page can hold, and tables that it folds, are left out."""
    if isinstance(block, b.Answer):
        yield from answer(block.said)
        yield from (line for note in (*block.said.floors, *block.said.warnings) for line in (safe(note), ""))
        yield f"Next: {code(block.said.commands[0].line)} ({safe(block.said.commands[0].why)})"
        yield ""
    elif isinstance(block, b.Text) and block.style != "intro":
        yield safe(worded(block.words))
        yield ""
    elif isinstance(block, b.Title):
        yield f"**{safe(worded(block.words))}**"
        yield ""
    elif isinstance(block, b.Bullets) and block.items:
        yield from (f"- {safe(worded(item.words if isinstance(item, b.Item) else item))}" for item in block.items)
        yield ""
    elif isinstance(block, b.Facts):
        yield from (f"- {safe(name)}: {safe(worded(said))}" for name, said in block.facts)
        yield ""
    elif isinstance(block, b.Table):
        align = "".join("r" if "r" in c.style.split() else "l" for c in block.columns)
        rows = [[safe(worded(cell)) for cell in row.cells] for row in block.rows]
        yield from table([safe(c.head) for c in block.columns], align, rows)
        yield ""
    elif isinstance(block, b.Fold) and block.told == "line":
        yield f"- {safe(worded(block.words))}"
    elif isinstance(block, b.Fold) and block.told == "blocks":
        yield f"**{safe(worded(block.words))}**"
        yield ""
        for inner in block.blocks:
            yield from written(inner) if not isinstance(inner, b.Table) else ()


def answer(said: Summary) -> Iterator[str]:
    """Yield what every Markdown begins with: the headline with its evidence, what limits it, and the table of approaches."""
    yield f"**{safe(said.headline)}**" + (f" {safe(said.basis)}" if said.basis else "")
    for note in said.notes:
        yield f"\n_{safe(note)}_"
    yield ""
    head = ("approach", "score", "95 % CI", "$ per 1,000 requests", "p50", "result")
    rows = [
        (
            f"**{safe(line.name)}**" if line.best else safe(line.name),
            line.score,
            line.interval,
            line.cost.replace("$", "\\$"),
            line.latency,
            safe(line.result),
        )
        for line in said.lines
    ]
    yield from table(head, "lrrrrl", rows)
    yield ""
    yield safe(said.goal) + (f" p50: {said.footnote}." if said.footnote else "")
    yield ""
    if said.frontier:
        yield from (f"- {safe(line)}" for line in said.frontier)
        yield ""


def table(head: Sequence[str], align: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write a Markdown table; `align` has one of l, r for each column. Cells are Markdown already."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join("--:" if a == "r" else "---" for a in align) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
