"""The examples of `rung demo real`, written by hand: what is expected stands in the text, and no two texts share a frame."""

import json
import re

import pytest

from bench.real.variety import figures
from rung.config import load_config
from rung_nano import REAL

NAMES = ("handbook", "orders", "tickets")


def rows(name):
    return [json.loads(line) for line in (REAL / name / "rows.jsonl").read_text("utf-8").splitlines()]


def stands_in(value, text):
    return re.search(rf"(?<!\w){re.escape(value.casefold())}(?!\w)", text.casefold()) is not None


def test_each_field_of_an_order_stands_in_its_mail_as_it_is_written():
    for row in rows("orders"):
        order = json.loads(row["order"])
        assert "product" in order
        assert set(order) <= {"product", "quantity", "city", "day"}
        assert all(stands_in(value, row["mail"]) for value in order.values()), row


def test_each_answer_stands_in_its_page_and_in_no_question():
    pages = {p.stem: p.read_text("utf-8") for p in (REAL / "handbook" / "documents").glob("*.md")}
    assert len(pages) == 20
    for row in rows("handbook"):
        assert stands_in(row["answer"], pages[row["page"]]), row
        assert not stands_in(row["answer"], row["question"]), row


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_individually_worded(name):
    """Of as many messages of banking77 .035 have a near-duplicate, .48 open as another does, and the type-token ratio is .22."""
    texts = [row[next(key for key in row if key != "id")] for row in rows(name)]
    count, _, ratio, near, opening = figures(texts)
    assert len(set(texts)) == count
    assert near == 0.0
    assert opening < 0.3
    assert ratio > 0.3


@pytest.mark.parametrize("name", NAMES)
def test_goals_are_told_with_their_reason(name, tmp_path):
    text = (REAL / name / "rung.yaml").read_text("utf-8")
    assert re.search(r"goal: 0\.\d+ +# set before .{20,}", text)
    assert json.loads((REAL / name / "weights.json").read_text("utf-8")) == {"model": "smollm2"}
    place = tmp_path / name
    place.mkdir()
    (place / "weights").mkdir()
    (place / "weights" / "config.json").write_text("{}")
    for file in ("rows.jsonl", "live-prompt.txt", "rung.yaml"):
        (place / file).write_bytes((REAL / name / file).read_bytes())
    (place / "documents").mkdir()
    assert load_config(place / "rung.yaml").task.goal > 0
