"""Which ranks each name could hold: simultaneous 95 % confidence sets for the ranks of all names of a board.

Mogstad, Romano, Shaikh & Wilhelm, Inference for Ranks, Review of Economic Studies 91 (2024): if all differences that
are called sure are right together with a chance of 95 %, then so are the ranks that follow from them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit import statistics
from kit.statistics import LEVEL
from kit.task import Array

Bound = Literal["pairs", "intervals", "none"]
_VERY_FEW, _FEW = 10, 50  # groups; resamples of few do not tell how far out the largest difference may lie
MANY = 500  # names; beyond, pairs are not looked at one by one
_SAME = 1e-12  # a variance of the difference, against those of the scores, that rounding alone could make


@dataclass(frozen=True)
class RankRanges:
    """The (n, 2) best and worst rank of each name, and how they were found.

    bound: "pairs", every two names were compared; "intervals", a coarser bound for many names; "none", every rank is
        possible, and `why` says why. Of one name alone, why it has no interval.
    """

    ranks: Array
    bound: Bound
    why: str = ""


def rank_ranges(
    values: Array, replicates: Sequence[Array | None], n_groups: int, higher_is_better: bool, many: int = MANY
) -> RankRanges:
    """Ranges of ranks that hold for all names together with a chance of 95 %.

    values: (n,) scores; NaN is undefined and comes last, which is known. replicates: for each its (n_resamples,)
    values on the same resamples of n_groups groups; None where they are missing, so that its place is unknown.
    """
    values = np.asarray(values, np.float64) * (1 if higher_is_better else -1)
    n, defined = len(values), ~np.isnan(values)
    n_defined = int(defined.sum())
    ranks = np.where(defined[:, None], [1, n_defined], [n_defined + 1, n])
    known, spread = _deviations(replicates, defined)
    why = statistics.why_none(n_groups) if len(known) else ""
    if len(known) < 2:
        missing = "" if n_defined < 2 else "no ranges: the resamples of all entries but one are missing"
        return RankRanges(ranks, "none" if missing else "pairs", missing or why)
    if why:
        return RankRanges(ranks, "none", why.replace("no interval", "no intervals and no ranges"))
    single = _bonferroni(math.comb(len(known), 2), n_groups, spread.shape[1])
    find = _by_pairs if len(known) <= many else _by_intervals
    ahead, behind = find(values[known], spread * (1 if higher_is_better else -1), n_groups, single)
    ranks[known] = np.stack([1 + behind, n_defined - ahead], axis=1)
    return RankRanges(ranks, "pairs" if len(known) <= many else "intervals")


def _bonferroni(n_pairs: int, n_groups: int, n_resamples: int) -> float:
    """What a studentised difference must exceed, if each of the pairs has its share of the 5 %.

    So far out the t distribution is too short for scores that are not normal, if groups are very few: one degree less.
    """
    df = n_groups - 1 - (n_groups < _VERY_FEW and n_pairs > 1)
    return statistics.t_quantile(1 - (1 - LEVEL) / n_pairs, statistics.degrees(df, n_resamples))


def _deviations(replicates: Sequence[Array | None], defined: Array) -> tuple[Array, Array]:
    """The entries whose place can be judged, and the (n, n_resamples) float32 deviations of their replicates."""
    lengths = [
        0 if values is None or not placed else len(values) for values, placed in zip(replicates, defined, strict=True)
    ]
    n_resamples = int(np.bincount([length for length in lengths if length] or [0]).argmax())
    kept, rows = [], []
    for place, length in enumerate(lengths):
        if length and length == n_resamples:
            found = np.isfinite(values := np.asarray(replicates[place], np.float64))
            if found.mean() >= statistics.DEFINED:
                centred = np.where(found, values - values[found].mean(), 0) / math.sqrt(found.mean())
                kept.append(place)
                rows.append(centred.astype(np.float32))
    return np.array(kept, np.intp), np.array(rows, np.float32).reshape(len(rows), n_resamples)


def _by_pairs(values: Array, spread: Array, n_groups: int, single: float) -> tuple[Array, Array]:
    """(n,) how many names each is surely ahead of, and surely behind: by the largest studentised difference, stepwise.

    What is decided in a step leaves the largest difference of the next (Romano & Wolf 2005); it stays in it the other
    way round, so that no direction is taken for granted.
    """
    n, n_resamples = spread.shape
    error = _errors_of_pairs(spread)
    statistic = _studentised(values, error * math.sqrt(n_groups / (n_groups - 1)), n_groups, single)
    scale = np.divide(1, error, out=np.zeros_like(error), where=error > 0).astype(np.float32)
    decided = statistic > single
    if n_groups < _FEW:
        return decided.sum(axis=1), decided.sum(axis=0)
    unsure = _unsure_errors(statistics.degrees(n_groups - 1, n_resamples), (n, n_resamples))
    while True:
        largest = np.zeros(n_resamples, np.float32)
        for one in range(n - 1):
            rest = slice(one + 1, None)
            gaps = spread[one] - spread[rest]
            gaps *= scale[one, rest, None]
            gaps *= unsure[one : one + len(gaps)]
            ahead, behind = decided[one, rest], decided[rest, one]
            np.maximum(largest, (gaps[~ahead] if ahead.any() else gaps).max(axis=0, initial=0), out=largest)
            np.maximum(largest, -(gaps[~behind] if behind.any() else gaps).min(axis=0, initial=0), out=largest)
        now = statistic > min(single, _critical(largest))
        if (now <= decided).all():
            return decided.sum(axis=1), decided.sum(axis=0)
        decided |= now


def _errors_of_pairs(spread: Array) -> Array:
    """(n, n) spreads of the differences over the resamples; 0 where it is no more than rounding."""
    covariance = np.cov(spread.astype(np.float64), bias=True).reshape(len(spread), len(spread))
    own = np.diag(covariance)
    square = own[:, None] + own - 2 * covariance
    return np.sqrt(np.where(square > _SAME * (own[:, None] + own), square, 0))


def _studentised(values: Array, error: Array, n_groups: int, single: float) -> Array:
    """(n, n) differences over their errors; where all groups give the same one, the sign test tells if it is sure."""
    gap = values[:, None] - values
    gap[np.abs(gap) <= 1e-12 * np.abs(values).max()] = 0  # rounding
    same = np.inf if statistics.t_tails(single, n_groups - 1) > 2.0 ** (1 - n_groups) else 0.0
    return np.divide(gap, error, out=np.where(gap > 0, same, 0.0), where=error > 0)


def _unsure_errors(df: float, shape: tuple[int, int]) -> Array:
    """Factors by which dividing by an error with df degrees of freedom widens a deviation.

    The resamples are studentised by one error each pair; in truth it is another in each sample. Taken as if the errors
    of two pairs had nothing in common, which makes the largest of all larger, never smaller than it is.
    """
    chi_square = np.random.Generator(np.random.SFC64(0)).chisquare(df, shape)
    return np.sqrt(df / chi_square).astype(np.float32)


def _critical(largest: Array) -> float:
    """The 95 % quantile of the largest deviation, with two standard errors of the share below it: it is drawn too."""
    n = len(largest)
    place = math.ceil(n * (LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / n)))
    return float(np.sort(largest)[min(n, place) - 1])


def _by_intervals(values: Array, spread: Array, n_groups: int, single: float) -> tuple[Array, Array]:
    """The same for many names: one interval for each; who lies wholly above another is surely ahead.

    Each score is taken against the mean of all, which has no part in any difference. A difference's error is at most
    the sum of two such errors, so that these ranges are never narrower than those by pairs.
    """
    middle = spread.mean(axis=0)
    error = np.array([float(np.std(row - middle)) for row in spread]) * math.sqrt(n_groups / (n_groups - 1))
    low, high = values - single * error, values + single * error
    ahead = np.searchsorted(np.sort(high), low)
    behind = len(values) - np.searchsorted(np.sort(low), high, side="right")
    return ahead, behind
