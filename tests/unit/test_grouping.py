"""Which prompts are computed together: every prompt once, long beginnings shared, padding bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rung.models._grouping import Group, batches, common_length, groups

PROMPTS = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=12).map(lambda tail: [9, *tail]), min_size=1, max_size=30
)


@given(PROMPTS)
def test_groups_hold_every_prompt_once_and_leave_each_a_token(prompts):
    found = groups(prompts)
    assert sorted(i for group in found for i in group.members) == list(range(len(prompts)))
    for group in found:
        assert group.shared >= 1
        beginnings = {tuple(prompts[i][: group.shared]) for i in group.members}
        assert len(beginnings) == 1
        assert all(len(prompts[i]) > group.shared for i in group.members)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_batches_hold_every_row_once_within_the_limits(lengths):
    found = batches(lengths, rows=8, tokens=120)
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) <= 8
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 120


@given(st.lists(st.integers(0, 1), max_size=20), st.lists(st.integers(0, 1), max_size=20))
def test_common_length(a, b):
    n = common_length(a, b)
    assert a[:n] == b[:n]
    assert n == min(len(a), len(b)) or a[n] != b[n]


def test_two_candidates_become_two_groups_and_strays_a_third():
    first, second = [1, *range(100, 300)], [1, *range(500, 700)]
    prompts = [[*first, i] for i in range(10)] + [[*second, i] for i in range(10)] + [[1, 2], [1, 3, 4]]
    found = sorted(groups(prompts), key=lambda group: group.members)
    assert found == [Group(tuple(range(10)), 201), Group(tuple(range(10, 20)), 201), Group((20, 21), 1)]


def test_no_prompts_no_groups():
    assert groups([]) == []


def test_very_unlike_lengths_are_not_padded_to_each_other():
    found = batches([100] * 10 + [10] * 10, rows=64, tokens=10_000)
    assert [len(batch) for batch in found] == [12, 8] or max(len(b) for b in found) < 20
