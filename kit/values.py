"""What has no labels: arrays, nested lists and single columns, whose order is that of the test rows."""

from typing import Any

import numpy as np

from kit import arrow, matching, readers, tables
from kit.errors import PredictionError, shown
from kit.task import Array, Spec

NAME = "predictions"  # of what has no file's name
Read = tuple[Array, Array | None, list[str]]  # predictions, cells whose fault has been told (None: none), faults
WANTED = "an array, a tensor, a list, a DataFrame or the path of a file is wanted."


def refused(*faults: str) -> PredictionError:
    return PredictionError(NAME, faults)


def has(source: Any, *names: str) -> bool:
    """Whether an object's class has all these attributes; the object itself may offer its columns as attributes."""
    return all(hasattr(type(source), name) for name in names)


def by_position(source: Any, spec: Spec) -> Read:
    """What has no labels: its order is that of the test rows."""
    array = array_of(source)
    if array.dtype.kind in "OUST" and array.ndim == 1 and _is_column(source):
        if faults := readers.header_faults(array.shape, np.dtype(np.float64), spec):
            raise refused(*faults)
        return read_column(cells_of(source), ids_of(spec), spec)
    if array.ndim == 0 and array.dtype.kind == "O":
        raise refused(f"this is no array of numbers but of type {shown(type(source).__name__)}; {WANTED}")
    if array.dtype.kind in "US" and array.ndim == 2 and array.shape[1] == 2:
        raise refused("these are pairs with text in them; pairs of an id and a value are given as dict(pairs).")
    if faults := readers.header_faults(array.shape, array.dtype, spec):
        if array.dtype.kind in "US":
            faults[0] += " Class names go into a table: id,label." if spec.kind == "class" else ""
        raise refused(*faults)
    return array, None, []


def array_of(source: Any) -> Array:
    """Values as numpy has them: missing ones as NaN, the small floats of ml_dtypes as float32."""
    try:
        if isinstance(source, np.ma.MaskedArray):
            return filled(source)
        if has(source, "__dlpack__") and not has(source, "__array__"):
            array = np.from_dlpack(source)
        elif has(source, "to_pylist"):
            array = _of_arrow(source)
        else:
            array = np.asarray(source)
        if array.dtype.kind == "V" and array.dtype.names is None and array.dtype.type is not np.void:
            return array.astype(np.float32)
        array = np.array(array.tolist(), str) if array.dtype.kind == "T" else array
        return _plain_numbers(array) if array.dtype.kind == "O" and array.ndim else array
    except Exception as error:  # whatever the object's own code raises
        raise refused(f"this is no array of numbers: {shown(' '.join(str(error).split()), 200)}.") from error


def _plain_numbers(array: Array) -> Array:
    """An array of Python objects as float64 where each of them is a number or missing, and one is a number."""
    from numbers import Number

    kinds = set(map(type, array.ravel().tolist()))
    if kinds <= {str}:
        return array.astype(str)
    missing = {kind for kind in kinds if kind is type(None) or kind.__name__ in ("NAType", "NaTType")}
    if not all(issubclass(kind, Number | np.number | np.bool) for kind in kinds - missing) or kinds == missing:
        return array
    if any(issubclass(kind, complex | np.complexfloating) for kind in kinds):
        return array.astype(complex) if not missing else array
    flat = [np.nan if type(cell) in missing else float(cell) for cell in array.ravel().tolist()]
    return np.array(flat).reshape(array.shape)


def filled(array: Array) -> Array:
    """A masked array with NaN where it is masked."""
    if not isinstance(array, np.ma.MaskedArray) or array.dtype.kind not in "biuf":
        return np.asarray(array)
    wide = array if array.dtype.kind == "f" else array.astype(np.float64)
    return np.ma.filled(wide, np.nan)


def _of_arrow(source: Any) -> Array:
    """A single column of Arrow: numbers with NaN where there are none; anything else as objects."""
    import pyarrow as pa

    cells = cells_of(source)
    if pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_boolean(cells.type):
        if not cells.null_count and not pa.types.is_boolean(cells.type):
            return arrow.values(cells, 0)
        return arrow.values(cells.cast(pa.float64(), safe=False), np.nan)
    return np.array(cells.to_pylist(), object)


def _is_column(source: Any) -> bool:
    """Whether this is one column of a table, whose type may be text."""
    return any(has(source, name) for name in ("__arrow_c_stream__", "__arrow_c_array__", "__arrow_array__", "iloc"))


def cells_of(column: Any) -> Any:
    """A column of any library as one pyarrow Array; of mixed types as text, so that the faulty cells can be named."""
    import pyarrow as pa

    if not isinstance(column, pa.Array | pa.ChunkedArray):
        try:
            streams = has(column, "__arrow_c_stream__") and not has(column, "iloc")
            column = pa.chunked_array(column) if streams else pa.array(column, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            array = np.asarray(column)
            if array.ndim != 1:
                raise TypeError(
                    f"one value a row is wanted in each column, not an array of shape {array.shape}"
                ) from None
            if array.dtype.kind in "fiu":  # of an order of bytes or a length that Arrow lacks
                column = arrow.numbers(array.astype(np.float64))
            else:
                column = pa.array(list(map(str, array.tolist())), pa.string())
    column = arrow.plain(column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column]))
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def read_column(cells: Any, given: Any, spec: Spec) -> Read:
    """One cell for each row: class names of kind "class", else numbers or text that is one."""
    if faults := readers.header_faults((len(spec.ids),), np.dtype(np.float64), spec):
        raise refused(*faults)
    cell_reader, column = (tables.labels, "label") if spec.kind == "class" else (tables.numbers, spec.columns[0])
    values, told, faults = cell_reader(cells, given, column, spec)
    return np.asarray(values), told if faults else None, faults


def ids_of(spec: Spec) -> Any:
    """The ids of the Spec as pyarrow text."""
    import pyarrow as pa

    return pa.chunked_array([arrow.strings([row.decode() for row in matching.as_bytes(spec.ids).tolist()])])
