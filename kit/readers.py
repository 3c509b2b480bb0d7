"""Open a submission file safely: what it claims is checked against the Spec before any of its data is read.

Nothing in a file is ever executed (`allow_pickle=False`), a file that claims 10^12 rows costs nothing, and a
compressed file is never unpacked beyond what a submission can need.
"""

import io
import re
import stat
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kit.dialects import column_faults
from kit.errors import PredictionError, first_line, shown
from kit.task import Array, Spec

FORMATS = (".npy", ".npz", ".csv", ".csv.gz", ".parquet")
NULLS = ["", "NA", "N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "<NA>", "#N/A"]
_HEADER_BYTES = 16_384  # of a .npy file; numpy itself refuses longer ones, but only once it has read them
_NPY_ERRORS = (ValueError, TypeError, LookupError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError)
_ZIP_ERRORS = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error, struct.error)


def refused(path: Path, *faults: str) -> PredictionError:
    return PredictionError(shown(path.name or path), faults)


def kind_of(path: Path) -> str:
    """The format, by the file's ending; refuses what is no readable file at all."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise refused(path, f"there is no such file: {shown(path, 200)}{_no_path(str(path))}") from None
    except ValueError as error:  # a NUL in the name
        raise refused(path, f"there can be no such file: {error}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise refused(path, "this is a folder; give the file with the predictions.")
    if not stat.S_ISREG(status.st_mode):
        raise refused(path, "this is no ordinary file (a pipe or a device); give a file.")
    ending = next((ending for ending in FORMATS if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise refused(path, f"unknown format; a submission ends in {', '.join(FORMATS)}.")
    if status.st_size == 0:
        raise refused(path, "the file is empty.")
    return ending


def _no_path(text: str) -> str:
    """A sentence on a text that is no path."""
    if "\n" in text and "," in text:
        return ". This is text, not a path; write it to a file that ends in .csv."
    if text.startswith(("http:", "https:", "s3:", "file:")):
        return ". This is an address, not a path; download the file first."
    return f". Did you mean {Path(text).expanduser()}?" if text.startswith("~") else ""


def read_npy(path: Path, spec: Spec) -> Array:
    """The array of a .npy file, memory-mapped."""
    with path.open("rb") as file:
        shape, dtype, order, start = _npy_header(io.BytesIO(file.read(_HEADER_BYTES)), path, spec)
        held = file.seek(0, io.SEEK_END) - start
    wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if held != wanted:
        state = "cut short" if held < wanted else "longer than it says"
        raise refused(path, f"the file is {state}: its header promises {wanted:,} bytes of data, it has {held:,}.")
    return np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape, order=order)


def read_npz(path: Path, spec: Spec) -> Array:
    """The one array of a .npz file; its header is read before the rest is unpacked."""
    with path.open("rb") as opened, unpacking(path), zipfile.ZipFile(opened) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise refused(path, f"it holds {len(members)} arrays; one is wanted: np.savez(path, predictions).")
        if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without bounds
            raise refused(path, "it is packed in a way numpy never does; write it with np.savez(path, predictions).")
        with archive.open(members[0]) as file:
            head = file.read(_HEADER_BYTES)
            shape, dtype, order, start = _npy_header(io.BytesIO(head), path, spec)
            wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            data = head[start:] + file.read(max(0, start + wanted + 1 - len(head)))
    if len(data) != wanted:
        held = "fewer" if len(data) < wanted else "more"
        raise refused(path, f"its header promises {wanted:,} bytes of data, it has {held}.")
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _npy_header(head: BinaryIO, path: Path, spec: Spec) -> tuple[tuple[int, ...], np.dtype[Any], Any, int]:
    """(shape, dtype, "F" or "C", where the data starts), once they fit the Spec."""
    try:
        version = np.lib.format.read_magic(head)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"npy version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings(action="ignore"):  # about headers of Python 2, and odd escapes in them
            shape, fortran, dtype = read(head)
        if len(shape) > 32 or not all(0 <= n < 2**63 for n in shape):
            raise ValueError("impossible shape")
    except _NPY_ERRORS as error:
        raise refused(path, "this is no readable npy file; write it with np.save(path, predictions).") from error
    if faults := header_faults(shape, dtype, spec):
        raise refused(path, *faults)
    return shape, dtype, "F" if fortran else "C", head.tell()


def header_faults(shape: tuple[int, ...], dtype: np.dtype[Any], spec: Spec) -> list[str]:
    """What is wrong with an array's type and shape, before any of its values is looked at."""
    faults = []
    if dtype.hasobject:
        faults.append("it holds Python objects, which are never loaded; save plain numbers, such as float32.")
    elif dtype.kind not in "biuf":
        faults.append(f"its type is {shown(dtype)}; whole or floating-point numbers are wanted.")
    n_rows = len(spec.ids)
    shapes = [*spec.shapes, (n_rows, 1)] if (n_rows,) in spec.shapes else list(spec.shapes)
    if shape not in shapes:
        if shape and shape[0] != n_rows and shape[1:] in [good[1:] for good in shapes]:
            faults.append(f"it has {shape[0]:,} rows; {n_rows:,} are wanted, one for each test row.")
        else:
            wanted = " or ".join(str(good) for good in spec.shapes)
            faults.append(f"its shape is {shape}; {wanted} is wanted, one row for each test row.")
    return faults


def longest_text(spec: Spec) -> int:
    """Bytes that no csv of a submission exceeds."""
    return 1_000_000 + len(spec.ids) * longest_line(spec)


def longest_line(spec: Spec) -> int:
    """Bytes that no row's line of a csv exceeds, or its lines where cells have one each: 32 a number, and the ids."""
    longest = 2 * spec.ids.dtype.itemsize + 2 if spec.ids.dtype.kind in "US" else 20  # quotes may double
    if spec.cell:
        longest = (longest + 16 + max(len(column.encode()) for column in spec.columns)) * len(spec.columns)
    return longest + 16 + 32 * len(spec.columns)


def without_index(names: Sequence[str]) -> list[str]:
    """A table's columns but for the row numbers that pandas stores along with a DataFrame."""
    return [name for name in names if not re.fullmatch(r"__index_level_\d+__", name)]


def read_parquet(path: Path, spec: Spec) -> Any:
    """A pyarrow Table of a parquet file; its columns and its size are checked from its footer.

    Text is read as dictionaries, so that one long word in many rows takes its memory once.
    """
    import pyarrow as pa
    from pyarrow import parquet

    n_lines, most = len(spec.ids) * (len(spec.columns) if spec.cell else 1), 2 * longest_text(spec)
    try:
        with path.open("rb") as opened:
            footer = parquet.read_metadata(opened)
            names = without_index(footer.schema.to_arrow_schema().names)
            if faults := column_faults(names, spec):
                raise refused(path, *faults)
            size = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
            if footer.num_rows > 2 * n_lines + 1000 or size > most:
                raise refused(path, f"{footer.num_rows:,} rows in {size:,} bytes are more than a submission can have.")
            leaves = [footer.schema.column(number) for number in range(len(footer.schema))]
            text = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
            table = parquet.ParquetFile(opened, read_dictionary=text).read(columns=names)
            table.validate(full=True)  # pyarrow's reader does not look whether text is in UTF-8
            if sum(map(_spelled_out, table.columns)) > most:
                raise refused(path, "its text is longer than any submission's can be.")
            return table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise refused(path, f"this is no readable parquet file: {first_line(error)}.") from error


def _spelled_out(column: Any) -> int:
    """Bytes that a column of text would take, were each of its words written out."""
    import pyarrow.compute as pc

    pieces = [piece for piece in column.chunks if hasattr(piece, "dictionary")]
    return sum(pc.sum(pc.binary_length(piece.dictionary).take(piece.indices)).as_py() or 0 for piece in pieces)


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise refused(path, f"it cannot be unpacked: {first_line(error)}.") from error
