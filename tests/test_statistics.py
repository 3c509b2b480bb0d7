"""Intervals against scipy's bootstrap and against the truth in simulation; the paired test's level under the null."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from benchmarks import statistics as simulation
from kit import metrics, statistics
from kit.task import Array


def replicates(sums: Array, metric: metrics.Metric, groups: Array | None = None, **options: int) -> Array:
    groups = np.arange(len(sums)) if groups is None else groups
    return metric.value(statistics.totals(sums, groups, **options))


def test_counts_are_resamples_of_the_groups() -> None:
    drawn = statistics.counts(50, 400, seed=1)
    assert drawn.shape == (400, 50)
    assert (drawn.sum(axis=1) == 50).all()
    # each count is binomial (50, 1/50): mean 1, variance 1 - 1/50
    assert drawn.var() == pytest.approx(1 - 1 / 50, rel=0.05)


def test_the_same_seed_gives_the_same_resamples_however_they_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(0).random((30, 2))
    once = statistics.totals(sums, np.arange(30), 100, seed=7)
    statistics.counts.cache_clear()
    monkeypatch.setattr(statistics, "_CELLS", 90)
    assert np.allclose(statistics.totals(sums, np.arange(30), 100, seed=7), once, rtol=1e-14)
    assert not np.allclose(statistics.totals(sums, np.arange(30), 100, seed=8), once)


@pytest.mark.parametrize("metric", [metrics.mae, metrics.rmse, metrics.pearson], ids=lambda metric: metric.name)
def test_intervals_match_scipys_percentile_bootstrap(metric: metrics.Metric) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=300)
    predictions = truth + rng.normal(size=300)

    def value(t: Array, p: Array) -> float:
        return float(metric.value(metric.rows(t, p).sum(axis=0)))

    theirs = scipy.stats.bootstrap(
        (truth, predictions), value, paired=True, vectorized=False, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    drawn = replicates(metric.rows(truth, predictions), metric, n_resamples=4000)
    ours = statistics.percentile_interval(value(truth, predictions), drawn)
    # the 2.5 % quantile of 4,000 draws has a standard error of about 0.04 standard deviations; four of them, both sides
    tolerance = 4 * np.sqrt(2) * 0.042 * drawn.std()
    assert ours.low == pytest.approx(theirs.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.high, abs=tolerance)


def test_intervals_cover_the_true_value_95_times_in_100() -> None:
    share, _, _ = simulation.coverage(simulation.accuracy(0.8), simulation.Design("one"), 400, trials=1000)
    assert 0.93 <= share <= 0.97


def test_intervals_by_group_cover_where_rows_of_a_group_are_alike() -> None:
    rng = np.random.default_rng(6)
    n_groups, size, trials = 100, 10, 200
    groups = np.repeat(np.arange(n_groups), size)
    covered, covered_by_rows = 0, 0
    for seed in range(trials):
        error = np.abs(np.repeat(rng.normal(size=n_groups), size))  # all rows of a group err alike
        sums = np.stack([error, np.ones(n_groups * size)], axis=1)
        true, mae = np.sqrt(2 / np.pi), float(error.mean())
        by_group = statistics.interval(
            mae, replicates(sums, metrics.mae, groups, n_resamples=500, seed=seed // 100), n_groups, "positive"
        )
        by_row = statistics.interval(
            mae, replicates(sums, metrics.mae, n_resamples=500, seed=seed // 100), len(sums), "positive"
        )
        covered += by_group.low <= true <= by_group.high
        covered_by_rows += by_row.low <= true <= by_row.high
    assert 0.92 <= covered / trials <= 0.98
    assert covered_by_rows / trials < 0.6  # what leaving the groups out would have claimed


def test_the_paired_test_holds_its_level_when_neither_is_better() -> None:
    rejected = simulation.false_alarms(simulation.accuracy(0.5), simulation.Design("one"), 400, trials=1000)
    # 5 % of 1,000 with three standard errors of 0.7 %
    assert 0.03 <= rejected <= 0.071


def test_pairing_sees_what_two_separate_intervals_cannot() -> None:
    rng = np.random.default_rng(8)
    truth = rng.normal(size=1000)
    shared = rng.normal(size=1000)
    a = metrics.mae.rows(truth, truth + shared)
    b = metrics.mae.rows(truth, truth + 1.03 * shared)
    drawn_a, drawn_b = replicates(a, metrics.mae), replicates(b, metrics.mae)
    assert np.quantile(drawn_a, 0.975) > np.quantile(drawn_b, 0.025)  # the intervals overlap
    assert statistics.compare(-0.03, drawn_a - drawn_b, 1000).told_apart


def test_p_and_interval_never_disagree() -> None:
    rng = np.random.default_rng(9)
    for shift in np.linspace(-4, 4, 400):
        found = statistics.compare(shift, shift + rng.standard_t(5, 1000), int(rng.integers(5, 100)))
        assert found.told_apart == (found.low > 0 or found.high < 0)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 4.97, 18.6, 49, 199, 999.5, 20_000])
def test_the_t_distribution_is_scipys(df: float) -> None:
    for t in (1e-6, 0.1, 0.5, 1, 2, 3, 8, 20, 1e4):
        assert statistics.t_tails(t, df) == pytest.approx(2 * scipy.stats.t.sf(t, df), rel=1e-8, abs=1e-300)
    for level in (0.0, 0.1, 0.5, 0.95, 0.999, 1 - 1e-6, 1 - 1e-9):
        expected = scipy.stats.t.isf((1 - level) / 2, df)
        assert statistics.t_quantile(level, df) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("n_groups", [0, 1, 2, 3, 4, 5])
def test_below_5_groups_there_is_no_interval_and_no_p_and_it_says_why(n_groups: int) -> None:
    drawn = np.random.default_rng(0).normal(0.5, 0.1, 1000)
    enough = n_groups >= 5
    for scale in ("proportion", "positive", "correlation", "real"):
        found = statistics.interval(0.5, drawn, n_groups, scale)
        assert found.value == 0.5
        assert (not math.isnan(found.low), not math.isnan(found.high)) == (enough, enough)
    compared = statistics.compare(0.5, drawn, n_groups)
    assert (not math.isnan(compared.p), not math.isnan(compared.low)) == (enough, enough)
    assert not (compared.told_apart and not enough)
    groups = "1 group," if n_groups == 1 else f"{n_groups} groups,"
    assert statistics.why_none(n_groups) == ("" if enough else f"no interval: {groups} at least 5 are needed")


@pytest.mark.parametrize("n", [5, 20, 1000])
def test_at_the_ends_of_the_scale_a_proportion_has_a_bound_that_is_no_better_than_the_exact_one(n: int) -> None:
    exact = scipy.stats.binomtest(n, n).proportion_ci(0.95, method="exact").low
    all_right = statistics.interval(1.0, np.ones(1000), n, "proportion")
    assert all_right.high == 1
    assert exact - 0.15 < all_right.low < exact
    none_right = statistics.interval(0.0, np.zeros(1000), n, "proportion")
    assert (none_right.low, none_right.high) == pytest.approx((0, 1 - all_right.low))
    # all groups are half right: nothing tells how far off that is but the number of groups
    half = statistics.interval(0.5, np.full(1000, 0.5), n, "proportion")
    assert 0 < half.low < 0.5 < half.high < 1


@pytest.mark.parametrize("right", [380, 200, 40])
def test_rows_that_have_nothing_to_do_with_each_other_have_wilsons_interval(right: int) -> None:
    n = 400
    sums = np.stack([np.arange(n) < right, np.ones(n)], axis=1).astype(float)
    found = statistics.interval(right / n, replicates(sums, metrics.accuracy), n, "proportion")
    expected = scipy.stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    # the error is known to 2.2 %, from 1,000 resamples: three times that, of the half width
    assert found.low == pytest.approx(expected.low, abs=0.07 * (expected.high - expected.low) / 2)
    assert found.high == pytest.approx(expected.high, abs=0.07 * (expected.high - expected.low) / 2)


def test_an_error_in_one_group_of_twenty_does_not_make_the_error_rate_known() -> None:
    """One of 1,000 rows is wrong; the rows of a group may all be alike, and 19 of 20 groups say little of that."""
    sums = np.full((20, 2), 50.0)
    sums[0, 0] -= 1
    found = statistics.interval(0.999, replicates(sums, metrics.accuracy), 20, "proportion")
    assert found.low < 0.99
    assert found.high < 1


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
def test_where_all_resamples_give_the_same_score_there_is_no_interval(value: float) -> None:
    for scale in ("positive", "correlation", "real"):
        found = statistics.interval(value, np.full(1000, value), 20, scale)
        assert found.value == value
        assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize(("scale", "low", "high"), [("proportion", 0, 1), ("correlation", -1, 1), ("positive", 0, 1e9)])
def test_intervals_hold_the_score_and_keep_to_its_scale(scale: str, low: float, high: float) -> None:
    rng = np.random.default_rng(3)
    for n_groups in (5, 6, 20, 1000):
        for spread in (1e-6, 0.01, 0.3, 1.0):
            for value in (low + 1e-9, low + 0.01, (low + min(high, 2)) / 2, min(high, 2) - 1e-9):
                steps = spread * rng.normal(size=1000)
                drawn = value * np.exp(steps) if scale == "positive" else np.clip(value + steps, low, high)
                found = statistics.interval(value, drawn, n_groups, scale)
                assert low <= found.low <= value <= found.high <= high, (found, spread)


def test_intervals_do_not_depend_on_the_unit_or_on_which_end_is_best() -> None:
    rng = np.random.default_rng(4)
    drawn = np.clip(rng.normal(0.8, 0.05, 1000), 0, 1)

    def bounds(value: float, values: Array, scale: str) -> Array:
        found = statistics.interval(value, values, 30, scale)
        return np.array([found.low, found.high])

    assert bounds(1e6 * 0.8, 1e6 * drawn, "positive") == pytest.approx(1e6 * bounds(0.8, drawn, "positive"))
    assert bounds(-0.8, -drawn, "correlation") == pytest.approx(-bounds(0.8, drawn, "correlation")[::-1])
    assert bounds(1 - 0.8, 1 - drawn, "proportion") == pytest.approx(1 - bounds(0.8, drawn, "proportion")[::-1])
    assert bounds(0.8 - 5, drawn - 5, "real") == pytest.approx(bounds(0.8, drawn, "real") - 5)


def test_a_score_that_many_resamples_do_not_have_has_no_interval() -> None:
    drawn = np.random.default_rng(0).normal(0.5, 0.1, 1000)
    drawn[:50] = np.nan
    assert statistics.interval(0.5, drawn, 20, "real").low < 0.5
    assert not math.isnan(statistics.compare(0.1, drawn, 20).p)
    drawn[:150] = np.nan
    assert math.isnan(statistics.interval(0.5, drawn, 20, "real").low)
    assert math.isnan(statistics.compare(0.1, drawn, 20).p)
    assert "150 of 1,000 resamples" in statistics.why_none(20, drawn)


@pytest.mark.parametrize("n_groups", [5, 20, 300])
def test_the_paired_test_is_the_t_test_of_the_groups_differences(n_groups: int) -> None:
    rng = np.random.default_rng(n_groups)
    difference = rng.normal(0.4 / math.sqrt(n_groups), 1, n_groups)
    drawn = statistics.totals(difference[:, None], np.arange(n_groups), 20_000)[:, 0] / n_groups
    found = statistics.compare(float(difference.mean()), drawn, n_groups)
    expected = scipy.stats.ttest_1samp(difference, 0)
    bounds = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue, abs=0.02)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), abs=0.02 * (bounds.high - bounds.low))


@pytest.mark.parametrize(("n_groups", "p"), [(5, 0.0625), (6, 0.03125), (1000, 0.0)])
def test_better_by_the_same_in_every_group_is_as_sure_as_the_sign_test(n_groups: int, p: float) -> None:
    found = statistics.compare(0.1, np.full(1000, 0.1), n_groups)
    assert found.p == pytest.approx(p, abs=1e-9)
    assert found.told_apart == (found.low > 0)


def test_the_same_predictions_cannot_be_told_apart() -> None:
    found = statistics.compare(0.0, np.zeros(1000), 20)
    assert (found.p, found.low, found.high) == (1.0, 0.0, 0.0)
    assert not found.told_apart


def test_without_a_score_there_is_no_interval() -> None:
    found = statistics.interval(np.nan, np.full(10, np.nan), 20)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_the_levels_hold_in_simulation() -> None:
    """The quick form of the table that `benchmarks/statistics.py` prints: seeds are fixed, a star is two errors off."""
    script = Path(simulation.__file__)
    done = subprocess.run([sys.executable, str(script), "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All levels hold" in done.stdout
    assert "*" not in done.stdout


def test_the_simulation_finds_intervals_that_are_too_narrow() -> None:
    mae, trials = simulation.SCORES[3], 400
    alone = simulation.Design("one")

    def percentile(value: float, drawn: Array, _n_groups: int, _scale: str) -> statistics.Interval:
        return statistics.percentile_interval(value, drawn)

    ours, _, _ = simulation.coverage(mae, alone, 10, trials)
    theirs, _, _ = simulation.coverage(mae, alone, 10, trials, method=percentile)
    allowed = 3 * simulation.monte_carlo(0.93, trials)
    assert theirs < 0.93 - allowed
    assert ours > 0.93 - allowed
