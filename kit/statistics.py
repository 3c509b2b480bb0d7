"""How sure a score is: bootstrap intervals, and paired comparisons on the same resamples.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 (percentile intervals) and 16 (tests).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from kit.task import Array

if TYPE_CHECKING:
    from kit.metrics import Scale

RESAMPLES = 1000
LEVEL = 0.95
MIN_GROUPS = 5  # fewer tell too little of how groups differ
_CELLS = 500_000  # counts turned to float64 at once


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval; NaN bounds where there is none, all NaN where nothing could be scored."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A minus B on the same groups. p: two-sided; under 0.05 exactly where the interval leaves out zero."""

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


def percentile_interval(value: float, replicates: Array) -> Interval:
    """The percentile interval that entries of version 0.1 carry; it is too narrow where groups are few."""
    known = replicates[~np.isnan(replicates)]
    if np.isnan(value) or not len(known):
        return Interval(float(value), np.nan, np.nan)
    low = np.quantile(known, (1 - LEVEL) / 2, method="lower")
    high = np.quantile(known, (1 + LEVEL) / 2, method="higher")
    return Interval(float(value), float(low), float(high))


def why_none(n_groups: int) -> str:
    """Why there is no interval and no test, in words; empty where there are groups enough."""
    if n_groups >= MIN_GROUPS:
        return ""
    return f"no interval: {n_groups} group{'s' * (n_groups != 1)}, at least {MIN_GROUPS} are needed"


def interval(value: float, replicates: Array, n_groups: int, scale: "Scale" = "real") -> Interval:
    """A 95 % interval of a score from its values on the resamples (n_resamples,) of n_groups groups.

    A t interval, whose standard error is the spread of the replicates, on a scale where scores are nearly normal.
    """
    known = replicates[~np.isnan(replicates)]
    if np.isnan(value) or n_groups < MIN_GROUPS or len(known) < 2:
        return Interval(float(value), np.nan, np.nan)
    error, df = float(standard_error(known, n_groups)), degrees(n_groups, len(known))
    if scale == "proportion":
        return Interval(float(value), *_wilson(value, error, n_groups, t_quantile(LEVEL, df)))
    if error == 0:
        return Interval(float(value), np.nan, np.nan)
    half = t_quantile(LEVEL, df) * error
    if scale == "positive" and value > 0:
        return Interval(float(value), value * float(np.exp(-half / value)), value * float(np.exp(half / value)))
    if scale == "correlation" and abs(value) < 1:
        middle, half = np.arctanh(value), half / (1 - value * value)
        return Interval(float(value), float(np.tanh(middle - half)), float(np.tanh(middle + half)))
    return Interval(float(value), float(value - half), float(value + half))


def standard_error(replicates: Array, n_groups: int) -> Array:
    """(..., n_resamples) -> (...) the spread of the replicates, made up for what resampling n groups loses."""
    return np.asarray(replicates.std(axis=-1) * math.sqrt(n_groups / (n_groups - 1)))


def degrees(n_groups: int, n_resamples: int) -> float:
    """Degrees of freedom of a standard error that n_groups were drawn for, and n_resamples measured."""
    return 1 / (1 / (n_groups - 1) + 1 / (n_resamples - 1))


def _wilson(value: float, error: float, n_groups: int, t: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion for as many rows as would give this standard error."""
    spread = value * (1 - value)
    n = spread / error**2 if error and spread else n_groups
    middle, half = value + t * t / (2 * n), t * math.sqrt(spread / n + (t / (2 * n)) ** 2)
    return (middle - half) / (1 + t * t / n), (middle + half) / (1 + t * t / n)


def compare(difference: float, replicates: Array, n_groups: int) -> Comparison:
    """A paired t test from the replicates of A's score minus B's on the same resamples."""
    known = replicates[~np.isnan(replicates)]
    if np.isnan(difference) or n_groups < MIN_GROUPS or len(known) < 2:
        return Comparison(float(difference), np.nan, np.nan, np.nan)
    error, df = float(standard_error(known, n_groups)), degrees(n_groups, len(known))
    if error == 0:
        return Comparison(float(difference), float(difference), float(difference), 1.0 if difference == 0 else 0.0)
    half = t_quantile(LEVEL, df) * error
    p = t_tails(abs(difference) / error, df)
    return Comparison(float(difference), float(difference - half), float(difference + half), p)


def t_tails(t: float, df: float) -> float:
    """P(|T| > t) of Student's t distribution: a regularised incomplete beta function, by its continued fraction.

    Abramowitz & Stegun, Handbook of Mathematical Functions (1964), 26.5.8 and 26.7.1.
    """
    a, b, x = df / 2, 0.5, df / (df + t * t)
    if x > (a + 1) / (a + b + 2):  # converges faster from the other end
        return 1 - _beta(b, a, t * t / (df + t * t))
    return _beta(a, b, x)


def _beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), by Lentz's method."""
    if x == 0:
        return 0.0
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, 1000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            c, d = 1 + step / c, 1 / (1 + step * d)
            total *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return math.exp(log) * total / a


@lru_cache(maxsize=1000)
def t_quantile(level: float, df: float) -> float:
    """The t with P(|T| <= t) = level."""
    low, high = 0.0, 1.0
    while t_tails(high, df) > 1 - level:
        low, high = high, high * 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_tails(middle, df) > 1 - level else (low, middle)
    return high


def whole(
    value_of: Callable[[Array], Array], groups: Array, cells: int, n_resamples: int = RESAMPLES, seed: int = 0
) -> Array:
    """(n_resamples, ...) values of a metric that needs all rows at once. Slower: there are no sums to add up.

    value_of: (n, n_rows) weights -> (n, ...) values. cells: how many numbers it handles a resample, to bound memory.
    """
    drawn = counts(size(groups), n_resamples, seed)
    step = max(1, 10 * _CELLS // max(1, cells))
    return np.concatenate([value_of(drawn[at : at + step][:, groups]) for at in range(0, n_resamples, step)])
