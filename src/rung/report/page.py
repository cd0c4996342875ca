"""The report as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from rung.report.load import Report, load_report
from rung.report.markup import render
from rung.report.sections import page_of
from rung.report.several import Several, page_of_several
from rung.store.folder import SHARED, write_atomic
from rung.store.run import RunFolder


def write_page(folder: RunFolder) -> Path:
    """Write the page into the run folder and return its path. Test rows are shown only once they were revealed."""
    write_atomic(folder.page, render_page(load_report(folder)).encode("utf-8"), SHARED)
    return folder.page


def render_several(found: Several) -> str:
    """Return the page over several runs."""
    return render(page_of_several(found))


def render_page(report: Report) -> str:
    """Return the page. Equal reports give equal pages."""
    return render(page_of(report))
