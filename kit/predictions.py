"""Predictions in, checked and put in the order of the Spec; every fault of a file in one message.

Only the Spec is consulted, never the truth, so that no error can tell anything about it. Predictions are kept as
float32 (7 significant digits) and labels as int32: a file's format can then not change its score.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kit import readers
from kit.errors import PredictionError
from kit.task import Array, Spec

FIRST = 3  # how many places a message names
_CHUNK_CELLS = 1_000_000
_SUM_TOLERANCE = 0.01  # what ten float16 probabilities may be off


def read(source: Any, spec: Spec) -> Array:
    """Checked predictions in the order of `spec.ids`, one of `spec.shapes`; a .npy file stays memory-mapped.

    source: the path of a .npy, .npz, .csv, .csv.gz or .parquet file; an array, a tensor or a nested list; or a
        DataFrame or Arrow table with the columns of a csv.
    Raises PredictionError with all the faults of the source.
    """
    name, array, faults = _load(source, spec)
    if array is not None:
        faults += value_faults(array, spec)
    if faults or array is None:
        raise PredictionError(name, faults)
    return array


def canonical(chunk: Array) -> Array:
    """The precision in which predictions are kept and scored: int32 labels, float32 everything else."""
    if chunk.dtype == np.int32:
        return chunk
    with np.errstate(over="ignore"):
        return chunk.astype(np.float32, copy=False)


def chunks(array: Array) -> Iterator[slice]:
    """Slices of rows of about a million cells each."""
    step = max(1, _CHUNK_CELLS // max(1, int(np.prod(array.shape[1:]))))
    return (slice(start, start + step) for start in range(0, len(array), step))


def _load(source: Any, spec: Spec) -> tuple[str, Array | None, list[str]]:
    """(name, array or None, faults so far)"""
    if isinstance(source, str | Path):
        path = Path(source)
        match readers.kind_of(path):
            case ".npy":
                return path.name, _shaped(readers.read_npy(path, spec), spec), []
            case ".npz":
                return path.name, _shaped(readers.read_npz(path, spec), spec), []
            case ".parquet":
                return path.name, *from_table(readers.read_parquet(path, spec), spec)
            case _:
                table, faults = readers.read_csv(path, spec)
                array, more = from_table(table, spec)
                return path.name, array, faults + more
    name = "predictions"
    if hasattr(source, "columns") or hasattr(source, "column_names"):
        import pyarrow as pa

        table = pa.table(source)
        if sorted(table.column_names) not in [sorted(known) for known in readers.headers(spec)]:
            raise PredictionError(name, readers.column_faults(table.column_names, spec))
        return name, *from_table(table, spec)
    if hasattr(source, "detach"):  # a torch tensor, wherever it lives and whatever its precision
        source = source.detach().float().cpu().numpy()
    array = np.asarray(source)
    if faults := readers.header_faults(array.shape, array.dtype, spec):
        raise PredictionError(name, faults)
    return name, _shaped(array, spec), []


def _shaped(array: Array, spec: Spec) -> Array:
    """One column may come as (n, 1); labels become int32 where they are whole numbers."""
    array = array.reshape(len(spec.ids)) if array.shape == (len(spec.ids), 1) else array
    is_label = spec.kind == "class" and array.ndim == 1
    if is_label and bool(np.isfinite(array).all()) and bool((array == np.rint(array)).all()):
        return np.clip(array, -1, len(spec.columns)).astype(np.int32)
    return array


def from_table(table: Any, spec: Spec) -> tuple[Array | None, list[str]]:
    """Put a pyarrow Table in the order of the Spec; (array, faults), the array with what rows could be placed."""
    import pyarrow as pa

    names = table.column_names
    if spec.cell and set(names) == set(spec.cell):
        return _from_cells(table, spec)
    known = _as_text(pa.array(spec.ids))
    place, faults = _places(table["id"], known, None)
    if "label" in names and spec.kind == "class":
        values, more = _as_labels(table["label"], spec)
        labels = np.zeros(spec.shapes[0], np.int32)
        _put(labels, place, values)
        return labels, faults + more
    array = np.zeros((len(spec.ids), len(spec.columns)))
    for number, column in enumerate(spec.columns):
        try:
            values = _as_floats(table[column])
        except (pa.ArrowException, ValueError):
            faults.append(f"column {column} holds {table[column].type}; numbers are wanted.")
            return None, faults
        _put(array[:, number], place, values)
    return array.reshape(spec.shape), faults


def _from_cells(table: Any, spec: Spec) -> tuple[Array | None, list[str]]:
    """A table with one line a cell, its ids written `<row id>_<column>`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pa.array(np.repeat(spec.ids.astype(str), len(spec.columns)))
    columns = pa.array(np.tile(np.asarray(spec.columns), len(spec.ids)))
    required = None if spec.required is None else spec.required.ravel()
    place, faults = _places(table[spec.cell[0]], pc.binary_join_element_wise(rows, columns, "_"), required)  # type: ignore[index]
    array = np.full(len(rows), np.nan)
    if required is None:  # cells that are not given are named once, as missing ids
        array[:] = 0
    else:
        array[required] = 0
    _put(array, place, _as_floats(table[spec.cell[1]]))  # type: ignore[index]
    return array.reshape(spec.shape), faults


def _as_text(column: Any) -> Any:
    import pyarrow as pa

    return column.cast(pa.string())


def _as_floats(column: Any) -> Array:
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # only after a fault has been found already: keep what can be read, so that the other faults are found too
        return np.array([_float_or_zero(cell) for cell in column.to_pylist()])
    return column.cast(pa.float64()).to_numpy()


def _float_or_zero(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan if cell in readers._NULLS else 0.0


def _as_labels(column: Any, spec: Spec) -> tuple[Array, list[str]]:
    """Class indices of a label column that holds class names, or numbers that spell them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = _as_text(column)
    if pa.types.is_floating(column.type) or bool(pc.any(pc.ends_with(text, ".0")).as_py()):
        text = pc.replace_substring_regex(text, r"\.0+$", "")
    index = pc.index_in(text, value_set=pa.array(spec.columns))
    unknown = pc.is_null(index).combine_chunks() if index.num_chunks != 1 else pc.is_null(index.chunk(0))
    faults = []
    if n := pc.sum(unknown).as_py():
        sample = [repr(cell)[:40] for cell in pc.unique(column.filter(unknown)).slice(0, FIRST).to_pylist()]
        wanted = f"{spec.columns[0]}..{spec.columns[-1]}"
        faults.append(f"{n:,} labels are none of {wanted}: {', '.join(sample)}.")
    return pc.fill_null(index, 0).to_numpy(), faults


def _places(ids: Any, known: Any, required: Array | None) -> tuple[Array | None, list[str]]:
    """Where each line belongs: (n_lines,) places with -1 for unknown ids, or None where the order is right already."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = _as_text(ids)
    ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    if ids.equals(known):
        return None, []
    place = pc.fill_null(pc.index_in(ids, value_set=known), -1).to_numpy(zero_copy_only=False)
    times = np.bincount(place[place >= 0], minlength=len(known))
    faults = []
    missing = np.flatnonzero((times == 0) if required is None else (times == 0) & required)
    for what, rows, source in (
        ("ids are missing", missing, known),
        ("ids are given more than once", np.flatnonzero(times > 1), known),
        ("ids are unknown", np.flatnonzero(place < 0), ids),
    ):
        if len(rows):
            some = [str(source[int(row)].as_py())[:60] for row in rows[:FIRST]]
            faults.append(f"{len(rows):,} {what}: {_listed(some, len(rows))}.")
    return place, faults


def _put(array: Array, place: Array | None, values: Array) -> None:
    if place is None:
        array[:] = values
    else:
        array[place[place >= 0]] = values[place >= 0]


def _listed(some: list[str], total: int) -> str:
    shown = ", ".join(repr(word)[1:-1] for word in some)
    return f"{shown}, ..." if total > len(some) else shown


def value_faults(array: Array, spec: Spec) -> list[str]:
    """What is wrong with the values of predictions that have the right shape, with counts and the first few places."""
    is_label = spec.kind == "class" and array.ndim == 1
    checks = {"not_finite": "cells are not finite (NaN or infinite) but must be"}
    if is_label:
        checks["outside"] = f"labels are not whole numbers from 0 to {len(spec.columns) - 1}"
    elif spec.kind in ("class", "probability"):
        checks["outside"] = "probabilities lie outside 0..1"
    if spec.kind == "class" and not is_label:
        checks["sums"] = "rows of probabilities do not add up to 1"
    found: dict[str, int] = dict.fromkeys(checks, 0)
    places: dict[str, list[str]] = {check: [] for check in checks}
    for rows in chunks(array):
        for check, bad in _bad_cells(canonical(array[rows]), spec, rows, is_label).items():
            found[check] += int(bad.sum())
            for where in np.argwhere(bad)[: FIRST - len(places[check])]:
                places[check].append(_place(where, rows.start, spec))
    return [
        f"{found[check]:,} {words}: {_listed(places[check], found[check])}."
        for check, words in checks.items()
        if found[check]
    ]


def _bad_cells(chunk: Array, spec: Spec, rows: slice, is_label: bool) -> dict[str, Array]:
    bad = {"not_finite": ~np.isfinite(chunk)}
    if spec.required is not None:
        bad["not_finite"] &= spec.required[rows]
    if is_label:
        bad["outside"] = np.isfinite(chunk) & ((chunk < 0) | (chunk >= len(spec.columns)) | (chunk != np.rint(chunk)))
    elif spec.kind in ("class", "probability"):
        bad["outside"] = np.isfinite(chunk) & ((chunk < 0) | (chunk > 1))
    if spec.kind == "class" and not is_label:
        total = chunk.sum(axis=1, dtype=np.float64)
        whole = ~(bad["not_finite"] | bad["outside"]).any(axis=1)
        bad["sums"] = whole & (np.abs(total - 1) > _SUM_TOLERANCE)
    return bad


def _place(where: Array, start: int, spec: Spec) -> str:
    row = spec.ids[start + int(where[0])]
    return f"id {row}" if len(where) == 1 else f"id {row} column {spec.columns[int(where[1])]}"
