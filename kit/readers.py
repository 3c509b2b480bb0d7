"""Open a submission file safely: what it claims is checked against the Spec before any of its data is read.

Nothing in a file is ever executed (`allow_pickle=False`), a file that claims 10^12 rows costs nothing, and a
compressed file is never unpacked beyond what a submission can need.
"""

import csv
import gzip
import io
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kit.errors import PredictionError
from kit.task import Array, Spec

FORMATS = (".npy", ".npz", ".csv", ".csv.gz", ".parquet")
_NULLS = ["", "NA", "N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "<NA>", "#N/A"]
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?([iI]nf(inity)?|INF)\s*$"


def kind_of(path: Path) -> str:
    """The format, by the file's ending; refuses what is no readable file at all."""
    if not path.exists():
        raise PredictionError(path.name, [f"there is no such file: {path}"])
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise PredictionError(path.name, ["this is a folder; give the file with the predictions."])
    if not stat.S_ISREG(mode):
        raise PredictionError(path.name, ["this is no ordinary file (a pipe or a device); give a file."])
    if path.stat().st_size == 0:
        raise PredictionError(path.name, ["the file is empty."])
    for ending in FORMATS:
        if path.name.lower().endswith(ending):
            return ending
    raise PredictionError(path.name, [f"unknown format; a submission ends in {', '.join(FORMATS)}."])


def read_npy(path: Path, spec: Spec) -> Array:
    """The array of a .npy file, memory-mapped."""
    with path.open("rb") as file:
        shape, dtype, fortran = _npy_header(file, path.name)
        _check_header(path.name, shape, dtype, spec)
        start = file.tell()
        held = path.stat().st_size - start
    wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if held != wanted:
        state = "cut short" if held < wanted else "longer than it says"
        raise PredictionError(
            path.name, [f"the file is {state}: its header promises {wanted:,} bytes, it has {held:,}."]
        )
    return np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape, order="F" if fortran else "C")


def read_npz(path: Path, spec: Spec) -> Array:
    """The one array of a .npz file; its header is read before anything is unpacked."""
    with _unpacking(path.name), zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if len(members) != 1:
            raise PredictionError(
                path.name, [f"it holds {len(members)} arrays; one is wanted: np.savez(path, predictions)."]
            )
        with archive.open(members[0]) as file:
            shape, dtype, fortran = _npy_header(file, path.name)
            _check_header(path.name, shape, dtype, spec)
            wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            data = file.read(wanted + 1)
    if len(data) != wanted:
        raise PredictionError(
            path.name, [f"the array's header promises {wanted:,} bytes; the file holds another number."]
        )
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _npy_header(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, TypeError, SyntaxError, EOFError, OverflowError, RecursionError, MemoryError) as error:
        raise PredictionError(
            name, ["this is no readable npy file; write it with np.save(path, predictions)."]
        ) from error
    return shape, dtype, fortran


def _check_header(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], spec: Spec) -> None:
    if faults := header_faults(shape, dtype, spec):
        raise PredictionError(name, faults)


def header_faults(shape: tuple[int, ...], dtype: np.dtype[Any], spec: Spec) -> list[str]:
    """What is wrong with an array's type and shape, before any of its values is looked at."""
    faults = []
    if dtype.hasobject:
        faults.append(
            "it holds Python objects (a pickle), which are never loaded; save plain numbers, such as float32."
        )
    elif dtype.kind not in "biuf":
        faults.append(f"its type is {dtype}; whole or floating-point numbers are wanted.")
    wanted = " or ".join(str(shape) for shape in spec.shapes)
    if shape not in spec.shapes and shape != (len(spec.ids), 1):
        if shape and shape[0] != len(spec.ids) and (shape[1:] in [good[1:] for good in spec.shapes]):
            faults.append(f"it has {shape[0]:,} rows; {len(spec.ids):,} are wanted, one for each test row.")
        else:
            faults.append(f"its shape is {shape}; {wanted} is wanted, one row for each test row.")
    elif shape == (len(spec.ids), 1) and (len(spec.ids),) not in spec.shapes:
        faults.append(f"its shape is {shape}; {wanted} is wanted.")
    return faults


def read_csv(path: Path, spec: Spec) -> tuple[Any, list[str]]:
    """A pyarrow Table (ids as text, values as float64, empty cells as null) of a .csv or .csv.gz, and its faults."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    text = _text(path, spec)
    header = _header(text, path.name, spec)
    named = {column: pa.float64() for column in header[1:]}
    named[header[0]] = pa.string()
    if spec.kind == "class" and header[1:] == ["label"]:
        named["label"] = pa.string()

    def read(types: dict[str, Any]) -> Any:
        options = arrow.ConvertOptions(column_types=types, null_values=_NULLS, strings_can_be_null=False)
        source = pa.BufferReader(text) if isinstance(text, bytes) else text
        parse = arrow.ParseOptions(newlines_in_values=False)
        return arrow.read_csv(source, arrow.ReadOptions(block_size=8 << 20), parse, options)

    try:
        return read(named), []
    except pa.ArrowInvalid as first:
        try:
            table = read(dict.fromkeys(header, pa.string()))
        except pa.ArrowInvalid as error:
            raise PredictionError(path.name, [_arrow_words(error)]) from error
        return _numbers(table, header, path.name, first)


def _text(path: Path, spec: Spec) -> Any:
    """The path of a plain csv, or the unpacked bytes of a compressed one; neither beyond what a submission can need."""
    longest = max((len(str(row)) for row in spec.ids[:1000].tolist()), default=0)
    columns = max(len(spec.columns), 1)
    limit = (
        1_000_000 + len(spec.ids) * columns * 64 + 2 * len(spec.ids) * (longest + 64) * (columns if spec.cell else 1)
    )
    too_long = (
        f"it is longer than any submission of {len(spec.ids):,} rows and {columns} columns can be ({limit:,} bytes)."
    )
    if not path.name.lower().endswith(".gz"):
        if path.stat().st_size > limit:
            raise PredictionError(path.name, [too_long])
        return str(path)
    with _unpacking(path.name), gzip.open(path) as file:
        text = file.read(limit + 1)
    if len(text) > limit:
        raise PredictionError(path.name, [too_long])
    return text


def _header(text: Any, name: str, spec: Spec) -> list[str]:
    """The column names, checked against those that the Spec knows."""
    file: BinaryIO = io.BytesIO(text) if isinstance(text, bytes) else open(text, "rb")  # noqa: SIM115
    with file:
        line = file.readline(200 + 40 * sum(len(column) + 4 for column in ("id", *spec.columns)))
    try:
        header = next(csv.reader([line.decode("utf-8-sig")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise PredictionError(name, ["its first line is no csv header in UTF-8."]) from error
    formats = headers(spec)
    if sorted(header) in [sorted(known) for known in formats]:
        return next(list(known) for known in formats if sorted(known) == sorted(header))
    raise PredictionError(name, column_faults(header, spec))


def headers(spec: Spec) -> list[tuple[str, ...]]:
    """The headers a table may have."""
    known: list[tuple[str, ...]] = [("id", "label")] if spec.kind == "class" else []
    known.append(("id", *spec.columns))
    if spec.cell:
        known.append(spec.cell)
    return known


def column_faults(header: list[str], spec: Spec) -> list[str]:
    """What is wrong with a table's columns, measured against the nearest header that would do."""
    formats = headers(spec)
    nearest = max(formats, key=lambda known: len(set(known) & set(header)) / len(known))
    wanted = " or ".join(_short(known) for known in formats)
    faults = []
    if missing := [column for column in nearest if column not in header]:
        faults.append(f"missing columns: {_short(missing)}. Its header should be {wanted}.")
    if extra := [column for column in header if column not in nearest]:
        hint = " (pandas: to_csv(path, index=False))" if any(not e or e.startswith("Unnamed") for e in extra) else ""
        faults.append(f"unknown columns: {_short(extra)}{hint}. Its header should be {wanted}.")
    if twice := sorted({column for column in header if header.count(column) > 1}):
        faults.append(f"columns given twice: {_short(twice)}.")
    return faults


def _short(names: Any) -> str:
    names = [repr(name)[1:-1][:40] or "(no name)" for name in names[:4]] + (
        ["...", str(names[-1])[:40]] if len(names) > 4 else []
    )
    return ",".join(names)


def _numbers(table: Any, header: list[str], name: str, first: Exception) -> tuple[Any, list[str]]:
    """Say which cells are no numbers, all of them, once the fast reading has refused the file."""
    import pyarrow as pa
    import pyarrow.compute as pc

    faults = []
    for column in header[1:]:
        cells = table[column]
        number = pc.match_substring_regex(cells, _NUMBER)
        empty = pc.is_in(cells, value_set=pa.array(_NULLS))
        bad = pc.invert(pc.or_(number, empty)).combine_chunks()
        if n := pc.sum(bad).as_py():
            place = pc.index(bad, True).as_py()
            shown = repr(str(cells[place].as_py())[:40])
            faults.append(
                f"{n:,} cells of column {column} are no numbers, first {shown} (id {table[header[0]][place]})."
            )
    return table, faults or [_arrow_words(first)]


def read_parquet(path: Path, spec: Spec) -> Any:
    """A pyarrow Table of a parquet file; its columns and row count are checked from its footer."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path, memory_map=True)
        header, rows = file.schema_arrow.names, file.metadata.num_rows
        if sorted(header) not in [sorted(known) for known in headers(spec)]:
            raise PredictionError(path.name, column_faults(header[:10_000], spec))
        if rows > (limit := 2 * len(spec.ids) * (len(spec.columns) if spec.cell else 1) + 1000):
            raise PredictionError(path.name, [f"it has {rows:,} rows, more than any submission can need ({limit:,})."])
        return file.read()
    except (pa.ArrowException, OSError) as error:
        raise PredictionError(path.name, [f"this is no readable parquet file: {_arrow_words(error)}"]) from error


def _arrow_words(error: Exception) -> str:
    return str(error).partition("\n")[0].strip()[:300]


@contextmanager
def _unpacking(name: str) -> Iterator[None]:
    import zlib

    try:
        yield
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise PredictionError(name, [f"it cannot be unpacked: {error or type(error).__name__}"]) from error
