"""Public data sets written in every shape that `rung init` reads, and read back: every example and every label, counted.

Of each set, `make test` takes 150 rows and `make nightly` 1,000.
"""

from __future__ import annotations

import gzip
import json

import pytest

from rung.data.configured import read_rows
from rung.engine import fidelity
from tests.tiers import NIGHTLY
from tests.unit._written import WITH_ANSWERS, WITH_BOTH, WITH_TARGETS, Row
from tests.unit.test_round_trips import same_answers, same_examples

SETS = ("banking77", "gsm8k", "it-tickets")
ROWS = 1_000 if NIGHTLY else 150


def rows_of(folder):
    """Return the first test rows, each question once; every third stored answer is the expected one of the row after it."""
    path = next(p for p in (folder / "test.jsonl", folder / "test.jsonl.gz") if p.exists())
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        held = list({row["input"]: row for row in map(json.loads, file)}.values())[:ROWS]
    after = [*held[1:], held[0]]
    return [
        Row(str(r["id"]), r["input"], r["expected"], (b if n % 3 == 0 else r)["expected"])
        for n, (r, b) in enumerate(zip(held, after, strict=True))
    ]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("shape", [*WITH_TARGETS, *WITH_BOTH])
def test_every_example_and_label_comes_back(shared_data, tmp_path, name, shape):
    rows = rows_of(shared_data / name)
    assert len(rows) > 0.6 * ROWS
    config, examples = same_examples(rows, {**WITH_TARGETS, **WITH_BOTH}[shape](rows, tmp_path), tmp_path)
    assert [e.target for e in examples] == [row.expected for row in rows]
    if shape in WITH_BOTH:
        same_answers(rows, config)
        [one] = fidelity.compare(config, read_rows(config))
        assert one.compared == len(rows)


@pytest.mark.parametrize("shape", WITH_ANSWERS)
def test_every_stored_answer_comes_back(shared_data, tmp_path, shape):
    rows = rows_of(shared_data / "banking77")
    config, _ = same_examples(rows, WITH_ANSWERS[shape](rows, tmp_path), tmp_path)
    same_answers(rows, config)
