"""Metrics against scikit-learn and scipy, and the laws that follow from a metric being a sum."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from kit import metrics
from kit.metrics import Metric, WholeMetric
from kit.task import Array

N_CLASSES = 4
macro_f1 = metrics.macro_f1(N_CLASSES)
CLASS = (metrics.accuracy, metrics.log_loss, macro_f1)
BINARY = (metrics.binary_accuracy, metrics.binary_crossentropy, metrics.roc_auc)
VALUE = (metrics.mae, metrics.mse, metrics.rmse, metrics.mcrmse, metrics.r2, metrics.pearson, metrics.spearman)
ALL = (*CLASS, *BINARY, *VALUE)


def score(metric: Metric | WholeMetric, truth: Array, predictions: Array) -> float:
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
