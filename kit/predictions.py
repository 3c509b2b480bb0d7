"""Predictions in, checked and put in the order of the Spec; every fault of a file in one message.

Only the Spec is consulted, never the truth, so that no error can tell anything about it. Predictions are kept as
float32 (7 significant digits) and labels as int32: a file's format can then not change its score.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kit import csv_reader, readers, tables
from kit.errors import FIRST, PredictionError, counted, shown
from kit.task import Array, Spec

_CHUNK_CELLS = 250_000  # of float64, what a processor's cache holds
_Read = tuple[Array, Array | None, list[str]]  # predictions, cells whose fault has been told (None: none), faults
_SUM_TOLERANCE = 0.01  # what ten float16 probabilities may be off


def read(source: Any, spec: Spec) -> Array:
    """Checked predictions in the order of `spec.ids`, one of `spec.shapes`; a .npy file stays memory-mapped, a table
    comes in the precision that predictions are kept in.

    source: the path of a .npy, .npz, .csv, .csv.gz or .parquet file; an array, a tensor or a nested list in the order
        of the ids; a DataFrame, an Arrow table, a dict or records with the columns of a csv; or values that carry
        their ids as labels (a Series, a dict, an array of xarray): these are matched, never taken by position.
    Raises PredictionError with all the faults of the source.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source))
        name = shown(path.name or path)
        try:
            array, told, faults = _from_file(path, spec)
        except OSError as error:
            raise PredictionError(name, [f"it cannot be read: {error.strerror or error}."]) from error
    else:
        from kit import objects, values

        name = values.NAME
        array, told, faults = objects.read(source, spec)
        array = _shaped(array, spec)
    faults += value_faults(array, spec, told)
    if faults:
        raise PredictionError(name, faults)
    return array


def canonical(chunk: Array) -> Array:
    """The precision in which predictions are kept and scored: int32 labels, float32 everything else."""
    if chunk.dtype == np.int32:
        return chunk
    with np.errstate(over="ignore"):
        return chunk.astype(np.float32, copy=False)


def chunks(array: Array) -> Iterator[slice]:
    """Slices of rows, of some 250,000 cells each."""
    step = max(1, _CHUNK_CELLS // max(1, int(np.prod(array.shape[1:]))))
    return (slice(start, start + step) for start in range(0, len(array), step))


def _from_file(path: Path, spec: Spec) -> _Read:
    match readers.kind_of(path):
        case ".npy":
            return _shaped(readers.read_npy(path, spec), spec), None, []
        case ".npz":
            return _shaped(readers.read_npz(path, spec), spec), None, []
        case ".parquet":
            return _from_table(readers.read_parquet(path, spec), spec)
        case _:
            table, ragged = csv_reader.read_csv(path, spec)
            array, told, faults = _from_table(table, spec)
            return array, told, ragged + faults


def _from_table(table: Any, spec: Spec) -> _Read:
    array, told, faults = tables.in_order(table, spec)
    return _shaped(array, spec), told, faults


def _shaped(array: Array, spec: Spec) -> Array:
    """One column may come as (n, 1); labels become int32 where they are whole numbers."""
    array = array.reshape(len(spec.ids)) if array.shape == (len(spec.ids), 1) else array
    if spec.kind == "class" and array.ndim == 1:
        array = array.astype(np.float64)
        if bool((array == np.rint(array)).all()) and bool(np.isfinite(array).all()):
            return np.clip(array, -1, len(spec.columns)).astype(np.int32)
    return array


def value_faults(array: Array, spec: Spec, told: Array | None = None) -> list[str]:
    """What is wrong with the values of predictions that have the right shape, with counts and the first few places.

    told: bool, the shape of the predictions; cells whose fault has been told already.
    """
    is_label = spec.kind == "class" and array.ndim == 1
    last = len(spec.columns) - 1
    words = {
        "not finite": (
            "cell is not finite",
            "cells are not finite",
            " (NaN, empty, infinite, or too large for float32)",
        ),
        "label": (f"label is no whole number from 0 to {last}", f"labels are no whole numbers from 0 to {last}", ""),
        "outside": ("probability lies outside 0..1", "probabilities lie outside 0..1", ""),
        "sum": ("row of probabilities does not add up to 1", "rows of probabilities do not add up to 1", ""),
    }
    found = dict.fromkeys(words, 0)
    places: dict[str, list[str]] = {check: [] for check in words}
    for rows in chunks(array):
        chunk = np.asarray(array[rows]) if is_label else canonical(np.asarray(array[rows]))
        for check, bad in _bad_cells(chunk, spec, rows, is_label, None if told is None else told[rows]):
            if n := int(np.count_nonzero(bad)):
                found[check] += n
                few = np.argwhere(bad)[: FIRST - len(places[check])] if len(places[check]) < FIRST else ()
                places[check] += [_place(where, rows.start, spec) for where in few]
    return [
        counted(found[check], one + more, many + more, places[check])
        for check, (one, many, more) in words.items()
        if found[check]
    ]


def _bad_cells(
    chunk: Array, spec: Spec, rows: slice, is_label: bool, told: Array | None
) -> Iterator[tuple[str, Array]]:
    """(check, which cells or rows fail it)"""
    finite = np.isfinite(chunk)
    missing = ~finite
    if spec.required is not None:
        missing &= spec.required[rows].any(axis=1) if is_label and spec.required.ndim == 2 else spec.required[rows]
    yield "not finite", missing if told is None else missing & ~told
    if is_label:
        yield "label", finite & ((chunk < 0) | (chunk >= len(spec.columns)) | (chunk != np.rint(chunk)))
    elif spec.kind != "value":
        inside = (chunk >= 0) & (chunk <= 1)
        yield "outside", finite & ~inside
        if spec.kind == "class":
            total = chunk.sum(axis=1, dtype=np.float64)
            yield "sum", inside.all(axis=1) & (np.abs(total - 1) > _SUM_TOLERANCE)


def _place(where: Array, start: int, spec: Spec) -> str:
    row = spec.ids[start + int(where[0])]
    name = f"id {shown(row)}"
    return name if len(where) == 1 else f"{name} column {shown(spec.columns[int(where[1])], 40)}"
