"""A project to climb: rows of some sixty words that differ as tickets do, a ladder without a baseline, a stub to ask."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.harness.rows import INSTRUCTION, LABELS, target_of

CONCURRENCY = 64
_SYLLABLES = "ba be bi bo ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so ta te ti to va ve vi vo".split()
_DRAW = random.Random(15)
_WORDS = sorted({"".join(_DRAW.choices(_SYLLABLES, k=_DRAW.choice((2, 2, 3, 3, 4)))) for _ in range(6000)})
_MARKS = {label: _DRAW.sample(_WORDS, 40) for label in LABELS}

_CONFIG = """\
version: 1
task:
  name: tickets
  kind: classification
  instruction: {instruction}
  inputs: [text]
  target: label
  metrics: [normalized_match]
  goal: 0.95
data: {{path: rows.jsonl, id: id}}
models:
  main: {{provider: openai, name: stub, base_url: "{url}", concurrency: {concurrency},
         input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.4}}
ladder: [prompt, fewshot]
limits: {{budget_usd: 50}}
"""


def ticket(number: int) -> str:
    """Return the text of a row; one in 200 is nearly the text of the row four before it, which has the same label.

    The endpoint knows the right answer by the number that the text begins with.
    """
    if number % 200 == 199:
        return f"{ticket(number - 4)} once more"
    draw = random.Random(number)
    words = draw.choices(_WORDS, k=draw.randint(35, 75))
    for place in draw.sample(range(len(words)), 8):
        words[place] = draw.choice(_MARKS[target_of(number)])
    return f"ticket {number}: {' '.join(words)}"


@contextlib.contextmanager
def project(rows: int) -> Iterator[Path]:
    """Make a folder with so many rows; `configure` writes its rung.yaml. It is removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="rung-bench-"))
    with (path / "rows.jsonl").open("w") as file:
        for number in range(rows):
            file.write(json.dumps({"id": f"r{number}", "text": ticket(number), "label": target_of(number)}) + "\n")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def configure(path: Path, url: str) -> Path:
    """Write rung.yaml for the endpoint at `url`; return it."""
    file = path / "rung.yaml"
    file.write_text(_CONFIG.format(instruction=json.dumps(INSTRUCTION), url=url, concurrency=CONCURRENCY))
    return file
