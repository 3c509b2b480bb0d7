"""Predictions and answers in, a scorecard out: every metric over all, public and private rows, with intervals."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from kit import statistics
from kit.metrics import Metric, WholeMetric, on_counts, origin, over_columns
from kit.predictions import canonical, chunks
from kit.statistics import Interval
from kit.sums import cells
from kit.task import PARTS, Answers, Array, Spec

MAX_GROUPS = 20_000  # more rows than this are resampled in random blocks: the same variance, a bounded cost
MANY_CELLS = 50_000  # beyond, a metric that sorts all cells for each resample is given a fifth of the resamples
_BLOCK = 100_000  # cells that such a metric handles at once
_SAMPLE = 100_000  # cells that origins are chosen from
_PATIENCE = 2.0  # seconds without a word


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
    versions: metric name -> version of the definition that was used.
    n_groups: part -> how many groups have scored cells in it.
    """

    scores: dict[str, dict[str, Interval]]
    coverage: dict[str, float]
    replicates: dict[str, Array]
    sums: Array
    columns: dict[str, slice]
    units: Units
    versions: dict[str, int]
    n_groups: dict[str, int]

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
    parts = units(answers)
    seed = int(answers.fingerprint_v1[:8], 16)  # entries of older boards pair with new ones
    with ThreadPoolExecutor(1) as beside:  # the draws, kept for `resampled`, need no predictions
        beside.submit(statistics.counts, statistics.size(parts.group), statistics.RESAMPLES, seed)
        of_sums = [_centred(metric, predictions, answers) for metric in metrics if isinstance(metric, Metric)]
        sums, columns = _add_up(of_sums, predictions, answers, parts)
        coverage, n_groups = _coverage(answers, spec, parts)
    once = np.stack([sums[parts.part(name)].sum(axis=0) for name in PARTS[1:]])
    drawn = resampled(sums, parts, seed)
    found = {each.metric.name: (each.scores(once, columns), each.scores(drawn, columns)) for each in of_sums}
    for metric in metrics:
        if isinstance(metric, WholeMetric):
            found[metric.name] = _whole(metric, predictions, answers, parts, seed)
    scores = {}
    for metric in metrics:
        trio = zip(PARTS, *found[metric.name], strict=True)
        scores[metric.name] = {part: _interval(metric, value, on, n_groups[part]) for part, value, on in trio}
    replicates = {metric.name: found[metric.name][1] for metric in metrics}
    versions = {metric.name: over_columns(metric, answers.truth.shape).version for metric in metrics}
    return Scorecard(scores, coverage, replicates, sums, columns, parts, versions, n_groups)


def _interval(metric: Metric | WholeMetric, value: Any, replicates: Array, n_groups: int) -> Interval:
    return statistics.interval(float(value), replicates, n_groups, metric.scale)


@dataclass(frozen=True)
class _Centred:
    """A metric, and what its moments are taken about: of the truth, and (3, ...) of the predictions in each part.

    So nothing that is predicted for public rows touches a sum over private rows in any digit; nor the reverse.
    """

    metric: Metric
    of_truth: Array
    of_part: Array

    def rows(self, truth: Array, predictions: Array, public: Array) -> Array:
        if not self.metric.moved:
            return self.metric.rows(truth, predictions)
        of_row = self.of_part[np.where(public, PARTS.index("public"), PARTS.index("private"))]
        return self.metric.rows(truth, predictions, self.of_truth, of_row.reshape(len(truth), *[-1] * (truth.ndim - 1)))

    def scores(self, totals: Array, columns: dict[str, slice]) -> Array:
        """(2, ..., k) totals over public and private rows -> (3, ...) scores over all, public and private rows."""
        both = totals[..., columns[self.metric.name]]
        moved = self.metric.moved
        every = (
            [moved(part, by) for part, by in zip(both, self.of_part[1:] - self.of_part[0], strict=True)]
            if moved
            else both
        )
        return self.metric.value(np.stack([every[0] + every[1], *both]))


def _centred(metric: Metric, predictions: Array, answers: Answers) -> _Centred:
    """The metric as it scores these columns; its origins are medians, over evenly spaced rows where there are many."""
    assert answers.public is not None
    used = over_columns(metric, answers.truth.shape)
    if not used.moved:
        return _Centred(used, np.zeros(()), np.zeros(len(PARTS)))
    rows = slice(None, None, max(1, min(answers.truth.size // _SAMPLE, len(predictions) // 100)))
    truth, guess, public = answers.truth[rows], canonical(np.asarray(predictions[rows])), answers.public[rows]
    together = used is metric
    whole = np.nan_to_num(origin(truth, guess, together))
    of_part = np.stack([whole, *(origin(truth[part], guess[part], together) for part in (public, ~public))])
    return _Centred(used, np.nan_to_num(origin(truth, truth, together)), np.where(np.isnan(of_part), whole, of_part))


def _add_up(
    metrics: Sequence[_Centred], predictions: Array, answers: Answers, parts: Units
) -> tuple[Array, dict[str, slice]]:
    """(n_units, k) sums of all metrics side by side, and each metric's columns."""
    assert answers.public is not None
    total: Array | None = None
    columns: dict[str, slice] = {}
    for rows in chunks(predictions):
        truth, chunk = np.asarray(answers.truth[rows]), canonical(np.asarray(predictions[rows]))
        added = [each.rows(truth, chunk, answers.public[rows]) for each in metrics]
        unit = parts.of_row[rows].astype(np.intp)  # once, not in each bincount
        if total is None:
            edges = np.cumsum([0, *(part.shape[1] for part in added)])
            spans = zip(metrics, edges[:-1], edges[1:], strict=True)
            columns = {each.metric.name: slice(start, end) for each, start, end in spans}
            total = np.zeros((len(parts.group), edges[-1]))
        for number, column in enumerate(chain.from_iterable(part.T for part in added)):
            total[:, number] += np.bincount(unit, column, len(total))
    return (np.zeros((len(parts.group), 0)) if total is None else total), columns


def resampled(sums: Array, parts: Units, seed: int) -> Array:
    """(2, n_resamples, k) totals over public and over private rows, on the same resamples of whole groups."""
    k = sums.shape[1]
    if not k:
        return np.zeros((2, statistics.RESAMPLES, 0))
    public = parts.public[:, None]  # not as a factor: 0 times infinity is no number
    both = np.concatenate([np.where(public, sums, 0), np.where(public, 0, sums)], axis=1)
    drawn = statistics.totals(both, parts.group, seed=seed)
    return np.stack([drawn[:, :k], drawn[:, k:]])


def _whole(metric: WholeMetric, predictions: Array, answers: Answers, parts: Units, seed: int) -> tuple[Array, Array]:
    """(3,) values and (3, n_resamples) replicates of a metric that is no sum; fewer resamples for many cells."""
    from threadpoolctl import threadpool_limits

    used, watch = over_columns(metric, answers.truth.shape), _Watch(metric.name, 2 * len(answers.truth))
    n_resamples = statistics.RESAMPLES if answers.truth.size <= MANY_CELLS else statistics.RESAMPLES // 5
    drawn = statistics.counts(statistics.size(parts.group), n_resamples, seed)
    counts = np.concatenate([np.ones_like(drawn[:1]), drawn])  # the first one: every group once
    found = np.full((len(PARTS), len(counts)), np.nan)
    for part, scores in zip(PARTS, found, strict=True):
        rows = np.flatnonzero(parts.part(part)[parts.of_row])
        truth, guess = np.asarray(answers.truth[rows]), canonical(np.asarray(predictions[rows]))
        if np.isnan(truth).all():
            continue
        with threadpool_limits(1, user_api="blas"):
            on = on_counts(used, truth, guess, parts.group[parts.of_row[rows]])
            step = max(1, _BLOCK // truth.size)
            for at in range(0, len(counts), step):
                scores[at : at + step] = on(counts[at : at + step])
                watch.done(len(rows) * min(1.0, step / len(counts)))
    return found[:, 0], found[:, 1:]


class _Watch:
    """Says once, after a while, how long it will still take."""

    def __init__(self, name: str, work: float) -> None:
        self.name, self.work, self.finished, self.start, self.told = name, work, 0.0, time.perf_counter(), False

    def done(self, work: float) -> None:
        self.finished += work
        taken = time.perf_counter() - self.start
        if taken > _PATIENCE and not self.told:
            from kit import render

            left = taken * (self.work / self.finished - 1)
            render.note(f"{self.name} takes each resample afresh: some {left:.0f} s more ...")
            self.told = True


def _coverage(answers: Answers, spec: Spec, parts: Units) -> tuple[dict[str, float], dict[str, int]]:
    """Part -> scored cells over cells that had to be predicted; and part -> groups with scored cells."""
    assert answers.public is not None
    measured, required = np.zeros(2), np.zeros(2)  # over public and over private rows
    scored_units = np.zeros(len(parts.group), bool)
    for rows in chunks(answers.truth):
        scored, public = ~np.isnan(answers.truth[rows]), answers.public[rows]
        wanted = np.ones_like(scored) if spec.required is None else spec.required[rows]
        for number, inside in enumerate((public, ~public)):
            measured[number] += np.count_nonzero(scored.compress(inside, axis=0))
            required[number] += np.count_nonzero(wanted.compress(inside, axis=0))
        scored_units[parts.of_row[rows][cells(scored).any(axis=1)]] = True
    top, bottom = (np.array([both.sum(), *both]) for both in (measured, required))
    grouped = {part: np.bincount(parts.group[scored_units & parts.part(part)]) for part in PARTS}
    n_groups = {part: int(np.count_nonzero(units)) for part, units in grouped.items()}
    return dict(zip(PARTS, (top / np.maximum(1, bottom)).tolist(), strict=True)), n_groups


def _plain(number: Any) -> float | None:
    return None if np.isnan(number) else float(number)
