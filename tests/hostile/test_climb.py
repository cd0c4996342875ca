"""A climb on hostile rows, documents, names and answers: what it shows, writes, exports and reads back."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from rung.config.prompt import read_prompt
from rung.exports import alone, prompt, rag
from rung.exports.rows import for_tuning
from rung.report import page as report_page
from rung.report.data import as_data
from rung.report.forms import Format, rendered
from rung.store.run import RunFolder
from rung.tuning.trl import script
from tests.hostile import _checks as held
from tests.hostile._climbs import climbed, saying, serving, together
from tests.hostile._terminal import on_a_terminal
from tests.hostile.strings import SHORT, taking_turns

pytestmark = pytest.mark.slow
TEXTS = tuple(text for text in taking_turns() if text in SHORT)
NAME = together(most=2_000)
VERBS = {
    "the report as text": (["report", "run", "--format", "text"], 0),
    "the report as Markdown": (["report", "run", "--format", "markdown"], 0),
    "the report as JSON": (["report", "run", "--format", "json"], 0),
    "the report as JUnit": (["report", "run", "--format", "junit"], 0),
    "the report as CSV": (["report", "run", "--format", "csv"], 0),
    "the page": (["report", "run"], 0),
    "check": (["check"], None),
    "plan": (["plan"], 0),
    "advise": (["advise", "--yes"], 0),
    "compare": (["compare", "run:prompt", "run:fewshot"], None),
    "verify": (["verify", "run"], 0),
    "consistency": (["consistency", "run", "--rung", "prompt", "--requests", "40", "--metric", "normalized_match"], None),
    "docs list": (["docs", "list"], 0),
    "docs search": (["docs", "search", "About", "-k", "60"], None),
    "docs search of a sequence": (["docs", "search", "\x1b[2J\x1b]0;x"], None),
    "quick": (["climb", "--quick"], None),
    "climb again": (["climb", "--folder", "run"], None),
    "export prompt": (["export", "run", "--rung", "prompt"], 0),
    "export fewshot": (["export", "run", "--rung", "fewshot"], 0),
    "export rag": (["export", "run", "--rung", "rag"], 0),
    "export rows": (["export", "run", "--rung", "prompt", "--form", "rows"], 0),
    "export of a sequence": (["export", "run", "--rung", "x\x1b[2J", "--form", "\x1b]0;x\x07"], 2),
    "clean": (["data", "clean", "--accept", "duplicates,conflicts,personal-data,secrets", "--folder", "run", "--out", "cleaned"], 0),
    "clean of a sequence": (["data", "clean", "--accept", "\x1b[2J"], 2),
    "init": (["init", "rows.jsonl", "--out", "new.yaml", "--yes"], 0),
    "init of a column that is not there": (["init", "rows.jsonl", "--out", "no.yaml", "--target", "te\x1b]0;x\x07am", "--yes"], 2),
    "docs remove of a sequence": (["docs", "remove", "\x1b[2J"], 2),
    "a verb that is a sequence": (["no\x1b[2J"], 2),
    "a folder that is a sequence": (["report", "\x1b]0;x\x07\n\x1b[2J"], 2),
    "a folder whose name is too long": (["report", "x" * 5_000], 2),
    "a file whose name is too long": (["init", "x" * 300 + ".csv", "--yes", "--out", "y.yaml"], 2),
    "a run folder whose name is too long": (["climb", "--folder", "x" * 300], 2),
    "an option that is a sequence": (["report", "run", "--x\x1b[2J"], 2),
    "regression": (["regression"], None),
}  # fmt: skip


@dataclass
class Climb:
    """The project and its run, what each verb printed on a terminal, and every chat that the endpoint was asked."""

    root: Path
    run: RunFolder
    printed: dict[str, tuple[int, str]]
    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def climb(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile") / "project"
    endpoint = saying(TEXTS)
    asked, answer = [], endpoint.script

    def heard(request, attempt):
        asked.append(json.dumps(request["messages"]))
        return answer(request, attempt)

    endpoint.script = heard
    with serving(endpoint) as url:
        run = climbed(root, TEXTS, NAME, url)
        printed = on_a_terminal([words for words, _ in VERBS.values()], root)
        yield Climb(root, run, dict(zip(VERBS, printed, strict=True)), url, asked)


def test_every_approach_was_measured(climb):
    assert climb.run.measured == ("baseline", "prompt", "fewshot", "rag")
    answers = {o.answer.text for label in climb.run.measured for o in climb.run.rung(label).outcomes.need() if o.answer}
    assert len(answers & set(TEXTS)) > 150, "few hostile answers were kept"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_sends_no_sequence_but_our_own(climb, verb):
    code, said = climb.printed[verb]
    expected = VERBS[verb][1]
    documented = (0, 1, 3, 4, 6)  # what a climb may end with; 2 is bad input, 5 our fault
    assert code == expected if expected is not None else code in documented, (code, said[-600:])
    assert "Traceback" not in said
    assert "internal error" not in said
    assert held.obeyed(said) == set()
    assert held.styled(said) == set()


def test_every_form_of_the_report_holds(climb):
    forms = {form: rendered(climb.run, form) for form in Format}
    assert held.foreign_attributes(forms[Format.html]) == []
    assert set(held.elements(forms[Format.html])) <= KNOWN
    ours = (Path(report_page.__file__).parent / "page.js").read_text(encoding="utf-8").strip()
    assert [s.strip() for s in re.findall(r"(?is)<script[^>]*>(.*?)</script", forms[Format.html])] == [ours]
    assert held.markdown_foreign(forms[Format.markdown]) == set()
    assert held.markdown_foreign(held.bare_comment(forms[Format.github])) == set()
    assert held.formulas(forms[Format.csv]) == []
    assert set(held.xml_elements(forms[Format.junit])) <= {
        "testsuites",
        "testsuite",
        "testcase",
        "properties",
        "property",
        "failure",
        "error",
        "skipped",
    }
    data = json.loads(json.dumps(as_data(climb.run, rows=True)))
    assert held.without_openings(json.loads(forms[Format.json])) == held.without_openings(data)
    for form in (Format.html, Format.text, Format.markdown, Format.junit):
        assert held.obeyed(forms[form], ours=False) == set(), form


KNOWN = set(
    "article html head meta title style body header span nav a main section p h1 h2 h3 h4 dl div dt dd ul li ol details summary code b figure svg line text tspan rect g "
    "circle table thead tr th tbody td small pre footer input label path polyline figcaption del ins select option output script".split()
)


def test_parts_and_answers_are_kept_as_they_were(climb):
    rows = [json.loads(line) for line in (climb.root / "rows.jsonl").read_text().splitlines()]
    by_id = {row["id"].strip(): row for row in rows}
    for example in (*climb.run.parts.train.need(), *climb.run.parts.dev.need()):
        row = by_id[example.id]
        assert example.target == row["team"]
        assert all(text == row[column] for column, text in example.inputs.items())


def test_what_is_exported_is_data_beside_constant_code(climb, tmp_path):
    exports = climb.run.path / "exports"
    sources = sorted(path for path in exports.rglob("*.py"))
    assert {path.name for path in sources} >= {
        "ask.py",
        "rag.py",
        "documents.py",
        "train_trl.py",
        "command_line.py",
        "endpoint.py",
        "with_promptfoo.py",
    }
    for form in (prompt, rag):
        for nearest in (False, True):
            form.put_program(tmp_path / form.form.name / str(nearest), nearest=nearest)
    written = [*tmp_path.rglob("*.py"), *Path(alone.__file__).parent.glob("*.py")]
    constant = {script(), *(path.read_text("utf-8") for path in written)}
    for path in sources:
        ast.parse(path.read_text("utf-8"))
        assert path.read_text("utf-8") in constant
    for path in exports.rglob("*.json"):
        json.loads(path.read_text("utf-8"))
    for path in exports.rglob("*.jsonl"):
        for line in path.read_text("utf-8").split("\n")[:-1]:
            json.loads(line)
    assert not list(climb.root.rglob("RAN"))


def test_the_exported_rows_are_the_rows(climb):
    place = climb.run.path / "exports/prompt-rows"
    train, dev = for_tuning(tuple(climb.run.parts.train.need()), tuple(climb.run.parts.dev.need()))
    for part, examples in (("train", train), ("dev", dev)):
        lines = [json.loads(line) for line in (place / f"chat-{part}.jsonl").read_text("utf-8").split("\n")[:-1]]
        answered = [e for e in examples if e.target.strip()]
        assert [chat["messages"][-1]["content"] for chat in lines] == [e.target for e in answered]
        for chat, example in zip(lines, answered, strict=True):
            asked = "\n".join(turn["content"] for turn in chat["messages"][:-1])
            assert all(text in asked for text in example.inputs.values())


def test_the_exported_prompt_is_read_back_equal(climb):
    """What `rows` writes is named as task.prompt when the tuned model comes back."""
    place = climb.run.path / "exports"
    asked = json.loads((place / "prompt-prompt/prompt.json").read_text("utf-8"))["messages"]
    found = read_prompt(place / "prompt-rows/prompt.yaml")
    assert [message.as_dict() for message in found] == asked
    assert json.loads((place / "prompt-rows/prompt.yaml").read_text("utf-8")) == asked


@pytest.mark.parametrize("label", ["prompt", "fewshot", "rag"])
def test_the_exported_script_asks_what_was_measured(climb, label):
    place = climb.run.path / f"exports/{label}-{'rag' if label == 'rag' else 'prompt'}"
    rows = [e.inputs for e in climb.run.parts.dev.need()[:40]]
    measured, already = set(climb.asked), len(climb.asked)
    program = (
        f"import json, sys, urllib.error\nimport {'rag' if label == 'rag' else 'ask'} as ask\n"
        "for row in json.load(sys.stdin):\n"
        "    try:\n        ask.answer(row)\n    except urllib.error.HTTPError:\n        pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place, input=json.dumps([dict(r) for r in rows]), capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    again = climb.asked[already:]
    assert len(again) == len(rows)
    assert set(again) <= measured, "the script asked something else"
    assert not list(climb.root.rglob("RAN"))


def test_a_new_version_of_the_data_holds_the_rows_as_they_were(climb):
    version = json.loads((climb.root / "cleaned/version.json").read_text("utf-8"))
    changed = {change["id"] for change in version["changes"]}
    rows = {json.loads(line)["id"]: json.loads(line) for line in (climb.root / "rows.jsonl").read_text().splitlines()}
    kept = 0
    for part in ("train", "test"):
        for line in (climb.root / f"cleaned/{part}.jsonl").read_text("utf-8").split("\n")[:-1]:
            row = json.loads(line)
            if row["id"].strip() not in changed:
                assert row == rows[row["id"]]
                kept += 1
    assert kept > 200
    assert changed


def test_what_init_wrote_is_read_back(climb):
    raw = yaml.safe_load((climb.root / "new.yaml").read_text("utf-8"))
    assert raw["task"]["inputs"]
    assert set(raw["task"]["inputs"]) <= {f"{NAME} first", f"{NAME} second"}
    assert raw["task"]["target"] == "team"
    assert NAME in raw["task"]["instruction"]
