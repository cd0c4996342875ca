"""Charts: every rung is drawn where its numbers put it, labels keep apart, costs of zero and unknown have their lane."""

import itertools
import random
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.report._svg import Box, Wanted, apart, element, linear_ticks, log_ticks, place
from rung.report.charts import ladder, share_bar, stacked, wins_and_losses
from rung.report.load import load_report
from rung.usual_names import shown_name
from tests.unit._run_folder import LADDER, Made, build

SIX = (
    Made("baseline", 0.3, 0.0, 0.002),
    Made("prompt", 0.7, 0.00021),
    Made("fewshot", 0.71, 0.00022),
    Made("rag", 0.72, 0.00021),
    Made("finetune", 0.73, 0.000215),
    Made("scratch", 0.5, None),
)


def drawn(folder, width=980.0):
    return ElementTree.fromstring(str(ladder(load_report(folder, rows=False), width)))


def texts(svg):
    return [t.text for t in svg.iter("text")]


def markers(svg):
    spots = [group for group in svg.iter("g") if "spot" in (group.get("class") or "")]
    return [float(c.get("cx")) for group in spots for c in group.iter("circle") if c.get("class") == "dot"]


@pytest.mark.sample(4)
@pytest.mark.parametrize("count", range(1, 7))
@pytest.mark.parametrize("width", [360.0, 980.0])
def test_each_rung_has_a_marker_apart_from_the_others_and_a_label(tmp_path, count, width):
    svg = drawn(build(tmp_path, SIX[:count], sizes=(40, 10, 60)), width)
    places = markers(svg)
    assert len(places) == count
    assert all(b - a >= 20 for a, b in itertools.pairwise(sorted(places)))
    assert all(0 < x < width for x in places)
    assert {shown_name(m.label) for m in SIX[:count]} <= set(texts(svg))


def test_costs_of_zero_and_unknown_stand_in_lanes_of_their_own(tmp_path):
    svg = drawn(build(tmp_path, (SIX[0], SIX[1], SIX[5]), sizes=(40, 10, 60)))
    assert {"free ($0)", "cost unknown", "cost per 1,000 requests, log scale"} <= set(texts(svg))
    at = markers(svg)
    edges = sorted(float(line.get("x1")) for line in svg.iter("line") if line.get("class") == "lane")
    assert at[0] < edges[0] < at[1] < edges[1] < at[2]


def test_where_no_cost_is_known_there_is_no_scale(tmp_path):
    svg = drawn(build(tmp_path, [replace(m, usd=None) for m in LADDER[1:]], sizes=(40, 10, 60)))
    assert "cost unknown: no scale, in ladder order" in texts(svg)
    assert not any(text and text.startswith("$") for text in texts(svg))


def test_goal_band_and_the_winner_are_marked(tmp_path):
    svg = drawn(build(tmp_path))
    assert "goal 0.90" in texts(svg)
    assert [g.get("class") for g in svg.iter("g") if "winner" in (g.get("class") or "")] == ["spot winner"]
    assert "limit $1.00" in texts(svg)


def test_a_rung_that_stopped_early_shows_bounds_and_no_mean(tmp_path):
    svg = drawn(build(tmp_path, (LADDER[0], replace(LADDER[1], ability=0.5, stopped_at=60), LADDER[2])))
    assert any(re.fullmatch(r"0\.\d\d to 0\.\d\d", text or "") for text in texts(svg))
    assert any("early" in (g.get("class") or "") for g in svg.iter("g"))


def test_an_interval_shows_on_both_sides_of_its_marker(tmp_path):
    svg = drawn(build(tmp_path))
    for group in (g for g in svg.iter("g") if "spot" in (g.get("class") or "")):
        widest = max(2 * float(c.get("r")) for c in group.iter("circle"))
        caps = [abs(float(c.get("x2")) - float(c.get("x1"))) for c in group.iter("line") if c.get("class") == "cap"]
        assert len(caps) == 2
        assert min(caps) > widest


def text_boxes(text):
    """Return about where a text stands, from its baseline: ten pixels above it, three below."""
    width = len(text.text) * (7.4 if text.get("class") == "name" else 6.4) + sum(6.4 * len(part.text) for part in text)
    x, y = float(text.get("x")), float(text.get("y"))
    left = {"start": x, "middle": x - width / 2, "end": x - width}[text.get("text-anchor", "start")]
    return Box(left, y - 10, left + width, y + 3)


def lines_and_dots(svg):
    """Yield what a label must keep off: intervals, markers, the goal line (a limit may be crossed) and its name."""
    for line in svg.iter("line"):
        (x1, x2), (y1, y2) = sorted(float(line.get(k)) for k in ("x1", "x2")), sorted(float(line.get(k)) for k in ("y1", "y2"))  # fmt: skip
        if line.get("class") in ("whisker", "cap") or (line.get("class") == "goal" and x1 < x2):
            yield Box(x1 - 1, y1 - 1, x2 + 1, y2 + 1)
    for circle in svg.iter("circle"):
        x, y, r = (float(circle.get(key)) for key in ("cx", "cy", "r"))
        yield Box(x - r, y - r, x + r, y + r)
    yield from (text_boxes(t) for t in svg.iter("text") if t.get("class") == "goal-text" and t.text.startswith("goal"))


@pytest.mark.sample(3)
@pytest.mark.parametrize("width", [360.0, 980.0])
@pytest.mark.parametrize("seed", range(8))
def test_labels_keep_off_the_goal_line_the_intervals_and_each_other(tmp_path, seed, width):
    draw = random.Random(seed)
    labels = [made.label for made in SIX[: draw.choice((3, 4, 5, 6))]]
    prices = [0.0, *(draw.choice((0.0002, 0.00025, 0.0006, 0.001)) for _ in range(4)), None]
    six = [Made(label, draw.uniform(0.5, 0.99), usd) for label, usd in zip(labels, prices, strict=False)]
    svg = drawn(build(tmp_path, six, sizes=(20, 10, 120), goal=draw.choice((0.8, 0.9, 0.95))), width)
    groups = [[text_boxes(t) for t in g.iter("text")] for g in svg.iter("g") if g.get("class") == "label"]
    assert len(groups) == len(six)
    assert [(a, b) for group in groups for a in group for b in lines_and_dots(svg) if a.overlap(b)] == []
    assert [(a, b) for one, other in itertools.combinations(groups, 2) for a in one for b in other if a.overlap(b)] == []  # fmt: skip


def test_no_rung_no_chart(tmp_path):
    report = load_report(build(tmp_path, sizes=(40, 10, 60)), rows=False)
    assert ladder(replace(report, rungs=())) == ""


def test_texts_in_a_chart_are_escaped():
    assert str(element("text", "<b>&", x=1.50, cls="a")) == '<text x="1.5" class="a">&lt;b&gt;&amp;</text>'
    assert "<script" not in str(stacked([("<script>", 3, "c0")], 3))


@given(st.lists(st.floats(50, 900), min_size=1, max_size=6))
def test_crowded_positions_are_moved_apart_in_order(positions):
    moved = apart(positions, 29, 50, 900)
    order = sorted(range(len(positions)), key=lambda i: (positions[i], i))
    stepped = [moved[i] for i in order]
    assert all(b - a >= 29 - 1e-6 for a, b in itertools.pairwise(stepped))
    assert all(50 - 1e-6 <= x <= 900 + 1e-6 for x in moved)


def test_positions_with_room_stay_where_they_are():
    assert apart([60.0, 500.0, 200.0], 29, 50, 900) == [60.0, 500.0, 200.0]


def test_labels_avoid_each_other_and_stay_on_the_chart():
    frame = Box(0, 0, 400, 300)
    wanted = [Wanted(200, 150 + 4 * i, 120 + 4 * i, 180 + 4 * i, 90, 30) for i in range(4)]
    placed = [p.box for p in place(wanted, [Box(190, 110, 210, 200)], frame)]
    assert all(a.overlap(b) == 0 for a, b in itertools.combinations(placed, 2))
    assert all(box.outside(frame) == 0 for box in placed)


def test_ticks_are_round_and_few():
    assert linear_ticks(0.62, 1.0, 6) == [0.7, 0.8, 0.9, 1.0]
    assert log_ticks(0.12, 1.7, 6) == pytest.approx([0.2, 0.5, 1.0])
    assert log_ticks(0.0001, 5000, 5) == pytest.approx([0.0001, 0.01, 1, 100])


def test_bars_say_what_they_show():
    assert "<title>3 losses, 61 wins</title>" in wins_and_losses(61, 3, 61)
    assert ">−3</text>" in wins_and_losses(61, 3, 61)
    assert ">0</text>" in wins_and_losses(5, 0, 5)
    assert 'width="64.00%"' in share_bar(0.64)
    assert 'x1="60.00%"' in share_bar(0.64, 0.6)
