"""The table of odd and hostile files, each with one expectation: the predictions that it gives, or the only message."""

import bz2
import gzip
import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from kit.task import Array, Spec

IDS = [f"toss{row}" for row in range(100)]
SPEC = Spec(np.array(IDS), ("heads",), "probability")
GOOD = np.linspace(0, 1, 100, dtype=np.float32)
UNPACKED = 4 << 30  # bytes in a bomb
FILES: dict[str, tuple[str, Callable[[], bytes], str | Array]] = {}  # kind: file name, content, message or predictions


def add(kind: str, name: str, content: bytes | Callable[[], bytes], wanted: str | Array) -> None:
    """wanted: the predictions that the file must give, or words that stand in its only message."""
    assert kind not in FILES
    FILES[kind] = (name, (lambda: content) if isinstance(content, bytes) else content, wanted)


# npy


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npy_of(header: str, data: bytes = GOOD.tobytes(), version: tuple[int, int] = (1, 0), length: int = 0) -> bytes:
    """A npy file with any header, that claims any length for it."""
    size = struct.pack("<H" if version == (1, 0) else "<I", length or len(header))
    return b"\x93NUMPY" + bytes(version) + size + header.encode("latin1") + data


def claim(shape: str = "(100,)", descr: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}\n"


class Bomb:
    """Unpickling it creates a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


NOT_FINITE = "1 cell is not finite (NaN, empty, infinite, or too large for float32): id toss{}."
UNREADABLE = "no readable npy file; write it with np.save"
PICKLE = "holds Python objects, which are never loaded; save plain numbers"

add("plain npy", "p.npy", npy(GOOD), GOOD)
add("npy 2.0", "p.npy", npy_of(claim(), version=(2, 0)), GOOD)
add("npy 3.0", "p.npy", npy_of(claim(), version=(3, 0)), GOOD)
add("npy 9.9", "p.npy", npy_of(claim(), version=(9, 9)), UNREADABLE)
add("npy header that lies flat on the data", "p.npy", npy_of(claim().rstrip()), GOOD)
add("npy with a pickle", "p.npy", lambda: npy(np.array([Bomb()] * 100, object), allow_pickle=True), PICKLE)
add("bare pickle", "p.npy", b"\x80\x04cos\nmkdir\n(S'unpickled'\ntR.", UNREADABLE)
add("npy with a structured pickle", "p.npy", npy_of(claim(descr="[('a', '|O')]")), PICKLE)
add("npy header cut short", "p.npy", npy(GOOD)[:40], UNREADABLE)
add("npy magic only", "p.npy", b"\x93NUMPY\x01\x00", UNREADABLE)
add("npy with a wrong magic", "p.npy", b"NUMPY!" + npy(GOOD)[6:], UNREADABLE)
add("npy that is a csv", "p.npy", b"id,heads\ntoss0,1\n", UNREADABLE)
add("npy of 10^12 rows", "p.npy", npy_of(claim("(10**12,)")), UNREADABLE)
add("npy of 1000000000000 rows", "p.npy", npy_of(claim("(1000000000000,)")), "it has 1,000,000,000,000 rows; 100 are")
add("npy of 2^80 rows", "p.npy", npy_of(claim(f"({2**80},)")), UNREADABLE)
add("npy of a number too long to print", "p.npy", npy_of(claim(f"(0x{'f' * 6000},)")), UNREADABLE)
add("npy of -100 rows", "p.npy", npy_of(claim("(-100,)")), UNREADABLE)
add("npy of -1 x -100 rows", "p.npy", npy_of(claim("(-1, -100)")), UNREADABLE)
add("npy of True rows", "p.npy", npy_of(claim("(True,)")), "it has 1 rows; 100 are wanted")
add("npy of 1000 dimensions", "p.npy", npy_of(claim("(" + "1," * 1000 + ")")), UNREADABLE)
add("npy of no dimension", "p.npy", npy(np.float32(0.5)), "its shape is (); (100,) is wanted")
add("npy of three dimensions", "p.npy", npy(GOOD.reshape(100, 1, 1)), "its shape is (100, 1, 1); (100,) is wanted")
add("npy of one row", "p.npy", npy(GOOD[None]), "its shape is (1, 100); (100,) is wanted")
add("npy of zero rows", "p.npy", npy(GOOD[:0]), "it has 0 rows; 100 are wanted")
add("npy header of 4 GB", "p.npy", npy_of(claim(), version=(2, 0), length=2**32 - 1), UNREADABLE)
add("npy header of 60 kB", "p.npy", npy_of(claim() + " " * 60_000), UNREADABLE)
add("npy header with an expression", "p.npy", npy_of(claim("__import__('os').mkdir('unpickled')")), UNREADABLE)
add("npy header with code", "p.npy", npy_of("__import__('os').mkdir('unpickled')\n"), UNREADABLE)
add("npy header of brackets", "p.npy", npy_of("(" * 9000), UNREADABLE)
add("npy header of minus signs", "p.npy", npy_of("-" * 9000 + "1"), UNREADABLE)
add("npy header open at its end", "p.npy", npy_of("{'descr': '''"), UNREADABLE)
add("npy header of no bytes", "p.npy", npy_of(""), UNREADABLE)
add("npy header with NUL", "p.npy", npy_of(claim() + "\0"), UNREADABLE)
add("npy header without shape", "p.npy", npy_of("{'descr': '<f4', 'fortran_order': False}"), UNREADABLE)
for descr in ("()", "('<f4',)", "5", "{}", "[()]", "[('a',)]", "'<f3'", "'\x1b[31m'", "('<f4', -1)", "[[]]", "None"):
    add(f"npy dtype {descr!r}", "p.npy", npy_of(claim(descr=descr)), "its type is []" if descr == "{}" else UNREADABLE)
add("npy cut short", "p.npy", npy(GOOD)[:-1], "cut short: its header promises 400 bytes of data, it has 399")
add("npy with more after its end", "p.npy", npy(GOOD) + b"\0", "longer than it says: its header promises 400 bytes")
add("npy, two in one", "p.npy", npy(GOOD) * 2, "longer than it says")
add("npy of complex numbers", "p.npy", npy(GOOD + 1j), "its type is complex64; whole or floating-point numbers")
add("npy of text", "p.npy", npy(GOOD.astype(str)), "its type is <U32; whole or floating-point numbers")
add("npy of bytes", "p.npy", npy(GOOD.astype("S8")), "its type is |S8")
add("npy of times", "p.npy", npy(GOOD.astype("M8[s]")), "its type is datetime64[s]")
add("npy of durations", "p.npy", npy(GOOD.astype("m8[s]")), "its type is timedelta64[s]")
add("npy of nothing", "p.npy", npy(np.zeros(100, "V8")), "its type is |V8")
add("npy of no bytes a cell", "p.npy", npy(np.zeros(100, "V0")), "its type is |V0")
add("npy of records", "p.npy", npy(np.zeros(100, "f4,f4")), "its type is [('f0', '<f4'), ('f1', '<f4')]")
add("npy of subarrays", "p.npy", npy_of(claim(descr="('<f4', (1,))")), "its type is")
add("npy in Fortran order", "p.npy", npy(np.asfortranarray(GOOD[:, None])), GOOD)
add("npy big-endian", "p.npy", npy(GOOD.astype(">f4")), GOOD)
add("npy of float16", "p.npy", npy(GOOD.astype("f2")), GOOD.astype("f2").astype("f4"))
add("npy of longdouble", "p.npy", npy(GOOD.astype(np.longdouble)), GOOD)
add("npy of bool", "p.npy", npy(GOOD > 0.5), (GOOD > 0.5).astype("f4"))
add("npy of huge whole numbers", "p.npy", npy(np.full(100, 2**64 - 1, np.uint64)), "100 probabilities lie outside 0..1")
add("npy of NaN", "p.npy", npy(np.where(GOOD == 1, np.nan, GOOD)), NOT_FINITE.format(99))
add("npy of infinity", "p.npy", npy(np.where(GOOD == 1, np.inf, GOOD)), NOT_FINITE.format(99))
add(
    "npy beyond float32",
    "p.npy",
    npy(np.where(GOOD == 1, 1e39, GOOD.astype(float))),
    NOT_FINITE.format(99),
)
add("npy of subnormals", "p.npy", npy(np.full(100, 1e-45, "f4")), np.full(100, 1e-45, "f4"))
add("npy of float64 subnormals", "p.npy", npy(np.full(100, 5e-324)), np.zeros(100, "f4"))
add("npy of negative zero", "p.npy", npy(np.full(100, -0.0)), np.full(100, -0.0, "f4"))
add("npy just above 1", "p.npy", npy(np.nextafter(np.ones(100, "f4"), 2)), "100 probabilities lie outside 0..1")


# npz


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def zeros_deflated(before: bytes) -> bytes:
    """`before` and then 4 GB of zeros, deflated a thousandfold: one block, many times."""
    first = zlib.compressobj(9, wbits=-15)
    start = first.compress(before) + first.flush(zlib.Z_FULL_FLUSH)
    again = zlib.compressobj(9, wbits=-15)
    block = again.compress(bytes(1 << 20)) + again.flush(zlib.Z_FULL_FLUSH)
    return start + block * (UNPACKED >> 20) + b"\x03\0"


def zipped(name: bytes, data: bytes, size: int, method: int = 8, flags: int = 0) -> bytes:
    """A zip archive of one member, with whatever it claims."""
    facts = struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 33, 0, len(data), size, len(name), 0)
    local = b"PK\3\4" + facts + name + data
    central = b"PK\1\2" + b"\x14\0" + facts + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def npz_bomb(header: bytes) -> Callable[[], bytes]:
    return lambda: zipped(b"a.npy", zeros_deflated(header), min(UNPACKED + len(header), 2**32 - 1))


add("plain npz", "p.npz", npz(a=npy(GOOD)), GOOD)
add("npz of no array", "p.npz", npz(), "it holds 0 arrays; one is wanted")
add("npz of two arrays", "p.npz", npz(a=npy(GOOD), b=npy(GOOD)), "it holds 2 arrays; one is wanted")
add("npz with a pickle", "p.npz", lambda: npz(a=npy(np.array([Bomb()] * 100), allow_pickle=True)), PICKLE)
add("npz of a text", "p.npz", npz(a=b"hello"), UNREADABLE)
add("npz of 10^12 rows", "p.npz", npz(a=npy_of(claim("(1000000000000,)"))), "it has 1,000,000,000,000 rows")
add("npz that outgrows its header", "p.npz", npz(a=npy(GOOD) + b"\0"), "promises 400 bytes of data, it has more")
add("npz that its header outgrows", "p.npz", npz(a=npy(GOOD)[:-1]), "promises 400 bytes of data, it has fewer")
add("npz bomb behind a good header", "p.npz", npz_bomb(npy_of(claim(), b"")), "promises 400 bytes of data, it has more")
add("npz bomb without header", "p.npz", npz_bomb(b""), UNREADABLE)
add("npz bomb with a header of 4 GB", "p.npz", npz_bomb(b"\x93NUMPY\2\0\xff\xff\xff\xff"), UNREADABLE)
add("npz member with a way out", "p.npz", npz(**{"../../escaped.npy": npy(GOOD)}), GOOD)
add("npz member at the root", "p.npz", npz(**{"/escaped.npy": npy(GOOD)}), GOOD)
add(
    "npz encrypted",
    "p.npz",
    zipped(b"a", npy(GOOD), len(npy(GOOD)), 0, flags=1),
    "cannot be unpacked: File <ZipInfo filename='a' file_size=528> is encrypted",
)
add("npz packed with bz2", "p.npz", zipped(b"a", bz2.compress(npy(GOOD)), 528, 12), "packed in a way numpy never does")
add("npz packed in no known way", "p.npz", zipped(b"a", b"", 528, 77), "packed in a way numpy never does")
add("npz with a wrong checksum", "p.npz", zipped(b"a", npy(GOOD), len(npy(GOOD)), 0), "cannot be unpacked: Bad CRC")
add("npz name that is no UTF-8", "p.npz", zipped(b"\xff", b"", 0, flags=2048), "cannot be unpacked: ")
add("npz name of escapes", "p.npz", zipped(b"\x1b[31m", b"", 0, 0), UNREADABLE)
add("npz cut short", "p.npz", npz(a=npy(GOOD))[:-10], "cannot be unpacked: File is not a zip file")
add("npz cut at its start", "p.npz", npz(a=npy(GOOD))[10:], "cannot be unpacked")
add("npz that is a npy", "p.npz", npy(GOOD), "cannot be unpacked: File is not a zip file")


# csv

ROWS = [f"{row},{value!r}" for row, value in zip(IDS, GOOD.tolist(), strict=True)]
NO_NUMBER = "1 cell of column heads is no number: '{}' (id toss0)."


def csv(rows: Iterable[str] = ROWS, header: str = "id,heads", end: str = "\n", encoding: str = "utf-8") -> bytes:
    return "".join(line + end for line in (header, *rows)).encode(encoding)


def first(cell: str, row: str = "toss0") -> bytes:
    """A csv whose first line holds this cell and this id."""
    return csv([f"{row},{cell}", *ROWS[1:]])


def faulty_id(word: str) -> bytes:
    return first("0.5", word)


def changed(value: float) -> Array:
    array = GOOD.copy()
    array[0] = value
    return array


add("plain csv", "p.csv", csv(), GOOD)
add("csv with BOM", "p.csv", csv(encoding="utf-8-sig"), GOOD)
add("csv with CRLF", "p.csv", csv(end="\r\n"), GOOD)
add("csv with CR only", "p.csv", csv(end="\r"), GOOD)
add("csv with quoted cells", "p.csv", csv(re.sub(r"([^,]+)", r'"\1"', row) for row in ROWS), GOOD)
add("csv with a quoted header", "p.csv", csv(header='"id","heads"'), GOOD)
add("csv without newline at its end", "p.csv", csv().rstrip(), GOOD)
add("csv with blank lines", "p.csv", csv().replace(b"\n", b"\n\n") + b"\n\n\n", GOOD)
add("csv with blanks around numbers", "p.csv", csv(row.replace(",", ",  ") + " " for row in ROWS), GOOD)
add("csv columns swapped", "p.csv", csv((",".join(row.split(",")[::-1]) for row in ROWS), "heads,id"), GOOD)
add("csv upside down", "p.csv", csv(ROWS[::-1]), GOOD)
add(
    "csv with blanks around ids",
    "p.csv",
    faulty_id(" toss0 "),
    "1 id is missing: toss0.\n  - 1 line has an unknown id: ' toss0 '",
)
add("csv with commas in an id", "p.csv", faulty_id('"toss0,x"'), "1 line has an unknown id: toss0,x")
add("csv with a newline in an id", "p.csv", faulty_id('"toss0\n"'), "1 line has an unknown id: 'toss0\\n'")
add("csv with an open quote", "p.csv", faulty_id('"toss0'), "100 ids are missing")
add("csv with an open quote in its header", "p.csv", csv(header='id,"heads'), "first line is no csv header")
add(
    "csv with comments",
    "p.csv",
    b"# my best model\n" + csv(),
    "its first line is a comment: # my best model. Delete what stands above the header.",
)
add(
    "csv with comments below",
    "p.csv",
    csv(["# my best model", *ROWS]),
    "1 line has other than 2 cells: # my best model",
)
add("csv with semicolons", "p.csv", csv().replace(b",", b";"), "Separate them with commas, not ';'")
add("csv with tabs", "p.csv", csv().replace(b",", b"\t"), "Separate them with commas, not '\\t'")
add("csv with decimal commas", "p.csv", csv(row.replace(".", ",") for row in ROWS), "100 lines have other than 2 cells")
add(
    "csv with quoted decimal commas",
    "p.csv",
    first('"0,5"'),
    NO_NUMBER.format("0,5") + " Write 0.5, not 0,5 (a decimal comma).",
)
add(
    "csv with thousands",
    "p.csv",
    first('"1,000.5"'),
    NO_NUMBER.format("1,000.5") + " Leave the thousands separators out.",
)
add("csv with 1e400", "p.csv", first("1e400"), NOT_FINITE.format(0))
add("csv with 1e-400", "p.csv", first("1e-400"), GOOD)
add("csv with 1e39", "p.csv", first("1e39"), NOT_FINITE.format(0))
add("csv with many digits", "p.csv", first("0." + "3" * 5000), changed(1 / 3))
add("csv with hexadecimals", "p.csv", first("0x1p-1"), NO_NUMBER.format("0x1p-1"))
add("csv with underscores", "p.csv", first("1_0"), NO_NUMBER.format("1_0"))
add("csv with Arabic digits", "p.csv", first("٠.٥"), NO_NUMBER.format("٠.٥"))
add("csv with wide digits", "p.csv", first("０"), NO_NUMBER.format("０"))
add("csv with true", "p.csv", first("true"), NO_NUMBER.format("true"))
add("csv with a percent sign", "p.csv", first("5%"), NO_NUMBER.format("5%") + " Write 0.05 for 5%.")
add("csv with a plus sign", "p.csv", first("+0.5"), changed(0.5))
add("csv with a capital exponent", "p.csv", first("5E-1"), changed(0.5))
for cell in ("", '""', "nan", "NaN", "NA", "-nan", "null", "None", "inf", "-Infinity", "INF"):
    add(f"csv cell {cell!r}", "p.csv", first(cell), NOT_FINITE.format(0))
add("csv in UTF-16", "p.csv", csv(encoding="utf-16"), "it is text in UTF-16; save it as UTF-8 (in Excel: CSV UTF-8).")
add("csv in latin-1", "p.csv", csv(["tosé,0", *ROWS[1:]], encoding="latin-1"), "no text in UTF-8: byte 12 is wrong")
add(
    "csv header in latin-1", "p.csv", csv(header="id,hèads", encoding="latin-1"), "first line is no csv header in UTF-8"
)
add("csv with NUL in a number", "p.csv", first("0.5\0"), NO_NUMBER.format(r"0.5\x00"))
add("csv with NUL in an id", "p.csv", faulty_id("toss0\0"), "1 line has an unknown id: 'toss0\\x00'")
add("csv of NULs", "p.csv", bytes(10_000), "this is no csv but nothing but zeros; copy it again.")
add("csv with a line of 10 MB", "p.csv", lambda: first("1" * 10_000_000), "longer than any submission can be")
add("csv with a header of 10 MB", "p.csv", lambda: csv(header="id," + "h" * 10_000_000), "longer than any submission")
add("csv with a line of 1 MB", "p.csv", lambda: first("1" * 900_000), "1 cell is not finite")
add(
    "csv with an id of 1 MB",
    "p.csv",
    lambda: faulty_id("t" * 900_000),
    "unknown id: tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt....",
)
add("csv of 100,000 columns", "p.csv", lambda: csv(header="id" + ",h" * 100_000), "unknown columns: h")
add("csv of 1,000,000 columns", "p.csv", lambda: csv(header="id" + ",h" * 1_000_000), "longer than any submission")
add("csv with 100,000 cells in a line", "p.csv", lambda: csv([",1" * 100_000, *ROWS[1:]]), ",1... (100001)")
add(
    "csv of 1,000,000 rows", "p.csv", lambda: csv(f"x{row},0" for row in range(1_000_000)), "longer than any submission"
)
add(
    "csv of 100,000 rows",
    "p.csv",
    lambda: csv(f"x{row},0" for row in range(100_000)),
    "100,000 lines have an unknown id",
)
add("csv of 100,000 ragged lines", "p.csv", lambda: csv(["a"] * 100_000), "100,000 lines have other than 2 cells")
add("csv of 500,000 blank lines", "p.csv", lambda: csv() + b"\n" * 500_000, GOOD)
add("csv of a header only", "p.csv", csv([]), "it has no lines below its header")
add("csv of a header without newline", "p.csv", b"id,heads", "it has no lines below its header")
add("csv of a blank line", "p.csv", b"\n", "missing columns: id,heads")
add(
    "csv with its header twice",
    "p.csv",
    csv(["id,heads", *ROWS]),
    "1 line has an unknown id: id. The header stands again among the lines (of two files in one?): delete it there.",
)
add("csv with a line too short", "p.csv", csv(["toss0", *ROWS[1:]]), "1 line has other than 2 cells: toss0 (1)")
add("csv with a line too long", "p.csv", first("0.5,0.5"), "1 line has other than 2 cells: toss0,0.5,0.5 (3)")
add("csv with a column twice", "p.csv", csv(header="id,heads,heads"), "columns given more than once: heads")
add("csv with no names", "p.csv", csv(header=","), "missing columns: id,heads")
add("csv without its header", "p.csv", csv(ROWS[1:], header=ROWS[0]), "missing columns: id,heads")
add("csv with an id twice, alike", "p.csv", csv([*ROWS, ROWS[0]]), "1 id is given more than once: toss0")
add(
    "csv with an id in capitals",
    "p.csv",
    faulty_id("TOSS0"),
    "1 id is missing: toss0.\n  - 1 line has an unknown id: TOSS0",
)
add("csv with an id in wide letters", "p.csv", faulty_id("ｔoss0"), "1 line has an unknown id: ｔoss0")
add("csv with a combining accent", "p.csv", faulty_id("toss0\u0301"), "1 line has an unknown id: toss0\u0301")
add("csv with a formula", "p.csv", faulty_id("=cmd|' /C calc'!A0"), "1 line has an unknown id: =cmd|' /C calc'!A0")
add("csv with escapes in an id", "p.csv", faulty_id("\x1b[2J\x07"), "1 line has an unknown id: '\\x1b[2J\\x07'")
add("csv with escapes in a cell", "p.csv", first("\x1b[2J"), NO_NUMBER.format(r"\x1b[2J"))
add("csv with escapes in a header", "p.csv", csv(header="id,\x1b[2J"), "unknown columns: '\\x1b[2J'")
add(
    "csv with escapes in a ragged line",
    "p.csv",
    first("\x1b[2J,0"),
    "1 line has other than 2 cells: 'toss0,\\x1b[2J,0'",
)
add("csv with text that runs backwards", "p.csv", faulty_id("\u202etoss0"), "unknown id: '\\u202etoss0'")
add("csv with markup", "p.csv", faulty_id("[red]toss0[/red]"), "unknown id: [red]toss0[/red]")
add(
    "csv that is a web page",
    "p.csv",
    b"<!DOCTYPE html><html>\n</html>\n",
    "this is no csv but a web page or XML; download the file itself.",
)
add(
    "csv that is a zip",
    "p.csv",
    npz(a=npy(GOOD)),
    "this is no csv but a zip archive, such as an Excel workbook; save it as csv.",
)


# csv.gz


def gz_bomb() -> bytes:
    return gzip.compress(b"")[:10] + zeros_deflated(csv()) + bytes(8)


add("plain csv.gz", "p.csv.gz", gzip.compress(csv()), GOOD)
add("csv.gz of two members", "p.csv.gz", gzip.compress(csv(ROWS[:50])) + gzip.compress(csv(ROWS[51:], ROWS[50])), GOOD)
add("csv.gz bomb", "p.csv.gz", gz_bomb, "longer than any submission can be (1,006,200 bytes)")
add("csv.gz cut short", "p.csv.gz", gzip.compress(csv())[:-20], "cannot be unpacked: Compressed file ended before")
add("csv.gz with a wrong checksum", "p.csv.gz", gzip.compress(csv())[:-8] + bytes(8), "cannot be unpacked: CRC check")
add("csv.gz with noise inside", "p.csv.gz", gzip.compress(csv())[:30] + b"\xff" * 99, "cannot be unpacked: ")
add("csv.gz that is no gzip", "p.csv.gz", csv(), "cannot be unpacked: Not a gzipped file")
add("csv.gz of nothing", "p.csv.gz", gzip.compress(b""), "missing columns: id,heads")
add("csv.gz with noise behind", "p.csv.gz", gzip.compress(csv()) + b"noise", "cannot be unpacked: Not a gzipped file")


# parquet


def parquet_of(heads: Any = GOOD, ids: Any = IDS, options: dict[str, Any] | None = None, **more: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table({"id": ids, "heads": heads, **more}), file, **(options or {}))
    return file.getvalue()


def repeated(word: str) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array([word]))


def deltas() -> bytes:
    options = {"use_dictionary": False, "column_encoding": {"id": "DELTA_BYTE_ARRAY"}}
    return parquet_of([0.5] * 200, repeated("t" * 100_000).cast(pa.string())[:200], options)


NESTED = pa.array([[value] for value in GOOD.tolist()])
LATIN = pa.array([b"toss\xe9"] * 100, pa.binary()).view(pa.string())

add("plain parquet", "p.parquet", parquet_of(), GOOD)
add("parquet of dictionaries", "p.parquet", parquet_of(pa.array(GOOD).dictionary_encode()), GOOD)
add("parquet of ids in a dictionary", "p.parquet", parquet_of(ids=pa.array(IDS).dictionary_encode()), GOOD)
add("parquet of text", "p.parquet", parquet_of([repr(value) for value in GOOD.tolist()]), GOOD)
add(
    "parquet of other text", "p.parquet", parquet_of(["half"] * 100), "100 cells of column heads are no numbers: 'half'"
)
add("parquet of lists", "p.parquet", parquet_of(NESTED), "column heads holds list<")
add("parquet of records", "p.parquet", parquet_of([{"a": 1}] * 100), "column heads holds struct<")
add("parquet with ids in lists", "p.parquet", parquet_of(ids=NESTED), "column id holds list<")
add("parquet with ids in latin-1", "p.parquet", parquet_of(ids=LATIN), "no readable parquet file: ")
add("parquet with ids that are no text", "p.parquet", parquet_of(ids=[b"\xff"] * 100), "column id holds ")
add(
    "parquet with whole ids",
    "p.parquet",
    parquet_of(ids=range(100)),
    "100 ids are missing: toss0, toss1, toss2 and 97 more.\n  - 100 lines have an unknown",
)
add(
    "parquet of dates",
    "p.parquet",
    parquet_of(pa.array([0] * 100, pa.date32())),
    "100 cells of column heads are no num",
)
add("parquet of nulls", "p.parquet", parquet_of(pa.nulls(100)), "100 cells are not finite")
add("parquet with one column more", "p.parquet", parquet_of(extra=GOOD), "unknown columns: extra")
add("parquet of 2,000 columns", "p.parquet", lambda: parquet_of(**{f"c{n}": GOOD for n in range(2000)}), "unknown col")
add("parquet of 1,000,000 rows", "p.parquet", lambda: parquet_of(np.zeros(10**6), np.zeros(10**6)), "1,000,000 rows in")
add("parquet of 200 rows", "p.parquet", parquet_of(np.zeros(200), IDS * 2), "100 ids are given more than once")
add("parquet of no rows", "p.parquet", parquet_of([], []), "100 ids are missing")
add(
    "parquet of one long id",
    "p.parquet",
    lambda: parquet_of(GOOD, repeated("t" * 10_000_000)[:100]),
    "100 rows in 10,00",
)
add("parquet bomb", "p.parquet", lambda: parquet_of([0.5] * 1000, repeated("t" * 1_000_000)), "its text is longer than")
add("parquet of deltas", "p.parquet", deltas, "no readable parquet file: ")
add("parquet cut short", "p.parquet", parquet_of()[:-1], "no readable parquet file: ")
add("parquet cut at its start", "p.parquet", parquet_of()[100:], "no readable parquet file: ")
add(
    "parquet with a name in latin-1",
    "p.parquet",
    parquet_of().replace(b"heads", b"h\xffads"),
    "no readable parquet file: ",
)
for new in ("h\x00ads", "h\x1bads"):
    add(
        f"parquet with a name {new!r}",
        "p.parquet",
        parquet_of().replace(b"heads", new.encode()),
        f"unknown columns: {new!r}",
    )
add("parquet magic only", "p.parquet", b"PAR1PAR1", "no readable parquet file: ")
add("parquet with a footer of 4 GB", "p.parquet", b"PAR1" + b"\xff" * 4 + b"PAR1", "no readable parquet file: ")
add("parquet that is a csv", "p.parquet", csv(), "no readable parquet file: ")


# Files by their names and kinds

add("empty npy", "p.npy", b"", "the file is empty")
add("empty npz", "p.npz", b"", "the file is empty")
add("empty csv", "p.csv", b"", "the file is empty")
add("empty csv.gz", "p.csv.gz", b"", "the file is empty")
add("empty parquet", "p.parquet", b"", "the file is empty")
add("unknown ending", "p.pkl", npy(GOOD), "unknown format; a submission ends in .npy, .npz, .csv, .csv.gz, .parquet")
add("no ending", "predictions", npy(GOOD), "unknown format; a submission ends in")
add("ending only", ".npy", npy(GOOD), GOOD)
add("gz of npy", "p.npy.gz", gzip.compress(npy(GOOD)), "unknown format")
add("name in capitals", "P.NPY", npy(GOOD), GOOD)
add("name with blanks", " my best  model .npy", npy(GOOD), GOOD)
add("name with escapes", "\x1b[2J\n.npy", npy(GOOD), GOOD)
add("name with escapes, faulty", "\x1b[2J\n.npy", npy(GOOD[1:]), "'\\x1b[2J\\n.npy': it has 99 rows")
add("name of markup, faulty", "[red]p.npy", npy(GOOD[1:]), "[red]p.npy: it has 99 rows")
add("name of 250 letters", "x" * 246 + ".npy", npy(GOOD), GOOD)
add(
    "name of 250 letters, faulty",
    "x" * 246 + ".npy",
    npy(GOOD[1:]),
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: it has 99 rows",
)
for ending, content in (("npy", npy(GOOD)), ("npz", npz(a=npy(GOOD))), ("csv", csv()), ("parquet", parquet_of())):
    add(f"name that is no UTF-8, {ending}", os.fsdecode(b"p\xff." + ending.encode()), content, GOOD)
