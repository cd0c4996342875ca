"""A run folder whose every text is hostile, in every form of the report: nothing runs, hides, moves, computes or is lost.

`make test` fills the folder three times; `make nightly` as often as there are texts, so that each stands in each place.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass

import pytest

from rung.report.data import as_data
from rung.report.escape import shown
from rung.report.forms import Format, rendered
from rung.report.github import render_github
from rung.report.load import load_report
from rung.report.rows import side_by_side
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.types import Skipped
from tests.hostile import _checks as held
from tests.hostile._browser import CHROMIUM, look_at
from tests.hostile._folders import Pick, copied, free_places
from tests.hostile.strings import ALL, FETCHED, IDEAS, JS, strings, taking_turns
from tests.tiers import NIGHTLY
from tests.unit._run_folder import LADDER, Made, build

pytestmark = pytest.mark.slow
TURNS = taking_turns()
SHIFTS = range(len(TURNS)) if NIGHTLY else (0, 171, 342)
KEPT = frozenset(" \n\t:;.")  # what decides where a report cuts and folds a text


@dataclass(frozen=True)
class Pair:
    """One run with hostile texts, and the same run with harmless ones of the same length: folders, and each form of them."""

    hostile: RunFolder
    harmless: RunFolder
    forms: dict[Format, tuple[str, str]]  # of both
    shift: int


def hostile(shift: int) -> Pick:
    """Give each text of a run a hostile one of its own: the same in every place, and different from every other."""
    given: dict[str, str] = {}
    return lambda text: given.setdefault(text, f"{TURNS[(len(given) + shift) % len(TURNS)]}{len(given)}")


def harmless(shift: int) -> Pick:
    pick = hostile(shift)
    return lambda text: "".join(c if c in KEPT or (c.isascii() and c.isalnum()) else "x" for c in pick(text))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with a rung without a price, a skipped one, and test rows that people have seen."""
    rungs = (*LADDER[:2], Made("fewshot", 0.8, None))
    planned, skipped = (*(made.label for made in rungs), "distil"), (Skipped("distil", "no larger model"),)
    path = tmp_path_factory.mktemp("elsewhere") / "run"
    folder = build(path, rungs, planned=planned, skipped=skipped, goal=0.97, sizes=(20, 110, 20))
    sealed_test(folder).reveal()
    return folder


@pytest.fixture(scope="module")
def free(run):
    found = free_places(run.path)
    assert len(found) > 150, "hardly any text of a run folder is filled"
    assert {"headline", "message", "reason", "evidence"} <= {place[-1] for place in found} | {
        place[-2] for place in found
    }
    return found


@pytest.fixture(scope="module", params=SHIFTS)
def pair(request, run, free, tmp_path_factory):
    root, shift = tmp_path_factory.mktemp("pair"), request.param
    both = [
        copied(run.path, root / name, free, pick(shift))
        for name, pick in (("hostile", hostile), ("harmless", harmless))
    ]
    forms = {form: (rendered(both[0], form), rendered(both[1], form)) for form in Format}
    return Pair(*both, forms, shift)


def test_the_corpus_is_as_large_as_it_is_said_to_be():
    assert len(IDEAS) >= 40
    assert len(ALL) >= 200
    assert len(list(strings())) >= len(ALL) == len(TURNS)


def test_the_page_has_the_elements_of_a_harmless_one(pair):
    page, other = pair.forms[Format.html]
    marks = Counter({"ins": 10**6, "del": 10**6})  # as many as the texts differ in: no text makes another element
    assert held.elements(page) - marks == held.elements(other) - marks
    assert held.foreign_attributes(page) == []
    assert held.obeyed(page, ours=False) == set()
    tables = side_by_side(load_report(pair.hostile))
    assert sum(len(table.rows) for table in tables) > 100
    missing = [row.target for table in tables for row in table.rows if str(shown(row.target[:150])) not in page]
    assert missing == []


def test_the_terminal_form_holds_no_control_character(pair):
    text = pair.forms[Format.text][0]
    assert held.obeyed(text, ours=False) == set()
    assert "rung" in text


def test_markdown_has_the_blocks_of_a_harmless_one_and_no_link_image_or_html(pair):
    text, other = pair.forms[Format.markdown]
    assert held.markdown_foreign(text) == set()
    assert held.markdown_blocks(text) == held.markdown_blocks(other)
    assert held.obeyed(text, ours=False) == set()


def test_a_comment_has_the_blocks_of_a_harmless_one_and_no_link_image_or_html(pair):
    text, other = (render_github(run, run) for run in (pair.hostile, pair.harmless))
    assert held.markdown_foreign(held.bare_comment(text)) == set()
    assert held.markdown_blocks(text) == held.markdown_blocks(other)
    assert held.obeyed(text, ours=False) == set()


def test_json_is_the_data(pair):
    text, ascii_only = pair.forms[Format.json][0], rendered(pair.hostile, Format.json, ascii_only=True)
    data = json.loads(json.dumps(as_data(pair.hostile, rows=True)))
    assert held.without_openings(json.loads(text)) == held.without_openings(data)
    assert held.without_openings(json.loads(ascii_only)) == held.without_openings(data)
    assert ascii_only.isascii()


def test_junit_is_well_formed_and_has_the_elements_of_a_harmless_one(pair):
    text, other = pair.forms[Format.junit]
    assert held.xml_elements(text) == held.xml_elements(other)


def test_no_cell_of_the_csv_is_computed_and_every_text_is_read_back(pair):
    text = pair.forms[Format.csv][0]
    assert held.formulas(text) == []
    header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert {len(line) for line in lines} == {len(header)}
    report = load_report(pair.hostile)
    examples = {
        (side.part, e.id.replace("\x00", "\ufffd").replace("'", "")): e for side in report.sides for e in side.examples
    }
    assert len(lines) == 3 * len(examples) == 3 * 130
    for line in lines:
        named = dict(zip(header, line, strict=True))
        example = examples[named["part"], named["row"].replace("'", "")]
        assert held.read_back(named["target"], example.target)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: the page is not opened")
def test_in_a_browser_nothing_runs_and_nothing_is_fetched(pair, tmp_path):
    if pair.shift % 19:
        pytest.skip("opened in a browser at every 19th turn")
    hostile_page, harmless_page = pair.forms[Format.html]
    bare = re.sub(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", hostile_page
    )  # what holds without the policy
    control = f'<title>x</title><img src=x onerror="{JS}"><img src={FETCHED}/a.png>'
    files = []
    for name, page in (("page", hostile_page), ("bare", bare), ("other", harmless_page), ("control", control)):
        files.append(tmp_path / f"{name}.html")
        files[-1].write_text(page, "utf-8")
    with_policy, without, other, control = look_at(files, tmp_path / "profile")
    for seen in (with_policy, without):
        assert (seen.canary, seen.requests, seen.dialogs, seen.logged, seen.moves, seen.led) == (
            "undefined",
            [],
            [],
            [],
            [],
            [],
        )
        assert not seen.title.startswith("owned")
        assert (
            seen.title == other.title or "U+" in seen.title or seen.title
        )  # a title is text: nothing in it is an element
        assert seen.counts - other.counts in ({}, {"META": 1})
        assert set(seen.attributes) <= set(other.attributes) | {"http-equiv"}
        assert seen.ids == seen.different == other.ids
    assert with_policy.counts == other.counts == without.counts + Counter(META=1)
    assert control.canary == "number", "what the browser sees of a page that attacks is not noticed"
    assert control.dialogs
    assert any(FETCHED in request for request in control.requests)
    assert any("onerror" in name for name in control.attributes)


@pytest.mark.parametrize("idea", ["script elements", "event attributes", "loads from elsewhere"])
def test_the_checks_notice_what_is_not_escaped(idea):
    for text in IDEAS[idea][:2]:
        page = f"<p>{text}</p>"
        assert held.elements(page) != held.elements("<p>x</p>") or held.foreign_attributes(page)
    assert held.markdown_foreign(f"[x]({FETCHED})")
    assert held.markdown_foreign("see www.example.com")
    assert held.markdown_blocks("a\n\n# b") != held.markdown_blocks("a\n\nb")
    assert held.formulas("a;=1+1\r\n") == ["=1+1"]
    assert held.formulas('"a","\u00a0=1+1"\r\n')
    assert held.obeyed("\x1b]0;x\x07") == {"0x1b", "0x7"}
