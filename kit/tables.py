"""A table of predictions, its lines in any order, as an array in the order of the Spec; its faults are told."""

import re
from contextlib import suppress
from typing import Any

import numpy as np

from kit import arrow, ids, matching, readers
from kit.errors import FIRST, counted, short, shown
from kit.task import Array, Spec

_LOOKED_AT = 1000  # unknown ids that are compared with those of the task
_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[iI]nf(inity)?|INF)$"


def in_order(table: Any, spec: Spec) -> tuple[Array, Array | None, list[str]]:
    """The cells of a pyarrow Table in the order of the Spec, those that are missing or no numbers as NaN.

    Returns float32 predictions, the cells whose fault has been told already (None: none has) and the faults.
    """
    import pyarrow as pa

    rows, needed = matching.as_bytes(spec.ids), None
    id_column, columns, shape, read_cells = "id", list(spec.columns), spec.shape, numbers
    if spec.cell and set(table.column_names) == set(spec.cell):  # one line a cell, its id `<row id>_<column>`
        cells = matching.as_bytes(np.array(columns))
        rows = np.strings.add(np.strings.add(rows, b"_")[:, None], cells).ravel()
        needed = None if spec.required is None else spec.required.ravel()
        id_column, columns = spec.cell[0], [spec.cell[1]]
    elif spec.kind == "class" and set(table.column_names) == {"id", "label"}:
        columns, shape, read_cells = ["label"], (len(rows),), labels
    try:
        given = ids.text(table[id_column])
    except pa.ArrowException:
        fault = f"column {id_column} holds {shown(table[id_column].type)}; text or whole numbers are wanted."
        return np.full(shape, np.nan), np.ones(shape, bool), [fault]
    line, faults = lines(given, rows, needed)
    array, told = np.empty((len(given), len(columns)), np.float32), np.zeros((len(given), len(columns)), bool)
    for number, column in enumerate(columns):
        values, unreadable, more = read_cells(arrow.plain(table[column]).combine_chunks(), given, column, spec)
        with np.errstate(over="ignore"):
            array[:, number] = values
        told[:, number] = unreadable
        faults += more
    array = in_rows(array, line, np.nan).reshape(shape)
    return array, in_rows(told, line, True).reshape(shape) if faults else None, faults


def lines(given: Any, known: Array, needed: Array | None = None) -> tuple[Array, list[str]]:
    """(n_rows,) which line holds each row, -1 where none does; and what is wrong with the lines' ids."""
    place = ids.places(given, known)
    found = np.flatnonzero(place >= 0)
    rows_of = place[found]
    times = np.bincount(rows_of, minlength=len(known))
    absent = (times == 0) if needed is None else (times == 0) & needed
    unknown = np.flatnonzero(place < 0)
    faults = []
    for one, many, rows, source in (
        ("id is missing", "ids are missing", np.flatnonzero(absent), known),
        ("id is given more than once", "ids are given more than once", np.flatnonzero(times > 1), known),
        ("line has an unknown id", "lines have an unknown id", unknown, given),
    ):
        if len(rows):
            faults.append(counted(len(rows), one, many, [shown(source[int(row)]) for row in rows[:FIRST]]))
    if len(unknown):
        words = [given[int(row)].as_py() for row in unknown[:_LOOKED_AT]]
        at_the_end = len(given) - int(unknown[0]) == len(unknown) < 4
        faults[-1] += ids.hint(words, known, at_the_end)
    line = np.full(len(known), -1)
    line[rows_of] = found
    return line, faults


def in_rows(lines_of: Array, line: Array, missing: float) -> Array:
    """Lines put in the order of the rows, `missing` where a row has none."""
    if np.array_equal(line, np.arange(len(lines_of))):
        return lines_of
    shape = (len(line), *lines_of.shape[1:])
    rows = lines_of.take(line, axis=0) if len(lines_of) else np.empty(shape, lines_of.dtype)
    rows[line < 0] = missing
    return rows


def numbers(cells: Any, given: Any, column: str, spec: Spec) -> tuple[Array, Array, list[str]]:
    """A column's values as float64, which of its cells cannot be read, and the fault that says so."""
    import pyarrow as pa

    values = np.full(len(cells), np.nan)
    with suppress(pa.ArrowException):
        if not pa.types.is_temporal(cells.type):
            return arrow.values(arrow.cast(cells, pa.float64(), safe=False), np.nan), np.zeros(len(cells), bool), []
    import pyarrow.compute as pc

    try:
        if pa.types.is_duration(cells.type):  # its text would be a number
            raise pa.ArrowInvalid
        text = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    except pa.ArrowException:
        fault = f"column {shown(column, 40)} holds {shown(cells.type)}; numbers are wanted."
        return values, np.ones(len(cells), bool), [fault]
    matched = pc.match_substring_regex(text, _NUMBER)
    number = arrow.true(matched)
    values[number] = arrow.values(text.filter(matched).cast(pa.float64()), np.nan)
    one, many = (
        f"cell of column {shown(column, 40)} is no number",
        f"cells of column {shown(column, 40)} are no numbers",
    )
    bad, faults = _unreadable(~number & ~_empty(text), text, given, one, many)
    return values, bad, [fault + _meant(text[int(np.argmax(bad))].as_py()) for fault in faults]


def _meant(word: str) -> str:
    """A sentence on a word that is a number to people, or ""."""
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", word):
        return f" Write it without a comma: {shown(word.replace(',', ''))} or {shown(word.replace(',', '.'))}."
    if re.fullmatch(r"[+-]?\d*,\d+", word):
        return f" Write {shown(word.replace(',', '.'), 40)}, not {shown(word, 40)} (a decimal comma)."
    if re.fullmatch(r"[+-]?[\d.]+ ?%", word):
        return " Write 0.05 for 5%."
    return " Leave the thousands separators out." if re.fullmatch(r"[+-]?\d{1,3}([,' ]\d{3})+(\.\d+)?", word) else ""


def labels(cells: Any, given: Any, column: str, spec: Spec) -> tuple[Array, Array, list[str]]:
    """Class indices of a column of class names, or of plain indices where no class has a number for a name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = cells.cast(pa.int8()) if pa.types.is_boolean(cells.type) else cells
    try:
        text = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    except pa.ArrowException:
        fault = f"column {column} holds {shown(cells.type)}; class names are wanted."
        return np.full(len(cells), np.nan), np.ones(len(cells), bool), [fault]
    names = list(spec.columns)
    index = pc.index_in(text, value_set=arrow.strings(names))
    if index.null_count:
        numbers = names if any(name.isdigit() for name in names) else [str(number) for number in range(len(names))]
        whole = pc.replace_substring_regex(text, r"^(\d+)\.0*$", r"\1")
        index = pc.coalesce(index, pc.index_in(whole, value_set=arrow.strings(numbers)))
    values = arrow.values(index.cast(pa.float64()), np.nan)
    wanted = short(names)
    one, many = f"label is none of {wanted}", f"labels are none of {wanted}"
    return values, *_unreadable(np.isnan(values) & ~_empty(text), text, given, one, many)


def _unreadable(cells: Array, text: Any, given: Any, one: str, many: str) -> tuple[Array, list[str]]:
    rows = np.flatnonzero(cells)
    places = [f"{str(text[int(row)])[:40]!r} (id {shown(given[int(row)])})" for row in rows[:FIRST]]
    return cells, [counted(len(rows), one, many, places)] if len(rows) else []


def _empty(text: Any) -> Array:
    import pyarrow.compute as pc

    return arrow.nulls(text) | arrow.true(pc.is_in(text, value_set=arrow.strings(readers.NULLS)))
