"""How sure a score is: bootstrap intervals, and paired comparisons on the same resamples.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 (percentile intervals) and 16 (tests).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from threadpoolctl import threadpool_limits

from kit.task import Array

RESAMPLES = 1000
LEVEL = 0.95
_CELLS = 500_000  # counts turned to float64 at once


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % percentile bootstrap interval; all NaN where nothing could be scored."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A minus B on the same resamples. p: two-sided; under 0.05 exactly where the interval leaves out zero."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def told_apart(self) -> bool:
        return self.p < 1 - LEVEL


@lru_cache(maxsize=2)
def counts(n_groups: int, n_resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """(n_resamples, n_groups) uint8: how often each group is drawn in a resample of n_groups with replacement.

    Kept for the next caller: all submissions to the same answers have the same resamples. A count beyond 255 has a
    chance of less than 10^-500 (it is about Poisson with mean 1).
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    drawn = np.empty((n_resamples, n_groups), np.uint8)
    for row in drawn:
        row[:] = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
    drawn.flags.writeable = False
    return drawn


def totals(sums: Array, groups: Array, n_resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """(n_resamples, k): the totals of `sums` (n_units, k) in each resample of whole groups.

    groups: (n_units,) whole numbers 0..n_groups-1; all units of a group are drawn together.
    """
    by_group = add_up(sums, groups)
    drawn = counts(len(by_group), n_resamples, seed)
    step = max(1, _CELLS // max(1, len(by_group)))  # a piece that fits the processor's cache as float64
    pieces = (drawn[at : at + step] for at in range(0, n_resamples, step))
    with threadpool_limits(
        1, user_api="blas"
    ):  # so small a product is slower on many threads, far slower if others work
        return np.concatenate([piece.astype(np.float64) @ by_group for piece in pieces])


def size(groups: Array) -> int:
    """How many groups there are, numbered from 0."""
    return int(groups.max()) + 1 if len(groups) else 0


def add_up(rows: Array, groups: Array) -> Array:
    """(n_groups, k): the rows of each group added up, in their order."""
    if np.array_equal(groups, np.arange(len(rows))):
        return rows
    n_groups = size(groups)
    return np.stack([np.bincount(groups, column, n_groups) for column in rows.T], axis=1)


def interval(value: float, replicates: Array) -> Interval:
    """The percentile interval of a score from its values on the resamples."""
    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan)
    return Interval(float(value), *_bounds(replicates[~np.isnan(replicates)]))


def told_apart(differences: Array) -> tuple[Array, Array]:
    """(..., n_resamples) differences of two scores -> (...) bool: is there a difference; and is it above 0."""
    return p_value(differences) < 1 - LEVEL, (differences > 0).sum(axis=-1) > (differences < 0).sum(axis=-1)


def p_value(differences: Array) -> Array:
    """(..., n_resamples) -> (...) twice the smaller share of resamples on one side of zero.

    One is added to count and total, so that p is never 0; a resample without a score counts against both sides.
    """
    tail = np.minimum((~(differences > 0)).sum(axis=-1), (~(differences < 0)).sum(axis=-1))
    return np.minimum(1.0, 2 * (tail + 1) / (differences.shape[-1] + 1))


def compare(difference: float, replicates: Array) -> Comparison:
    """A paired test from the replicates of A's score minus B's on the same resamples."""
    bounds = _bounds(replicates[~np.isnan(replicates)])
    return Comparison(float(difference), *bounds, p=float(p_value(replicates)))


def _bounds(replicates: Array) -> tuple[float, float]:
    """The 2.5 % and 97.5 % order statistics, taken outwards so that interval and p never disagree."""
    if not len(replicates):
        return np.nan, np.nan
    low = np.quantile(replicates, (1 - LEVEL) / 2, method="lower")
    high = np.quantile(replicates, (1 + LEVEL) / 2, method="higher")
    return float(low), float(high)


def whole(
    value_of: Callable[[Array], Array], groups: Array, cells: int, n_resamples: int = RESAMPLES, seed: int = 0
) -> Array:
    """(n_resamples, ...) values of a metric that needs all rows at once. Slower: there are no sums to add up.

    value_of: (n, n_rows) weights -> (n, ...) values. cells: how many numbers it handles a resample, to bound memory.
    """
    drawn = counts(size(groups), n_resamples, seed)
    step = max(1, 10 * _CELLS // max(1, cells))
    return np.concatenate([value_of(drawn[at : at + step][:, groups]) for at in range(0, n_resamples, step)])
