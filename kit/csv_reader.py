"""Open a csv safely: its header and its size are checked before its lines are read, and never more is unpacked."""

import csv
import gzip
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from kit import dialects
from kit.errors import FIRST, counted, first_line, shown
from kit.readers import NULLS, longest_line, longest_text, refused, unpacking
from kit.task import Spec

_MOST_RAGGED = 100_000  # lines with too many or too few cells, before the file is given up
_HEAD = 65_536  # bytes that are looked at to say what the file is, where its first line is no header


def read_csv(path: Path, spec: Spec) -> tuple[Any, list[str]]:
    """A pyarrow Table of a .csv or .csv.gz, ids as text, and what lines could not be read.

    The values are float64, empty ones null; all of them are text where any of them is no number.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    limit = longest_text(spec)
    packed = None if path.name.lower().endswith(".csv") else _unpacked(path, limit + 1)
    if (path.stat().st_size if packed is None else len(packed)) > limit:
        raise refused(path, f"it is longer than any submission can be ({limit:,} bytes).")

    def opened() -> Any:  # pyarrow's own file: read through Python, each block would be copied into fresh memory
        return pa.OSFile(os.fsencode(path)) if packed is None else pa.BufferReader(packed)

    with opened() as file:
        header = _header(file, path, spec)
    longest = max(longest_line(spec), sum(len(column.encode()) + 3 for column in header))
    words = {"id", spec.cell[0] if spec.cell else "id", "label" if spec.kind == "class" else "id"}
    numbers = {column: pa.float64() for column in header if column not in words}
    ragged: list[tuple[str, int]] = []

    def skip(row: Any) -> str:
        ragged.append((row.text if len(ragged) < FIRST else "", row.actual_columns))
        return "skip" if len(ragged) <= _MOST_RAGGED else "error"

    def read(types: dict[str, Any], handler: Any = None) -> Any:
        with opened() as file:
            return arrow.read_csv(
                file,
                arrow.ReadOptions(block_size=max(1 << 20, 2 * longest)),
                arrow.ParseOptions(newlines_in_values=False, invalid_row_handler=handler),
                arrow.ConvertOptions(column_types=types, null_values=NULLS, strings_can_be_null=False),
            )

    text = dict.fromkeys(header, pa.string())
    try:
        table = read(text | numbers)
    except pa.ArrowInvalid:
        try:
            with opened() as file:
                content = file.read()
                content.decode()
            table = read(text, skip)
        except UnicodeDecodeError as error:
            raise refused(path, f"it is no text in UTF-8: byte {error.start:,} is wrong; save it as UTF-8.") from error
        except pa.ArrowInvalid as error:
            raise refused(path, f"it cannot be read as csv: {first_line(error)}.") from error
    if table.column_names != header:
        raise refused(path, "its first line is no plain csv header.")
    return table, [_ragged_fault(ragged, header, content, spec)] if ragged else []


def _ragged_fault(ragged: list[tuple[str, int]], header: list[str], content: bytes, spec: Spec) -> str:
    wanted = f"other than {len(header)} cells"
    places = [f"{shown(text, 40)} ({n_cells})" for text, n_cells in ragged[:FIRST]]
    last_line = re.split(rb"[\r\n]", content[-10_000:].rstrip())[-1].decode(errors="replace")
    fault = counted(len(ragged), f"line has {wanted}", f"lines have {wanted}", places)
    return fault + dialects.ragged_hint(ragged, len(header), last_line, spec)


def _unpacked(path: Path, most: int) -> bytes:
    with path.open("rb") as opened, unpacking(path):
        return gzip.GzipFile(fileobj=opened).read(most)


def _header(file: BinaryIO, path: Path, spec: Spec) -> list[str]:
    """The column names, once they are those of the Spec, in any order."""
    head = file.read(200 + 40 * sum(len(column) + 4 for column in ("id", *spec.columns, *(spec.cell or ()))))
    line, *rest = re.split(rb"[\r\n]+", head, maxsplit=1)
    header, problem = [], ""
    try:
        header = next(csv.reader([line.decode("utf-8-sig")], strict=True), [])
    except UnicodeDecodeError:
        problem = "its first line is no csv header in UTF-8; save it as UTF-8."
    except csv.Error:
        problem = "its first line is no csv header: a quote in it is never closed."
    if not dialects.fits(header, spec):
        head += file.read(max(0, _HEAD - len(head)))
        raise refused(path, *dialects.header_faults(head, header, spec, problem))
    if not any(rest):
        raise refused(path, "it has no lines below its header.")
    return header
