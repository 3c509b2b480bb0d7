"""Predictions and answers in, a scorecard out: every metric over all, public and private rows, with intervals."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit import statistics
from kit.metrics import Metric, WholeMetric
from kit.predictions import canonical, chunks
from kit.statistics import Interval
from kit.task import Answers, Array, Spec

PARTS = ("all", "public", "private")
MAX_GROUPS = 20_000  # more rows than this are resampled in random blocks: the same variance, a bounded cost


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
    sums: (n_units, k) row sums added up by unit; those of metric m are the columns columns[m].
    """

    scores: dict[str, dict[str, Interval]]
    coverage: dict[str, float]
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
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    if n_groups > MAX_GROUPS:
        block = np.random.default_rng(0).permutation(np.arange(n_groups) % MAX_GROUPS)
        groups = block[groups]
    elif n_groups == len(groups):  # every row stands alone
        return Units(groups, np.arange(n_groups), public[np.argsort(groups)])
    _, first, of_row = np.unique(groups * 2 + public, return_index=True, return_inverse=True)
    return Units(of_row, groups[first], public[first])


def score(metrics: Sequence[Metric | WholeMetric], predictions: Array, answers: Answers, spec: Spec) -> Scorecard:
    """Score checked predictions (`predictions.read`); they may be memory-mapped, and are read in chunks.

    A metric that needs probabilities is left out for a submission of labels.
    """
    is_label = spec.kind == "class" and predictions.ndim == 1
    metrics = [metric for metric in metrics if not (is_label and metric.needs_probabilities)]
    sums_of = [metric for metric in metrics if isinstance(metric, Metric)]
    parts = units(answers)
    sums, columns = _add_up(sums_of, predictions, answers, spec, parts)
    seed = int(answers.fingerprint[:8], 16)
    scores: dict[str, dict[str, Interval]] = {}
    replicates = resampled(sums, parts, seed)
    for metric in metrics:
        if isinstance(metric, WholeMetric):
            scores[metric.name] = _whole(metric, canonical(np.asarray(predictions)), answers, parts, seed)
            continue
        of = columns[metric.name]
        scores[metric.name] = {
            name: statistics.interval(
                float(metric.value(sums[parts.part(name), of].sum(axis=0))), metric.value(replicates[name][:, of])
            )
            for name in PARTS
        }
    return Scorecard(scores, _coverage(answers, spec), sums, columns, parts)


def _add_up(
    metrics: Sequence[Metric], predictions: Array, answers: Answers, spec: Spec, parts: Units
) -> tuple[Array, dict[str, slice]]:
    """(n_units, k) sums of all metrics side by side, and each metric's columns."""
    total: Array | None = None
    columns: dict[str, slice] = {}
    for rows in chunks(predictions):
        truth, chunk = np.asarray(answers.truth[rows]), canonical(np.asarray(predictions[rows]))
        added = [metric.rows(truth, chunk) for metric in metrics]
        if total is None:
            edges = np.cumsum([0, *(part.shape[1] for part in added)])
            columns = {m.name: slice(a, b) for m, a, b in zip(metrics, edges[:-1], edges[1:], strict=True)}
            total = np.zeros((len(parts.group), edges[-1]))
        np.add.at(total, parts.of_row[rows], np.concatenate(added, axis=1))
    return (np.zeros((len(parts.group), 0)) if total is None else total), columns


def resampled(sums: Array, parts: Units, seed: int) -> dict[str, Array]:
    """Part -> (n_resamples, k) totals, all parts on the same resamples of whole groups."""
    k = sums.shape[1]
    both = np.concatenate([sums, sums * parts.public[:, None]], axis=1)
    drawn = statistics.totals(both, parts.group, seed=seed)
    return {"all": drawn[:, :k], "public": drawn[:, k:], "private": drawn[:, :k] - drawn[:, k:]}


def _whole(metric: WholeMetric, predictions: Array, answers: Answers, parts: Units, seed: int) -> dict[str, Interval]:
    found = {}
    truth = np.asarray(answers.truth)
    for name in PARTS:
        inside = parts.part(name)[parts.of_row]
        groups = parts.group[parts.of_row]
        value = metric.value_of(truth, predictions, inside.astype(np.float64))

        def weighted(weights: Array, inside: Array = inside) -> Array:
            return metric.value_of(truth, predictions, weights * inside)

        found[name] = statistics.interval(float(value), statistics.whole(weighted, groups, seed=seed))
    return found


def _coverage(answers: Answers, spec: Spec) -> dict[str, float]:
    assert answers.public is not None
    measured = ~np.isnan(np.asarray(answers.truth)).reshape(len(spec.ids), -1)
    required = np.ones_like(measured) if spec.required is None else np.asarray(spec.required).reshape(measured.shape)
    public = np.asarray(answers.public)
    rows = {"all": np.ones_like(public), "public": public, "private": ~public}
    return {name: float(measured[part].sum() / max(1, required[part].sum())) for name, part in rows.items()}


def digest(sums: Array) -> str:
    """sha256 of row sums, by their values in little-endian float64."""
    array = np.ascontiguousarray(sums, "<f8")
    return hashlib.sha256(f"{array.shape}".encode() + array.tobytes()).hexdigest()


def _plain(number: Any) -> float | None:
    return None if np.isnan(number) else float(number)
