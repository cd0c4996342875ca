"""The forms in which a report is written to a file or printed."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import RungError

if TYPE_CHECKING:
    from rung.store.run import RunFolder


class Format(StrEnum):
    """What a report is written as."""

    html = "html"
    text = "text"
    markdown = "markdown"
    md = "md"
    github = "github"
    json = "json"
    junit = "junit"
    csv = "csv"


_ENDINGS = {
    ".html": Format.html,
    ".txt": Format.text,
    ".md": Format.markdown,
    ".json": Format.json,
    ".xml": Format.junit,
    ".csv": Format.csv,
}


def format_of(path: Path) -> Format:
    """Return the form that a file's ending names. Raises RungError for another ending."""
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        raise RungError(f"{path.name!r} names no form of a report by its ending; allowed: {', '.join(_ENDINGS)}")
    return found


def rendered(run: RunFolder, form: Format, *, ascii_only: bool = False, baseline: RunFolder | None = None) -> str:
    """Return the report in that form; text comes without colours. `ascii_only`: JSON escapes every other letter. `baseline`: the
    run with which a comment for GitHub compares this one."""
    if form is Format.html:
        from rung.report.load import load_report
        from rung.report.page import render_page

        return render_page(load_report(run))
    if form is Format.github:
        from rung.report.github import render_github

        return render_github(run, baseline)
    if form in (Format.markdown, Format.md):
        from rung.report.markdown import render_markdown

        return render_markdown(run)
    if form is Format.json:
        from rung.report.data import as_data

        return json.dumps(as_data(run, rows=True), ensure_ascii=ascii_only, indent=1) + "\n"
    if form is Format.junit:
        from rung.report.junit import render_junit

        return render_junit(run)
    if form is Format.csv:
        from rung.report.sheet import render_csv

        return render_csv(run)
    from io import StringIO

    from rich.console import Console

    from rung.report.text import render_text

    page = StringIO()
    render_text(run, Console(file=page, width=120, no_color=True), verbose=True)
    return page.getvalue()
