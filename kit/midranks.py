"""Rank statistics on many resamples: cells are sorted once, then each resample costs a few passes over them.

Equal values share the mean of their ranks, their midrank. Here it is doubled and counted from the middle of all ranks,
so that whole weights give whole numbers: nothing is rounded, and where all values are equal the spread is exactly 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kit.task import Array

FEW_GROUPS = 64  # up to here sums over pairs of groups are the cheaper way
_TABLE = 20_000_000  # cells x groups of the largest table that is made for it

Scores = Callable[[Array], Array]  # (..., n_groups) how often each group counts -> (...) scores


@dataclass(frozen=True)
class _Sorted:
    """Values in ascending order. group: (n,) of each sorted place; run: (n,) of each cell; starts: (n_runs,)."""

    order: Array
    group: Array
    run: Array
    starts: Array

    def weights(self, counts: Array, chosen: Array | None = None) -> Array:
        """(..., n_runs) how often each run of equal values counts. chosen: (n,) which sorted places do."""
        each = counts.take(self.group, axis=-1)
        each = each if chosen is None else each * chosen
        return each if len(self.starts) == len(self.order) else np.add.reduceat(each, self.starts, axis=-1)


def _sorted(values: Array, group: Array) -> _Sorted:
    order = np.argsort(values)
    ordered = values[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    run = np.empty(len(values), np.intp)
    run[order] = np.cumsum(new) - 1
    return _Sorted(order, group[order], run, np.flatnonzero(new))


def _midranks(weights: Array) -> Array:
    """(..., n_runs) weights in ascending order -> float64 doubled midranks, counted from their weighted mean."""
    upto = np.cumsum(weights, axis=-1)
    n = upto[..., -1:].copy()
    upto *= 2
    upto -= weights
    upto -= n
    return upto.astype(np.float64, copy=False)


def _cells(truth: Array, predictions: Array, groups: Array) -> tuple[Array, Array, Array]:
    """Truth, prediction and group of each measured cell."""
    measured = ~np.isnan(truth)
    row = np.nonzero(measured)[0]
    return truth[measured], predictions[measured], groups[row].astype(np.intp)


def _nothing(counts: Array) -> Array:
    return np.full(counts.shape[:-1], np.nan)


def _exact(counts: Array) -> Array:
    """Whole numbers are added up as such: exact, and several times faster than in floating point."""
    return counts.astype(np.int64 if counts.dtype.kind in "biu" else np.float64)


def _dot(a: Array, b: Array) -> Array:
    return np.einsum("...i,...i->...", a, b)


def spearman(truth: Array, predictions: Array, groups: Array) -> Scores:
    """Spearman's rank correlation: Pearson's, of midranks; NaN where one side is constant."""
    x, y, group = _cells(truth, predictions, groups)
    if not len(x):
        return _nothing
    n_groups = int(group.max()) + 1
    few = n_groups <= FEW_GROUPS and n_groups * len(x) <= _TABLE
    return _spearman_of_few(x, y, group, n_groups) if few else _spearman_of_many(x, y, group)


def _correlation(xy: Array, xx: Array, yy: Array) -> Array:
    bottom = np.sqrt(xx) * np.sqrt(yy)
    return np.clip(np.divide(xy, bottom, out=np.full(np.shape(xy), np.nan), where=bottom > 0), -1, 1)


def _spearman_of_many(x: Array, y: Array, group: Array) -> Scores:
    by_x, by_y = _sorted(x, group), _sorted(y, group)
    run_y = by_y.run[by_x.order]  # the run of y that stands at each place of x's order
    run_x = by_x.run[by_x.order]

    def scores(counts: Array) -> Array:
        counts = _exact(counts)
        t, u = by_x.weights(counts), by_y.weights(counts)
        a, b = _midranks(t), _midranks(u)
        ta, ub = t * a, u * b
        xx, yy = _dot(ta, a), _dot(ub, b)
        if len(by_x.starts) < len(x):
            ta = counts.take(by_x.group, axis=-1) * a.take(run_x, axis=-1)
        return _correlation(_dot(ta, b.take(run_y, axis=-1)), xx, yy)

    return scores


def _spearman_of_few(x: Array, y: Array, group: Array, n_groups: int) -> Scores:
    """With so few groups a midrank is a short sum, over groups, of the cells below; so are sums of their products.

    A cell's midrank is a weighted sum over groups h of what h's cells give it; thus the sum over all cells of the
    product of two midranks is cubic in the weights: sum over g, h, k of weight_g weight_h weight_k table[g, h, k].
    """
    order = np.argsort(group.astype(np.uint8), kind="stable")  # of bytes, so it takes no comparisons
    ends = np.cumsum(np.bincount(group, minlength=n_groups))[:-1]
    a, b = (np.split(_given_by(values, group, n_groups, order), ends, axis=1) for values in (x, y))
    xy, xx, yy = (
        np.stack([left @ right.T for left, right in zip(*pair, strict=True)]) for pair in ((a, b), (a, a), (b, b))
    )

    def cubic(table: Array, weights: Array) -> Array:
        squares = (weights @ table.reshape(n_groups, -1)).reshape(*weights.shape, n_groups)
        return _dot((weights[..., None, :] @ squares)[..., 0, :], weights)

    def scores(counts: Array) -> Array:
        weights = counts[..., :n_groups].astype(np.float64)
        return _correlation(*(cubic(table, weights) for table in (xy, xx, yy)))

    return scores


def _given_by(values: Array, group: Array, n_groups: int, order: Array) -> Array:
    """(n_groups, n) what one count of each group adds to the doubled midrank of each cell, the cells in that order."""
    run = _sorted(values, group).run
    n_runs = int(run.max()) + 1
    weights = np.bincount(group * n_runs + run, minlength=n_groups * n_runs).reshape(n_groups, n_runs)
    return _midranks(weights).take(run[order], axis=1)


def roc_auc(truth: Array, predictions: Array, groups: Array) -> Scores:
    """Area under the ROC curve (Mann & Whitney 1947: pairs won, ties for half); NaN where one class is missing."""
    x, y, group = _cells(truth, predictions, groups)
    if not len(x):
        return _nothing
    by_y = _sorted(y, group)
    positive = (x > 0.5)[by_y.order]

    def scores(counts: Array) -> Array:
        each = by_y.weights(counts := _exact(counts))
        won = by_y.weights(counts, positive)
        lost = each - won
        beaten = 2 * np.cumsum(lost, axis=-1) - lost
        wins = _dot(won.astype(np.float64), beaten.astype(np.float64))
        pairs = 2.0 * won.sum(axis=-1) * lost.sum(axis=-1)
        return np.divide(wins, pairs, out=np.full(np.shape(pairs), np.nan), where=pairs > 0)

    return scores
