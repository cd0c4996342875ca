"""What reading takes, in CPU seconds and memory of a process of its own: `rung init` on 200 MB, and 1,000 documents into an index.

The documents: 800 text and HTML files, 150 DOCX of 200 paragraphs, 50 PDFs of ten pages; 30 MB of text in all. Targets: 12 CPU
seconds and 400 MiB for a file of 200 MB, 60 CPU seconds for the documents.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import docx

from bench.pdf import pages

BYTES = 200_000_000
DOCUMENT_CHARACTERS = 30_000
_WORDS = [f"{a}{b}{c}" for a in ("re", "un", "con", "dis", "sub", "") for b in ("turn", "pay", "ship", "sign", "fold") for c in ("", "s", "ed", "ing", "er")]  # fmt: skip
Figures = dict[str, float | int | str]


def init() -> dict[str, Figures]:
    """Return what `rung init` takes on a file of 200 MB of each kind."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("jsonl", "csv"):
            path = Path(folder, f"big.{kind}")
            rows = _examples(path)
            took = _measured(["init", path.name, "--yes", "--force"], Path(folder))
            found[kind] = {"rows": rows, "megabytes": round(path.stat().st_size / 1e6), **took}
            path.unlink()
    return found


def documents() -> dict[str, Figures]:
    """Return what `rung docs update` takes to read 1,000 documents, and again when nothing has changed."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "docs").mkdir()
        characters = sum(_document(home / "docs", number) for number in range(1000))
        rows = [json.dumps({"question": f"What is {n}?", "answer": f"a{n}"}) for n in range(200)]
        (home / "rows.jsonl").write_text("\n".join(rows))
        _measured(["init", "rows.jsonl", "--yes", "--documents", "docs"], home)
        first = _measured(["docs", "update"], home)
        again = _measured(["docs", "update"], home)
        index = sum(p.stat().st_size for p in home.rglob("*.sqlite*"))
    return {
        "first": {"megabytes of text": round(characters / 1e6, 1), **first, "index_mb": round(index / 1e6, 1)},
        "again": again,
    }


def _measured(command: Sequence[str], folder: Path) -> Figures:
    """Run a command of rung; return CPU seconds, peak memory and the last line that it wrote."""
    child = subprocess.Popen(
        [sys.executable, "-m", "rung", *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "RUNG_TRUST": "1"},
    )  # fmt: skip
    assert child.stdout is not None
    said = child.stdout.read().strip().splitlines()
    _, status, usage = os.wait4(child.pid, 0)
    return {
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2), "peak_mib": round(usage.ru_maxrss / 1024),
        "exit": os.waitstatus_to_exitcode(status), "said": said[-1][:200] if said else "",
    }  # fmt: skip


def _examples(path: Path) -> int:
    """Write rows of 360 characters until the file has its size; return how many."""
    draw = random.Random(1)
    texts = [" ".join(draw.choices(_WORDS, k=60)) for _ in range(5000)]
    number = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        if path.suffix == ".csv":
            table.writerow(["id", "text", "label"])
        while file.tell() < BYTES:
            rows = [(number + n, f"{texts[(number + n) % 5000]} {number + n}", f"queue {n % 9}") for n in range(1000)]
            if path.suffix == ".csv":
                table.writerows(rows)
            else:
                file.writelines(json.dumps({"id": i, "text": t, "label": q}) + "\n" for i, t, q in rows)
            number += 1000
    return number


def _document(folder: Path, number: int) -> int:
    """Write one document; return its characters."""
    draw = random.Random(number)
    paragraphs = []
    while sum(map(len, paragraphs)) < DOCUMENT_CHARACTERS:
        paragraphs.append(" ".join(draw.choices(_WORDS, k=25)).capitalize() + f" {number}.")
    if number < 400:
        (folder / f"{number}.txt").write_text("\n\n".join(paragraphs))
    elif number < 800:
        body = "".join(
            f"<h2>Part {i}</h2><p>{p}</p>" if i % 10 == 0 else f"<p>{p}</p>" for i, p in enumerate(paragraphs)
        )
        (folder / f"{number}.html").write_text(f"<html><body><h1>Document {number}</h1>{body}</body></html>")
    elif number < 950:
        (folder / f"{number}.docx").write_bytes(_docx(paragraphs))
    else:
        (folder / f"{number}.pdf").write_bytes(_pdf(paragraphs))
    return sum(map(len, paragraphs))


def _docx(paragraphs: Sequence[str]) -> bytes:
    plain, out = io.BytesIO(), io.BytesIO()
    docx.Document().save(plain)
    body = "".join(f"<w:p><w:r><w:t>{p}</w:t></w:r></w:p>" for p in paragraphs)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for item in source.infolist():
            content = source.read(item)
            if item.filename == "word/document.xml":
                content = content.replace(b"<w:body>", b"<w:body>" + body.encode())
            made.writestr(item.filename, content)
    return out.getvalue()


def _pdf(paragraphs: Sequence[str]) -> bytes:
    lines = [line for p in paragraphs for line in (p[i : i + 90] for i in range(0, len(p), 90))]
    a_page = -(-len(lines) // 10)
    shown = ("".join(f"({line}) Tj 0 -14 Td " for line in lines[i : i + a_page]) for i in range(0, len(lines), a_page))
    return pages(*(f"BT /F1 10 Tf 40 800 Td {text}ET" for text in shown))
