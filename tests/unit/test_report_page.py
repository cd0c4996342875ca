"""The page: self-contained, complete, escaped; evidence resolves; test rows only once they were revealed."""

import base64
import hashlib
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from rung.errors import IntegrityError, RungError
from rung.report import rows
from rung.report.evidence import Archive, anchor_of, slug
from rung.report.failure import changed, first_failure
from rung.report.load import load_report
from rung.report.page import render_page, write_page
from rung.report.rows import ROWS_SHOWN, side_by_side
from rung.report.sent import example_lines, sent_by
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.types import Choice, Demonstration, Example, Fitted, Message, Outcome, RagLearned, Reason, Skipped, Verdict
from tests.unit._run_folder import LADDER, Made, build

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects ids, links and tags, and checks that elements close in order."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.links, self.tags, self.attributes, self.open, self.text = [], [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.ids += [v for k, v in attrs if k == "id"]
        self.links += [v for k, v in attrs if k in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def said(self):
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    skipped = (Skipped("rag", "no documents are configured"),)
    planned = ("baseline", "prompt", "fewshot", "rag", "finetune")
    return build(tmp_path_factory.mktemp("run"), planned=planned, skipped=skipped)


@pytest.fixture(scope="module")
def html(run):
    return write_page(run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_it_is_one_file_that_loads_nothing_and_runs_its_own_script_alone(html, page):
    assert page.tags.count("script") == html.count("<script>") == 1
    assert not {"link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert all(link.startswith("#") for link in page.links)
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"url\(|@import|https?://", html)


def test_the_policy_allows_this_very_style_and_script_and_nothing_else(html):
    texts = [re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1] for tag in ("style", "script")]
    style, script = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def test_ids_are_unique_and_every_link_lands(page):
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_it_opens_with_the_verdict_and_shows_every_number_with_n(run, page):
    said = page.said.replace("\u00a0", " ")
    assert "No fine-tuning needed: a better prompt meets the goal." in said
    assert "96 % correct on 200 held-out examples (95 % CI 92 to 98 %; goal 90 %)." in said
    for number in ("0.52", "0.45-0.59", "0.96", "0.92-0.98", "$0.58", "$174.00", "meets the goal"):
        assert number in said
    for line in run.load("verdict.json", Verdict).counterfactuals:
        assert line in said


def test_what_a_reader_needs_stands_first_and_is_not_folded(html):
    order = ["<h1>", '<p class="lede">', 'class="next"', "<svg viewBox", "<table", '<section id="why"']
    places = [html.find(mark) for mark in order]
    assert -1 not in places
    assert places == sorted(places)
    assert "<details" not in html[html.index("<body>") : html.index("</table>")]
    assert html.count("<h1>") == 1


def test_the_first_failure_is_shown_word_by_word(tmp_path):
    dev = tuple(Example(f"d{i}", {"subject": "s", "body": f"row {i}"}, "billing", f"d{i}") for i in range(40))
    folder = build(tmp_path, LADDER[:2], sizes=(40, 20, 60), dev=dev)
    said = first_failure(side_by_side(load_report(folder)))
    assert said.approach == "prompt"
    assert said.expected == "billing"
    assert "".join(text for kind, text in said.changes if kind != "added") == "billing"
    html = write_page(folder).read_text("utf-8")
    assert html.index('id="failure"') < html.index('id="why"')
    assert f'<a href="#{said.anchor}">' in html
    assert list(changed("a b c", "a x c")) == [("same", "a "), ("missing", "b"), ("added", "x"), ("same", " c")]


def test_one_approach_makes_no_chart(tmp_path):
    assert (
        "<svg"
        not in write_page(build(tmp_path, LADDER[:1], sizes=(40, 20, 60))).read_text("utf-8").partition("</table>")[0]
    )


def test_rungs_not_run_say_why(page):
    assert "RAG skipped no documents are configured" in page.said
    assert "fine-tuning not reached the run ended on an approach below" in page.said


def test_the_share_of_failures_fixed_stands_beside_the_folklore(page):
    assert "Fixed 64 % of the failures that baseline left (61 of 96); folklore says 60 %." in page.said
    assert re.search(r"Fixed \d+ % of the failures that prompt left .*?; folklore says 20 %", page.said)


def test_for_graded_scores_the_regained_quality_is_said(run):
    report = load_report(run, rows=False)
    (pair, _), (below, *rest) = report.comparisons, report.rungs
    estimates = {"normalized_match": replace(report.estimate(below), mean=0.3051)}
    graded = replace(below, result=replace(below.result, estimates=estimates))
    report = replace(report, rungs=(graded, *rest), comparisons=(replace(pair, gain=0.2, fixed_share=0.01),))
    said = Page(render_page(report)).said
    assert "Regained 29 % of the quality that baseline missed; folklore says 60 %." in said
    assert "Wholly right now: 1 % of the examples that were not." in said


def test_the_chosen_prompt_is_shown_whole_and_what_was_left_out_with_its_reason(page):
    assert "Answer with the team's name alone, in lower case." in page.said
    assert "prompt long-rules: its longest prompt has 4,210 tokens; toy-1 reads 4,096" in page.said


def test_every_reason_is_backed_by_evidence_that_resolves(run, page):
    report = load_report(run)
    keys = [key for reason in report.verdict.reasons for key in reason.evidence]
    assert len(keys) > 10
    assert set(report.evidence) == set(keys)
    assert [e.key for e in report.evidence.values() if not e.resolves] == []
    assert {e.anchor for e in report.evidence.values()} <= set(page.ids)
    assert "does not resolve" not in page.said


def test_an_evidence_key_that_points_at_nothing_is_told(tmp_path):
    folder = build(tmp_path, sizes=(40, 20, 60))
    verdict = folder.load("verdict.json", Verdict)
    reasons = (Reason("made up", "none", ("prompt/result#quality.luck",)),)
    folder.save("verdict.json", replace(verdict, reasons=reasons), Verdict)
    said = Page(write_page(folder).read_text(encoding="utf-8")).said
    assert "does not resolve prompt/result has no 'luck'" in said


@pytest.mark.parametrize(
    ("key", "trouble"),
    [
        ("prompt/result#quality.lower", None),
        ("prompt/result#estimates.normalized_match.mean", None),
        ("comparisons#0.gain", None),
        ("comparisons#9.gain", "comparisons has no '9.gain'"),
        ("prompt/outcomes", None),
        ("none/result#quality", "'none/result' names nothing of this run"),
        ("../secret#a", "'../secret' names nothing of this run"),
        ("prompt/dev", "'prompt/dev' names nothing of this run"),
        ("/etc/passwd", "'/etc/passwd' names nothing of this run"),
    ],
)
def test_evidence_keys_are_looked_up_inside_the_run_folder(run, key, trouble):
    assert Archive(run).look_up(key).trouble == trouble


def test_anchors_of_odd_names_are_valid_ids():
    assert anchor_of("prompt@small/result#quality") == "rung-prompt.40small"
    assert slug('a b"<') == "a.20b.22.3c"


def test_test_rows_stay_sealed_until_they_are_revealed(tmp_path):
    folder = build(tmp_path, sizes=(40, 20, 60))
    before = write_page(folder).read_text(encoding="utf-8")
    assert "row-test-" not in before
    assert "Test examples are sealed." in before
    assert load_report(folder).opened == 3
    sealed_test(folder).reveal()
    after = Page(write_page(folder).read_text(encoding="utf-8")).said
    assert "These test examples were revealed: the test set is used up" in after
    assert [e["event"] for e in folder.events()][-2:] == ["test_revealed", "test_opened"]


def test_rows_come_failures_first_and_a_sample_says_so(tmp_path):
    dev = tuple(Example(f"d{i}", {"text": f"row {i}"}, "billing", f"d{i}") for i in range(500))
    report = load_report(build(tmp_path, sizes=(40, 20, 60), dev=dev))
    (table,) = side_by_side(report)
    assert table.best == "fewshot"
    assert table.total == 500 == sum(table.counts.values())
    assert len(table.rows) == ROWS_SHOWN
    kinds = [row.kind for row in table.rows]
    assert kinds == sorted(kinds, key=["wrong", "differs", "right"].index)
    assert set(kinds) == {"wrong", "differs", "right"}
    assert side_by_side(report) == (table,)
    assert "120 of 500 examples are shown, failures first" in Page(render_page(report)).said


def test_rows_named_by_a_diagnosis_are_among_those_shown(tmp_path):
    dev = tuple(Example(f"d{i}", {"text": f"row {i}"}, "billing", f"d{i}") for i in range(500))
    report = load_report(build(tmp_path, sizes=(40, 20, 60), dev=dev))
    shown = {row.id for row in side_by_side(report)[0].rows}
    for rung in report.rungs:
        for cause in rung.diagnosis.causes:
            assert set(cause.example_ids[:3]) <= shown


def test_hostile_rows_are_text(tmp_path):
    evil = "<script>alert(1)</script> \u202egnp.exe {{ 7 * 7 }} {% raw %} \x00 <!-- -->"
    dev = tuple(Example(f'"><{i}', {"<b>": evil}, "<img src=x onerror=alert(2)>", f"g{i}'") for i in range(20))
    html = write_page(build(tmp_path, sizes=(40, 20, 60), dev=dev)).read_text(encoding="utf-8")
    page = Page(html)
    assert page.tags.count("script") == 1  # ours
    assert "img" not in page.tags
    assert "<script>alert(1)</script> U+202E gnp.exe {{ 7 * 7 }} {% raw %}".replace("E g", "Eg") in page.said
    assert "\u202e" not in html
    assert "\x00" not in html


def test_a_run_that_is_not_finished_has_a_page_too(tmp_path):
    folder = build(tmp_path, LADDER[:1], planned=("baseline", "prompt"), sizes=(40, 20, 60))
    for name in ("verdict.json", "spend.json", "comparisons.json", "skipped.json"):
        (tmp_path / name).unlink()
    folder.write("run.json", {**folder.read("run.json"), "status": "interrupted"})
    said = Page(write_page(folder).read_text(encoding="utf-8")).said
    assert "No verdict yet" in said
    assert "No answer yet: the run is interrupted. Next rung climb " in said
    assert "prompt not reached" in said
    assert "Only one approach was measured: there is nothing to compare." in said
    assert "Nothing was asked yet." in said


def test_a_run_without_a_task_is_refused_with_the_next_step(tmp_path):
    RunFolder.create(tmp_path).write("run.json", {"schema": 1, "status": "failed", "planned": []})
    with pytest.raises(RungError, match=r"has nothing to report yet: .*\(status 'failed'\); run `rung climb` again"):
        load_report(RunFolder(tmp_path))


def test_a_damaged_file_is_named(tmp_path):
    folder = build(tmp_path, sizes=(40, 20, 60))
    (tmp_path / "verdict.json").write_text('{"decision": "perhaps"}')
    with pytest.raises(IntegrityError, match=r"verdict\.json is damaged at decision"):
        load_report(folder)


def test_unknown_costs_say_why(tmp_path):
    said = Page(write_page(build(tmp_path, [Made("prompt", 0.7, None)], sizes=(40, 20, 60))).read_text("utf-8")).said
    assert "unknown" in said
    assert "no price is known for the model 'house-7b'; give prices in rung.yaml" in said
    assert "nan" not in said.lower().replace("finance", "")


def test_long_prompts_and_pools_do_not_swell_the_page(tmp_path):
    folder = build(tmp_path, LADDER[:2], sizes=(40, 20, 60))
    fitted = folder.load("rungs/prompt/fit.json", Fitted)
    learned = RagLearned(
        messages=(Message("user", "y" * 90_000),),
        columns=("body",),
        demonstrations=tuple(Demonstration(f"t{i}", {"body": "x" * 900}, "billing") for i in range(2000)),
        choice=Choice(prompt="z" * 2_500_000),
        phrase="?",
    )
    changed = replace(fitted, candidate=replace(fitted.candidate, learned=learned))
    folder.save("rungs/prompt/fit.json", changed, Fitted)
    path = write_page(folder)
    said = Page(path.read_text("utf-8")).said
    assert path.stat().st_size < 300_000
    assert "70,000 more characters in the run folder" in said
    assert "2,000 training examples it may show, the first 8" in said
    assert '"rows": "30 entries, in the run folder"' in said


def test_equal_folders_give_equal_pages(run):
    assert render_page(load_report(run)) == render_page(load_report(run))


@pytest.mark.slow
def test_ten_thousand_rows_and_six_rungs_stay_small_and_quick(tmp_path):
    long = "The customer writes at length about the parcel that never came. " * 20
    dev = tuple(Example(f"d{i}", {"subject": "s", "body": f"{i} {long}"}, "billing", f"d{i}") for i in range(10_000))
    names = ("baseline", "prompt", "fewshot", "rag", "finetune", "scratch")
    folder = build(tmp_path, LADDER[:1], planned=names, sizes=(40, 20, 60), dev=dev)
    for name in names[1:]:
        for file in ("dev.jsonl", "fit.json", "result.json", "diagnosis.json"):
            (tmp_path / "rungs" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "rungs" / name / file).write_bytes((tmp_path / "rungs/baseline" / file).read_bytes())
    start = time.process_time()
    size = write_page(folder).stat().st_size
    assert time.process_time() - start < 3.0
    assert size < 5_000_000


def test_outcome_shape_in_rows_is_the_stored_one(run):
    stored = run.load_rows("rungs/prompt/dev.jsonl", Outcome)
    side = load_report(run).sides[0]
    assert list(side.outcomes["prompt"].values()) == list(stored)
    assert json.loads((run.path / "run.json").read_text())["status"] == "done"


def test_the_chat_is_shown_as_it_was_sent(run, html):
    report = load_report(run)
    (table,) = side_by_side(report)
    row = table.rows[0]
    chats = {cell.rung: [(m.role, m.content) for m in cell.chat] for cell in row.cells}
    assert chats["baseline"] == []
    example = next(e for e in report.sides[0].examples if e.id == row.id)
    system = "Route the ticket to one team: billing, delivery, returns, accounts or technical."
    user = (
        f"{example.inputs['subject']}\n\n{example.inputs['body']}\n\nAnswer with the team's name alone, in lower case."
    )
    assert chats["prompt"] == chats["fewshot"] == [("system", system), ("user", user)]
    assert table.chats == len(table.rows)
    assert html.count("chat as sent") == sum(bool(cell.chat) for row in table.rows for cell in row.cells) > 100
    assert "prints any of them" not in html


def test_where_chats_have_no_room_the_failures_come_first_and_a_command_prints_the_rest(run, monkeypatch):
    monkeypatch.setattr(rows, "MOST_CHAT_BYTES", 10_000)
    report = load_report(run)
    (table,) = side_by_side(report)
    assert 0 < table.chats < len(table.rows)
    assert [bool(row.cells[-1].chat) for row in table.rows] == [n < table.chats for n in range(len(table.rows))]
    said = Page(render_page(report)).said
    assert f"The chats sent are shown for the first {table.chats}; rung report " in said
    lines = "\n".join(example_lines(run, table.rows[-1].id))
    assert "== few-shot\n-- system\nRoute the ticket" in lines
    assert lines.endswith("-- score 1")
    with pytest.raises(RungError, match=r"has no dev example 'test-0001'; .* test examples stay sealed"):
        list(example_lines(run, "test-0001"))


def test_features_that_are_given_the_row_alone_show_no_chat(run):
    report = load_report(run)
    candidate = report.rung("prompt").fitted.candidate
    assert sent_by(report, candidate) is not None
    head = {**report.head, "config": {"models": {"main": {"provider": "http"}}}}
    assert sent_by(replace(report, head=head), candidate) is None


def test_a_row_names_its_cause_and_is_a_link_to_itself(tmp_path):
    report = load_report(build(tmp_path, LADDER[:2], sizes=(40, 40, 60)))
    html = render_page(report)
    (table,) = side_by_side(report)
    told = {i: c.name for c in report.best.diagnosis.causes for i in c.example_ids}
    assert {row.id: row.cause for row in table.rows if row.cause} == told != {}
    assert table.causes == sorted(set(told.values()))
    row = next(row for row in table.rows if row.cause)
    assert f'<tr id="{row.anchor}" class="{row.kind}" data-cause="{row.cause}">' in html
    assert f'<a class="id" href="#{row.anchor}">{row.id}</a>' in html
