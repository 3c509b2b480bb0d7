"""What a notebook hands over: arrays, tensors, tables, and whatever carries labels, which are matched as ids.

Position counts only where nothing says which row is which: for an array, a list, a column of polars or Arrow, and a
Series whose index is 0, 1, 2, ... while the ids of the task are others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from kit import arrow, dialects, ids, matching, readers, tables
from kit.errors import PredictionError, first_line, short, shown
from kit.task import Array, Spec

NAME = "predictions"  # of what has no file's name
Read = tuple[Array, Array | None, list[str]]  # predictions, cells whose fault has been told (None: none), faults
_WANTED = "an array, a tensor, a list, a DataFrame or the path of a file is wanted."


def refused(*faults: str) -> PredictionError:
    return PredictionError(NAME, faults)


def read(source: Any, spec: Spec) -> Read:
    """Predictions in the order of the Spec, before their values are checked; PredictionError for what holds none."""
    source = _unwrapped(source)
    if isinstance(source, Mapping):
        return _of_mapping(source, spec)
    if _is_records(source):
        return _of_records(source, spec)
    if isinstance(source, np.ndarray) and source.dtype.names:
        return _of_columns({name: _filled(source[name]) for name in source.dtype.names}, spec)
    if hasattr(source, "dims") and hasattr(source, "coords"):
        return _of_labelled_array(source, spec)
    if _has_index(source):
        return _of_frame(source, spec) if hasattr(source, "columns") else _of_series(source, source.index, spec)
    if not _is_table(source) and hasattr(source, "__arrow_c_stream__"):
        source = _streamed(source)
    return _of_table(source, spec) if _is_table(source) else _values(source, spec)


# What only wraps, or holds nothing


def _unwrapped(source: Any) -> Any:
    """The array or table inside; words for what cannot be predictions."""
    kind = type(source).__name__
    if source is None:
        raise refused(f"this is None (does a function lack its return?); {_WANTED}")
    if isinstance(source, bytes | bytearray):
        raise refused("these are bytes of a file; give its path, or what np.load(io.BytesIO(data)) returns.")
    if hasattr(source, "read") and not hasattr(source, "dtype"):
        name = getattr(source, "name", None)
        path = f" its path, {shown(name)}, or" if isinstance(name, str) else ""
        raise refused(f"this is an open file ({kind}); give{path} what it holds: np.load(file), pd.read_csv(file).")
    if hasattr(source, "__next__"):
        raise refused(f"this is a {kind}, which yields its values once; give list(...) of it.")
    if isinstance(source, set | frozenset):
        raise refused(f"this is a {kind}, which has no order; {_WANTED}")
    if hasattr(source, "collect") and hasattr(source, "lazy"):
        raise refused(f"this is a {kind}, which is not computed yet; give what its collect() returns.")
    if callable(getattr(source, "compute", None)) and hasattr(source, "dask"):
        raise refused(f"this is a {kind} of dask, which is not computed yet; give what its compute() returns.")
    if hasattr(source, "toarray") and hasattr(source, "nnz"):
        raise refused(f"this is a sparse matrix ({kind}); give what its toarray() returns.")
    if isinstance(source, type) or (callable(source) and not hasattr(source, "__array__")):
        raise refused(f"this is no array of numbers but {shown(source)}, which is to be called; {_WANTED}")
    if hasattr(source, "files") and isinstance(source, Mapping):  # what np.load gives for a .npz
        if len(source) != 1:
            raise refused(f"it holds {len(source)} arrays; one is wanted: np.load(path)['name'].")
        return next(iter(source.values()))
    if hasattr(source, "data_vars") and hasattr(source, "to_dataframe"):
        return source.to_dataframe()
    return _of_tensor(source) if hasattr(source, "detach") else source


def _of_tensor(tensor: Any) -> Any:
    """A torch tensor as numpy can take it, wherever it lies and whatever its precision."""
    if getattr(tensor, "is_meta", False):
        raise refused("this tensor is on the device meta, where it has a shape and no values.")
    if str(getattr(tensor, "layout", "torch.strided")) != "torch.strided" or getattr(tensor, "is_nested", False):
        raise refused(f"this is no array of numbers: the tensor's layout is {tensor.layout}; give its to_dense().")
    try:
        tensor = tensor.detach().cpu()
        tensor = tensor.dequantize() if getattr(tensor, "is_quantized", False) else tensor
        tensor = tensor.resolve_conj().resolve_neg() if hasattr(tensor, "resolve_neg") else tensor
        return tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise refused(f"this tensor cannot be read: {first_line(error)}.") from error


# Arrays and single columns, by position


def _values(source: Any, spec: Spec) -> Read:
    """What has no labels: its order is that of the test rows."""
    array = _array(source)
    if array.dtype.kind in "OUST" and array.ndim == 1 and _is_column(source):
        if faults := readers.header_faults(array.shape, np.dtype(np.float64), spec):
            raise refused(*faults)
        return _read_column(_cells(source), ids_of(spec), spec)
    if array.ndim == 0 and array.dtype.kind == "O":
        raise refused(f"this is no array of numbers but of type {shown(type(source).__name__)}; {_WANTED}")
    if faults := readers.header_faults(array.shape, array.dtype, spec):
        if array.dtype.kind in "UST":
            faults[0] += " Class names go into a table: id,label." if spec.kind == "class" else ""
        raise refused(*faults)
    return array, None, []


def _array(source: Any) -> Array:
    """Values as numpy has them: missing ones as NaN, the small floats of ml_dtypes as float32."""
    try:
        if isinstance(source, np.ma.MaskedArray):
            return _filled(source)
        if not hasattr(source, "__array__") and hasattr(source, "__dlpack__"):
            array = np.from_dlpack(source)
        elif hasattr(source, "to_pylist"):
            array = _of_arrow(source)
        else:
            array = np.asarray(source)
        if array.dtype.kind == "V" and array.dtype.names is None and array.dtype.type is not np.void:
            return array.astype(np.float32)
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


def _filled(array: Array) -> Array:
    """A masked array with NaN where it is masked."""
    if not isinstance(array, np.ma.MaskedArray) or array.dtype.kind not in "biuf":
        return np.asarray(array)
    wide = array if array.dtype.kind == "f" else array.astype(np.float64)
    return np.ma.filled(wide, np.nan)


def _of_arrow(source: Any) -> Array:
    """A single column of Arrow: numbers with NaN where there are none; anything else as objects."""
    import pyarrow as pa

    cells = _cells(source)
    if pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_boolean(cells.type):
        if not cells.null_count and not pa.types.is_boolean(cells.type):
            return arrow.values(cells, 0)
        return arrow.values(cells.cast(pa.float64(), safe=False), np.nan)
    return np.array(cells.to_pylist(), object)


def _streamed(source: Any) -> Any:
    """What an Arrow stream holds: a table, or a single column."""
    import pyarrow as pa

    try:
        column = pa.chunked_array(source)
    except Exception as error:  # whatever the other library's code raises
        raise refused(f"this table cannot be read: {first_line(error)}.") from error
    return pa.Table.from_struct_array(column) if pa.types.is_struct(column.type) else arrow.plain(column)


def _is_column(source: Any) -> bool:
    """Whether this is one column of a table, whose type may be text."""
    return any(hasattr(source, name) for name in ("__arrow_c_stream__", "__arrow_c_array__", "__arrow_array__", "iloc"))


def _cells(column: Any) -> Any:
    """A column of any library as one pyarrow Array; of mixed types as text, so that the faulty cells can be named."""
    import pyarrow as pa

    if not isinstance(column, pa.Array | pa.ChunkedArray):
        try:
            streams = hasattr(column, "__arrow_c_stream__") and not hasattr(column, "iloc")
            column = pa.chunked_array(column) if streams else pa.array(column, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            array = np.asarray(column)
            if array.dtype.kind in "fiu":  # of an order of bytes or a length that Arrow lacks
                column = arrow.numbers(array.astype(np.float64))
            else:
                column = pa.array(list(map(str, array.tolist())), pa.string())
    column = arrow.plain(column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column]))
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def _read_column(cells: Any, given: Any, spec: Spec) -> Read:
    """One cell for each row: class names of kind "class", else numbers or text that is one."""
    if faults := readers.header_faults((len(spec.ids),), np.dtype(np.float64), spec):
        raise refused(*faults)
    cell_reader, column = (tables.labels, "label") if spec.kind == "class" else (tables.numbers, spec.columns[0])
    values, told, faults = cell_reader(cells, given, column, spec)
    return np.asarray(values), told if faults else None, faults


# Labels


def ids_of(spec: Spec) -> Any:
    """The ids of the Spec as pyarrow text."""
    import pyarrow as pa

    return pa.chunked_array([arrow.strings([row.decode() for row in matching.as_bytes(spec.ids).tolist()])])


def _labels(labels: Any, spec: Spec) -> Any:
    """Labels of rows as pyarrow text; None where they only number the rows from 0 and no id of the task is such."""
    array = np.asarray(labels)
    if getattr(labels, "nlevels", 1) > 1 or array.ndim != 1:
        raise refused(f"its index has {getattr(labels, 'nlevels', 'several')} levels; one with the ids is wanted.")
    counting = array.dtype.kind in "iu" and np.array_equal(array, np.arange(len(array)))
    return None if counting and not _numbers_rows(spec) else _text(labels)


def _text(labels: Any) -> Any:
    import pyarrow as pa

    try:
        return ids.text(pa.chunked_array([_cells(labels)]))
    except pa.ArrowException:
        return pa.chunked_array([pa.array(list(map(str, labels)), pa.string())])


def _numbers_rows(spec: Spec) -> bool:
    """Whether the ids are the whole numbers from 0 to n - 1, in any order."""
    written = matching.as_bytes(spec.ids)
    return np.array_equal(np.sort(written), np.sort(matching.as_bytes(np.arange(len(written)))))


def _by_id(values: Any, given: Any, spec: Spec, what: str) -> Read:
    """One value, or one row of values, for each id given as pyarrow text. what: where the ids stand."""
    known = matching.as_bytes(spec.ids)
    if len(given) and not (ids.places(given, known) >= 0).any():
        raise refused(
            _no_ids(given, known, what) + " If the values are in the order of the test rows, give them alone."
        )
    line, faults = tables.lines(given, known, None)
    array, told = _array(values), None
    if array.dtype.kind in "OUST" and array.ndim == 1:
        array, told, more = _read_column(_cells(values), given, spec)
        faults += more
    elif wrong := readers.header_faults((len(known), *array.shape[1:]), array.dtype, spec):
        raise refused(*faults, *wrong)
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    return tables.in_rows(array, line, np.nan), None if told is None else tables.in_rows(told, line, True), faults


def _no_ids(given: Any, known: Array, what: str) -> str:
    some = given.slice(0, 3).to_pylist()
    near = ids.hint(given.slice(0, 1000).to_pylist(), known)
    return f"its {what} holds no ids: it begins with {short(list(map(str, some)))}; ids are such as {shown(known[0])}.{near}"


def _of_series(source: Any, labels: Any, spec: Spec) -> Read:
    given = _labels(labels, spec)
    return _values(source, spec) if given is None else _by_id(source, given, spec, "index")


def _of_labelled_array(source: Any, spec: Spec) -> Read:
    """An array of xarray: a coordinate of its rows holds the ids, one of its columns their names."""
    values = np.asarray(source.values)
    rows, *columns = (_coordinate(source, dim) for dim in source.dims)
    if columns and columns[0] is not None and not np.array_equal(columns[0], np.arange(len(columns[0]))):
        names = list(map(str, np.asarray(columns[0]).tolist()))
        if sorted(names) != sorted(spec.columns):
            raise refused(*(dialects.column_faults(["id", *names], spec) or ["its columns are those of a table."]))
        values = values[:, [names.index(column) for column in spec.columns]]
    return _values(values, spec) if rows is None else _of_series(values, rows, spec)


def _coordinate(source: Any, dim: Any) -> Any:
    """The labels along a dimension: those named id, else its index; None where it has none."""
    if "id" in source.coords and source.coords["id"].dims == (dim,):
        return source.coords["id"].values
    return source.indexes.get(dim)


# Tables


def _of_mapping(source: Mapping[Any, Any], spec: Spec) -> Read:
    """{column: values}, or {id: value}."""
    if not source:
        raise refused(f"this is an empty {type(source).__name__}; {_WANTED}")
    names = list(map(str, source))
    whole = [int(key) if isinstance(key, float) and key.is_integer() else key for key in source]
    given = _text([str(key) for key in whole])
    is_table = {"id", *(spec.cell or ())} & set(names) or not (
        ids.places(given, matching.as_bytes(spec.ids)) >= 0
    ).any()
    if not is_table:
        return _by_id(list(source.values()), given, spec, "keys")
    return _of_columns(dict(zip(names, source.values(), strict=True)), spec)


def _is_records(source: Any) -> bool:
    first = source[0] if isinstance(source, list | tuple) and source else None
    return isinstance(first, Mapping) or hasattr(first, "_fields") or is_dataclass(first) or _has_index(first)


def _of_records(source: Sequence[Any], spec: Spec) -> Read:
    """Rows that name their cells: dicts, named tuples, dataclasses, Series."""
    try:
        rows = [_as_dict(row) for row in source]
    except (TypeError, ValueError) as error:
        raise refused(f"its rows are of several kinds; {_WANTED}") from error
    names = dict.fromkeys(name for row in rows for name in row)
    return _of_columns({str(name): [row.get(name) for row in rows] for name in names}, spec)


def _as_dict(row: Any) -> dict[Any, Any]:
    if hasattr(row, "_asdict"):
        return dict(row._asdict())
    return {one.name: getattr(row, one.name) for one in fields(row)} if is_dataclass(row) else dict(row)


def _of_columns(columns: Mapping[str, Any], spec: Spec) -> Read:
    """Columns by their names."""
    import pyarrow as pa

    if faults := dialects.column_faults(list(columns), spec):
        raise refused(*faults)
    try:
        cells = {name: _cells(values) for name, values in columns.items()}
    except (TypeError, ValueError) as error:
        raise refused(f"this table cannot be read: {first_line(error)}.") from error
    if len(set(map(len, cells.values()))) > 1:
        raise refused(
            f"its columns differ in length: {short([f'{name} {len(one):,}' for name, one in cells.items()])}."
        )
    return _of_table(pa.table(cells), spec)


def _has_index(source: Any) -> bool:
    """Whether this is of pandas, or like it: rows with labels."""
    index = getattr(source, "index", None)
    return index is not None and not callable(index) and hasattr(source, "to_numpy")


def _of_frame(frame: Any, spec: Spec) -> Read:
    """A DataFrame of pandas; where no column is named id its index may hold the ids."""
    if getattr(frame.columns, "nlevels", 1) > 1:
        raise refused(f"its columns have {frame.columns.nlevels} levels; one is wanted: frame.columns.droplevel(0).")
    names = list(map(str, frame.columns))
    columns = [frame.iloc[:, number] for number in range(len(names))]
    wanted = spec.cell[0] if spec.cell and spec.cell[1] in names and "id" not in names else "id"
    near = ""
    if wanted not in names:
        index, near = _frame_ids(frame.index, wanted, spec)
        if index is not None:
            names, columns = [wanted, *names], [index, *columns]
    elif wanted in frame.index.names and not np.array_equal(frame[wanted], frame.index.get_level_values(wanted)):
        raise refused(f"its column {wanted} and its index {wanted} differ; drop one of them.")
    if faults := dialects.column_faults(names, spec):
        raise refused(*faults[:-1], faults[-1] + near)
    return _of_columns(dict(zip(names, columns, strict=True)), spec)


def _frame_ids(index: Any, wanted: str, spec: Spec) -> tuple[Any, str]:
    """The part of an index that holds the ids, None where none does; and a sentence on why it holds none."""
    if wanted in index.names:
        return index.get_level_values(wanted), ""
    if index.nlevels > 1:
        return None, f" Its index has {index.nlevels} levels, none of them named {wanted}."
    given = _labels(index, spec)
    known = matching.as_bytes(spec.ids)
    if given is None or not len(given):
        return None, ""
    if wanted != "id" or (ids.places(given, known) >= 0).any():
        return index, ""
    return None, f" {_no_ids(given, known, 'index').capitalize()}"


def _is_table(source: Any) -> bool:
    return any(hasattr(source, name) for name in ("columns", "column_names", "schema", "__dataframe__"))


def _of_table(source: Any, spec: Spec) -> Read:
    """A table of Arrow, or of any library that speaks Arrow, without the row numbers that pandas keeps in it."""
    import pyarrow as pa

    try:
        if hasattr(source, "__dataframe__") and not hasattr(source, "__arrow_c_stream__"):
            from pyarrow.interchange import from_dataframe

            source = from_dataframe(source)
        table = pa.table(source)
    except Exception as error:  # whatever the other library's code raises
        faults = dialects.column_faults([str(column) for column in getattr(source, "columns", ())], spec)
        to_pandas = " Give what its toPandas() returns." if hasattr(source, "toPandas") else ""
        raise refused(*(faults or [f"this table cannot be read: {first_line(error)}.{to_pandas}"])) from error
    names = readers.without_index(table.column_names)
    if faults := dialects.column_faults(names, spec):
        raise refused(*faults)
    table = table.select(names)
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise refused(f"this table cannot be read: {first_line(error)}.") from error
    return tables.in_order(table, spec)
