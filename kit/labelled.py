"""What carries labels: Series, DataFrames, dicts, records, arrays of xarray. Labels are ids, and are matched.

Position counts only where an index numbers the rows 0, 1, 2, ... while the ids of the task are others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from kit import dialects, ids, matching, readers, tables
from kit.errors import first_line, short, shown
from kit.task import Array, Spec
from kit.values import WANTED, Read, array_of, by_position, cells_of, has, read_column, refused


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
        return ids.text(pa.chunked_array([cells_of(labels)]))
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
    line, faults = tables.lines(given, known)
    array, told = array_of(values), None
    if array.dtype.kind in "OUST" and array.ndim == 1:
        array, told, more = read_column(cells_of(values), given, spec)
        faults += more
    elif wrong := readers.header_faults((len(known), *array.shape[1:]), array.dtype, spec):
        raise refused(*faults, *wrong)
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    told = np.zeros(array.shape, bool) if told is None else told
    return tables.in_rows(array, line, np.nan), tables.in_rows(told, line, True) if faults else None, faults


def _no_ids(given: Any, known: Array, what: str) -> str:
    some = short(list(map(str, given.slice(0, 3).to_pylist())))
    near = ids.hint(given.slice(0, 1000).to_pylist(), known)
    return f"its {what} holds no ids: it begins with {some}; ids are such as {shown(known[0])}.{near}"


def of_series(source: Any, labels: Any, spec: Spec) -> Read:
    given = _labels(labels, spec)
    return by_position(source, spec) if given is None else _by_id(source, given, spec, "index")


def of_labelled_array(source: Any, spec: Spec) -> Read:
    """An array of xarray: a coordinate of its rows holds the ids, one of its columns their names."""
    values = np.asarray(source.values)
    rows, *columns = (_coordinate(source, dim) for dim in source.dims)
    if columns and columns[0] is not None and not np.array_equal(columns[0], np.arange(len(columns[0]))):
        names = list(map(str, np.asarray(columns[0]).tolist()))
        if sorted(names) != sorted(spec.columns):
            raise refused(*(dialects.column_faults(["id", *names], spec) or ["its columns are those of a table."]))
        values = values[:, [names.index(column) for column in spec.columns]]
    return by_position(values, spec) if rows is None else of_series(values, rows, spec)


def _coordinate(source: Any, dim: Any) -> Any:
    """The labels along a dimension: those named id, else its index; None where it has none."""
    if "id" in source.coords and source.coords["id"].dims == (dim,):
        return source.coords["id"].values
    return source.indexes.get(dim)


# Tables


def of_mapping(source: Mapping[Any, Any], spec: Spec) -> Read:
    """{column: values}, or {id: value}."""
    if not source:
        raise refused(f"this is an empty {type(source).__name__}; {WANTED}")
    names = list(map(str, source))
    whole = [int(key) if isinstance(key, float) and key.is_integer() else key for key in source]
    given = _text([str(key) for key in whole])
    is_table = {"id", *(spec.cell or ())} & set(names) or not (
        ids.places(given, matching.as_bytes(spec.ids)) >= 0
    ).any()
    if not is_table:
        return _by_id(list(source.values()), given, spec, "keys")
    return of_columns(dict(zip(names, source.values(), strict=True)), spec)


def is_records(source: Any) -> bool:
    first = source[0] if isinstance(source, list | tuple) and source else None
    return isinstance(first, Mapping) or hasattr(first, "_fields") or is_dataclass(first) or has_index(first)


def of_records(source: Sequence[Any], spec: Spec) -> Read:
    """Rows that name their cells: dicts, named tuples, dataclasses, Series."""
    try:
        rows = [_as_dict(row) for row in source]
    except (TypeError, ValueError) as error:
        raise refused(f"its rows are of several kinds; {WANTED}") from error
    names = dict.fromkeys(name for row in rows for name in row)
    return of_columns({str(name): [row.get(name) for row in rows] for name in names}, spec)


def _as_dict(row: Any) -> dict[Any, Any]:
    if hasattr(row, "_asdict"):
        return dict(row._asdict())
    return {one.name: getattr(row, one.name) for one in fields(row)} if is_dataclass(row) else dict(row)


def of_columns(columns: Mapping[str, Any], spec: Spec) -> Read:
    """Columns by their names."""
    import pyarrow as pa

    if faults := dialects.column_faults(list(columns), spec):
        raise refused(*faults)
    try:
        cells = {name: cells_of(values) for name, values in columns.items()}
    except (TypeError, ValueError) as error:
        raise refused(f"this table cannot be read: {first_line(error)}.") from error
    if len(set(map(len, cells.values()))) > 1:
        raise refused(
            f"its columns differ in length: {short([f'{name} {len(one):,}' for name, one in cells.items()])}."
        )
    return of_table(pa.table(cells), spec)


def has_index(source: Any) -> bool:
    """Whether this is of pandas, or like it: rows with labels."""
    return has(source, "index", "to_numpy") and not callable(source.index)


def of_frame(frame: Any, spec: Spec) -> Read:
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
    return of_columns(dict(zip(names, columns, strict=True)), spec)


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
    return None, f" And {_no_ids(given, known, 'index')}"


def is_table(source: Any) -> bool:
    return any(has(source, name) for name in ("columns", "column_names", "schema", "__dataframe__"))


def of_table(source: Any, spec: Spec) -> Read:
    """A table of Arrow, or of any library that speaks Arrow, without the row numbers that pandas keeps in it."""
    import pyarrow as pa

    try:
        if has(source, "__dataframe__") and not has(source, "__arrow_c_stream__"):
            from pyarrow.interchange import from_dataframe

            source = from_dataframe(source)
        table = pa.table(source)
    except Exception as error:  # whatever the other library's code raises
        faults = dialects.column_faults([str(column) for column in getattr(source, "columns", ())], spec)
        to_pandas = " Give what its toPandas() returns." if has(source, "toPandas") else ""
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
