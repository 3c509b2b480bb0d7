"""Metrics as sums: what each row adds to a few totals, and how the totals become a score.

From that one shape follow chunked scoring, public and private parts, bootstrap intervals and paired tests (DESIGN: all
are sums over some of the rows). A truth cell that is NaN was not measured and adds zero to every sum. What the rows of
each metric add stands in sums.py; the rank statistics, which are no sums, in midranks.py.

Predictions are (n_rows,) labels, (n_rows, n_classes) probabilities, or one cell for each truth cell. A metric is called
like a function: `rmse(truth, predictions)`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np

from kit import midranks, sums
from kit.errors import KitError
from kit.sums import cells, ratio
from kit.task import Array

Scale = Literal["proportion", "correlation", "positive", "real"]  # within 0..1, within -1..1, above 0, anything
Columns = Literal["average", "pool"]
OnCounts = Callable[[Array], Array]  # (..., n_groups) how often each group counts -> (...) scores
On = Callable[[Array, Array, Array], OnCounts]


@dataclass(frozen=True)
class Metric:
    """A metric that is a sum over rows.

    rows: (truth, predictions) -> (n_rows, k), what each row adds to k sums.
    value: (..., k) totals -> (...) scores; NaN where nothing was scored.
    needs_probabilities: there is no value for a submission of labels.
    scale: what values the score can take; intervals keep to it.
    columns: what is done with truth of several columns. "pool": `rows` sees whole rows. "average": `rows` and `value`
        are given one column, and the score is the mean over the columns, as scikit-learn's "uniform_average".
    version: of the definition; scores of different versions are never ranked together.
    moved: for moments, which cancel unless they are taken about a place near the values. `rows` is then also given two
        origins to subtract, of truth and predictions, each with a place for every row (or every cell); and
        moved(sums, by) are the sums about an origin of the predictions that lies `by` lower.
    """

    name: str
    higher_is_better: bool
    rows: Callable[..., Array]
    value: Callable[[Array], Array]
    needs_probabilities: bool = False
    scale: Scale = "real"
    columns: Columns = "pool"
    version: int = 1
    moved: Callable[[Array, Array], Array] | None = None

    @property
    def described(self) -> str:
        """Its name, which way is better, and what is done with several columns."""
        return _described(self)

    def __call__(self, truth: Any, predictions: Any) -> float:
        """The score of the predictions, as they are; NaN where there is none."""
        truth, predictions = _checked(self.name, truth, predictions)
        metric = over_columns(self, truth.shape)
        origins = [origin(truth, part, metric is self) for part in (truth, predictions)] if metric.moved else []
        return float(metric.value(metric.rows(truth, predictions, *map(np.nan_to_num, origins)).sum(axis=0)))


@dataclass(frozen=True)
class WholeMetric:
    """A metric that needs all rows at once, such as a rank statistic: slower, and computed afresh for each resample.

    value_of: (truth, predictions, weights (..., n_rows)) -> (...) scores; a weight says how often a row counts.
    on: a faster way to the same, where there is one: (truth, predictions, groups (n_rows,)) -> what turns counts
        (..., n_groups) into (...) scores; all rows of a group count equally often.
    """

    name: str
    higher_is_better: bool
    value_of: Callable[[Array, Array, Array], Array]
    needs_probabilities: bool = False
    scale: Scale = "real"
    columns: Columns = "pool"
    version: int = 1
    on: On | None = None

    @property
    def described(self) -> str:
        """Its name, which way is better, and what is done with several columns."""
        return _described(self)

    def __call__(self, truth: Any, predictions: Any) -> float:
        """The score of the predictions, as they are; NaN where there is none."""
        truth, predictions = _checked(self.name, truth, predictions)
        return float(over_columns(self, truth.shape).value_of(truth, predictions, np.ones(len(truth))))


def _described(metric: "Metric | WholeMetric") -> str:
    better = "higher" if metric.higher_is_better else "lower"
    return (
        f"{metric.name} ({better} is better, {'mean over the columns' if metric.columns == 'average' else 'over all'})"
    )


AnyMetric = TypeVar("AnyMetric", bound=Metric | WholeMetric)


def _checked(name: str, truth: Any, predictions: Any) -> tuple[Array, Array]:
    truth, predictions = np.asarray(truth), np.asarray(predictions)
    if not truth.ndim or truth.shape[:1] != predictions.shape[:1] or truth.shape != predictions.shape[: truth.ndim]:
        raise KitError(
            f"{name} needs a prediction for each row of truth: {truth.shape} and {predictions.shape} differ."
        )
    return truth, predictions


def pooled(metric: AnyMetric) -> AnyMetric:
    """The same metric, under the same name, over the cells of all columns together."""
    return replace(metric, columns="pool")


def over_columns(metric: AnyMetric, shape: tuple[int, ...]) -> AnyMetric:
    """The metric as it scores truth of this shape: one that averages columns, of several, does so from here on.

    A column in which nothing was measured is left out; where another one has no score, neither has the whole.
    """
    if metric.columns == "pool" or len(shape) < 2 or shape[1] < 2:
        return metric
    averaged: Any = _averaged(metric, shape[1]) if isinstance(metric, Metric) else _averaged_whole(metric, shape[1])
    return replace(averaged, columns="pool", version=metric.version + 1)


def _averaged(metric: Metric, n_columns: int) -> Metric:
    """All columns at once: their cells are the rows of one long column; there are k x n_columns sums."""

    def each(totals: Array) -> Array:
        return np.moveaxis(totals.reshape(*totals.shape[:-1], -1, n_columns), -2, -1)

    def rows(truth: Array, predictions: Array, *origins: Array) -> Array:
        parts = (np.broadcast_to(part, truth.shape) for part in (truth, predictions, *origins))
        added = metric.rows(*(part.T.reshape(-1) for part in parts))
        return added.T.reshape(added.shape[1] * n_columns, len(truth)).T

    def value(totals: Array) -> Array:
        by_column = each(totals)
        return _column_mean(metric.value(by_column), (by_column != 0).any(axis=-1))

    def moved(totals: Array, by: Array) -> Array:
        assert metric.moved is not None
        return np.moveaxis(metric.moved(each(totals), by), -1, -2).reshape(totals.shape)

    return replace(metric, rows=rows, value=value, moved=moved if metric.moved else None)


def _averaged_whole(metric: WholeMetric, n_columns: int) -> WholeMetric:
    def on(truth: Array, predictions: Array, groups: Array) -> OnCounts:
        columns = [on_counts(metric, truth[:, j], predictions[:, j], groups) for j in range(n_columns)]
        n_groups = int(groups.max(initial=-1)) + 1
        measured = np.stack([np.bincount(groups, there, n_groups) for there in (~np.isnan(truth)).T], axis=1)

        def scores(counts: Array) -> Array:
            each = np.stack([column(counts) for column in columns], axis=-1)
            return _column_mean(each, counts[..., :n_groups] @ measured > 0)

        return scores

    return replace(metric, value_of=_at_once(on), on=on)


def on_counts(metric: WholeMetric, truth: Array, predictions: Array, groups: Array) -> OnCounts:
    """What turns counts (..., n_groups) into (...) scores of these predictions."""
    if metric.on is not None:
        return metric.on(truth, predictions, groups)
    return lambda counts: metric.value_of(truth, predictions, counts[..., groups].astype(np.float64))


def _column_mean(scores: Array, measured: Array) -> Array:
    """The mean over the last axis of what was measured; NaN where one of these scores is."""
    return ratio(np.where(measured, scores, 0).sum(axis=-1), measured.sum(axis=-1).astype(np.float64))


def origin(truth: Array, values: Array, together: bool) -> Array:
    """Values amid the measured cells, to take moments about: their medians, which no wild cell can carry away.

    truth, values: (n_rows,) or (n_rows, n_columns). Returns (), the columns taken together, or (n_columns,); NaN where
    nothing was measured.
    """
    measured, found = cells(~np.isnan(truth)), cells(values)
    if together:
        measured, found = measured.reshape(-1, 1), found.reshape(-1, 1)
    ordered = np.sort(np.where(measured, found, np.nan).astype(np.float64), axis=0)
    middle = np.maximum(measured.sum(axis=0) - 1, 0) // 2
    medians = ordered[middle, np.arange(len(middle))] if len(ordered) else np.full(len(middle), np.nan)
    return medians[0] if together else medians


def macro_f1(n_classes: int) -> Metric:
    """Mean F1 over the classes that occur in truth or predictions, as scikit-learn's average="macro"."""
    return Metric("macro_f1", True, *sums.f1(n_classes), scale="proportion")


def _at_once(on: On) -> Callable[[Array, Array, Array], Array]:
    """value_of by way of `on`: every row is a group."""
    return lambda truth, predictions, weights: on(truth, predictions, np.arange(len(truth)))(weights)


def _ranked(name: str, on: On, scale: Scale) -> WholeMetric:
    return WholeMetric(name, True, _at_once(on), scale=scale, columns="average", on=on)


accuracy = Metric("accuracy", True, sums.hits, sums.mean, scale="proportion")
log_loss = Metric("log_loss", False, sums.log_loss, sums.mean, needs_probabilities=True, scale="positive")
binary_accuracy = Metric("binary_accuracy", True, sums.binary_hits, sums.mean, scale="proportion")
binary_crossentropy = Metric("binary_crossentropy", False, sums.binary_crossentropy, sums.mean, scale="positive")
mae = Metric("mae", False, sums.absolute_errors, sums.mean, scale="positive")
mse = Metric("mse", False, sums.squared_errors, sums.mean, scale="positive")
rmse = Metric("rmse", False, sums.squared_errors, sums.root_mean, scale="positive", columns="average")
r2 = Metric("r2", True, sums.explained, sums.r2, columns="average", moved=lambda totals, by: totals)
pearson = Metric(
    "pearson", True, sums.moments, sums.correlation, scale="correlation", columns="average", moved=sums.moved_moments
)
spearman = _ranked("spearman", midranks.spearman, "correlation")
roc_auc = _ranked("roc_auc", midranks.roc_auc, "proportion")


def _mcrmse_rows(truth: Array, predictions: Array) -> Array:
    return over_columns(rmse, cells(truth).shape).rows(cells(truth), cells(predictions))


def _mcrmse_value(totals: Array) -> Array:
    return over_columns(rmse, (0, totals.shape[-1] // 2)).value(totals)


# rmse averaged columns under this name from the first, so the version stays; there are two sums a column
mcrmse = Metric("mcrmse", False, _mcrmse_rows, _mcrmse_value, scale="positive")
