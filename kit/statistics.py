"""How sure a score is: its interval, and paired comparisons, both from resamples of whole groups.

Resamples tell the standard error (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 6); their
percentiles are too narrow where groups are few, so that intervals and tests take Student's t. What they claim is
simulated in `benchmarks/statistics.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from kit.task import Array

if TYPE_CHECKING:
    from kit.metrics import Scale

RESAMPLES = 1000
LEVEL = 0.95
MIN_GROUPS = 5  # fewer tell too little of how groups differ
DEFINED = 0.9  # share of the resamples that must have a score
_MIN_DEGREES = 4.0  # what heavy tails are counted down to
_ROUNDING = 1e-12
_CELLS = 500_000  # counts turned to float64 at once


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval; NaN bounds where there is none, all NaN where nothing could be scored."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A minus B on the same groups. p: two-sided; under 0.05 exactly where the interval leaves out zero.

    why_none: why p and bounds are NaN, where they are.
    """

    difference: float
    low: float
    high: float
    p: float
    why_none: str = ""

    @property
    def p_words(self) -> str:
        """p as it is written: no test shows that it is 0."""
        return "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"

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
    from threadpoolctl import threadpool_limits

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


def why_none(n_groups: int, replicates: Array | None = None) -> str:
    """Why there is no interval and no test, in words; empty where there are both."""
    if n_groups < MIN_GROUPS:
        return f"no interval: {n_groups} group{'s' * (n_groups != 1)}, at least {MIN_GROUPS} are needed"
    if replicates is not None:
        undefined = np.count_nonzero(~np.isfinite(replicates))
        if len(replicates) - undefined < max(2, DEFINED * len(replicates)):
            return f"no interval: no score on {undefined:,} of {len(replicates):,} resamples"
    return ""


def interval(value: float, replicates: Array, n_groups: int, scale: "Scale" = "real") -> Interval:
    """A 95 % interval of a score from its values on the resamples (n_resamples,) of n_groups groups.

    A t interval on a scale where scores are nearly normal: log for positive ones, Fisher's z for correlations; for
    proportions Wilson's. NaN bounds where `why_none` says why, and where all resamples give the same score, for then
    nothing tells how far off it is; a proportion has bounds there too.
    """
    none = Interval(float(value), np.nan, np.nan)
    if np.isnan(value) or why_none(n_groups, replicates):
        return none
    known = replicates[np.isfinite(replicates)]
    if scale == "proportion":
        return Interval(float(value), *_wilson(value, known, n_groups))
    middle, spread, back = _nearly_normal(value, known, scale)
    error, df = _error(spread, n_groups, 0.25 if scale == "correlation" else 1.0)
    half = t_quantile(LEVEL, df) * error
    low, high = float(back(middle - half)), float(back(middle + half))
    return none if error == 0 or not math.isfinite(high - low) else Interval(float(value), low, high)


def compare(difference: float, replicates: Array, n_groups: int) -> Comparison:
    """A paired t test from the replicates of A's score minus B's on the same resamples.

    p and bounds are NaN where `why_none` says why. Where one is better by the same amount in all groups, p is that of
    the sign test.
    """
    why = "no interval: one of the two has no score" if np.isnan(difference) else why_none(n_groups, replicates)
    if why:
        return Comparison(float(difference), np.nan, np.nan, np.nan, why)
    if difference == 0 and not np.any(replicates):
        return Comparison(0.0, 0.0, 0.0, 1.0)
    error, df = _error(replicates[np.isfinite(replicates)], n_groups)
    if error == 0:
        error = abs(difference) / t_quantile(1 - max(2.0 ** (1 - n_groups), 1e-12), df)
    half = t_quantile(LEVEL, df) * error
    p = t_tails(abs(difference) / error, df) if error else 1.0
    return Comparison(float(difference), float(difference - half), float(difference + half), p)


def standard_error(replicates: Array, n_groups: int) -> Array:
    """(..., n_resamples) -> (...) the spread of the replicates, made up for what a resample of n groups loses."""
    return np.asarray(replicates.std(axis=-1) * math.sqrt(n_groups / (n_groups - 1)))


def _error(replicates: Array, n_groups: int, tails: float = 1.0) -> tuple[float, float]:
    """The standard error, and the degrees of freedom with which it is known (Satterthwaite 1946): 2 / var(log s^2).

    Groups of unlike size, or few that carry most of the errors, give the resamples heavy tails: so many groups fewer
    tell how large the error is. tails: the part of them that counts. An error that rounding alone could make is 0.
    """
    error = float(standard_error(replicates, n_groups))
    if error <= _ROUNDING * float(np.abs(replicates).max()):
        return 0.0, n_groups - 1.0
    excess = float(np.mean((replicates - replicates.mean()) ** 4)) / float(replicates.var()) ** 2 - 3
    noise = math.sqrt(24 / len(replicates))  # the standard error of that, for a normal distribution
    heavy = 2 / (2 / (n_groups - 1) + max(0.0, excess - noise) * tails)
    return error, degrees(max(heavy, min(_MIN_DEGREES, n_groups - 1)), len(replicates))


def degrees(of_groups: float, n_resamples: int) -> float:
    """Degrees of freedom of an error that is known from groups with so many, and measured by so many resamples."""
    return 1 / (1 / of_groups + 1 / (n_resamples - 1))


def _nearly_normal(value: float, known: Array, scale: "Scale") -> tuple[float, Array, Callable[[float], float]]:
    """A score and its replicates on a scale where it is nearly normal, and the way back.

    By the slope at the score where the replicates may reach the end of their scale.
    """
    if scale == "positive" and value > 0:
        return math.log(value), np.log(known) if known.min() > 0 else known / value, _exp
    if scale == "correlation" and abs(value) < 1:
        return math.atanh(value), known / (1 - value * value), np.tanh
    return value, known, float


def _exp(x: float) -> float:
    return math.exp(min(x, 700.0))  # never infinite


def _wilson(value: float, known: Array, n_groups: int) -> tuple[float, float]:
    """Wilson's score interval (1927), with as many rows as would give this standard error and the t quantile.

    As Franco, Little, Louis & Slud (Journal of Survey Statistics and Methodology 7, 2019) find best for clusters. At
    the end of the scale, where there is no error to see, the rows of a group count as one. So they do in part where
    some resamples reach the end: a share e^-k of them if k groups hold all errors, and so few cannot tell how alike
    the rows of a group are.
    """
    at_end = float(np.mean(np.abs(known - round(value)) < _ROUNDING))
    error, df = _error(known, n_groups)
    spread = value * (1 - value)
    variance = (1 - at_end) * error**2 + at_end * spread / n_groups
    n, t = spread / variance if spread > 0 and variance > 0 else n_groups, t_quantile(LEVEL, df)
    middle, half = value + t * t / (2 * n), t * math.sqrt(spread / n + (t / (2 * n)) ** 2)
    low, high = (middle - half) / (1 + t * t / n), (middle + half) / (1 + t * t / n)
    return min(value, max(0.0, low)), max(value, min(1.0, high))


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
    """The t with P(|T| <= t) = level, by Newton's method on the logarithms, in which the tails are nearly straight."""
    aim = math.log1p(-level)
    t = math.sqrt(-2 * aim)  # near that of a normal distribution
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(math.pi * df) / 2
    for _ in range(50 if t else 0):
        tails = t_tails(t, df)
        slope = 2 * t * math.exp(constant - (df + 1) / 2 * math.log1p(t * t / df)) / tails
        step = (math.log(tails) - aim) / slope
        t *= math.exp(step)
        if abs(step) < 1e-12:
            break
    return t
