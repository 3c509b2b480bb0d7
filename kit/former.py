"""The metrics as the first release defined them, so that its entries can be scored again as they were.

All columns were pooled, moments were taken about 0, and nothing was said of rounding.
"""

from dataclasses import replace

import numpy as np

from kit import sums
from kit.metrics import AnyMetric, Metric, pooled
from kit.sums import ratio
from kit.task import Array


def former(metric: AnyMetric) -> AnyMetric:
    """The metric of that name as it was: its sums, its values, its version 1."""
    match metric:
        case Metric(name="pearson"):
            return replace(pooled(metric), rows=_moments, value=_correlation, moved=None)
        case Metric(name="r2"):
            return replace(pooled(metric), rows=_explained, value=_r2, moved=None)
    return pooled(metric)


def _moments(truth: Array, predictions: Array) -> Array:
    return sums.moments(truth, predictions)[:, [0, 1, 2, 3, 4, 7]]


def _correlation(totals: Array) -> Array:
    x, y, xx, yy, xy, n = np.moveaxis(totals, -1, 0)
    spread = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
    return ratio(n * xy - x * y, np.sqrt(spread))


def _explained(truth: Array, predictions: Array) -> Array:
    return sums.explained(truth, predictions)[:, [0, 1, 2, 4]]


def _r2(totals: Array) -> Array:
    squares, x, xx, n = np.moveaxis(totals, -1, 0)
    return 1 - ratio(squares, np.maximum(xx - ratio(x * x, n), 0))
