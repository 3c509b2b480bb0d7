"""Scores as the kit made them before boards had seal versions, so that entries of that time can be verified.

What was different: columns were always pooled, moments were taken about zero, the resamples of the private rows were
got by subtraction, and intervals were percentiles.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from kit import metrics as known
from kit import scoring, statistics
from kit.metrics import Metric, WholeMetric
from kit.predictions import canonical, chunks
from kit.scoring import Units
from kit.task import PARTS, Answers, Array, Spec

_MANY_CELLS = 50_000  # beyond, a metric that is no sum had a fifth of the resamples
_AT_ONCE = 5_000_000  # cells handled at once

Scores = dict[str, dict[str, list[float | None]]]
Definition = tuple[Callable[[Array, Array], Array], Callable[[Array], Array]]


def score(
    metrics: Sequence[Metric | WholeMetric], predictions: Array, answers: Answers, spec: Spec
) -> tuple[Scores, dict[str, float], dict[str, Array]]:
    """Metric -> part -> [value, low, high]; part -> coverage; and the arrays that were kept beside the predictions."""
    is_label = spec.kind == "class" and predictions.ndim == 1
    metrics = [metric for metric in metrics if not (is_label and metric.needs_probabilities)]
    units, seed = scoring.units(answers), int(answers.fingerprint_v1[:8], 16)
    sums, columns = _add_up([metric for metric in metrics if isinstance(metric, Metric)], predictions, answers, units)
    drawn = _resampled(sums, units, seed)
    scores: Scores = {}
    replicates: dict[str, Array] = {}
    for metric in metrics:
        if isinstance(metric, Metric):
            value, of = _definition(metric)[1], columns[metric.name]
            values = [float(value(sums[units.part(part), of].sum(axis=0))) for part in PARTS]
            found = value(drawn[..., of])
        else:
            values, found = _whole(metric, canonical(np.asarray(predictions)), answers, units, seed)
        replicates[f"replicates.{metric.name}"] = found
        scores[metric.name] = {part: _triple(*pair) for part, *pair in zip(PARTS, values, found, strict=True)}
    widths = [of.stop - of.start for of in columns.values()]
    kept = {"metric": np.repeat(list(columns), widths), "group": units.group, "public": units.public}
    return scores, _coverage(answers, spec), {"sums": sums, **kept, **replicates}


def _triple(value: float, replicates: Array) -> list[float | None]:
    found = statistics.percentile_interval(value, replicates)
    return [None if np.isnan(x) else float(x) for x in (found.value, found.low, found.high)]


def _add_up(
    metrics: Sequence[Metric], predictions: Array, answers: Answers, units: Units
) -> tuple[Array, dict[str, slice]]:
    columns: dict[str, slice] = {}
    total: Array = np.zeros((len(units.group), 0))
    for rows in chunks(predictions):
        truth, chunk = np.asarray(answers.truth[rows]), canonical(np.asarray(predictions[rows]))
        added = [_definition(metric)[0](truth, chunk) for metric in metrics]
        if not columns:
            edges = np.cumsum([0, *(part.shape[1] for part in added)])
            columns = {m.name: slice(a, b) for m, a, b in zip(metrics, edges[:-1], edges[1:], strict=True)}
            total = np.zeros((len(units.group), edges[-1]))
        for number, column in enumerate(chain.from_iterable(part.T for part in added)):
            total[:, number] += np.bincount(units.of_row[rows], column, len(total))
    return total, columns


def _coverage(answers: Answers, spec: Spec) -> dict[str, float]:
    scored = ~np.isnan(np.asarray(answers.truth))
    wanted = np.ones_like(scored) if spec.required is None else np.asarray(spec.required)
    public = np.asarray(answers.public)
    rows = {"all": np.ones_like(public), "public": public, "private": ~public}
    return {part: float(scored[which].sum() / max(1, wanted[which].sum())) for part, which in rows.items()}


def _resampled(sums: Array, units: Units, seed: int) -> Array:
    k = sums.shape[1]
    both = np.concatenate([sums, sums * units.public[:, None]], axis=1)
    drawn = statistics.totals(both, units.group, seed=seed)
    return np.stack([drawn[:, :k], drawn[:, k:], drawn[:, :k] - drawn[:, k:]])


def _whole(
    metric: WholeMetric, predictions: Array, answers: Answers, units: Units, seed: int
) -> tuple[list[float], Array]:
    truth, groups = np.asarray(answers.truth), units.group[units.of_row]
    inside = np.stack([units.part(name)[units.of_row] for name in PARTS]).astype(np.float64)
    n_resamples = statistics.RESAMPLES if truth.size <= _MANY_CELLS else statistics.RESAMPLES // 5
    drawn = statistics.counts(statistics.size(groups), n_resamples, seed)
    step = max(1, _AT_ONCE // max(1, inside.size * truth[:1].size))
    pieces = (drawn[at : at + step][:, groups][:, None] * inside for at in range(0, n_resamples, step))
    found = np.concatenate([metric.value_of(truth, predictions, piece) for piece in pieces])
    return metric.value_of(truth, predictions, inside).tolist(), found.T


def _definition(metric: Metric) -> Definition:
    """What a row added, and how the totals became a score."""
    changed: dict[Any, Definition] = {
        known.pearson.rows: (_moments, _correlation),
        known.r2.rows: (_r2_rows, _r2),
    }
    return changed.get(metric.rows, (metric.rows, metric.value))


def _per_row(truth: Array, *parts: Array) -> Array:
    n_rows = len(truth)
    measured = ~np.isnan(truth).reshape(n_rows, -1)
    totals = [np.where(measured, part.reshape(n_rows, -1), 0).sum(axis=1, dtype=np.float64) for part in parts]
    return np.stack([*totals, measured.sum(axis=1, dtype=np.float64)], axis=1)


def _moments(truth: Array, predictions: Array) -> Array:
    x, y = truth.astype(np.float64), predictions.astype(np.float64)
    return _per_row(truth, x, y, x * x, y * y, x * y)


def _correlation(sums: Array) -> Array:
    x, y, xx, yy, xy, n = np.moveaxis(sums, -1, 0)
    spread = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
    return _ratio(n * xy - x * y, np.sqrt(spread))


def _r2_rows(truth: Array, predictions: Array) -> Array:
    x = truth.astype(np.float64)
    return _per_row(truth, (x - predictions) ** 2, x, x * x)


def _r2(sums: Array) -> Array:
    squares, x, xx, n = np.moveaxis(sums, -1, 0)
    return 1 - _ratio(squares, np.maximum(xx - _ratio(x * x, n), 0))


def _ratio(top: Array, bottom: Array) -> Array:
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom != 0)
