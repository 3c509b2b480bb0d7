"""Predictions and answers in, a scorecard out: every metric over all, public and private rows, with intervals."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from kit import statistics
from kit.metrics import Metric, WholeMetric
from kit.predictions import canonical, chunks
from kit.statistics import Interval
from kit.task import Answers, Array, Spec

PARTS = ("all", "public", "private")
MAX_GROUPS = 20_000  # more rows than this are resampled in random blocks: the same variance, a bounded cost
MANY_CELLS = 50_000  # beyond, a metric that sorts all cells for each resample is given a fifth of the resamples


@dataclass(frozen=True)
class Units:
    """The smallest sets of rows that scores are made of: the public, or the private, rows of one group.

    of_row: (n_rows,) each row's unit; group, public: (n_units,) each unit's group and part.
    """

    of_row: Array
    group: Array
    public: Array

    def part(self, name: str) -> Array:
        """(n_units,) bool: which units count in "all", "public" or "private"."""
        return {"all": np.ones(len(self.public), bool), "public": self.public, "private": ~self.public}[name]


@dataclass(frozen=True)
class Scorecard:
    """What a submission scored.

    scores: metric name -> part -> Interval. coverage: part -> scored cells over cells that had to be predicted.
    replicates: metric name -> (3, n_resamples), its values on the resamples, over all, public and private rows; every
        submission to the same answers has the same resamples, so two of them can be compared in pairs.
    sums: (n_units, k) row sums added up by unit; those of metric m are the columns columns[m].
    """

    scores: dict[str, dict[str, Interval]]
    coverage: dict[str, float]
    replicates: dict[str, Array]
    sums: Array
    columns: dict[str, slice]
    units: Units

    def json(self) -> dict[str, dict[str, list[float | None]]]:
        """Plain numbers: metric -> part -> [value, low, high], None for NaN."""
        return {
            metric: {part: [_plain(x) for x in (score.value, score.low, score.high)] for part, score in parts.items()}
            for metric, parts in self.scores.items()
        }


def units(answers: Answers) -> Units:
    """The units of complete answers (groups and public filled in)."""
    assert answers.groups is not None
    assert answers.public is not None
    groups, public = np.asarray(answers.groups), np.asarray(answers.public)
    n_groups = statistics.size(groups)
    if n_groups > MAX_GROUPS:
        block = np.random.default_rng(0).permutation(np.arange(n_groups) % MAX_GROUPS)
        groups = block[groups]
    elif n_groups == len(groups):  # every row stands alone
        return Units(groups, np.arange(n_groups), public[np.argsort(groups)])
    code = groups * 2 + public
    used = np.flatnonzero(np.bincount(code))
    number = np.zeros(used[-1] + 1, np.int32)
    number[used] = np.arange(len(used))
    return Units(number[code], used // 2, used % 2 == 1)


def score(metrics: Sequence[Metric | WholeMetric], predictions: Array, answers: Answers, spec: Spec) -> Scorecard:
    """Score checked predictions (`predictions.read`); they may be memory-mapped, and are read in chunks.

    A metric that needs probabilities is left out for a submission of labels.
    """
    is_label = spec.kind == "class" and predictions.ndim == 1
    metrics = [metric for metric in metrics if not (is_label and metric.needs_probabilities)]
    sums_of = [metric for metric in metrics if isinstance(metric, Metric)]
    parts = units(answers)
    seed = int(answers.fingerprint_v1[:8], 16)  # entries of older boards pair with new ones
    with ThreadPoolExecutor(1) as beside:  # the draws, kept for `resampled`, need no predictions
        beside.submit(statistics.counts, statistics.size(parts.group), statistics.RESAMPLES, seed)
        sums, columns = _add_up(sums_of, predictions, answers, spec, parts)
        coverage = _coverage(answers, spec)
    drawn = resampled(sums, parts, seed)
    values: dict[str, list[float]] = {}
    replicates: dict[str, Array] = {}
    for metric in metrics:
        if isinstance(metric, Metric):
            of = columns[metric.name]
            values[metric.name] = [float(metric.value(sums[parts.part(name), of].sum(axis=0))) for name in PARTS]
            replicates[metric.name] = metric.value(drawn[..., of])
        else:
            kept = canonical(np.asarray(predictions))
            values[metric.name], replicates[metric.name] = _whole(metric, kept, answers, parts, seed)
    n_groups = [len(np.unique(parts.group[parts.part(name)])) for name in PARTS]
    scores = {
        metric.name: {
            part: statistics.interval(value, drawn, n, metric.scale)
            for part, value, drawn, n in zip(PARTS, values[metric.name], replicates[metric.name], n_groups, strict=True)
        }
        for metric in metrics
    }
    return Scorecard(scores, coverage, replicates, sums, columns, parts)


def _add_up(
    metrics: Sequence[Metric], predictions: Array, answers: Answers, spec: Spec, parts: Units
) -> tuple[Array, dict[str, slice]]:
    """(n_units, k) sums of all metrics side by side, and each metric's columns."""
    total: Array | None = None
    columns: dict[str, slice] = {}
    for rows in chunks(predictions):
        truth, chunk = np.asarray(answers.truth[rows]), canonical(np.asarray(predictions[rows]))
        added = [metric.rows(truth, chunk) for metric in metrics]
        unit = parts.of_row[rows].astype(np.intp)  # once, not in each bincount
        if total is None:
            edges = np.cumsum([0, *(part.shape[1] for part in added)])
            columns = {m.name: slice(a, b) for m, a, b in zip(metrics, edges[:-1], edges[1:], strict=True)}
            total = np.zeros((len(parts.group), edges[-1]))
        for number, column in enumerate(chain.from_iterable(part.T for part in added)):
            total[:, number] += np.bincount(unit, column, len(total))
    return (np.zeros((len(parts.group), 0)) if total is None else total), columns


def resampled(sums: Array, parts: Units, seed: int) -> Array:
    """(3, n_resamples, k) totals over all, public and private rows, on the same resamples of whole groups."""
    k = sums.shape[1]
    both = np.concatenate([sums, sums * parts.public[:, None]], axis=1)
    drawn = statistics.totals(both, parts.group, seed=seed)
    return np.stack([drawn[:, :k], drawn[:, k:], drawn[:, :k] - drawn[:, k:]])


def _whole(
    metric: WholeMetric, predictions: Array, answers: Answers, parts: Units, seed: int
) -> tuple[list[float], Array]:
    """The same for a metric that is no sum: its values, and (3, n_resamples) replicates, fewer for many cells."""
    truth, groups = np.asarray(answers.truth), parts.group[parts.of_row]
    inside = np.stack([parts.part(name)[parts.of_row] for name in PARTS]).astype(np.float64)
    values = metric.value_of(truth, predictions, inside)

    def weighted(counts: Array) -> Array:
        return metric.value_of(truth, predictions, counts[:, None] * inside)

    n_resamples = statistics.RESAMPLES if truth.size <= MANY_CELLS else statistics.RESAMPLES // 5
    cells = inside.size * truth[:1].size
    return values.tolist(), statistics.whole(weighted, groups, cells, n_resamples, seed).T


def _coverage(answers: Answers, spec: Spec) -> dict[str, float]:
    """Part -> scored cells over cells that had to be predicted."""
    assert answers.public is not None
    measured, required = np.zeros(2), np.zeros(2)  # over all and over public rows
    for rows in chunks(answers.truth):
        scored, public = ~np.isnan(answers.truth[rows]), answers.public[rows]
        wanted = np.ones_like(scored) if spec.required is None else spec.required[rows]
        measured += np.count_nonzero(scored), np.count_nonzero(scored.compress(public, axis=0))
        required += np.count_nonzero(wanted), np.count_nonzero(wanted.compress(public, axis=0))
    top, bottom = (np.append(cells, cells[0] - cells[1]) for cells in (measured, required))
    return dict(zip(PARTS, (top / np.maximum(1, bottom)).tolist(), strict=True))


def _plain(number: Any) -> float | None:
    return None if np.isnan(number) else float(number)
