"""What each row adds to the sums of the metrics (`rows`), and what the totals come to (`value`); see metrics.py.

Everything adds up in float64. Probabilities are clipped at the resolution of float32, the precision in which
predictions are kept; scikit-learn does the same for float32.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kit.task import Array

EPS = float(np.finfo(np.float32).eps)
_EPS64 = float(np.finfo(np.float64).eps)
Rows = Callable[[Array, Array], Array]


def ratio(top: Array, bottom: Array) -> Array:
    """top / bottom, NaN where bottom is 0."""
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom != 0)


def mean(sums: Array) -> Array:
    """(..., 2) sum and count -> (...)"""
    return ratio(sums[..., 0], sums[..., 1])


def root_mean(sums: Array) -> Array:
    """(..., 2) sum and count -> (...)"""
    return np.sqrt(mean(sums))


def cells(values: Array) -> Array:
    """(n_rows, n_cells): one row of cells a row, also where there is one cell."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _per_row(truth: Array, *parts: Array) -> Array:
    """(n_rows, len(parts) + 1): each part added up over the measured cells of a row, then how many there are."""
    measured = cells(~np.isnan(truth))
    added = (np.where(measured, cells(part), 0) for part in parts)
    return np.stack([_across(part) for part in (*added, measured)]).T  # each sum's terms lie side by side


def _across(part: Array) -> Array:
    return part[:, 0].astype(np.float64) if part.shape[1] == 1 else part.sum(axis=1, dtype=np.float64)


def _labels(predictions: Array) -> Array:
    return predictions.argmax(axis=1) if predictions.ndim == 2 else predictions


def hits(truth: Array, predictions: Array) -> Array:
    """How many labels are right, of how many."""
    return _per_row(truth, _labels(predictions) == truth)


def log_loss(truth: Array, predictions: Array) -> Array:
    """-log of the true class's share of the probabilities, of how many."""
    probabilities = predictions.astype(np.float64)
    label = np.nan_to_num(truth).astype(np.intp)
    chosen = np.take_along_axis(probabilities, label[:, None], axis=1)[:, 0]
    share = ratio(chosen, probabilities.sum(axis=1))
    return _per_row(truth, -np.log(np.clip(share, EPS, 1 - EPS)))


def binary_hits(truth: Array, predictions: Array) -> Array:
    """How many cells lie on the same side of 0.5, of how many."""
    return _per_row(truth, (truth > 0.5) == (predictions > 0.5))


def binary_crossentropy(truth: Array, predictions: Array) -> Array:
    """Cross-entropy of each cell; truth may be anything within [0, 1]."""
    likely = np.clip(predictions.astype(np.float64), EPS, 1 - EPS)
    return _per_row(truth, -(truth * np.log(likely) + (1 - truth) * np.log1p(-likely)))


def _errors(power: Callable[[Array], Array]) -> Rows:
    def rows(truth: Array, predictions: Array) -> Array:
        error = cells(np.subtract(truth, predictions, dtype=np.float64))
        measured = cells(~np.isnan(truth))
        error[~measured] = 0
        return np.stack([_across(power(error)), _across(measured)]).T

    return rows


absolute_errors = _errors(lambda error: np.abs(error, out=error))
squared_errors = _errors(lambda error: np.multiply(error, error, out=error))


def f1(n_classes: int) -> tuple[Rows, Callable[[Array], Array]]:
    """rows: hits, guesses and truth of each class; value: the mean F1 of the classes that occur."""

    def rows(truth: Array, predictions: Array) -> Array:
        classes = np.arange(n_classes)
        measured = ~np.isnan(truth)[:, None]
        true = truth[:, None] == classes
        guess = (_labels(predictions)[:, None] == classes) & measured
        return np.concatenate([true & guess, guess, true], axis=1).astype(np.float64)

    def value(sums: Array) -> Array:
        right, guessed, true = np.split(sums, 3, axis=-1)
        each = ratio(2 * right, guessed + true)
        occurs = ~np.isnan(each)
        return ratio(np.where(occurs, each, 0).sum(axis=-1), occurs.sum(axis=-1).astype(np.float64))

    return rows, value


def _spread(x: Array, xx: Array, rounding: Array, n: Array) -> Array:
    """Summed squares about the mean; NaN where rounding alone, of the values or of these sums, could make them."""
    spread = xx - x * ratio(x, n)
    return np.where(spread > np.maximum(rounding, n * _EPS64 * xx), spread, np.nan)


def _rounding(values: Array) -> Array:
    """The squared distance from each value to the next one that its type can hold."""
    return np.square(np.spacing(values if values.dtype.kind == "f" else values.astype(np.float64)), dtype=np.float64)


def moments(truth: Array, predictions: Array, x0: Any = 0.0, y0: Any = 0.0) -> Array:
    """First and second moments about the origins x0 and y0, and what rounding may have added."""
    x, y = np.subtract(truth, x0, dtype=np.float64), np.subtract(predictions, y0, dtype=np.float64)
    return _per_row(truth, x, y, x * x, y * y, x * y, _rounding(truth), _rounding(predictions))


def moved_moments(sums: Array, by: Array) -> Array:
    """The moments about an origin of the predictions that lies `by` lower."""
    x, y, xx, yy, xy, rounding_x, rounding_y, n = np.moveaxis(sums, -1, 0)
    moved = (x, y + by * n, xx, yy + by * (2 * y + by * n), xy + by * x, rounding_x, rounding_y, n)
    return np.stack(moved, axis=-1)


def correlation(sums: Array) -> Array:
    """Pearson's, of the moments."""
    x, y, xx, yy, xy, rounding_x, rounding_y, n = np.moveaxis(sums, -1, 0)
    bottom = np.sqrt(_spread(x, xx, rounding_x, n)) * np.sqrt(_spread(y, yy, rounding_y, n))
    return np.clip(ratio(xy - x * ratio(y, n), bottom), -1, 1)


def explained(truth: Array, predictions: Array, x0: Any = 0.0, _: Any = 0.0) -> Array:
    """Squared errors, and the truth's moments about the origin x0."""
    x, error = np.subtract(truth, x0, dtype=np.float64), np.subtract(truth, predictions, dtype=np.float64)
    return _per_row(truth, error * error, x, x * x, _rounding(truth))


def r2(sums: Array) -> Array:
    """Explained share of the variance."""
    squares, *of_truth = np.moveaxis(sums, -1, 0)
    return 1 - ratio(squares, _spread(*of_truth))
