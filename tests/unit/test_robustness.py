"""Changed dev examples: what a change does, the drop and its interval by hand, and a verdict that never depends on it."""

from __future__ import annotations

import io
import json
import math
from statistics import NormalDist

import pytest
from rich.console import Console

from rung.config import Config
from rung.diagnosis.changes import CHANGES, ORDER, REWORDED, changed, changed_inputs
from rung.diagnosis.robustness import TOGETHER, robustness_of
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import ConfigError
from rung.ladder import climb
from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.text import render_text
from rung.stats.paired import paired_interval
from rung.store.records import Changed
from rung.store.run import RunFolder
from rung.types import (
    Answer,
    BaselineLearned,
    Candidate,
    Example,
    Failure,
    Feature,
    Message,
    Outcome,
    PromptLearned,
    Score,
)
from tests.unit._kit import task
from tests.unit._worlds import rows, world

SEED, N = 7, 300
TEXTS = ("spelling", "case", "length")


def example(
    text="Where is my parcel for order A-17 from shop@example.org? Tracking says nothing.", target="Parcel lost", **more
):
    return Example("r1", {"text": text, **more}, target, "r1")


def chat(*messages, columns=("text",)):
    learned = PromptLearned(messages=tuple(Message(*m) for m in messages), columns=columns)
    return Candidate("prompt", "as-is", learned, "main")


@pytest.mark.parametrize("change", TEXTS)
def test_equal_examples_get_equal_changes_and_the_answer_stays(change):
    one = example()
    made = changed_inputs(change, one, SEED)
    assert made == changed_inputs(change, example(), SEED)
    assert made.inputs != one.inputs
    assert (made.id, made.target, made.group) == (one.id, one.target, one.group)
    assert all(kept in made.inputs["text"] for kept in ("parcel", "A-17", "shop@example.org"))


def test_one_word_in_eight_is_misspelt_by_one_letter():
    words = " ".join(f"{a}{b}{a}ord" for a in "bcdfghjk" for b in "aeiou")
    made = changed_inputs("spelling", example(words), SEED).inputs["text"]
    differ = [(a, b) for a, b in zip(words.split(), made.split(), strict=True) if a != b]
    assert len(differ) == math.ceil(40 / 8)
    assert all(abs(len(a) - len(b)) <= 1 and a[0] == b[0] for a, b in differ)
    assert changed_inputs("spelling", example(words), SEED + 1).inputs["text"] != made


def test_case_turns_to_lower_and_what_is_lower_to_capitals():
    assert changed_inputs("case", example("Hello ÄRGER Lost"), SEED).inputs["text"] == "hello ärger Lost"
    assert changed_inputs("case", example("hello lost straße"), SEED).inputs["text"] == "HELLO lost STRASSE"


def test_length_adds_lines_without_words_to_the_longest_column():
    made = changed_inputs("length", example("x" * 400, other="short"), SEED).inputs
    assert made["other"] == "short"
    assert made["text"].startswith("x" * 400 + "\n\n- - ")
    assert 550 < len(made["text"]) < 680
    assert not set(made["text"][400:]) - set("- \n")


def test_the_order_of_columns_turns_in_the_prompt_and_for_what_has_none():
    t = task(inputs=("subject", "body"))
    row = Example("r1", {"subject": "a", "body": "b"}, "x", "r1")
    asked, made = changed(
        ORDER,
        chat(("system", "Go."), ("user", "Subject: {{subject}}\nBody: {{body}}"), columns=t.inputs),
        [row],
        t,
        SEED,
    )
    assert asked.prompt[1].content == "Body: {{body}}\nSubject: {{subject}}"
    assert len(made) == 1
    fixed = chat(("user", "{{subject}} and {{body}}"), columns=t.inputs)
    assert changed(ORDER, fixed, [row], t, SEED) == (fixed, ())
    plain = Candidate("baseline", "linear", BaselineLearned(method="majority", answer="x"), None)
    assert [*changed(ORDER, plain, [row], t, SEED)[1][0].inputs] == ["body", "subject"]
    assert changed(ORDER, plain, [example()], task(), SEED)[1] == ()


def test_the_instruction_is_put_in_other_words_and_a_feature_of_the_users_stays():
    t = task(instruction="Route the ticket. Answer with {{text}} quoted.")
    stands = chat(
        ("system", "Route the ticket. Answer with \\{{text}} quoted.\nLabels: route, answer"), ("user", "{{text}}")
    )
    asked, made = changed(REWORDED, stands, [example()], t, SEED)
    assert made == (example(),)
    said = asked.prompt[0].content
    assert said.endswith("Send the ticket. Reply with \\{{text}} quoted.\nLabels: route, answer")
    assert said.startswith("Please do the following")
    assert asked.prompt[1] == stands.prompt[1]
    theirs = Candidate("prompt", "as-is", stands.learned, "main", feature=Feature("your function", True))
    assert changed(REWORDED, theirs, [example()], t, SEED)[1] == ()


def outcome(name, value, group=None):
    if value is None:
        return Outcome(name, group or name, None, None, Failure("timeout", "no answer"))
    return Outcome(name, group or name, Answer("x"), {"normalized_match": Score(value)})


def by_hand(n, right, level=0.95):
    """Newcombe's interval of the drop where all n were right before and `right` are after: no correlation can be seen."""
    z = NormalDist().inv_cdf(0.5 + level / 2)

    def wilson(hits):
        p, middle = hits / n, hits / n + z * z / (2 * n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (middle - half) / (1 + z * z / n), min(1.0, (middle + half) / (1 + z * z / n))

    (low_after, high_after), (low_before, high_before) = wilson(right), wilson(n)
    p, q = right / n, 1.0
    low = p - q - math.hypot(p - low_after, high_before - q)
    high = p - q + math.hypot(high_after - p, q - low_before)
    return -high, -low


def test_drop_and_interval_are_those_computed_by_hand():
    before = [outcome(f"r{i}", 1.0) for i in range(50)]
    after = [Changed("case", outcome(f"r{i}", float(i >= 12))) for i in range(50)]
    found = robustness_of("prompt", before, after, (), task(), SEED)
    (drop,) = found.drops
    assert (drop.n, drop.before, drop.after, drop.drop) == (50, 1.0, pytest.approx(0.76), pytest.approx(0.24))
    assert (drop.low, drop.high) == pytest.approx(by_hand(50, 38), abs=1e-9)
    assert (drop.worse, drop.better, drop.unanswered, found.whole) == (12, 0, 0, True)


def test_over_all_changes_an_example_counts_once_and_what_has_no_answer_is_left_out():
    before = [outcome(f"r{i}", float(i < 30), f"g{i // 2}") for i in range(40)]
    case = [outcome(f"r{i}", float(i < 24), f"g{i // 2}") for i in range(40)]
    longer = [outcome(f"r{i}", None if i < 4 else float(i < 30), f"g{i // 2}") for i in range(40)]
    answered = [*(Changed("case", o) for o in case), *(Changed("length", o) for o in longer)]
    found = robustness_of("prompt", before, answered, (), task(), SEED)
    assert [(d.change, d.n, d.unanswered) for d in found.drops] == [("case", 40, 0), ("length", 36, 4)]
    assert not found.whole
    means = [1.0 if i < 24 else 0.5 if i < 30 else 0.0 for i in range(40)]
    span = paired_interval([float(i < 30) for i in range(40)], means, [f"g{i // 2}" for i in range(40)], seed=SEED)
    assert found.together.change == TOGETHER
    assert (found.together.n, found.together.drop) == (40, pytest.approx(3 / 40))
    assert (found.together.low, found.together.high) == pytest.approx((-span.high, -span.low))


def sensitive(share):
    """Answers of a world that reads misspelt and longer texts, and capitals in all but this share of the examples."""
    known = {}
    for i, row in enumerate(rows(N)):
        one = Example(row["id"], {"text": row["text"]}, row["team"], row["id"])
        for change in ("spelling", "length"):
            known[changed_inputs(change, one, SEED).inputs["text"]] = row["team"]
        if i % 100 >= 100 * share:
            known[changed_inputs("case", one, SEED).inputs["text"]] = row["team"]
        known[row["text"]] = row["team"]
    return {"answers": known}


def config_of(root, share=0.5, **changes) -> Config:
    ladder = ["baseline", {"prompt": {"rewrites": False}}]
    return world(root, N, model=sensitive(share), ladder=ladder, diagnosis={"calls": 0}, **changes)


@pytest.fixture(scope="module")
def sensitive_run(tmp_path_factory):
    root = tmp_path_factory.mktemp("sensitive")
    before = climb(config_of(root), root / "run")
    opened = RunFolder(root / "run").times_opened
    after = climb(config_of(root, robustness=40), root / "run")  # the key is added later: what was answered stays
    return root, before, opened, after


def drops(folder, label):
    (found,) = (one for one in RunFolder.open(folder).robustness.need() if one.rung == label)
    return found, {drop.change: drop for drop in found.drops}


def test_a_world_that_is_sensitive_to_case_shows_the_drop_and_nothing_else(sensitive_run):
    root, before, opened, after = sensitive_run
    assert [one.rung for one in RunFolder.open(root / "run").robustness.need()] == ["prompt", "baseline"]
    found, by_change = drops(root / "run", "prompt")
    assert set(by_change) == {*TEXTS, REWORDED}  # one column has no other order
    case = by_change["case"]
    assert (case.n, case.before) == (40, 1.0)
    assert case.low > 0.2
    assert (case.low, case.high) == pytest.approx(by_hand(40, 40 - case.worse), abs=1e-9)
    assert [by_change[c].drop for c in ("spelling", "length", REWORDED)] == [0.0, 0.0, 0.0]
    assert found.together.drop == pytest.approx(case.drop / 4)
    assert after.verdict == before.verdict
    assert RunFolder(root / "run").times_opened == opened


def test_a_world_that_is_not_shows_none(tmp_path):
    climb(config_of(tmp_path, 0.0, robustness=True), tmp_path / "run")
    found, by_change = drops(tmp_path / "run", "prompt")
    assert by_change["case"].n == len(RunFolder.open(tmp_path / "run").parts.dev.need())  # fewer than a hundred: all
    assert [drop.drop for drop in (found.together, *found.drops)] == [0.0] * 5
    assert found.together.low < 0 < found.together.high


def test_every_number_is_recomputed_and_an_edited_one_is_noticed(sensitive_run):
    folder = RunFolder.open(sensitive_run[0] / "run")
    assert [c.what for c in verify(folder) if not c.passed] == []
    assert any(c.what == "robustness" and c.compared > 30 for c in verify(folder))
    kept, told = folder.rung("prompt").changed, folder.robustness.where
    as_written, whole = told.read_bytes(), folder.robustness.plain()
    lines = kept.where.read_text()
    row = json.loads(lines.splitlines()[0])
    row["outcome"]["answer"]["text"] = "nonsense"
    kept.where.write_text("\n".join([json.dumps(row), *lines.splitlines()[1:]]) + "\n")
    assert any("spelling" in c.what and "score differently" in c.differs for c in verify(folder))
    row["outcome"]["example_id"] = "made up"
    kept.where.write_text("\n".join([json.dumps(row), *lines.splitlines()[1:]]) + "\n")
    assert "made up is no dev example" in [c.differs for c in verify(folder)]
    kept.where.write_text(lines)
    folder.write("robustness.json", [{**whole[0], "together": {**whole[0]["together"], "low": -0.5}}, *whole[1:]])
    assert [c.what for c in verify(folder) if not c.passed] == ["robustness"]
    told.write_bytes(as_written)


def test_the_same_command_reads_back_and_asks_nothing(sensitive_run):
    root, _, _, after = sensitive_run
    calls = RunFolder.open(root / "run").spend.need()["calls"]
    again = climb(config_of(root, robustness=40), root / "run")
    assert (again.read_back, again.verdict) == (True, after.verdict)
    assert RunFolder.open(root / "run").spend.need()["calls"] == calls


def test_every_form_of_the_report_tells_it(sensitive_run):
    folder = RunFolder.open(sensitive_run[0] / "run")
    screen = io.StringIO()
    render_text(folder, Console(file=screen, width=400), verbose=True)
    case = drops(folder.path, "prompt")[1]["case"]
    drop = f"{case.drop:+.3f} ({case.low:+.3f} to {case.high:+.3f})"
    told = f"change case; examples 40; as they are 1.000; changed {case.after:.3f}; drop (95 % CI) {drop}; worse {case.worse}; better 0"
    assert f"prompt: {told}" in " ".join(screen.getvalue().split())
    page = render_page(load_report(folder))
    for text in (screen.getvalue(), render_markdown(folder), page):
        assert "prompt loses" in text
        assert drop in text
    assert page.index('<details class="part" id="robustness">') > page.index("</table>")  # folded, below the answer
    data = json.loads(json.dumps(as_data(folder)))["robustness"]
    assert [d["change"] for d in data[0]["drops"]] == [*TEXTS, REWORDED]
    screen = io.StringIO()
    render_text(folder, Console(file=screen, width=400))
    assert "changed dev examples" not in screen.getvalue()


def test_a_budget_that_is_spent_on_the_way_leaves_the_verdict_whole(tmp_path):
    before = climb(config_of(tmp_path), tmp_path / "run")
    spent = RunFolder.open(tmp_path / "run").spend.need()["usd"]
    limits = {"budget_usd": spent + 0.004}
    cut = climb(config_of(tmp_path, robustness=40, limits=limits), tmp_path / "run")
    assert (cut.verdict.decision, cut.verdict.winner, cut.exit_code) == (before.verdict.decision, "prompt", 0)
    assert cut.results["prompt"].estimates == before.results["prompt"].estimates
    found = drops(tmp_path / "run", "prompt")[0]
    assert (found.whole, len(found.untried)) == (False, 1)
    assert "budget" in found.untried[0].reason
    assert drops(tmp_path / "run", "baseline")[0].whole  # which costs nothing
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []
    assert not climb(config_of(tmp_path, robustness=40, limits=limits), tmp_path / "run").read_back
    whole = climb(config_of(tmp_path, robustness=40), tmp_path / "run")
    assert whole.verdict == before.verdict
    assert drops(tmp_path / "run", "prompt")[0].whole


def test_off_is_the_default_and_what_was_known_is_given_up(sensitive_run, tmp_path):
    config, on = config_of(tmp_path), config_of(tmp_path, robustness=40)
    assert "robustness" not in config.model_dump(mode="json")
    assert config.sha256 == on.sha256  # it steers nothing
    assert config.robustness == 0
    assert config_of(tmp_path, robustness=True).robustness == 100
    with pytest.raises(ConfigError, match="a number must be 20 or more"):
        config_of(tmp_path, robustness=5)
    climb(on, tmp_path / "run")
    climb(config, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    assert not run.robustness.exists
    assert not run.rung("prompt").changed.exists
    assert '<details class="part" id="robustness">' not in render_page(load_report(run))


def test_the_plan_counts_the_calls_of_what_asks_a_model(tmp_path):
    assert "robustness" not in [r.rung for r in plan(config_of(tmp_path)).rungs]
    (line,) = (r for r in plan(config_of(tmp_path, robustness=20)).rungs if r.rung == "robustness")
    assert (line.candidates, line.dev_calls, line.test_calls) == (1, len(CHANGES) * 20, 0)  # the baseline asks nothing
    assert line.usd > 0
