"""Readers of PDF and DOCX side by side on twenty files: how much of what is there each finds, in order, and what it takes.

The score of a file is the share of the expected sentences and rows that are found in the order of reading, less the share of those
that must not be there (deleted, hidden). Every reader's text goes the way of ours into an index: a word that is broken at a line's end
is joined, blanks are one. Needs, beside the extra `docs`: reportlab, pypdfium2, pdfplumber, mammoth, docx2python, markitdown[docx,pdf].
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from bench.intake.pdfs import pdfs
from bench.intake.words import words
from rung.documents.parse import parse
from rung.retrievers._words import indexed

Reader = Callable[[bytes], str]
ROUNDS = 1


def _ours(ending: str) -> Reader:
    return lambda content: "\n".join(d.text for d in parse(f"a{ending}", content).documents)


def _pypdf(content: bytes) -> str:
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def _pypdf_layout(content: bytes) -> str:
    from pypdf import PdfReader

    return "\n".join(page.extract_text(extraction_mode="layout") for page in PdfReader(io.BytesIO(content)).pages)


def _pdfium(content: bytes) -> str:
    import pypdfium2

    document = pypdfium2.PdfDocument(content)
    pages = "\n".join(page.get_textpage().get_text_bounded() for page in document)
    return pages.replace("\x02", "-\n")  # what PDFium makes of a hyphen at the end of a line


def _pdfminer(content: bytes) -> str:
    from pdfminer.high_level import extract_text

    return str(extract_text(io.BytesIO(content)))


def _pdfplumber(content: bytes) -> str:
    import pdfplumber

    with pdfplumber.open(io.BytesIO(content)) as document:
        return "\n".join(page.extract_text() for page in document.pages)


def _python_docx(content: bytes) -> str:
    import docx
    from docx.table import Table

    found = []
    for block in docx.Document(io.BytesIO(content)).iter_inner_content():
        rows = [[cell.text for cell in row.cells] for row in block.rows] if isinstance(block, Table) else [[block.text]]
        found += [" ".join(row) for row in rows]
    return "\n".join(found)


def _mammoth(content: bytes) -> str:
    import mammoth

    return str(mammoth.extract_raw_text(io.BytesIO(content)).value)


def _docx2python(content: bytes) -> str:
    from docx2python import docx2python

    with docx2python(io.BytesIO(content)) as read:
        return str(read.body_runs and read.text)


def _markitdown(ending: str) -> Reader:
    from markitdown import MarkItDown

    reader = MarkItDown()
    return lambda content: str(reader.convert_stream(io.BytesIO(content), file_extension=ending).text_content)


PDF: Mapping[str, tuple[Reader, str, str]] = {
    "rung (pypdf)": (_ours(".pdf"), "pypdf", "BSD-3"),
    "pypdf, plain": (_pypdf, "pypdf", "BSD-3"),
    "pypdf, layout": (_pypdf_layout, "pypdf", "BSD-3"),
    "pypdfium2": (_pdfium, "pypdfium2", "BSD-3 or Apache-2.0; PDFium BSD-3"),
    "pdfminer.six": (_pdfminer, "pdfminer.six", "MIT"),
    "pdfplumber": (_pdfplumber, "pdfplumber", "MIT"),
    "markitdown": (_markitdown(".pdf"), "markitdown", "MIT"),
}
DOCX: Mapping[str, tuple[Reader, str, str]] = {
    "rung (python-docx)": (_ours(".docx"), "python-docx", "MIT"),
    "python-docx, plain": (_python_docx, "python-docx", "MIT"),
    "mammoth": (_mammoth, "mammoth", "BSD-2"),
    "docx2python": (_docx2python, "docx2python", "MIT"),
    "markitdown": (_markitdown(".docx"), "markitdown", "MIT"),
}


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[|*#_`\\\t\u00ad]+|(?m:^\s*(?:-{2,}|- |\d+[.)] ))", " ", text).split())


def score(text: str, told: Sequence[str], not_told: Sequence[str]) -> float:
    """Return the share of `told` that stands in the text in its order, less the share of `not_told`; at least 0."""
    text = _plain(indexed(text))
    places = [at for at in (text.find(_plain(indexed(piece))) for piece in told) if at >= 0]
    tails: list[int] = []  # of the longest run that rises
    for at in places:
        spot = bisect_left(tails, at)
        tails[spot : spot + 1] = [at]
    planted = sum(_plain(indexed(piece)) in text for piece in not_told) / max(len(not_told), 1)
    return max(0.0, len(tails) / len(told) - planted)


def run() -> dict[str, object]:
    """Return, for each kind, reader and file, the score, and the CPU seconds of a reader for all files of its kind."""
    found: dict[str, object] = {}
    for kind, readers, files in (("pdf", PDF, list(pdfs())), ("docx", DOCX, list(words()))):
        table = {}
        for name, (read, package, licence) in readers.items():
            scores: dict[str, float | str] = {}
            for title, (content, told, not_told) in files:
                try:
                    scores[title] = round(score(read(content), told, not_told), 3)
                except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, zipfile.BadZipFile) as error:
                    scores[title] = f"{type(error).__name__}: {error}"[:80]
            before = time.process_time()
            for _ in range(ROUNDS):
                for title, (content, _, _) in files:
                    if isinstance(scores[title], float):
                        read(content)
            took = (time.process_time() - before) / ROUNDS
            table[name] = {
                "version": version(package), "licence": licence, "cpu_s": round(took, 4), "scores": scores,
                "mean": round(sum(v for v in scores.values() if isinstance(v, float)) / len(scores), 3),
            }  # fmt: skip
        found[kind] = table
    return found
