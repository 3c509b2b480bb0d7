"""What can be wrong with a Spec and the Answers, and with how the metrics fit them; answers checked and completed."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from kit import metrics as known
from kit.checks import group_faults, is_line, kind_of, raise_any
from kit.errors import FIRST, counted, shown
from kit.metrics import Metric, WholeMetric
from kit.predictions import canonical
from kit.task import Answers, Array, Kind, Spec, public_rows


def spec_faults(spec: Spec) -> list[str]:
    """What is wrong with a Spec; its ids are looked at one by one."""
    faults = []
    if spec.kind not in get_args(Kind):
        faults.append(f"Spec.kind is {spec.kind!r}; {', '.join(map(repr, get_args(Kind)))} are the kinds.")
    if bad := [column for column in spec.columns if not is_line(column)]:
        faults.append(f"Spec.columns holds {bad[0]!r}; every column needs a name, one line of text.")
    elif len(set(spec.columns)) < len(spec.columns):
        twice = next(column for column in spec.columns if spec.columns.count(column) > 1)
        faults.append(f"Spec.columns holds {shown(twice)!r} twice; each column needs a name of its own.")
    if not spec.columns:
        faults.append("Spec.columns is empty; one name a value column is expected.")
    elif spec.kind == "class" and len(spec.columns) == 1:
        faults.append(
            "Spec.columns names one class; kind 'class' needs two or more. Of a single chance: 'probability'."
        )
    if spec.required is not None:
        if spec.kind == "class":
            faults.append("Spec.required is given with kind 'class', where every row needs its class: leave it out.")
        elif np.asarray(spec.required).dtype != bool:
            faults.append(f"Spec.required holds {np.asarray(spec.required).dtype}; True and False are expected.")
        elif not np.any(spec.required):
            faults.append("Spec.required requires no cell; there is nothing to predict.")
    if spec.cell is not None and (len(spec.cell) != 2 or len(set(spec.cell)) != 2 or not all(map(is_line, spec.cell))):
        faults.append(f"Spec.cell is {spec.cell!r}; two different headers are expected: of the ids and of the values.")
    return faults + _id_faults(spec.ids)


def _id_faults(ids: Array) -> list[str]:
    if not len(ids):
        return ["Spec.ids is empty; a task needs test rows."]
    if ids.dtype.kind in "iu":
        return _repeated(ids)
    try:
        text = np.char.decode(ids, "utf-8") if ids.dtype.kind == "S" else ids
    except UnicodeDecodeError:
        return ["Spec.ids holds bytes that are no UTF-8 text."]
    codes = np.ascontiguousarray(text).view(np.uint32)
    codes = codes.reshape(len(ids), -1)
    plain = bool(((codes > 31) & (codes < 127) | (codes == 0)).all() and not (np.diff((codes == 0) * 1) < 0).any())
    faults = []
    if not plain and (bad := [row for row in text.tolist() if not row.isprintable()]):
        places = [repr(row) for row in bad[:FIRST]]
        faults.append(counted(len(bad), "id in Spec.ids is not printable", "ids in Spec.ids are not printable", places))
    padded = np.flatnonzero((np.char.strip(text) != text) | (text == ""))
    if len(padded):
        places = [repr(str(text[row])) for row in padded[:FIRST]]
        many = "ids in Spec.ids are empty or have blanks at their ends"
        faults.append(counted(len(padded), "id in Spec.ids is empty or has blanks at its ends", many, places))
    normal = text if plain else np.array([unicodedata.normalize("NFC", row) for row in text.tolist()])
    return faults + _repeated(normal)


def _repeated(ids: Array) -> list[str]:
    found, times = np.unique(ids, return_counts=True)
    again = found[times > 1]
    places = [shown(row) for row in again[:FIRST].tolist()]
    many = "ids in Spec.ids are not unique"
    return [counted(len(again), "id in Spec.ids is not unique", many, places)] if len(again) else []


def answer_faults(given: Any, spec: Spec) -> list[str]:
    """What is wrong with an organiser's answers."""
    if not isinstance(given, Answers):
        return [f"answers() returned {kind_of(given)}; an Answers is expected."]
    n_rows = len(spec.ids)
    faults = _truth_faults(given.truth, spec)
    if given.groups is not None:
        faults += group_faults("groups", given.groups, n_rows)
    if given.public is not None:
        public = np.asarray(given.public)
        if public.shape != (n_rows,):
            faults.append(f"public has shape {public.shape}; {(n_rows,)} is wanted.")
        elif public.dtype != bool and not np.isin(public, (0, 1)).all():
            faults.append(
                f"public holds {public.dtype}; True for a public row and False for a private one is expected."
            )
    if given.ids is not None and not np.array_equal(np.asarray(given.ids).astype(str), _text(spec.ids)):
        faults.append("the ids of the answers are not those of the Spec in their order.")
    return faults


def _truth_faults(given: Any, spec: Spec) -> list[str]:
    wanted = spec.shapes[0]
    try:
        truth = np.asarray(given)
    except (ValueError, TypeError) as error:
        return [f"the truth is no array: {error}."]
    faults = []
    if truth.shape != wanted:
        faults.append(f"the truth has shape {truth.shape}; {wanted} is wanted.")
    if truth.dtype.kind not in "biuf":
        words = {
            "U": "text",
            "S": "text",
            "O": "Python objects",
            "M": "dates",
            "m": "durations",
            "c": "complex numbers",
        }
        labels = " Give each label as its place in Spec.columns, from 0." if spec.kind == "class" else ""
        found = words.get(truth.dtype.kind, str(truth.dtype))
        return [*faults, f"the truth holds {found}; numbers are expected, NaN where nothing was measured.{labels}"]
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        faults.append("the truth has masked cells; fill them with NaN: truth.astype(float).filled(np.nan).")
    kept = canonical(truth if truth.dtype.kind == "f" else truth.astype(np.float32))
    if np.isinf(kept).any():
        faults.append(
            "the truth holds infinite values, or ones too large for float32; use NaN where nothing was measured."
        )
    measured = ~np.isnan(kept)
    if truth.shape == wanted and not measured.any():
        faults.append("the truth is NaN everywhere; nothing could be scored.")
    if spec.kind == "class":
        faults += _label_faults(kept[measured], len(spec.columns))
    elif spec.kind == "probability" and (n := int(np.count_nonzero((kept < 0) | (kept > 1)))):
        lowest, highest = float(np.nanmin(kept)), float(np.nanmax(kept))
        faults.append(
            f"the truth of kind 'probability' must lie in 0..1; {n:,} values of it do not (it goes from {lowest:g} to "
            f"{highest:g}). Scale them, or take kind 'value'."
        )
    required = None if spec.required is None else np.asarray(spec.required)
    if required is None or required.dtype != bool or required.shape != truth.shape:
        return faults
    if n := int(np.count_nonzero(measured & ~required)):
        faults.append(
            f"{n:,} cells were measured that the Spec does not require; nobody could be held to predict them. "
            "Require them, or make them NaN."
        )
    return faults


def _label_faults(labels: Array, n_classes: int) -> list[str]:
    bad = labels[~((labels >= 0) & (labels < n_classes) & (labels == np.rint(labels)))]
    if not len(bad):
        return []
    if bool((labels == np.rint(labels)).all()) and labels.min() == 1 and labels.max() == n_classes:
        return [f"the labels seem to be counted from 1; they must be counted from 0, to {n_classes - 1}: subtract 1."]
    found = [f"{value:g}" for value in np.unique(bad)[:FIRST].tolist()]
    one, many = (
        f"label is no whole number from 0 to {n_classes - 1}",
        f"labels are no whole numbers from 0 to {n_classes - 1}",
    )
    return [counted(len(bad), one, many, found) + " A label is its class's place in Spec.columns."]


# Metrics that have no meaning for other kinds of submissions. One of an organiser's own, or a variant, is trusted.
_KINDS: dict[Any, tuple[Kind, ...]] = {
    known.accuracy.rows: ("class",),
    known.log_loss.rows: ("class",),
    known.binary_crossentropy.rows: ("probability",),
    known.binary_accuracy.rows: ("probability", "value"),
    known.roc_auc.value_of: ("probability", "value"),
    known.spearman.value_of: ("probability", "value"),
    **{m.rows: ("probability", "value") for m in (known.mae, known.mse, known.rmse, known.mcrmse, known.r2)},
    known.pearson.rows: ("probability", "value"),
}


def fit_faults(metrics: Sequence[Metric | WholeMetric], spec: Spec) -> list[str]:
    """Metrics that cannot score what the Spec asks for, as far as that can be known."""
    faults = []
    for metric in metrics:
        of = metric.rows if isinstance(metric, Metric) else metric.value_of
        is_f1 = getattr(of, "__qualname__", "").startswith("f1.")  # made by `macro_f1`
        kinds = ("class",) if is_f1 else _KINDS.get(of, get_args(Kind))
        if spec.kind not in kinds:
            faults.append(f"the metric {metric.name} is for kind {' or '.join(map(repr, kinds))}, not {spec.kind!r}.")
        elif is_f1 and isinstance(metric, Metric):
            n_classes = metric.rows(np.zeros(1), np.zeros(1)).shape[1] // 3
            if n_classes != len(spec.columns):
                faults.append(f"macro_f1({n_classes}) is for {n_classes} classes; the Spec names {len(spec.columns)}.")
    return faults


def complete(given: Answers, spec: Spec, name: str, metrics: Sequence[Metric | WholeMetric] = ()) -> Answers:
    """Check an organiser's answers, the Spec and the metrics against each other; fill in groups, public rows and ids.

    Raises TaskError with all faults.
    """
    raise_any(name, spec_faults(spec) + answer_faults(given, spec) + fit_faults(metrics, spec))
    return completed(given, spec)


def completed(given: Answers, spec: Spec) -> Answers:
    """Checked answers with truth as float32, and groups, public rows and ids filled in."""
    public = public_rows(spec.ids) if given.public is None else np.asarray(given.public).astype(bool)
    truth = canonical(np.asarray(given.truth, dtype=np.float32))
    groups = np.arange(len(spec.ids), dtype=np.int32)
    if given.groups is not None:
        groups = np.unique(np.asarray(given.groups), return_inverse=True)[1].astype(np.int32)
    return replace(given, truth=truth, groups=groups, public=public, ids=spec.ids)


def _text(ids: Array) -> Array:
    return np.char.decode(ids, "utf-8") if ids.dtype.kind == "S" else ids.astype(str)
