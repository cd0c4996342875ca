"""What more rows would bring: the law is found again, and its interval covers."""

import numpy as np
import pytest

from rung.stats.learning import DRAWS, SEED, forecast


def test_the_law_is_found_again_where_the_scores_are_certain():
    points = [(rows, 1 - 2.0 * rows**-0.5, 10**7) for rows in (100, 200, 400)]
    found = forecast(points, goal=0.95, min_gain=0.02)
    assert found.exponent == pytest.approx(0.5, abs=0.01)
    assert found.examples_needed == pytest.approx(1600, rel=0.02)
    assert found.doubling == pytest.approx(0.1 - 2.0 * 800**-0.5, abs=1e-3)
    assert found.sentence.startswith("about 1,200 more examples for 0.95 on dev (between ")


def test_a_flat_curve_says_that_more_rows_will_not_help():
    found = forecast([(100, 0.80, 2000), (200, 0.80, 2000), (400, 0.80, 2000)], goal=0.95, min_gain=0.02)
    assert (found.examples_needed, found.low) == (None, None)
    assert found.reach < 0.05
    assert found.sentence.startswith("more examples will not help: twice the examples would bring about +0.00")


def test_a_goal_reached_is_said_and_few_dev_rows_make_it_vague():
    reached = forecast([(100, 0.90, 150), (200, 0.94, 150), (400, 0.97, 150)], goal=0.95, min_gain=0.02)
    assert reached.sentence.startswith("the goal of 0.95 is reached on dev with 400 examples")
    sharp, vague = (forecast([(100, 0.6, n), (200, 0.7, n), (400, 0.77, n)], 0.84, 0.02) for n in (4000, 40))
    assert sharp.low is not None
    assert sharp.high is not None
    assert vague.high is None or vague.high - (vague.low or 0) > sharp.high - sharp.low


def test_one_size_is_no_curve():
    with pytest.raises(ValueError, match="two or more numbers of examples"):
        forecast([(100, 0.5, 50), (100, 0.6, 50)], 0.9, 0.02)


def test_the_interval_covers_the_rows_truly_needed():
    """Of simulated curves that truly follow the law, the 80 % interval holds the true number in at least 72 %."""
    rng = np.random.default_rng(5)
    hits, trials = 0, 200
    for _ in range(trials):
        b, start = rng.uniform(0.3, 0.9), rng.uniform(0.2, 0.45)
        a = start * 200**b
        points = [(rows, rng.binomial(150, 1 - a * rows**-b) / 150, 150) for rows in (200, 400, 800)]
        goal = 1 - a * 1600**-b
        found = forecast(points, goal, 0.02)
        low = 8000 if found.low is None else found.low
        hits += low <= 1600 and (found.high is None or found.high >= 1600)
    assert hits / trials >= 0.72


def law_of(points: list[tuple[int, float, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Fit the law to every draw by numpy's weighted line: log a and b."""
    rng = np.random.default_rng(SEED)
    errors = [1 - rng.beta(s * n + 0.5, n - s * n + 0.5, DRAWS) for _, s, n in points]
    missed = np.array([(n - s * n + 0.5) / (n + 1) for _, s, n in points])
    weights = np.array([n for _, _, n in points]) * missed / (1 - missed)
    slope, level = np.polyfit(np.log([r for r, _, _ in points]), np.log(errors), 1, w=np.sqrt(weights))
    return level, -slope


def test_every_figure_is_that_of_the_fitted_draws():
    points = [(100, 0.60, 900), (200, 0.70, 500), (400, 0.77, 700)]
    log_a, b = law_of(points)
    assert 0 < b.min() < b.max() < 2  # no draw is clipped
    gains = np.exp(log_a - b * np.log(400)) - np.exp(log_a - b * np.log(800))
    needed = np.exp((log_a - np.log(1 - 0.84)) / b)
    found = forecast(points, goal=0.84, min_gain=0.02)
    assert (found.rows, found.goal) == (400, 0.84)
    assert found.exponent == pytest.approx(np.median(b))
    assert (found.doubling_low, found.doubling, found.doubling_high) == pytest.approx(
        tuple(np.quantile(gains, [0.1, 0.5, 0.9]))
    )
    assert found.reach == np.mean(needed <= 4000)
    low, middle, high = (int(np.ceil(x)) for x in np.quantile(needed, [0.1, 0.5, 0.9], method="nearest"))
    assert (found.low, found.examples_needed, found.high) == (low, middle, high)

    def two_digits(rows: int) -> str:
        return f"{int(float(f'{rows:.1e}')):,}"

    assert found.sentence == (
        f"about {two_digits(middle - 400)} more examples for 0.84 on dev (between {two_digits(low - 400)} and "
        f"{two_digits(high - 400)}); twice the examples would bring about {found.doubling:+.3f} on dev "
        f"({found.doubling_low:+.3f} to {found.doubling_high:+.3f})"
    )


def test_a_goal_out_of_sight_is_said_with_whether_more_rows_would_help():
    found = forecast([(100, 0.50, 4000), (200, 0.56, 4000), (400, 0.61, 4000)], goal=0.99, min_gain=0.02)
    assert (found.examples_needed, found.low, found.high, found.reach) == (None, None, None, 0.0)
    assert found.sentence == (
        "more examples would help, but 0.99 is not in sight within 10 times the examples: twice the examples would bring about "
        f"{found.doubling:+.3f} on dev ({found.doubling_low:+.3f} to {found.doubling_high:+.3f})"
    )
