"""As good as what runs now, by a judge: provisional until people labelled answers of both, then decided by the corrected paired difference."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.config import parse_config
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.judging.labelling import session
from rung.ladder import climb
from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.stats.paired import difference, non_inferior, non_inferior_of
from rung.stats.power import power_of_non_inferiority, rows_for_non_inferiority
from rung.stats.ppi import Differences, rectified_difference, rectified_gain, rectified_non_inferior
from rung.stats.threeway import judge_rectified
from rung.store.run import RunFolder
from tests.unit._judged import rows

# --- the corrected difference

DIFF = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@given(
    st.lists(st.tuples(DIFF, DIFF), min_size=3, max_size=40), st.lists(DIFF, min_size=1, max_size=40), st.floats(0.01, 0.3)
)  # fmt: skip
@settings(deadline=None)
def test_the_corrected_difference_is_a_table_that_turns_over_with_its_sides(pairs, rest, margin):
    y, f = [y for y, _ in pairs], [f for _, f in pairs]
    found = rectified_difference(y, f, rest)
    assert 0.0 <= found.up <= 1.0
    assert 0.0 <= found.down <= 1.0
    assert found.up + found.down <= 1.0 + 1e-9
    assert found.up - found.down == pytest.approx(min(max(rectified_gain(y, f, rest).gain, -1.0), 1.0), abs=1e-9)
    over = rectified_difference([-x for x in y], [-x for x in f], [-x for x in rest])
    assert (over.up, over.down, over.n_eff) == pytest.approx((found.down, found.up, found.n_eff), abs=1e-9)
    low = non_inferior_of(found, margin, 0.05)
    stricter = non_inferior_of(found, margin, 0.01)
    assert stricter.lower <= low.lower <= found.up - found.down + 1e-9
    assert low.shown == (low.p_value < 0.05)
    assert low.shown <= non_inferior_of(found, min(2 * margin, 0.9), 0.05).shown


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=5, max_size=60))
@settings(deadline=None)
def test_with_all_examples_labelled_or_a_judge_that_tells_nothing_it_is_the_test_of_the_labels(pairs):
    a, b = np.array([float(x) for x, _ in pairs]), np.array([float(y) for _, y in pairs])
    known = difference(a, b, None)
    assert rectified_difference(b - a, b - a, []) == known
    assert rectified_difference(b - a, np.zeros(a.size), np.zeros(30)) == known
    assert rectified_non_inferior(b - a, b - a, [], margin=0.1, alpha=0.05) == non_inferior(a, b, None, 0.1, 0.05)


def drawn(rng, n, rates, judges):
    """People's and the judge's differences: the second wins on `rates[0]` of the examples and loses on `rates[1]`; both right on 3 in 4 of the others."""
    u, easy = rng.random(n), rng.random(n) < 0.75
    win, lose = u < rates[0], (u >= rates[0]) & (u < sum(rates))
    a, b = np.where(win | lose, lose, easy), np.where(win | lose, win, easy)
    seen = [
        np.where(h, rng.random(n) < good, rng.random(n) < bad).astype(float)
        for h, (good, bad) in zip((a, b), judges, strict=True)
    ]
    return b.astype(float) - a, seen[1] - seen[0]


JUDGES = {
    "perfect": ((1.0, 0.0), (1.0, 0.0)),
    "good": ((0.95, 0.1), (0.95, 0.1)),
    "favours the new one": ((0.9, 0.1), (1.0, 0.4)),
    "favours the old one": ((1.0, 0.4), (0.9, 0.1)),
    "useless": ((0.8, 0.8), (0.8, 0.8)),
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("judges", JUDGES.values(), ids=JUDGES)
@pytest.mark.parametrize(
    ("margin", "rates"), [(0.02, (0.0, 0.02)), (0.05, (0.0, 0.05)), (0.05, (0.05, 0.1)), (0.1, (0.05, 0.15))]
)
def test_at_the_margin_it_is_shown_as_good_no_oftener_than_the_level_says_whomever_the_judge_favours(
    margin, rates, judges
):
    """400 draws of 100 labels and 300 others: 5 % has a standard error of 1.1 points. Student's t errs in 15 % at (.02, losses alone)."""
    rng, wrong, gains = np.random.default_rng(17), np.zeros(2), []
    for _ in range(400):
        y, f = drawn(rng, 400, rates, judges)
        seen = rectified_difference(y[:100], f[:100], f[100:])
        wrong += [non_inferior_of(seen, margin, alpha).shown for alpha in (0.05, 0.0125)]
        gains.append(seen.up - seen.down)
    assert wrong[0] / 400 <= 0.08
    assert wrong[1] / 400 <= 0.03
    assert np.mean(gains) == pytest.approx(rates[0] - rates[1], abs=0.008)  # the judge's favour is taken out


def test_a_judge_that_is_never_wrong_shows_more_than_the_labels_alone_and_one_that_tells_nothing_as_much():
    rng, shown = np.random.default_rng(3), {"perfect": 0, "useless": 0, "alone": 0}
    for _ in range(200):
        for name in ("perfect", "useless"):
            y, f = drawn(rng, 1000, (0.05, 0.05), JUDGES[name])
            shown[name] += rectified_non_inferior(y[:100], f[:100], f[100:], margin=0.05, alpha=0.05).shown
        shown["alone"] += rectified_non_inferior(y[:100], f[:100], [], margin=0.05, alpha=0.05).shown
    assert shown["perfect"] > 1.5 * shown["alone"]
    assert shown["useless"] > 0.8 * shown["alone"]


def test_groups_count_and_what_would_settle_it_is_more_labels_or_more_examples():
    rng = np.random.default_rng(4)
    y, f = (np.repeat(part, 5) for part in drawn(rng, 80, (0.05, 0.1), JUDGES["good"]))
    names = [f"g{i // 5}" for i in range(400)]
    alone = Differences(y[:100], f[:100], f[100:])
    grouped = Differences(*alone[:3], names[:100], names[100:])
    assert rectified_difference(*grouped).n_eff < rectified_difference(*alone).n_eff
    over = Differences(*(-np.asarray(part) for part in alone[:3]), names[:100], names[100:])
    found = judge_rectified(grouped, over, 0.05, 0.05, 2, 0.8)
    assert found.status == "inconclusive"
    assert (found.examples_needed is None) is (found.advice is not None)
    assert found.lower < 0.8 < found.upper
    y, f = drawn(rng, 400, (0.05, 0.05), JUDGES["perfect"])
    open_ = Differences(y[:100], f[:100], f[100:])
    wanted = judge_rectified(open_, Differences(*(-np.asarray(part) for part in open_[:3])), 0.05, 0.05, 2, 0.8)
    assert wanted.status == "inconclusive"
    assert int(wanted.advice.split()[1]) in range(101, 400)
    assert wanted.advice.endswith(f"would tell (rung label --rows {wanted.advice.split()[1]})")
    lost = Differences(np.r_[-np.ones(60), np.zeros(40)], np.r_[-np.ones(60), np.zeros(40)], -np.ones(300))
    gone = Differences(*(-np.asarray(part) for part in lost[:3]))
    assert judge_rectified(lost, gone, 0.05, 0.05, 2, 0.8).status == "misses"


# --- from rung.yaml to the verdict


def config_of(root, *, judge="fair", good=0.96, margin=0.1):
    """What runs now is stored in a column, right on 95 % and dear; the prompt of `main` is right on `good` and cheap."""
    draw = random.Random(5)
    made = [{**r, "old": r["answer"] if draw.random() < 0.95 else "no idea"} for r in rows(600)]
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    prices = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
    answers = {r["question"]: r["answer"] for r in made}
    raw = {
        "task": {
            "name": "letters", "kind": "generation", "instruction": "Answer in six words.", "inputs": ["question"], "target": "answer",
            "metrics": [{"judge": {"rubric": "Says what is expected."}}], "goal": {"as_good_as": "now", "margin": margin},
        },
        "data": {"path": "rows.jsonl", "id": "id"},
        "models": {
            "main": {"provider": "fake", "answers": answers, "abilities": {"base": good}, **prices},
            "old": {"provider": "recorded", "column": "old", "cost_per_1k_usd": 20.0},
            "judge": {"provider": "python", "function": f"rung.testing.judges:{judge}", **prices},
        },
        "ladder": [{"prompt": {"model": "old", "name": "now"}}, {"prompt": {"rewrites": False}}],
        "split": {"test": 0.5, "dev": 0.2},
    }  # fmt: skip
    return parse_config(raw, root)


def labelled(folder, config):
    """People label the drawn answers: what says the expected words is right."""
    found, expected = session(folder, config, None), {r["question"]: set(r["answer"].split()) for r in rows(600)}
    found.all_said({i.answer_id: float(set(i.answer.split()) == expected[i.inputs["question"]]) for i in found.items})
    return found


def test_the_judge_alone_is_provisional_and_labels_of_both_decide(tmp_path):
    config = config_of(tmp_path)
    first = climb(config, tmp_path / "run").verdict
    folder = RunFolder.open(tmp_path / "run")
    assert (first.decision, first.winner, first.shown) == ("meets", "prompt", False)
    assert (
        first.headline
        == "Provisional: a better prompt is as good as what runs now; 100 more human labels would confirm the judge."
    )
    assert "prompt rests on the judge alone, with 0 of 100 human labels" in first.provisional
    assert [c.what for c in verify(folder) if not c.passed] == []
    items = labelled(folder, config).items
    rows_of = {i.example_id for i in items}
    assert len(rows_of) == 100
    assert len(items) > 100  # where the two answer differently, both are asked for
    second = climb(config, tmp_path / "run").verdict
    assert (second.decision, second.winner, second.provisional) == ("meets", "prompt", None)
    assert second.headline.startswith("Replace what runs now: a better prompt is as good, at ")
    assert [c.what for c in verify(folder) if not c.passed] == []
    claim = next(r for r in second.reasons if "is as good as prompt@now" in r.claim)
    assert "score bound (Tango), corrected by labels of 100 examples" in claim.rule
    report = load_report(folder)
    now = report.rung("prompt@now").result.estimates["judge"].mean
    assert report.task.goal == pytest.approx(now)
    assert f"prompt@now, which runs now: {100 * float(f'{now:.2f}'):.4g} %; difference" in second.basis
    assert as_data(folder)["rerun"]["probability"] > 0.5
    assert "as good as" in render_markdown(folder)


def test_a_plan_says_what_labels_of_both_can_show(tmp_path):
    [line] = [said for said in plan(config_of(tmp_path)).power if "decides only beside labels" in said]
    power, needed = power_of_non_inferiority(100, 0.1, 0.1, 0.05), rows_for_non_inferiority(0.1, 0.1, 0.05)
    assert (
        f"100 labels alone show one as good as prompt@now, labelled beside it, with probability {power:.2f}, with {needed} with"
        in line
    )


def test_a_judge_that_is_kinder_to_the_worse_one_is_corrected(tmp_path):
    """The judge passes half of what is wrong; the new prompt is wrong on 30 % of the examples, which people see."""
    config = config_of(tmp_path, judge="kind", good=0.7)
    first = climb(config, tmp_path / "run")
    raw = first.results["prompt"].quality
    assert raw.status != "misses"  # a judge alone never shows that an approach falls short
    folder = RunFolder.open(tmp_path / "run")
    labelled(folder, config)
    again = climb(config, tmp_path / "run")
    found = again.results["prompt"].quality
    assert (again.verdict.decision, found.status) == ("misses", "misses")
    assert again.verdict.headline.startswith("Keep what runs now")
    assert found.upper - found.lower < 0.4
    pair = next(c for c in folder.comparisons.need() if c.upper == "prompt")
    assert pair.gain == pytest.approx(-0.25, abs=0.08)  # by the judge alone about half of that
    assert [c.what for c in verify(folder) if not c.passed] == []


def test_labels_of_half_the_draw_correct_and_decide_nothing(tmp_path):
    config = config_of(tmp_path)
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    found = session(folder, config, None)
    some = sorted({i.example_id for i in found.items})[:60]
    found.all_said({i.answer_id: 1.0 for i in found.items if i.example_id in some})
    verdict = climb(config, tmp_path / "run").verdict
    assert "rests on the judge, corrected by" in verdict.provisional
    assert verdict.shown is False
