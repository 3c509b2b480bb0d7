"""What an id is, however a table writes it; and how an unknown one came to differ from that of a test row."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kit import arrow, matching
from kit.errors import shown
from kit.task import Array

_WHOLE = r"^([+-]?\d{1,15})\.0*$"  # a whole number as pandas writes it once it is a float; longer ones are not exact
_DASHES = str.maketrans("‐‑‒–—−’‘“”", "------''\"\"")


def text(column: Any) -> Any:
    """A column of ids as a pyarrow ChunkedArray of text: 7, 7.0 and "7" are one id. ArrowException for other types."""
    import pyarrow as pa

    column = arrow.plain(column)
    if not pa.types.is_floating(column.type):
        return arrow.cast(column, pa.string())
    cells = column.combine_chunks()
    cells = cells if isinstance(cells, pa.Array) else pa.concat_arrays(cells.chunks)
    exact = 2 ** {16: 11, 32: 24, 64: 53}[column.type.bit_width]  # beyond, two whole numbers share one float
    number = arrow.values(cells.cast(pa.float64()), np.nan)
    whole = (number == np.rint(number)) & (np.abs(number) <= exact)
    written = arrow.numbers(np.where(whole, number, 0).astype(np.int64)).cast(pa.string())
    if not whole.all():
        import pyarrow.compute as pc

        odd = [
            None if empty else _odd(value)
            for value, empty in zip(number[~whole], arrow.nulls(cells)[~whole], strict=True)
        ]
        mask = arrow.numbers((~whole).astype(np.int64)).cast(pa.bool_())
        written = pc.replace_with_mask(written, mask, pa.array(odd, pa.string()))
    return pa.chunked_array([written])


def _odd(number: Any) -> str:
    """A float that is no id; a whole one too large to be exact is written so that nobody takes it for one."""
    return np.format_float_scientific(number, trim="-") if number == np.rint(number) else repr(float(number))


def places(given: Any, known: Array) -> Array:
    """`matching.places`; of text that is not found as it stands, 7.0 is 7, as pandas writes it beside an empty cell."""
    place = matching.places(given, known)
    unknown = np.flatnonzero(place < 0)
    if len(unknown):
        import pyarrow.compute as pc

        rest = given.take(arrow.numbers(unknown.astype(np.int64))) if len(unknown) < len(given) else given
        if pc.any(pc.match_substring_regex(rest, _WHOLE)).as_py():
            place[unknown] = matching.places(pc.replace_substring_regex(rest, _WHOLE, r"\1"), known)
    return place


def _without_marks(word: str) -> str:
    return "".join(letter for letter in word if unicodedata.category(letter) not in ("Cf", "Cc"))


def _unseparated(word: str) -> str:
    return re.sub(r"(?<=\d)[,.'_\u00a0\u202f\u2009 ](?=\d{3}(\D|$))", "", word)


def _unscientific(word: str) -> str:
    return str(int(float(word))) if re.fullmatch(r"[+-]?\d+(\.\d+)?[eE]\+?\d{1,2}", word) else word


_DIFFERENCES: list[tuple[str, Callable[[str], str]]] = [
    ("blanks around it", str.strip),
    ("quotes around it", lambda word: word.strip("'\"“”‘’`")),
    ("characters that cannot be seen", _without_marks),
    ("another Unicode form; NFC is wanted", lambda word: unicodedata.normalize("NFC", word)),
    ("another Unicode form; NFD is wanted", lambda word: unicodedata.normalize("NFD", word)),
    ("full-width or other look-alike characters", lambda word: unicodedata.normalize("NFKC", word)),
    ("another kind of dash or quote", lambda word: word.translate(_DASHES)),
    ("a plus sign", lambda word: word.lstrip("+")),
    ("zeros in front of it", lambda word: re.sub(r"^0+(?=.)", "", word)),
    ("thousands separators", _unseparated),
    ("an exponent", _unscientific),
    ("a decimal point", lambda word: re.sub(r"\.0*$", "", word) if word[:1].isdigit() else word),
    ("the ending of a file name", lambda word: re.sub(r"\.[A-Za-z]\w{1,4}$", "", word)),
    (
        "blanks, quotes or look-alike characters",
        lambda word: unicodedata.normalize("NFKC", _without_marks(word)).translate(_DASHES).strip(" '\"`"),
    ),
]


def hint(unknown: Sequence[str | None], known: Array, last_line: bool = False) -> str:
    """A sentence on what the first unknown ids are, where that can be told; "" else.

    known: the task's ids as bytes. last_line: the unknown ids are those of the table's last lines.
    """
    words = [word for word in unknown if word]
    return (_difference(words, known) or _kind(words, known, last_line)) if words and len(known) else ""


def _difference(words: list[str], known: Array) -> str:
    """How the ids differ from those of test rows, by the difference that explains most of them."""
    import pyarrow as pa

    width = len(known[0]) if bool((np.strings.str_len(known) == len(known[0])).all()) else 0
    differences = [
        *_DIFFERENCES,
        ("its leading zeros lost", lambda word: word.zfill(width) if word.isdigit() else word),
    ]
    tried = [mended(word) for _, mended in differences for word in words]
    found = matching.places(pa.chunked_array([arrow.strings(tried)]), known).reshape(len(differences), len(words))
    best = int(np.argmax(np.count_nonzero(found >= 0, axis=1)))
    what, row = differences[best][0], found[best]
    if not (row >= 0).any():
        lower = matching.as_bytes(np.array([word.lower() for word in words]))
        row = matching.places(
            pa.chunked_array([arrow.strings([word.decode() for word in lower])]), np.strings.lower(known)
        )
        what = "upper and lower case differ"
    if not (row >= 0).any():
        return ""
    first = int(np.argmax(row >= 0))
    return f" Write ids as the task does: {shown(known[row[first]])}, not {shown(words[first])} ({what})."


def _kind(words: list[str], known: Array, last_line: bool) -> str:
    if words[0].lower() in ("id", "ids"):
        return " The header stands again among the lines (of two files in one?): delete it there."
    if words[0].lstrip().startswith("#"):
        return " A csv has no comments: delete the lines that begin with #."
    if any(re.fullmatch(r"\d(\.\d+)?[eE]\+?\d{2}", word) for word in words):
        return " A spreadsheet has rounded long ids to such numbers: keep the column of ids as text."
    if last_line:
        return " The table ends with it: a line of totals, or a footer? Delete it."
    if all(word.isdigit() for word in words) and not re.fullmatch(rb"\d+", known[0]):
        return f" Numbers of rows are no ids: those of the task are such as {shown(known[0])}."
    return ""
