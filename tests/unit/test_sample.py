"""Which cases of a sweep are among the quick tests (tests/conftest.py)."""

from itertools import pairwise

import pytest

from tests.conftest import SAMPLE, leave_samples


class Case:
    """What the rule asks of a test that pytest has collected."""

    def __init__(self, nodeid, *marks, sweep=True):
        self.nodeid, self.marks = nodeid, {m.name: m for m in marks}
        if sweep:
            self.callspec = object()

    def get_closest_marker(self, name):
        return self.marks.get(name)

    def add_marker(self, mark):
        self.marks[mark.name] = mark


def quick(count, *marks):
    cases = [Case(f"test_a.py::test_b[{n}[]", *marks) for n in range(count)]
    leave_samples(cases)
    return [n for n, case in enumerate(cases) if "slow" not in case.marks]


@pytest.mark.parametrize("count", [1, 2, SAMPLE])
def test_a_short_sweep_is_quick_whole(count):
    assert quick(count) == list(range(count))


@pytest.mark.parametrize("count", [SAMPLE + 1, 100, 5000])
def test_a_dozen_of_a_long_one_are_with_its_ends(count):
    found = quick(count)
    assert len(found) == SAMPLE
    assert (found[0], found[-1]) == (0, count - 1)
    gaps = [b - a for a, b in pairwise(found)]
    assert max(gaps) - min(gaps) <= 1


def test_another_number_may_be_marked():
    assert quick(100, pytest.mark.sample(1)) == [0]
    assert quick(5, pytest.mark.sample(3)) == [0, 2, 4]
    assert quick(20, pytest.mark.sample(20)) == list(range(20))


def test_what_is_chosen_stays_when_it_is_chosen_again():
    cases = [Case(f"test_a.py::test_b[{n}]") for n in quick(100)]
    leave_samples(cases)
    assert not any(case.get_closest_marker("slow") for case in cases)


def test_tests_of_one_case_and_slow_ones_are_left_alone():
    single = [Case(f"test_a.py::test_{n}", sweep=False) for n in range(50)]
    slow = [Case(f"test_a.py::test_c[{n}]", pytest.mark.slow) for n in range(50)]
    some = [Case(f"test_a.py::test_d[{n}]") for n in range(SAMPLE)]
    leave_samples([*single, *slow, *some])
    assert not any(case.get_closest_marker("slow") for case in (*single, *some))
    assert all(case.get_closest_marker("slow") for case in slow)
