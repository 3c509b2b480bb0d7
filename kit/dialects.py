"""What a table that does not fit is instead: the habits of spreadsheets, R, pandas and others, and how to mend them."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from kit.errors import short, shown
from kit.task import Spec

_MAGIC = (
    (b"PK\3\4", "a zip archive, such as an Excel workbook", "save it as csv"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "save it as csv"),
    (b"\x1f\x8b", "packed by gzip", "let its name end in .csv.gz"),
    (b"PAR1", "a parquet file", "let its name end in .parquet"),
    (b"\x93NUMPY", "a npy file", "let its name end in .npy"),
    (b"ARROW1", "an Arrow file", "write it as parquet"),
    (b"\x80", "a pickle, which is never loaded", "write it with to_csv(path, index=False)"),
    (b"%PDF", "a PDF", "save the table as csv"),
    (b"version https://git-lfs", "a pointer of Git LFS", "get the file itself: git lfs pull"),
    (b"<", "a web page or XML", "download the file itself"),
    (b"{", "JSON", "write it as csv"),
    (b"[", "JSON", "write it as csv"),
    (b"\0\0\0\0\0", "nothing but zeros", "copy it again"),
)
_ENCODINGS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\0\0\xfe\xff", "UTF-32"),
)
_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_ABOVE = 20  # lines among which the header is looked for


def fits(names: Sequence[str], spec: Spec) -> bool:
    """Whether a table has the columns of a submission, in any order."""
    return sorted(names) in map(sorted, _formats(spec))


def _formats(spec: Spec) -> list[tuple[str, ...]]:
    formats: list[tuple[str, ...]] = [("id", "label")] if spec.kind == "class" else []
    return [*formats, ("id", *spec.columns), *([spec.cell] if spec.cell else [])]


def header_faults(head: bytes, header: Sequence[str], spec: Spec, problem: str = "") -> list[str]:
    """What is wrong with the first line of a csv.

    head: the file's first bytes; header: the cells of that line; problem: why it could not be read, if it could not.
    """
    if known := _file_kind(head) or _line_above(head, spec) or problem:
        return [known]
    faults = column_faults(header, spec)
    if faults and "commas, not" in faults[-1] and re.search(rb"\d,\d", head):
        faults[-1] += " Write 0.5, not 0,5."
    if faults and head.startswith(b'""') and "index=False" in faults[-1]:
        faults[-1] += " In R: write.csv(x, file, row.names = FALSE)."
    return faults


def _file_kind(head: bytes) -> str:
    """A sentence that says what a file is that is no text in UTF-8, or no table; "" where it may be one."""
    coding = next((name for mark, name in _ENCODINGS if head.startswith(mark)), None)
    if coding is None and re.match(rb"(?:[ -~]\0){4}|(?:\0[ -~]){4}", head):
        coding = "UTF-16"
    if coding:
        return f"it is text in {coding}; save it as UTF-8 (in Excel: CSV UTF-8)."
    found = next(
        ((what, to_do) for magic, what, to_do in _MAGIC if head.lstrip(b"\xef\xbb\xbf \r\n").startswith(magic)), None
    )
    return f"this is no csv but {found[0]}; {found[1]}." if found else ""


def _line_above(head: bytes, spec: Spec) -> str:
    """A sentence on the lines that stand above the header, where there are such."""
    lines = re.split(r"\r\n|\r|\n", head.decode("utf-8", "replace").lstrip("\ufeff"))[:_ABOVE]
    if not any(fits(_cells(line, mark), spec) for line in lines[1:] for mark in (",", *_MARKS)):
        return ""
    first = lines[0].strip()
    if not first.strip(',;"'):
        what = "is blank"
    elif re.fullmatch(r'"?sep=.{0,2}"?', first):
        what = f"is {shown(first)}, a note to Excel"
    elif first.startswith(("#", "%", "//")):
        what = f"is a comment: {shown(first, 40)}"
    else:
        what = f"is {shown(first, 40)}"
    return f"its first line {what}. Delete what stands above the header."


def _cells(line: str, mark: str = ",") -> list[str]:
    try:
        return next(csv.reader([line], delimiter=mark, strict=True), [])
    except csv.Error:
        return []


def column_faults(header: Sequence[str], spec: Spec) -> list[str]:
    """What is wrong with a table's columns, measured against the nearest header that would do."""
    formats = _formats(spec)
    given = Counter(header)
    nearest = max(formats, key=lambda names: (len(given.keys() & set(names)) / len(names), -len(names)))
    known = set(nearest)
    missing = [column for column in nearest if column not in given]
    extra = [column for column in given if column not in known]
    twice = [column for column, times in given.items() if times > 1]
    listed = (("missing columns", missing), ("unknown columns", extra), ("columns given more than once", twice))
    faults = [f"{what}: {short(names)}." for what, names in listed if names]
    if faults:
        wanted = f" The columns should be {' or '.join(map(short, formats))}."
        faults[-1] += wanted + _meant(list(header), missing, extra, spec)
    return faults


def _meant(header: list[str], missing: list[str], extra: list[str], spec: Spec) -> str:
    """A sentence on what such columns are, and what to do; "" where nobody can tell."""
    if mark := next((mark for mark in _MARKS if missing and mark in "".join(header)), None):
        return f" Separate them with commas, not {mark!r}."
    if len(header) == 1 and fits(_cells(header[0]), spec):
        return " Each line as a whole stands in quotes; quote each cell, or none."
    if header[:1] == [""] or any(column.startswith("Unnamed: ") or column in ("index", "level_0") for column in extra):
        return " Leave the index out: to_csv(path, index=False)."
    if header[-1:] == [""]:
        return " The first line ends in a comma; leave that out."
    if missing and header and len(header) == 1 + len(spec.columns) and _is_row(header, spec):
        return f" The first line is a row already: put {short(('id', *spec.columns))} above it."
    written = {_folded(column): column for column in reversed(extra)}
    pairs = [(column, written[_folded(column)]) for column in missing if _folded(column) in written]
    if pairs and len(pairs) == len(missing):
        right, wrong = pairs[0]
        if wrong.startswith("\ufeff"):
            return " The file begins with two byte order marks; save it as plain UTF-8."
        return f" Write the names exactly so: {shown(right, 40)}, not {shown(wrong, 40)}."
    if len(extra) > 1 and is_id(extra[0], spec) and is_id(extra[-1], spec):
        return " The ids stand side by side; write one line for each of them (in pandas: table.T)."
    return ""


def _is_row(header: list[str], spec: Spec) -> bool:
    return is_id(header[0], spec) or all(re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", cell) for cell in header)


def is_id(word: str, spec: Spec) -> bool:
    """Whether a word is the id of a test row."""
    if spec.ids.dtype.kind in "iu":
        return word.isdecimal() and int(word) < 2**63 and bool(np.isin(int(word), spec.ids))
    return bool((spec.ids == (word.encode() if spec.ids.dtype.kind == "S" else word)).any())


def _folded(word: str) -> str:
    """A name without what people do not see: case, blanks, marks and Unicode forms."""
    plain = unicodedata.normalize("NFKC", word).casefold()
    return "".join(
        letter for letter in plain if not letter.isspace() and unicodedata.category(letter) not in ("Cf", "Cc")
    )


def ragged_hint(lines: Sequence[tuple[str, int]], n_columns: int, last_line: str, spec: Spec) -> str:
    """A sentence on lines with too many or too few cells, by the first of them, each with its number of cells."""
    text, n_cells = lines[0]
    cells = _cells(text)
    if text.lstrip().startswith(("#", "%", "//")):
        return " A csv has no comments: delete such lines."
    if text.rstrip().endswith(",") and n_cells == n_columns + 1:
        return " Such a line ends in a comma; leave that out."
    if n_cells > n_columns and len(cells) > 1 and is_id(cells[1], spec) and not is_id(cells[0], spec):
        return " Each line begins with its number; leave that out (in R: write.csv(x, file, row.names = FALSE))."
    if n_cells == 2 * n_columns - 1 and all(cell.strip().lstrip("+-").isdecimal() for cell in cells[1:]):
        return " Are these decimal commas? Write 0.5, not 0,5."
    if n_cells == 1 and any(mark in text for mark in _MARKS):
        return " Separate all cells with commas."
    if len(lines) == 1 and text.strip() == last_line.strip():
        return " The file ends with it: a line of totals, or a footer? Delete it."
    return ""
