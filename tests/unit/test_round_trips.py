"""One set of examples written in every shape and read by `rung init`: the same examples, the same labels, the same stored answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rung.data.configured import read_rows
from rung.data.files import raw_rows
from rung.data.importers.base import Found
from rung.engine import fidelity
from rung.models.recorded import Recorded
from rung.models.settings import configured as models_of
from tests.unit._written import WITH_ANSWERS, WITH_BOTH, WITH_TARGETS, Row, batch
from tests.unit.test_importers import configured

LABELS = ("card_arrival", "lost card", "pin: blocked", "NO", "12:30")
OWN = [
    Row(f"r{n}", f"Customer {n} writes: “wo ist\nmy {'card' if n % 2 else 'pin'}, no. {n}?”", LABELS[n % 5], LABELS[(n + n % 3 // 2) % 5])
    for n in range(60)
]  # fmt: skip


def same_examples(rows, path, folder, **wishes):
    """Hold what `rung init` makes of a file against what was written into it; returns the configuration."""
    config, _ = configured(folder, path, **wishes)
    examples = read_rows(config).whole.examples
    asked = [row.asked for row in rows]
    assert len(examples) == len(rows)
    assert [next((v for v in e.inputs.values() if v == a), None) for e, a in zip(examples, asked, strict=True)] == asked
    assert not any(
        row.said in e.inputs.values() for e, row in zip(examples, rows, strict=True) if row.said != row.asked
    )
    return config, examples


def same_answers(rows, config):
    """Hold the stored answers, as `provider: recorded` looks them up, against what was written."""
    [settings] = [m for m in models_of(config).values() if isinstance(m, Recorded)]
    said: dict[str, str] = {}
    for row in rows:
        said.setdefault(row.asked, row.said)
    found = {
        max((a for a in said if a in asked), key=len): stored.text for asked, stored in settings.book.answers.items()
    }
    assert found == said


@pytest.mark.parametrize("shape", WITH_TARGETS)
def test_examples_with_labels(shape, tmp_path):
    config, examples = same_examples(OWN, WITH_TARGETS[shape](OWN, tmp_path), tmp_path)
    assert [e.target for e in examples] == [row.expected for row in OWN]
    assert config.task.kind == "classification"


@pytest.mark.parametrize("shape", WITH_BOTH)
def test_examples_with_labels_and_stored_answers_with_verdicts(shape, tmp_path):
    config, examples = same_examples(OWN, WITH_BOTH[shape](OWN, tmp_path), tmp_path)
    assert [e.target for e in examples] == [row.expected for row in OWN]
    same_answers(OWN, config)
    [same] = fidelity.compare(config, read_rows(config))
    assert (same.compared, same.differing) == (len(OWN), ())


@pytest.mark.parametrize("shape", WITH_ANSWERS)
def test_examples_with_stored_answers_alone(shape, tmp_path):
    config, _ = same_examples(OWN, WITH_ANSWERS[shape](OWN, tmp_path), tmp_path)
    assert config.task.target == ""
    same_answers(OWN, config)


def test_a_batch_and_its_answers(tmp_path):
    asked, said = batch(OWN, tmp_path)
    config, _ = same_examples(OWN, asked, tmp_path, answers=said)
    same_answers(OWN, config)


def test_a_verdict_that_was_turned_is_the_one_that_is_listed(tmp_path):
    path = WITH_BOTH["inspect json"](OWN, tmp_path)
    log = json.loads(path.read_text())
    log["samples"][7]["scores"]["exact"]["value"] = "I" if OWN[7].good else "C"
    path.write_text(json.dumps(log))
    config, _ = configured(tmp_path, path)
    [one] = fidelity.compare(config, read_rows(config))
    assert [i for i, _, _ in one.differing] == ["r7"]


def test_no_shape_is_taken_for_another(tmp_path):
    for name, write in {**WITH_TARGETS, **WITH_BOTH, **WITH_ANSWERS}.items():
        place = Path(tmp_path / name.replace(" ", "_"))
        place.mkdir()
        found = Found()
        list(raw_rows(write(OWN, place), None, found))
        known = (
            name in WITH_BOTH
            or name in WITH_ANSWERS
            or name in ("promptfoo yaml", "promptfoo json", "promptfoo csv", "langsmith examples", "langfuse items")
        )
        assert bool(found.tool) == known, (name, found.tool)
        assert not found.unmapped, (name, found.unmapped)
