"""The register of test sets: which run came first on which test examples, told by hashes alone, whoever writes at once."""

import json
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.engine.verify import verify
from rung.errors import IntegrityError, RungError
from rung.ladder import climb
from rung.report.data import as_data
from rung.report.junit import render_junit
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.store.register import FILE, MOST, Register, TestSet, Use
from rung.store.run import RunFolder
from rung.types import EarlierUse, Example
from tests.unit._worlds import rows, world

GOOD = {"abilities": {"base": 0.99}}


def examples(*numbers, **changes):
    return [Example(f"r{i}", {"text": f"row {i}", **changes}, "x", "g") for i in numbers]


def sets(*numbers):
    return TestSet.from_examples(examples(*numbers))


def used(register, numbers, run, plan="p", goal=0.9):
    test = sets(*numbers)
    return register.note(test, Use(test.sha256, run, plan, goal))[0]


def lines(root):
    return [json.loads(line) for line in (root / FILE).read_text().splitlines()]


def test_a_test_set_is_its_inputs_whatever_else_changes():
    one = TestSet.from_examples([Example("a", {"text": "One  row"}, "x", "g"), Example("b", {"text": "two"}, "y", "g")])
    other = [Example("z", {"title": "TWO"}, "n", "h"), Example("q", {"text": " one row\n"}, "m", "i")]
    assert one == TestSet.from_examples(other)
    assert one.examples == 2
    assert one != TestSet.from_examples([Example("a", {"text": "one row"}, "x", "g")])


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_the_share_of_common_examples_is_exact_where_all_are_kept(mine, theirs):
    expected = len(mine & theirs) / len(mine) if mine else 0.0
    found = sets(*mine).share_in(sets(*theirs))
    assert found == pytest.approx(expected if mine != theirs else 1.0)


def test_the_share_is_estimated_where_a_set_is_larger_than_what_is_kept():
    one, other = sets(*range(6000)), sets(*range(4500, 9000))
    assert len(one.of) == MOST
    assert one.share_in(other) == pytest.approx(0.25, abs=0.04)
    assert other.share_in(one) == pytest.approx(1 / 3, abs=0.04)
    assert sets(*range(20000, 26000)).share_in(one) == 0.0


def test_the_first_is_confirmatory_and_what_comes_later_is_what_it_is(tmp_path):
    register = Register(tmp_path)
    ten = range(10)
    assert used(register, ten, "a") is None
    assert used(register, ten, "a") is None  # gone on with
    assert used(register, ten, "b") is None  # the same once more, in another folder
    assert used(register, ten, "b", goal=0.8) == EarlierUse(0, 1.0, 10, other_candidates=False, other_goal=True)
    assert used(register, ten, "b") is None  # back to the first goal
    assert used(register, ten, "c", plan="q") == EarlierUse(2, 1.0, 10, other_candidates=True, other_goal=False)
    assert used(register, ten, "c", plan="q", goal=0.7) == EarlierUse(
        2, 1.0, 10, other_candidates=True, other_goal=True
    )
    assert used(register, ten, "d", plan="r").runs == 3
    assert used(register, range(10, 20), "e", plan="r") is None  # fresh examples
    assert used(register, range(4, 14), "f") == EarlierUse(5, 0.6, 10, other_candidates=True, other_goal=False)
    assert used(register, range(9, 29), "g", plan="s").share == 0.5
    few = used(register, [0, *range(100, 150)], "h")
    assert few is None  # 1 of 51: fewer than count
    assert sum("of" in line for line in lines(tmp_path)) == 5


def test_a_run_that_awaited_a_model_is_no_earlier_run_of_its_own_and_another_model_is_another_candidate(tmp_path):
    """Plans "waits" without the model, "x" and "y" with one: a and b await, both bring theirs, c has x from the start."""
    register, ten = Register(tmp_path), range(10)
    assert used(register, ten, "a", "waits") is None
    assert used(register, ten, "b", "waits") is None
    assert used(register, ten, "a", "x") is None  # planned from the start
    assert used(register, ten, "a", "x") is None
    assert used(register, ten, "b", "y") == EarlierUse(1, 1.0, 10, other_candidates=True, other_goal=False)
    assert used(register, ten, "c", "z") == EarlierUse(2, 1.0, 10, other_candidates=True, other_goal=False)
    other_goal = used(register, ten, "a", "x", goal=0.8)
    assert other_goal is not None
    assert (other_goal.other_candidates, other_goal.other_goal) == (False, True)


def test_a_goal_that_is_changed_with_the_model_is_told(tmp_path):
    register, ten = Register(tmp_path), range(10)
    assert used(register, ten, "a", "waits") is None
    found = used(register, ten, "a", "x", goal=0.8)
    assert found == EarlierUse(0, 1.0, 10, other_candidates=False, other_goal=True)


def test_the_file_holds_hashes_and_nothing_of_the_rows(tmp_path):
    used(Register(tmp_path), range(10), "a")
    text = (tmp_path / FILE).read_text()
    assert "row" not in text
    assert [sorted(line) for line in lines(tmp_path)] == [
        ["examples", "of", "test"],
        ["at", "goal", "plan", "run", "test"],
    ]
    assert all(len(h) == 10 for h in lines(tmp_path)[0]["of"])


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda t: t[:-20], "line 3 is"),
        (
            lambda t: t + '{"test": 5, "run": "x", "plan": "p", "goal": 1}\n[]\nno json\n' + "[" * 9000 + "\n",
            r"lines 4, 5, 6 \.\.\. are",
        ),
        (lambda t: t.replace('"of": ["', '"of": ["no hash", "'), "line 1 is"),
        (lambda t: "<<<<<<< HEAD\n" + t + "=======\n>>>>>>> other\n", None),
        (lambda t: t.replace("\n", "\r\n"), None),
        (lambda t: t + "\n\n", None),
    ],
    ids=["cut off", "no lines of ours", "no hashes", "merged", "other line ends", "empty lines"],
)
def test_a_damaged_line_is_named_and_no_other_is_lost(tmp_path, damage, named):
    register = Register(tmp_path)
    used(register, range(10), "a")
    used(register, range(10), "b", plan="q")
    path = tmp_path / FILE
    path.write_text(damage(path.read_text()), newline="")
    test = sets(*range(10))
    found, said, _ = register.note(test, Use(test.sha256, "c", "r", 0.9))
    if named is None:
        assert said is None
    else:
        import re

        assert re.match(rf"rung-tests\.jsonl: {named} damaged and left out, all others count", said), said
    assert found is not None or named == "line 1 is"
    if found is not None:
        assert (found.runs, found.other_candidates) == (1 if named == "line 3 is" else 2, True)
    assert register.note(test, Use(test.sha256, "c", "r", 0.9))[2]  # its own line can be read


def test_a_link_or_a_folder_in_its_place_is_not_written_through(tmp_path):
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RungError, match="cannot make .*rung-tests.jsonl"):
        used(Register(tmp_path), range(10), "a")
    assert (tmp_path / "elsewhere").read_text() == ""


WRITER = """
import sys
from pathlib import Path
from rung.store.register import Register, TestSet, Use
from rung.types import Example
register, who = Register(Path(sys.argv[1])), sys.argv[2]
print("up", flush=True)
sys.stdin.readline()
for i in range(40):
    test = TestSet.from_examples([Example("r", {"text": f"{i} {j}"}, "x", "g") for j in range(300)])
    register.note(test, Use(test.sha256, f"{who}{i}", who, 0.9))
print("done", flush=True)
"""


@pytest.mark.slow
def test_two_processes_write_at_once_and_every_line_is_whole(tmp_path):
    writers = []
    for who in "ab":
        words = [sys.executable, "-c", WRITER, str(tmp_path), who]
        writers.append(subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    for process in writers:
        assert process.stdout.readline() == "up\n"
    for process in writers:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in writers] == ["done\n"] * 2
    found = lines(tmp_path)
    assert sum("of" in line for line in found) == 40
    assert sorted(line["run"] for line in found if "run" in line) == sorted(f"{w}{i}" for w in "ab" for i in range(40))
    firsts = {}
    for line in found:
        if "run" in line:
            firsts.setdefault(line["test"], line["run"])
    assert len(firsts) == 40


def run_of(root, folder, goal=0.85, ladder=("prompt",), **changes):
    config = world(root, 120, model=GOOD, ladder=list(ladder), diagnosis={"calls": 0}, task={"goal": goal}, **changes)
    climb(config, root / folder)
    return RunFolder.open(root / folder)


@pytest.mark.slow
def test_a_changed_goal_is_answered_in_the_same_folder_for_nothing_and_labelled(tmp_path):
    first = run_of(tmp_path, "a")
    spent, verdict = first.spend.need()["calls"], first.verdict.need()
    assert verdict.earlier is None
    changed = run_of(tmp_path, "a", goal=0.8)
    assert changed.spend.need()["calls"] == spent
    now = changed.verdict.need()
    assert (now.decision, now.exploratory, now.earlier.other_goal) == ("meets", False, True)
    assert now.exit_code(0) == 0
    assert changed.task.goal == 0.8
    assert [c.what for c in verify(changed) if not c.passed] == []
    sentence = "Goal chosen after the result: the same approaches were measured"
    for text in (render_markdown(changed), render_page(load_report(changed))):
        assert sentence in text
    assert '<property name="goal chosen after the result" value="Goal chosen' in render_junit(changed)
    assert as_data(changed)["verdict"]["earlier"]["other_goal"] is True
    back = run_of(tmp_path, "a")
    assert back.verdict.need() == verdict
    assert back.spend.need()["calls"] == spent


@pytest.mark.slow
def test_a_lower_goal_leaves_no_result_of_a_step_that_is_not_needed_any_more(tmp_path):
    whole = run_of(tmp_path, "a", goal=0.999, ladder=("prompt", "fewshot"))
    assert whole.measured == ("prompt", "fewshot")
    calls = whole.spend.need()["calls"]
    lower = run_of(tmp_path, "a", goal=0.8, ladder=("prompt", "fewshot"))
    assert lower.measured == ("prompt",)
    assert [c.what for c in verify(lower) if not c.passed] == []
    assert lower.spend.need()["calls"] - calls <= 48 - 15  # what the first had left out, stopping early
    again = run_of(tmp_path, "a", goal=0.999, ladder=("prompt", "fewshot"))
    assert again.spend.need()["calls"] == lower.spend.need()["calls"]
    assert again.measured == ("prompt", "fewshot")


def test_another_ladder_on_the_same_test_examples_is_exploratory_everywhere_and_keeps_its_exit_code(tmp_path):
    run_of(tmp_path, "a")
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "a", tmp_path / "moved" / "a")
    run = run_of(tmp_path, "b", ladder=("prompt", "fewshot"))
    verdict = run.verdict.need()
    assert (verdict.decision, verdict.exploratory, verdict.exit_code(0)) == ("meets", True, 0)
    assert verdict.earlier == EarlierUse(1, 1.0, 48, other_candidates=True, other_goal=False)
    assert verdict.headline.startswith("Exploratory: ")
    sentence = "Exploratory: these test examples decided an earlier run with other approaches"
    for text in (render_markdown(run), render_page(load_report(run)), render_junit(run)):
        assert sentence in text
        assert "About 48 test examples that no run has used would confirm it" in text
    assert '<property name="exploratory"' in render_junit(run)
    assert [c.what for c in verify(run) if not c.passed] == []


@pytest.mark.slow
def test_a_register_that_was_deleted_loses_no_label_and_is_told(tmp_path):
    run_of(tmp_path, "a")
    run_of(tmp_path, "b", ladder=("prompt", "fewshot"))
    (tmp_path / FILE).unlink()
    said = []

    class Heard:
        def say(self, text):
            said.append(text)

        def stage(self, *_):
            from rung.progress import Silent

            return Silent().stage("", 1)

    climb(
        world(tmp_path, 120, model=GOOD, ladder=["prompt", "fewshot"], diagnosis={"calls": 0}), tmp_path / "b", Heard()
    )
    assert RunFolder.open(tmp_path / "b").verdict.need().exploratory
    assert "the register of test sets did not know of this run any more: it is noted again" in said
    assert [line["plan"] for line in lines(tmp_path) if "plan" in line] != []


@pytest.mark.slow
@pytest.mark.parametrize("found", [5, [], {"noted": 1}, {"noted": {}, "earlier": {"runs": "x"}}], ids=str)
def test_a_damaged_note_in_the_run_is_named(tmp_path, found):
    run = run_of(tmp_path, "a")
    run.note(test_use=found)
    with pytest.raises(RungError, match="run.json, test_use, is damaged"):
        verify(run)
    with pytest.raises(RungError, match="run.json, test_use, is damaged"):
        run_of(tmp_path, "a")


@pytest.mark.slow
def test_a_register_knows_of_a_test_set_whose_run_is_gone_and_a_run_whose_test_examples_are_gone_says_where(tmp_path):
    config = world(tmp_path, model=GOOD)
    climb(config, tmp_path / "run")
    (tmp_path / "run" / "parts" / "test.jsonl").unlink()
    with pytest.raises(
        IntegrityError, match=r"parts/test.jsonl is missing from the run; restore it from a copy, or move manifest"
    ):
        verify(RunFolder.open(tmp_path / "run"))
    shutil.rmtree(tmp_path / "run")
    later = climb(world(tmp_path, model=GOOD, ladder=["baseline"]), tmp_path / "other")
    assert later.verdict.exploratory
    assert later.verdict.earlier is not None
    assert (later.verdict.earlier.runs, later.verdict.earlier.share) == (1, 1.0)
    assert "these test examples decided an earlier run" in later.verdict.headline


def test_a_project_that_cannot_be_written_is_told_and_climbed(tmp_path):
    (tmp_path / FILE).mkdir(parents=True)
    run = run_of(tmp_path, "a")
    assert run.verdict.need().decision == "meets"
    assert run.verdict.need().earlier is None


@pytest.mark.slow
def test_more_rows_in_the_file_make_another_test_set_that_overlaps(tmp_path):
    run_of(tmp_path, "a")
    config = world(tmp_path, 120, model=GOOD, ladder=["prompt"], diagnosis={"calls": 0})
    more = [json.dumps({**r, "id": f"n{i}"}) for i, r in enumerate(rows(40, seed=9))]
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text() + "".join(line + "\n" for line in more))
    climb(config, tmp_path / "b")
    found = RunFolder.open(tmp_path / "b").verdict.need().earlier
    assert found.other_candidates
    assert 0.05 <= found.share < 1.0
