"""Metrics as sums: what each row adds to a few totals, and how the totals become a score.

From that one shape follow chunked scoring, public and private parts, bootstrap intervals and paired tests (DESIGN: all
are sums over some of the rows). A truth cell that is NaN was not measured and adds zero to every sum.

Predictions are (n_rows,) labels, (n_rows, n_classes) probabilities, or one cell for each truth cell. Everything adds up
in float64. `log_loss` and `binary_crossentropy` clip probabilities at the resolution of float32, the precision in
which predictions are kept; scikit-learn does the same for float32.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit.task import Array

Scale = Literal["proportion", "correlation", "positive", "real"]  # within 0..1, within -1..1, above 0, anything

EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Metric:
    """A metric that is a sum over rows.

    rows: (truth, predictions) -> (n_rows, k), what each row adds to k sums.
    value: (..., k) totals -> (...) scores; NaN where nothing was scored.
    needs_probabilities: there is no value for a submission of labels.
    scale: what values the score can take; intervals keep to it.
    """

    name: str
    higher_is_better: bool
    rows: Callable[[Array, Array], Array]
    value: Callable[[Array], Array]
    needs_probabilities: bool = False
    scale: Scale = "real"


@dataclass(frozen=True)
class WholeMetric:
    """A metric that needs all rows at once, such as a rank statistic: slower, and computed afresh for each resample.

    value_of: (truth, predictions, weights (..., n_rows)) -> (...) scores; a weight says how often a row counts.
    """

    name: str
    higher_is_better: bool
    value_of: Callable[[Array, Array, Array], Array]
    needs_probabilities: bool = False
    scale: Scale = "real"


def ratio(top: Array, bottom: Array) -> Array:
    """top / bottom, NaN where bottom is 0."""
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom != 0)


def _mean(sums: Array) -> Array:
    return ratio(sums[..., 0], sums[..., 1])


def _cells(values: Array) -> Array:
    """(n_rows, n_cells): one row of cells a row, also where there is one cell."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _per_row(truth: Array, *parts: Array) -> Array:
    """(n_rows, len(parts) + 1): each part added up over the measured cells of a row, then how many there are."""
    measured = _cells(~np.isnan(truth))
    totals = [np.where(measured, _cells(part), 0).sum(axis=1, dtype=np.float64) for part in parts]
    return np.stack([*totals, measured.sum(axis=1, dtype=np.float64)], axis=1)


def _labels(predictions: Array) -> Array:
    return predictions.argmax(axis=1) if predictions.ndim == 2 else predictions


def _hits(truth: Array, predictions: Array) -> Array:
    return _per_row(truth, _labels(predictions) == truth)


def _log_loss(truth: Array, predictions: Array) -> Array:
    probabilities = predictions.astype(np.float64)
    label = np.nan_to_num(truth).astype(np.intp)
    chosen = np.take_along_axis(probabilities, label[:, None], axis=1)[:, 0] / probabilities.sum(axis=1)
    return _per_row(truth, -np.log(np.clip(chosen, EPS, 1 - EPS)))


def _errors(power: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    def rows(truth: Array, predictions: Array) -> Array:
        error = _cells(np.subtract(truth, predictions, dtype=np.float64))
        measured = _cells(~np.isnan(truth))
        error[~measured] = 0
        return np.stack([power(error).sum(axis=1), measured.sum(axis=1, dtype=np.float64)], axis=1)

    return rows


def _in_place_abs(error: Array) -> Array:
    return np.abs(error, out=error)


def _in_place_square(error: Array) -> Array:
    return np.multiply(error, error, out=error)


def _binary_hits(truth: Array, predictions: Array) -> Array:
    return _per_row(truth, (truth > 0.5) == (predictions > 0.5))


def _binary_crossentropy(truth: Array, predictions: Array) -> Array:
    likely = np.clip(predictions.astype(np.float64), EPS, 1 - EPS)
    return _per_row(truth, -(truth * np.log(likely) + (1 - truth) * np.log1p(-likely)))


def _column_errors(truth: Array, predictions: Array) -> Array:
    measured = ~np.isnan(_cells(truth).T)
    squares = np.subtract(_cells(truth).T, _cells(predictions).T, dtype=np.float64, order="C")
    squares[~measured] = 0
    return np.concatenate([_in_place_square(squares), measured]).T  # each sum's cells in a row, for adding up


def _mean_column_rmse(sums: Array) -> Array:
    squares, counts = np.split(sums, 2, axis=-1)
    roots = np.sqrt(ratio(squares, counts))
    known = ~np.isnan(roots)
    return ratio(np.where(known, roots, 0).sum(axis=-1), known.sum(axis=-1).astype(np.float64))


def _moments(truth: Array, predictions: Array) -> Array:
    x, y = truth.astype(np.float64), predictions.astype(np.float64)
    return _per_row(truth, x, y, x * x, y * y, x * y)


def _correlation(sums: Array) -> Array:
    x, y, xx, yy, xy, n = np.moveaxis(sums, -1, 0)
    spread = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
    return ratio(n * xy - x * y, np.sqrt(spread))


def _r2_rows(truth: Array, predictions: Array) -> Array:
    x = truth.astype(np.float64)
    return _per_row(truth, (x - predictions) ** 2, x, x * x)


def _r2(sums: Array) -> Array:
    squares, x, xx, n = np.moveaxis(sums, -1, 0)
    return 1 - ratio(squares, np.maximum(xx - ratio(x * x, n), 0))


def macro_f1(n_classes: int) -> Metric:
    """Mean F1 over the classes that occur in truth or predictions, as scikit-learn's average="macro"."""

    def rows(truth: Array, predictions: Array) -> Array:
        classes = np.arange(n_classes)
        measured = ~np.isnan(truth)[:, None]
        true = truth[:, None] == classes
        guess = (_labels(predictions)[:, None] == classes) & measured
        return np.concatenate([true & guess, guess, true], axis=1).astype(np.float64)

    def value(sums: Array) -> Array:
        hits, guessed, true = np.split(sums, 3, axis=-1)
        f1 = ratio(2 * hits, guessed + true)
        occurs = ~np.isnan(f1)
        return ratio(np.where(occurs, f1, 0).sum(axis=-1), occurs.sum(axis=-1).astype(np.float64))

    return Metric("macro_f1", True, rows, value, scale="proportion")


def _order(predictions: Array) -> tuple[Array, Array]:
    """Sorting order of the predictions, and for each sorted place the number of its run of equal values."""
    order = np.argsort(predictions, kind="stable")
    ordered = predictions[order]
    return order, np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])]) if len(ordered) else order


def _midranks(values: Array, weights: Array) -> Array:
    """(..., n) ranks of the values when each counts `weights` times; equal values share their mean rank."""
    order, run = _order(values)
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    per_run = np.add.reduceat(weights[..., order], starts, axis=-1)
    middle = np.cumsum(per_run, axis=-1) - per_run / 2 + 0.5
    ranks = np.empty(weights.shape)
    ranks[..., order] = middle[..., run]
    return ranks


def _measured(truth: Array, predictions: Array, weights: Array) -> tuple[Array, Array, Array]:
    """The measured cells as one long row, each with the weight of its row."""
    measured = ~np.isnan(_cells(truth))
    row, _ = np.nonzero(measured)
    return _cells(truth)[measured], _cells(predictions)[measured], weights[..., row].astype(np.float64)


def _spearman(truth: Array, predictions: Array, weights: Array) -> Array:
    x, y, w = _measured(truth, predictions, weights)
    if not len(x):
        return np.full(weights.shape[:-1], np.nan)
    a, b = _midranks(x, w), _midranks(y, w)
    n = w.sum(axis=-1, keepdims=True)
    a, b = a - (n + 1) / 2, b - (n + 1) / 2  # the weighted mean of midranks is (n + 1) / 2
    return ratio((w * a * b).sum(axis=-1), np.sqrt((w * a * a).sum(axis=-1) * (w * b * b).sum(axis=-1)))


def _roc_auc(truth: Array, predictions: Array, weights: Array) -> Array:
    x, y, w = _measured(truth, predictions, weights)
    if not len(x):
        return np.full(weights.shape[:-1], np.nan)
    positive = w * (x > 0.5)
    n_positive = positive.sum(axis=-1)
    n_negative = w.sum(axis=-1) - n_positive
    # Mann-Whitney: the positives' summed midranks, less the least they could add up to
    wins = (positive * _midranks(y, w)).sum(axis=-1) - n_positive * (n_positive + 1) / 2
    return ratio(wins, n_positive * n_negative)


accuracy = Metric("accuracy", True, _hits, _mean, scale="proportion")
log_loss = Metric("log_loss", False, _log_loss, _mean, needs_probabilities=True, scale="positive")
binary_accuracy = Metric("binary_accuracy", True, _binary_hits, _mean, scale="proportion")
binary_crossentropy = Metric("binary_crossentropy", False, _binary_crossentropy, _mean, scale="positive")
mae = Metric("mae", False, _errors(_in_place_abs), _mean, scale="positive")
mse = Metric("mse", False, _errors(_in_place_square), _mean, scale="positive")
rmse = Metric("rmse", False, _errors(_in_place_square), lambda sums: np.sqrt(_mean(sums)), scale="positive")
mcrmse = Metric("mcrmse", False, _column_errors, _mean_column_rmse, scale="positive")
r2 = Metric("r2", True, _r2_rows, _r2)
pearson = Metric("pearson", True, _moments, _correlation, scale="correlation")
spearman = WholeMetric("spearman", True, _spearman, scale="correlation")
roc_auc = WholeMetric("roc_auc", True, _roc_auc, scale="proportion")
