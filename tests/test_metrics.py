"""Metrics against scikit-learn and scipy, and the laws that follow from a metric being a sum."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from kit import metrics, midranks
from kit.errors import KitError
from kit.former import former
from kit.metrics import Metric, WholeMetric
from kit.task import Array

N_CLASSES = 4
macro_f1 = metrics.macro_f1(N_CLASSES)
CLASS = (metrics.accuracy, metrics.log_loss, macro_f1)
BINARY = (metrics.binary_accuracy, metrics.binary_crossentropy, metrics.roc_auc)
VALUE = (metrics.mae, metrics.mse, metrics.rmse, metrics.mcrmse, metrics.r2, metrics.pearson, metrics.spearman)
ALL = (*CLASS, *BINARY, *VALUE)


def score(metric: Metric | WholeMetric, truth: Array, predictions: Array) -> float:
    metric = metrics.over_columns(metric, truth.shape)
    if isinstance(metric, WholeMetric):
        return float(metric.value_of(truth, predictions, np.ones(len(truth))))
    return float(metric.value(metric.rows(truth, predictions).sum(axis=0)))


def draw(metric: Metric | WholeMetric, seed: int, n: int = 60) -> tuple[Array, Array]:
    """Truth without NaN, and predictions somewhat like it, as this metric wants them."""
    rng = np.random.default_rng(seed)
    if metric in CLASS:
        truth = rng.integers(0, N_CLASSES, n).astype(float)
        odds = rng.random((n, N_CLASSES)) + np.eye(N_CLASSES)[truth.astype(int)]
        return truth, odds / odds.sum(axis=1, keepdims=True)
    if metric in BINARY:
        truth = rng.integers(0, 2, n).astype(float)
        return truth, np.clip(np.round(0.2 + 0.3 * truth + 0.5 * rng.random(n), 2), 0.01, 0.99)
    truth = np.round(rng.normal(1, 2, (n, 3) if metric is metrics.mcrmse else n), 2)
    return truth, np.round(truth + rng.normal(size=truth.shape), 1)  # rounded, so that there are ties


ORACLES = {
    "accuracy": lambda t, p: sk.accuracy_score(t, p.argmax(axis=1)),
    "log_loss": lambda t, p: sk.log_loss(t, p, labels=range(N_CLASSES)),
    "macro_f1": lambda t, p: sk.f1_score(t, p.argmax(axis=1), average="macro"),
    "binary_accuracy": lambda t, p: sk.accuracy_score(t, p > 0.5),
    "binary_crossentropy": lambda t, p: sk.log_loss(t, p),
    "roc_auc": sk.roc_auc_score,
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "mcrmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "pearson": lambda t, p: scipy.stats.pearsonr(t, p).statistic,
    "spearman": lambda t, p: scipy.stats.spearmanr(t, p).statistic,
}
every_metric = pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
every_sum = pytest.mark.parametrize("metric", [m for m in ALL if isinstance(m, Metric)], ids=lambda metric: metric.name)
seeds = st.integers(0, 2**32 - 1)


@every_metric
@settings(max_examples=50, deadline=None)
@given(seed=seeds)
def test_equals_its_independent_oracle(metric: Metric | WholeMetric, seed: int) -> None:
    truth, predictions = draw(metric, seed)
    assert score(metric, truth, predictions) == pytest.approx(ORACLES[metric.name](truth, predictions), abs=1e-9)


@every_sum
@settings(max_examples=25, deadline=None)
@given(seed=seeds, cut=st.integers(0, 60))
def test_adding_chunks_equals_scoring_at_once(metric: Metric, seed: int, cut: int) -> None:
    truth, predictions = draw(metric, seed)
    parts = [metric.rows(truth[rows], predictions[rows]) for rows in (slice(cut), slice(cut, None))]
    assert np.array_equal(np.concatenate(parts), metric.rows(truth, predictions))


@every_metric
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_permuting_rows_changes_nothing(metric: Metric | WholeMetric, seed: int) -> None:
    truth, predictions = draw(metric, seed)
    order = np.random.default_rng(seed).permutation(len(truth))
    assert score(metric, truth[order], predictions[order]) == pytest.approx(
        score(metric, truth, predictions), abs=1e-12
    )


@every_metric
@settings(max_examples=25, deadline=None)
@given(seed=seeds, share=st.floats(0.05, 0.8))
def test_a_missing_truth_cell_is_as_good_as_left_out(metric: Metric | WholeMetric, seed: int, share: float) -> None:
    truth, predictions = draw(metric, seed)
    missing = np.random.default_rng(seed).random(len(truth)) < share
    missing[:2] = False
    holes = truth.copy()
    holes[missing] = np.nan
    expected = score(metric, truth[~missing], predictions[~missing])
    assert score(metric, holes, predictions) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_single_cells_can_be_missing_from_a_row() -> None:
    truth = np.array([[1.0, np.nan], [3.0, 4.0]])
    predictions = np.array([[2.0, 9.0], [3.0, 7.0]])
    assert score(metrics.mae, truth, predictions) == pytest.approx((1 + 0 + 3) / 3)
    assert score(metrics.mcrmse, truth, predictions) == pytest.approx((np.sqrt(1 / 2) + 3) / 2)


@every_metric
def test_nothing_measured_is_no_score_and_no_warning(
    metric: Metric | WholeMetric, recwarn: pytest.WarningsRecorder
) -> None:
    truth, predictions = draw(metric, 0)
    assert np.isnan(score(metric, np.full_like(truth, np.nan), predictions))
    assert not recwarn.list


@every_sum
def test_values_are_vectorised_over_leading_axes(metric: Metric) -> None:
    sums = np.stack([metric.rows(*draw(metric, seed)).sum(axis=0) for seed in range(6)])
    together = metric.value(sums.reshape(2, 3, -1))
    assert together.shape == (2, 3)
    assert np.array_equal(together.ravel(), [metric.value(one) for one in sums])


@pytest.mark.parametrize("metric", [metrics.roc_auc, metrics.spearman], ids=lambda metric: metric.name)
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_a_weight_counts_a_row_so_often(metric: WholeMetric, seed: int) -> None:
    truth, predictions = draw(metric, seed)
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(truth)))
    weights[:, :2] = 1
    found = metric.value_of(truth, predictions, weights)
    for value, times in zip(found, weights, strict=True):
        repeated = score(metric, np.repeat(truth, times), np.repeat(predictions, times))
        assert value == pytest.approx(repeated, abs=1e-12, nan_ok=True)


def test_labels_score_like_the_probabilities_they_come_from() -> None:
    truth, probabilities = draw(metrics.accuracy, 3)
    for metric in (metrics.accuracy, macro_f1):
        assert score(metric, truth, probabilities.argmax(axis=1)) == score(metric, truth, probabilities)


def test_certainty_is_punished_but_never_without_bound() -> None:
    wrong = score(metrics.log_loss, np.array([0.0]), np.array([[0.0, 1.0, 0.0, 0.0]]))
    assert wrong == pytest.approx(-np.log(np.finfo(np.float32).eps))
    assert score(metrics.binary_crossentropy, np.array([1.0]), np.array([0.0])) == pytest.approx(wrong)


COLUMN = {
    metrics.rmse: sk.root_mean_squared_error,
    metrics.r2: sk.r2_score,
    metrics.pearson: lambda t, p: scipy.stats.pearsonr(t, p).statistic,
    metrics.spearman: lambda t, p: scipy.stats.spearmanr(t, p).statistic,
    metrics.mcrmse: sk.root_mean_squared_error,
    metrics.roc_auc: lambda t, p: sk.roc_auc_score(t > 0.5, p),
}
POOL = {metrics.mae: sk.mean_absolute_error, metrics.mse: sk.mean_squared_error}
OF_VALUES = [metric for metric in COLUMN | POOL if metric is not metrics.roc_auc]
offsets = pytest.mark.parametrize("offset", [0, 1, 10, 1e2, 1e3, 1e4, 1e5])


def by_column(oracle: Callable[[Array, Array], float], truth: Array, predictions: Array) -> float:
    exact = truth.astype(np.float64).T, predictions.astype(np.float64).T
    pairs = [(t[~np.isnan(t)], p[~np.isnan(t)]) for t, p in zip(*exact, strict=True)]
    return float(np.mean([oracle(*pair) for pair in pairs if len(pair[0])]))


def of_columns(seed: int, n_columns: int = 3, n: int = 80, missing: float = 0.3) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, n_columns)) * [1, 3, 10, 30, 100][:n_columns]
    predictions = (truth + rng.normal(size=truth.shape)).astype(np.float32)
    truth[rng.random(truth.shape) < missing] = np.nan
    return truth.astype(np.float32), predictions


@offsets
@pytest.mark.parametrize("which", ["truth", "predictions", "both"])
@pytest.mark.parametrize("metric", OF_VALUES, ids=lambda metric: metric.name)
def test_an_offset_cancels_nothing(metric: Metric | WholeMetric, offset: float, which: str) -> None:
    for spread in (1e-30, 1.0, 1e30):
        truth, predictions = of_columns(1)
        truth = (spread * (truth + offset * (which != "predictions"))).astype(np.float32)
        predictions = (spread * (predictions + offset * (which != "truth"))).astype(np.float32)
        if metric in COLUMN:
            expected = by_column(COLUMN[metric], truth, predictions)
        else:
            expected = POOL[metric](*(part[~np.isnan(truth)].astype(np.float64) for part in (truth, predictions)))
        assert metric(truth, predictions) == pytest.approx(expected, rel=1e-6, abs=1e-6 * (metric.scale != "positive"))


@pytest.mark.parametrize("metric", COLUMN, ids=lambda metric: metric.name)
@settings(max_examples=20, deadline=None)
@given(seed=seeds, n_columns=st.integers(2, 5))
def test_columns_are_averaged_as_scikit_learn_does(metric: Metric | WholeMetric, seed: int, n_columns: int) -> None:
    truth, predictions = of_columns(seed, n_columns)
    truth = (truth > 0) + 0 * truth if metric is metrics.roc_auc else truth
    expected = by_column(COLUMN[metric], truth, predictions)
    assert metric(truth, predictions) == pytest.approx(expected, abs=1e-6)
    used = metrics.over_columns(metric, truth.shape)
    assert used.version == (1 if metric is metrics.mcrmse else 2)  # that name has meant the average from the first
    nothing = np.column_stack([truth, np.full(len(truth), np.nan)])
    assert metric(nothing, np.column_stack([predictions, predictions[:, 0]])) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", COLUMN, ids=lambda metric: metric.name)
def test_one_column_is_the_same_in_either_shape(metric: Metric | WholeMetric) -> None:
    truth, predictions = of_columns(0, 1)
    assert metric(truth, predictions) == metric(truth[:, 0], predictions[:, 0])
    assert metrics.over_columns(metric, truth.shape).version == 1


def test_averages_are_scikit_learns_uniform_average() -> None:
    truth, predictions = of_columns(3, missing=0)
    for metric, oracle in (
        (metrics.r2, sk.r2_score),
        (metrics.rmse, sk.root_mean_squared_error),
        (metrics.mae, sk.mean_absolute_error),
        (metrics.mse, sk.mean_squared_error),
    ):
        assert metric(truth, predictions) == pytest.approx(oracle(truth, predictions), abs=1e-6)
    assert metrics.roc_auc(truth > 0, predictions) == pytest.approx(sk.roc_auc_score(truth > 0, predictions), abs=1e-12)


@pytest.mark.parametrize(
    "metric", [m for m in COLUMN | POOL if m is not metrics.mcrmse], ids=lambda metric: metric.name
)
def test_pooled_takes_all_cells_together(metric: Metric | WholeMetric) -> None:
    truth, predictions = of_columns(4)
    truth = (truth > 0) + 0 * truth if metric is metrics.roc_auc else truth
    measured = ~np.isnan(truth)
    together = metrics.pooled(metric)
    assert together.name == metric.name
    assert metrics.over_columns(together, truth.shape).version == 1
    oracle = (COLUMN | POOL)[metric]
    assert together(truth, predictions) == pytest.approx(oracle(truth[measured], predictions[measured]), abs=1e-6)


@pytest.mark.parametrize("metric", [metrics.r2, metrics.pearson, metrics.spearman], ids=lambda metric: metric.name)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1, 1e-40, -3e38])
def test_no_spread_is_no_score(metric: Metric | WholeMetric, value: float, recwarn: pytest.WarningsRecorder) -> None:
    truth, predictions = (part[:, 0] for part in of_columns(0, 1, n=1000))
    constant = np.full(1000, value, np.float32)
    assert np.isnan(metric(constant, predictions))
    if metric is not metrics.r2:
        assert np.isnan(metric(truth, constant))
    if metric is not metrics.spearman:  # ranks have no rounding: one step of float32 is an order like any other
        up = np.nextafter(constant, np.float32(np.inf))
        rounded = np.where(np.arange(1000) % 3 == 0, up, constant)
        assert np.isnan(metric(rounded, predictions))
        assert np.isnan(score(metric, rounded, predictions))  # about any origin
        assert metric is metrics.r2 or np.isnan(metric(truth, rounded))
    columns = np.column_stack([truth, constant]), np.column_stack([predictions, predictions])
    assert np.isnan(metric(*columns))  # not the score of the other column
    assert not recwarn.list


def test_one_row_has_no_correlation_and_one_class_no_auc() -> None:
    for metric in (metrics.r2, metrics.pearson, metrics.spearman, metrics.roc_auc):
        assert np.isnan(metric([1.0], [0.5]))
    assert np.isnan(metrics.roc_auc([1, 1, 1], [0.1, 0.2, 0.3]))
    assert np.isnan(metrics.roc_auc(np.ones((3, 2)) * [0, 1], np.eye(3)[:, :2]))


@settings(max_examples=50, deadline=None)
@given(seed=seeds, tiny=st.floats(1e-12, 1))
def test_correlations_keep_to_their_scale(seed: int, tiny: float) -> None:
    truth = np.random.default_rng(seed).normal(1e3, 1, 50).astype(np.float32)
    for metric in (metrics.pearson, metrics.spearman):
        for slope in (1, -tiny, tiny):
            found = metric(truth, (truth * slope).astype(np.float32))
            assert np.isnan(found) or -1 <= found <= 1


def test_a_wild_cell_leaves_the_others_their_digits() -> None:
    truth, predictions = (part[:, 0] for part in of_columns(5, 1, n=200, missing=0))
    origin = metrics.origin(truth, predictions, True)
    wild = predictions.copy()
    wild[7] = 3e38
    assert abs(metrics.origin(truth, wild, True) - origin) < 0.1
    assert metrics.pearson(truth, wild) == pytest.approx(scipy.stats.pearsonr(truth, wild.astype(float)).statistic)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, offset=st.floats(-1e3, 1e3))
def test_moments_can_be_moved(seed: int, offset: float) -> None:
    truth, predictions = of_columns(seed)
    for metric in (metrics.pooled(metrics.pearson), metrics.over_columns(metrics.pearson, truth.shape)):
        assert metric.moved is not None
        by = np.asarray(offset) if metric.version == 1 else offset * np.arange(1, 4)
        about = metric.rows(truth, predictions, 0.0, by).sum(axis=0)
        assert np.allclose(metric.moved(about, by), metric.rows(truth, predictions).sum(axis=0), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("metric", [metrics.spearman, metrics.roc_auc], ids=lambda metric: metric.name)
@pytest.mark.parametrize("n_columns", [1, 3])
@pytest.mark.parametrize("n_groups", [1, 2, 20, 100])
def test_counts_of_groups_are_weights_of_their_rows(metric: WholeMetric, n_groups: int, n_columns: int) -> None:
    rng = np.random.default_rng(n_groups)
    truth, predictions = of_columns(n_groups, n_columns, n=300)
    truth, predictions = np.round(truth), np.round(predictions, 1)  # with ties
    truth = (truth > 0) + 0 * truth if metric is metrics.roc_auc else truth
    groups = rng.permutation(np.arange(300) % n_groups)
    counts = np.stack([np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups) for _ in range(40)])
    for used in (metrics.over_columns(metric, truth.shape), metrics.pooled(metric)):
        fast = metrics.on_counts(used, truth, predictions, groups)(counts.astype(np.uint8))
        each = [used(*(np.repeat(part, times[groups], axis=0) for part in (truth, predictions))) for times in counts]
        assert np.allclose(fast, each, rtol=0, atol=1e-9, equal_nan=True)
        slow = metrics.on_counts(replace(used, on=None), truth, predictions, groups)(counts)
        assert np.allclose(fast, slow, rtol=0, atol=1e-9, equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n_groups=st.integers(1, 12))
def test_few_and_many_groups_give_the_same_ranks(seed: int, n_groups: int) -> None:
    rng = np.random.default_rng(seed)
    group = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 50)])
    x = np.where(group < 2, 3.0, np.round(rng.normal(size=len(group)), 1))  # two groups without a spread
    y = np.round(x + rng.normal(size=len(group)), 1)
    counts = rng.integers(0, 4, (30, n_groups)).astype(np.uint8)
    few = midranks._spearman_of_few(x, y, group, n_groups)(counts)
    many = midranks._spearman_of_many(x, y, group)(counts)
    assert np.allclose(few, many, rtol=0, atol=1e-9, equal_nan=True)


def test_values_at_the_ends_of_float32_are_scored(recwarn: pytest.WarningsRecorder) -> None:
    most = np.float32(3.4e38)
    truth = np.array([most, -most, most, -most], np.float32)
    assert metrics.rmse(truth, -truth) == pytest.approx(2 * float(most))
    assert metrics.mae(truth, -truth) == pytest.approx(2 * float(most))
    assert metrics.r2(truth, -truth) == pytest.approx(-3)
    assert metrics.pearson(truth, -truth) == pytest.approx(-1)
    least = np.float32(1e-44) * np.arange(1, 9, dtype=np.float32)
    assert metrics.pearson(least, least) == pytest.approx(1)
    assert metrics.log_loss([0, np.nan], np.zeros((2, 3), np.float32)) != 0  # no row of zeros stops anything
    assert not recwarn.list


def test_what_does_not_fit_is_refused() -> None:
    for truth, predictions in (([1, 2], [1]), (np.ones((2, 3)), np.ones((2, 2))), (np.ones((2, 3)), [1, 2]), (1, 1)):
        with pytest.raises(KitError, match="needs a prediction for each row"):
            metrics.rmse(truth, predictions)


def test_a_metric_of_ones_own_needs_no_more_than_rows_and_value() -> None:
    mine = Metric("mine", True, lambda t, p: np.stack([t * p, t * t], axis=1), lambda sums: sums[..., 0] / sums[..., 1])
    assert mine([1.0, 2.0], [3.0, 4.0]) == pytest.approx(11 / 5)
    averaged = replace(mine, columns="average")
    assert averaged(np.array([[1.0, 1], [2, 1]]), np.array([[3.0, 1], [4, 1]])) == pytest.approx((11 / 5 + 1) / 2)
    whole = WholeMetric(
        "largest", True, lambda t, p, w: np.where(w > 0, t - p, -np.inf).max(axis=-1), columns="average"
    )
    assert whole(np.array([[1.0, 5], [2, 9]]), np.zeros((2, 2))) == pytest.approx((2 + 9) / 2)


def test_entries_of_the_first_release_are_scored_as_they_were() -> None:
    truth, predictions = of_columns(2)
    measured = ~np.isnan(truth)
    x, y = truth[measured].astype(np.float64), predictions[measured].astype(np.float64)
    moments = [x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum(), len(x)]
    assert former(metrics.pearson).rows(truth, predictions).sum(axis=0) == pytest.approx(moments)
    explained = [((x - y) ** 2).sum(), x.sum(), (x * x).sum(), len(x)]
    assert former(metrics.r2).rows(truth, predictions).sum(axis=0) == pytest.approx(explained)
    for metric in (metrics.rmse, metrics.r2, metrics.pearson, metrics.spearman):
        was = former(metric)
        assert metrics.over_columns(was, truth.shape).version == 1
        assert was(truth, predictions) == pytest.approx(metrics.pooled(metric)(truth, predictions), abs=1e-9)
