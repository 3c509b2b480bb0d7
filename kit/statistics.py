"""How sure a score is: bootstrap intervals, and paired comparisons on the same resamples.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 (percentile intervals) and 16 (tests).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kit.task import Array

RESAMPLES = 1000
LEVEL = 0.95
_BATCH_CELLS = 2_000_000  # counts held at once: 16 MB, however many groups there are


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


def counts(n_groups: int, n_resamples: int = RESAMPLES, seed: int = 0) -> Iterator[Array]:
    """Batches of (n, n_groups) float64: how often each group is drawn in a resample of n_groups with replacement."""
    rng = np.random.Generator(np.random.SFC64(seed))
    batch = max(1, min(n_resamples, _BATCH_CELLS // max(n_groups, 1)))
    for start in range(0, n_resamples, batch):
        n = min(batch, n_resamples - start)
        drawn = np.empty((n, n_groups))
        for row in drawn:
            row[:] = np.bincount(rng.integers(0, n_groups, n_groups, dtype=np.uint32), minlength=n_groups)
        yield drawn


def totals(sums: Array, groups: Array, n_resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """(n_resamples, k): the totals of `sums` (n_units, k) in each resample of whole groups.

    groups: (n_units,) whole numbers 0..n_groups-1; all units of a group are drawn together.
    """
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    by_group = np.zeros((n_groups, sums.shape[1]))
    np.add.at(by_group, groups, sums)
    return np.concatenate([drawn @ by_group for drawn in counts(n_groups, n_resamples, seed)])


def interval(value: float, replicates: Array) -> Interval:
    """The percentile interval of a score from its values on the resamples."""
    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan)
    return Interval(float(value), *_bounds(replicates[~np.isnan(replicates)]))


def compare(difference: float, replicates: Array) -> Comparison:
    """A paired test from the replicates of A's score minus B's on the same resamples.

    p is twice the smaller share of resamples on one side of zero, one added to count and total so that it is never 0.
    """
    known = replicates[~np.isnan(replicates)]
    tail = min((known <= 0).sum(), (known >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (len(known) + 1))
    return Comparison(float(difference), *_bounds(known), p=float(p))


def _bounds(replicates: Array) -> tuple[float, float]:
    """The 2.5 % and 97.5 % order statistics, taken outwards so that interval and p never disagree."""
    if not len(replicates):
        return np.nan, np.nan
    low = np.quantile(replicates, (1 - LEVEL) / 2, method="lower")
    high = np.quantile(replicates, (1 + LEVEL) / 2, method="higher")
    return float(low), float(high)


def whole(value_of: Callable[[Array], Array], groups: Array, n_resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """(n_resamples,) values of a metric that needs all rows; value_of takes (n, n_rows) weights. Slower: no sums."""
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    batches = counts(n_groups, n_resamples, seed)
    return np.concatenate([value_of(part[:, groups]) for drawn in batches for part in _split(drawn, len(groups))])


def _split(drawn: Array, n_rows: int) -> list[Array]:
    pieces = max(1, len(drawn) * n_rows // _BATCH_CELLS)
    return np.array_split(drawn, pieces)
