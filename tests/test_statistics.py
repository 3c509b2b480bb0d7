"""Intervals against scipy's bootstrap and against the truth in simulation; the paired test's level under the null."""

import numpy as np
import pytest
import scipy.stats

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
    rng = np.random.default_rng(5)
    p, n, trials = 0.8, 400, 1000
    covered = 0
    for seed in range(trials):
        sums = np.stack([rng.random(n) < p, np.ones(n)], axis=1).astype(float)
        drawn = replicates(sums, metrics.accuracy, n_resamples=500, seed=seed)
        found = statistics.interval(float(sums[:, 0].mean()), drawn, n, "proportion")
        covered += found.low <= p <= found.high
    assert 0.93 <= covered / trials <= 0.97


def test_intervals_by_group_cover_where_rows_of_a_group_are_alike() -> None:
    rng = np.random.default_rng(6)
    n_groups, size, trials = 100, 10, 500
    groups = np.repeat(np.arange(n_groups), size)
    covered, covered_by_rows = 0, 0
    for seed in range(trials):
        error = np.abs(np.repeat(rng.normal(size=n_groups), size))  # all rows of a group err alike
        sums = np.stack([error, np.ones(n_groups * size)], axis=1)
        true, mae = np.sqrt(2 / np.pi), float(error.mean())
        by_group = statistics.interval(
            mae, replicates(sums, metrics.mae, groups, n_resamples=500, seed=seed), n_groups, "positive"
        )
        by_row = statistics.interval(
            mae, replicates(sums, metrics.mae, n_resamples=500, seed=seed), len(sums), "positive"
        )
        covered += by_group.low <= true <= by_group.high
        covered_by_rows += by_row.low <= true <= by_row.high
    assert 0.92 <= covered / trials <= 0.98
    assert covered_by_rows / trials < 0.6  # what leaving the groups out would have claimed


def test_the_paired_test_holds_its_level_when_neither_is_better() -> None:
    rng = np.random.default_rng(7)
    n, trials = 400, 1000
    rejected = 0
    for seed in range(trials):
        easy = rng.random(n)  # both are right on easy rows and wrong on hard ones, so their errors are alike
        pair = [np.stack([rng.random(n) < easy, np.ones(n)], axis=1).astype(float) for _ in range(2)]
        a, b = (replicates(sums, metrics.accuracy, n_resamples=500, seed=seed) for sums in pair)
        rejected += statistics.compare(float(pair[0][:, 0].mean() - pair[1][:, 0].mean()), a - b, n).told_apart
    # 5 % of 1,000 with three standard errors of 0.7 %
    assert 0.03 <= rejected / trials <= 0.071


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
        found = statistics.compare(shift, rng.normal(shift, 1, 1000), 20)
        assert found.told_apart == (found.low > 0 or found.high < 0)


def test_the_same_predictions_cannot_be_told_apart() -> None:
    found = statistics.compare(0.0, np.zeros(1000), 20)
    assert (found.p, found.low, found.high) == (1.0, 0.0, 0.0)
    assert not found.told_apart


def test_without_a_score_there_is_no_interval() -> None:
    found = statistics.interval(np.nan, np.full(10, np.nan), 20)
    assert np.isnan([found.value, found.low, found.high]).all()
