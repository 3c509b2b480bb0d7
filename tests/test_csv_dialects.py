"""A table written the way of other programs is read right, or refused with words that say what it is and what to do."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from kit import predictions
from kit.errors import KitError, PredictionError
from kit.task import Array, Spec
from tests.conftest import Kit

WORDS = ["café.jpg", "naïve.jpg", "toss 3", "toss-4"]
SPECS = {
    "one": Spec(np.array(list("abcd")), ("p",), "probability"),
    "two": Spec(np.array(list("abcd")), ("v", "w"), "value"),
    "class": Spec(np.array(list("abcd")), ("cat", "dog"), "class"),
    "cell": Spec(np.array(list("ab")), ("v", "w"), "value", cell=("cell", "value")),
    "count": Spec(np.arange(4), ("p",), "probability"),
    "far": Spec(np.array([7, 80, 100_000, 123_456_789_012]), ("p",), "probability"),
    "zeros": Spec(np.array(["0007", "0080", "0900", "1000"]), ("p",), "probability"),
    "words": Spec(np.array(WORDS), ("p",), "probability"),
    "bytes": Spec(np.array([word.encode() for word in WORDS]), ("p",), "probability"),
    "nfd": Spec(np.array([unicodedata.normalize("NFD", word) for word in WORDS]), ("p",), "probability"),
    "big": Spec(np.array([2**53, 2**53 + 1, 5, 6]), ("p",), "probability"),
}
P = np.array([0, 0.25, 0.5, 1], "f4")
PAIR = np.stack([P, -P], axis=1)
LINES = "a,0\nb,0.25\nc,0.5\nd,1\n"
TWO = "a,0,0\nb,0.25,-0.25\nc,0.5,-0.5\nd,1,-1\n"
TABLES: dict[str, tuple[str, bytes, str | Array]] = {}  # kind: spec, the csv, predictions or words of the only message


def add(kind: str, spec: str, text: str | bytes, wanted: str | Array) -> None:
    assert kind not in TABLES
    TABLES[kind] = (spec, text.encode() if isinstance(text, str) else text, wanted)


def by(*ids: str) -> str:
    """A csv with these ids and the right values."""
    return "id,p\n" + "".join(f"{row},{value}\n" for row, value in zip(ids, P.tolist(), strict=True))


def like(right: str, wrong: str, how: str) -> str:
    return f"1 line has an unknown id: {wrong}. Write ids as the task does: {right}, not {wrong} ({how})."


ABOVE = "Delete what stands above the header."
COLUMNS = "The columns should be id,p."

# Above the header
add("Excel's separator", "one", f"sep=,\nid,p\n{LINES}", f"its first line is sep=,, a note to Excel. {ABOVE}")
add("Excel's other separator", "one", "sep=;\nid;p\na;0\n", f"its first line is sep=;, a note to Excel. {ABOVE}")
add(
    "Excel's separator in quotes",
    "one",
    f'"sep=,"\nid,p\n{LINES}',
    f'its first line is "sep=,", a note to Excel. {ABOVE}',
)
add("a blank first line", "one", f"\nid,p\n{LINES}", f"its first line is blank. {ABOVE}")
add("blank first lines", "one", f"\r\n  \r\nid,p\r\n{LINES}", f"its first line is blank. {ABOVE}")
add("a first line of commas", "one", f",\nid,p\n{LINES}", f"its first line is blank. {ABOVE}")
add("a comment", "one", f"# mine\nid,p\n{LINES}", f"its first line is a comment: # mine. {ABOVE}")
add("comments", "one", f"% mine\n% again\nid,p\n{LINES}", f"its first line is a comment: % mine. {ABOVE}")
add("a comment of C", "one", f"// mine\nid,p\n{LINES}", f"its first line is a comment: // mine. {ABOVE}")
add("a title", "one", f"My best model\n\nid,p\n{LINES}", f"its first line is My best model. {ABOVE}")
add("a BOM and a blank line", "one", f"\ufeff\nid,p\n{LINES}", f"its first line is blank. {ABOVE}")

# The header
add(
    "R's row names",
    "one",
    '"","id","p"\n"1","a",0\n',
    "Leave the index out: to_csv(path, index=False). In R: write.csv(x, file, row.names = FALSE).",
)
add("pandas' row numbers", "one", ",id,p\n0,a,0\n", "Leave the index out: to_csv(path, index=False).")
add(
    "pandas' row numbers, saved twice",
    "one",
    "Unnamed: 0,id,p\n0,a,0\n",
    "Leave the index out: to_csv(path, index=False).",
)
add("pandas' index", "one", "index,id,p\n0,a,0\n", "Leave the index out: to_csv(path, index=False).")
add("commas at the ends", "one", "id,p,\na,0,\n", "The first line ends in a comma; leave that out.")
add("a header in capitals", "one", f"ID,P\n{LINES}", f"{COLUMNS} Write the names exactly so: id, not ID.")
add("a header with blanks", "two", f"id, v, w\n{TWO}", "Write the names exactly so: v, not ' v'.")
add(
    "a header with a zero-width blank",
    "one",
    f"\u200bid,p\n{LINES}",
    "Write the names exactly so: id, not '\\u200bid'.",
)
add("a header with a BOM inside", "one", f"id,\ufeffp\n{LINES}", "The file begins with two byte order marks")
add(
    "two BOMs",
    "one",
    f"\ufeff\ufeffid,p\n{LINES}",
    "The file begins with two byte order marks; save it as plain UTF-8.",
)
add("a BOM", "one", f"\ufeffid,p\n{LINES}", P)
add("a BOM and quotes", "one", '\ufeff"id","p"\n"a","0"\n"b","0.25"\n"c","0.5"\n"d","1"\n', P)
add("no header", "one", LINES, "The first line is a row already: put id,p above it.")
add("no header, whole ids", "far", "7,0\n80,0.5\n", "The first line is a row already: put id,p above it.")
add("no header, numbers", "two", "1,0.5,-2e3\n", "The first line is a row already: put id,v,w above it.")
add(
    "the labels under another name",
    "class",
    "id,target\na,cat\n",
    "unknown columns: target. The columns should be id,label",
)
add("semicolons", "one", "id;p\na;0\n", f"{COLUMNS} Separate them with commas, not ';'.")
add("semicolons and decimal commas", "one", "id;p\na;0,5\n", "Separate them with commas, not ';'. Write 0.5, not 0,5.")
add("tabs", "one", "id\tp\na\t0\n", "Separate them with commas, not '\\t'.")
add("bars", "one", "id|p\na|0\n", "Separate them with commas, not '|'.")
add("lines in quotes", "one", '"id,p"\n"a,0"\n', "Each line as a whole stands in quotes; quote each cell, or none.")
add(
    "ids side by side",
    "one",
    "id,a,b,c,d\np,0,0.25,0.5,1\n",
    "The ids stand side by side; write one line for each of them",
)
add("an open quote", "one", f'id,"p\n{LINES}', "its first line is no csv header: a quote in it is never closed.")
add("UTF-16", "one", f"id,p\n{LINES}".encode("utf-16"), "it is text in UTF-16; save it as UTF-8 (in Excel: CSV UTF-8).")
add(
    "UTF-16, big end first", "one", f"\ufeffid,p\n{LINES}".encode("utf-16-be"), "it is text in UTF-16; save it as UTF-8"
)
add("UTF-16 without a mark", "one", f"id,p\n{LINES}".encode("utf-16-le"), "it is text in UTF-16; save it as UTF-8")
add("UTF-32", "one", f"id,p\n{LINES}".encode("utf-32"), "it is text in UTF-32; save it as UTF-8")
add(
    "Latin-1 in the header",
    "one",
    "id,p\xe9\n".encode("latin-1"),
    "its first line is no csv header in UTF-8; save it as",
)
add(
    "Latin-1 in an id",
    "words",
    "id,p\ncafé.jpg,0\n".encode("latin-1"),
    "it is no text in UTF-8: byte 8 is wrong; save it as",
)
for name, start, words in (
    ("an Excel workbook", b"PK\3\4\x14\0\6\0", "a zip archive, such as an Excel workbook; save it as csv."),
    ("an old Excel workbook", b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook; save it as csv."),
    ("gzip", b"\x1f\x8b\x08\0", "packed by gzip; let its name end in .csv.gz."),
    ("parquet", b"PAR1\x15\x04", "a parquet file; let its name end in .parquet."),
    ("npy", b"\x93NUMPY\1\0", "a npy file; let its name end in .npy."),
    ("feather", b"ARROW1\0\0", "an Arrow file; write it as parquet."),
    ("a pickle", b"\x80\4\x95", "a pickle, which is never loaded; write it with to_csv(path, index=False)."),
    ("a PDF", b"%PDF-1.7\n", "a PDF; save the table as csv."),
    (
        "a pointer",
        b"version https://git-lfs.github.com/spec/v1\n",
        "a pointer of Git LFS; get the file itself: git lfs pull.",
    ),
    ("a web page", b"\n<!doctype html>\n<html>", "a web page or XML; download the file itself."),
    ("JSON", b'[{"id": "a", "p": 0}]', "JSON; write it as csv."),
    ("JSON lines", b'{"id": "a", "p": 0}\n{}', "JSON; write it as csv."),
    ("zeros", bytes(5000), "nothing but zeros; copy it again."),
):
    add(f"{name} named csv", "one", start, f"this is no csv but {words}")

# The lines
add("quotes everywhere", "one", '"id","p"\n"a","0"\n"b","0.25"\n"c","0.5"\n"d","1"\n', P)
add("CR only", "one", f"id,p\n{LINES}".replace("\n", "\r"), P)
add("CR CR LF", "one", f"id,p\n{LINES}".replace("\n", "\r\r\n"), P)
add("no newline at the end", "one", f"id,p\n{LINES}".rstrip(), P)
add("blanks around the numbers", "one", f"id,p\n{LINES}".replace(",0", ", 0").replace("5\n", "5 \n"), P)
add(
    "R's row names without a name",
    "one",
    '"id","p"\n"1","a",0\n"2","b",1\n',
    "Each line begins with its number; leave that out (in R: write.csv(x, file, row.names = FALSE)).",
)
add("commas at the ends of the lines", "one", "id,p\na,0,\nb,1,\n", "Such a line ends in a comma; leave that out.")
add(
    "a comment among the lines",
    "one",
    f"id,p\n# mine\n{LINES}",
    "# mine (1). A csv has no comments: delete such lines.",
)
add(
    "a comment with a comma",
    "one",
    f"id,p\n# mine,yes\n{LINES}",
    "A csv has no comments: delete the lines that begin with #.",
)
add("decimal commas", "one", "id,p\na,0,5\nb,0,25\nc,0,5\nd,1,0\n", "Are these decimal commas? Write 0.5, not 0,5.")
add("decimal commas, two columns", "two", "id,v,w\na,0,5,1,5\n", "Are these decimal commas? Write 0.5, not 0,5.")
add("decimal commas in quotes", "one", 'id,p\na,"0,5"\nb,0\nc,0\nd,0\n', "Write 0.5, not 0,5 (a decimal comma).")
add(
    "thousands in quotes",
    "two",
    'id,v,w\na,"1,000,000",0\nb,0,0\nc,0,0\nd,0,0\n',
    "'1,000,000' (id a). Leave the thousands separators out.",
)
add(
    "thousands or a decimal comma",
    "two",
    'id,v,w\na,"1,000",0\nb,0,0\nc,0,0\nd,0,0\n',
    "'1,000' (id a). Write it without a comma: 1000 or 1.000.",
)
add("percent", "one", "id,p\na,5%\nb,0\nc,0\nd,0\n", "1 cell of column p is no number: '5%' (id a). Write 0.05 for 5%.")
add("lines with other separators", "one", "id,p\na;0\nb;1\n", "Separate all cells with commas.")
add("the header again", "one", f"id,p\n{LINES}id,p\n", "The header stands again among the lines (of two files in one?)")
add(
    "a footer of totals",
    "one",
    f"id,p\n{LINES}Total,1.75\n",
    "1 line has an unknown id: Total. The table ends with it: a line of totals, or a footer? Delete it.",
)
add(
    "a footer of one cell",
    "one",
    f"id,p\n{LINES}4 rows\n",
    "4 rows (1). The file ends with it: a line of totals, or a footer?",
)
add("a footer without an id", "one", f"id,p\n{LINES},1.75\n", "1 line has an unknown id: ''.")
add(
    "row numbers for ids",
    "one",
    "id,p\n0,0\n1,0\n2,0\n3,0\n",
    "Numbers of rows are no ids: those of the task are such as a.",
)
add("one line a cell", "cell", "cell,value\nb_w,4\na_v,1\na_w,2\nb_v,3\n", np.array([[1, 2], [3, 4.0]], "f4"))
add("class numbers as floats", "class", "id,label\na,0.0\nb,1.0\nc,1\nd,0.\n", np.array([0, 1, 1, 0], "i4"))
add(
    "class names in capitals",
    "class",
    "id,label\na,CAT\nb,dog\nc,cat\nd,cat\n",
    "1 label is none of cat,dog: 'CAT' (id a).",
)

# The ids
add("float ids", "count", by("0.0", "1.0", "2.0", "3.0"), P)
add("float ids of many zeros", "count", by("0.000", "1.00", "2.", "3"), P)
add("float ids out of order", "count", "id,p\n3.0,1\n1.0,0.25\n0.0,0\n2.0,0.5\n", P)
add("a float id twice", "count", by("0.0", "1.0", "2.0", "3.0") + "1,0.25\n", "1 id is given more than once: 1.")
add("an id and a half", "count", by("0", "1.5", "2", "3"), "1 line has an unknown id: 1.5.")
add("an id of NaN", "count", by("0", "nan", "2", "3"), "1 line has an unknown id: nan.")
add("an empty id", "count", by("0", "", "2", "3"), "1 line has an unknown id: ''.")
add("a huge id", "count", by("0", "1e300", "2", "3"), "1 line has an unknown id: 1e300.")
add("an infinite id", "count", by("0", "inf", "2", "3"), "1 line has an unknown id: inf.")
add("an id with an exponent", "far", by("7", "80", "1e5", "123456789012"), like("100000", "1e5", "an exponent"))
add(
    "a rounded id",
    "far",
    by("7", "80", "100000", "1.23457E+11"),
    "A spreadsheet has rounded long ids to such numbers: keep the column of ids as text.",
)
add(
    "an id beyond what floats hold",
    "big",
    by("9007199254740992.0", "9007199254740993", "5", "6"),
    like("9007199254740992", "9007199254740992.0", "a decimal point"),
)
add("zeros in front", "far", by("007", "80", "100000", "123456789012"), like("7", "007", "zeros in front of it"))
add("zeros lost", "zeros", by("7", "0080", "0900", "1000"), like("0007", "7", "its leading zeros lost"))
add("a plus sign", "far", by("+7", "80", "100000", "123456789012"), like("7", "+7", "a plus sign"))
add("thousands", "far", by("7", "80", '"100,000"', "123456789012"), like("100000", "100,000", "thousands separators"))
add(
    "thousands as in Python",
    "far",
    by("7", "80", "100_000", "123456789012"),
    like("100000", "100_000", "thousands separators"),
)
add("blanks", "far", by(" 7", "80", "100000", "123456789012"), like("7", "' 7'", "blanks around it"))
add("a tab", "far", by("7\t", "80", "100000", "123456789012"), like("7", "'7\\t'", "blanks around it"))
add("quotes", "far", by("'7'", "80", "100000", "123456789012"), like("7", "'7'", "quotes around it"))
add("quotes inside quotes", "one", by('"""a"""', "b", "c", "d"), like("a", '"a"', "quotes around it"))
add("NFC", "words", by(*WORDS), P)
add("NFD", "words", by(unicodedata.normalize("NFD", WORDS[0]), *WORDS[1:]), "(another Unicode form; NFC is wanted).")
add(
    "NFD, ids as bytes",
    "bytes",
    by(unicodedata.normalize("NFD", WORDS[0]), *WORDS[1:]),
    "(another Unicode form; NFC is wanted).",
)
add("NFC for NFD", "nfd", by(*WORDS), "(another Unicode form; NFD is wanted).")
add("NFD for NFD", "nfd", by(*(unicodedata.normalize("NFD", word) for word in WORDS)), P)
add(
    "NFKD",
    "words",
    by(unicodedata.normalize("NFKD", WORDS[1]), *WORDS[2:], WORDS[0]),
    "(another Unicode form; NFC is wanted).",
)
add("full-width letters", "one", by("ａ", "b", "c", "d"), like("a", "ａ", "full-width or other look-alike characters"))
add(
    "full-width digits",
    "far",
    by("７", "80", "100000", "123456789012"),
    like("7", "７", "full-width or other look-alike characters"),
)
add(
    "a no-break space",
    "words",
    by(*WORDS[:2], "toss\xa03", WORDS[3]),
    like("toss 3", "'toss\\xa03'", "full-width or other look-alike characters"),
)
add("a no-break space behind", "one", by("a\xa0", "b", "c", "d"), like("a", "'a\\xa0'", "blanks around it"))
add(
    "a BOM in the middle",
    "one",
    by("a", "\ufeffb", "c", "d"),
    like("b", "'\\ufeffb'", "characters that cannot be seen"),
)
add(
    "a zero-width blank", "one", by("a", "b\u200b", "c", "d"), like("b", "'b\\u200b'", "characters that cannot be seen")
)
add(
    "a soft hyphen",
    "words",
    by(*WORDS[:3], "toss\u00ad-4"),
    like("toss-4", "'toss\\xad-4'", "characters that cannot be seen"),
)
add(
    "a non-breaking hyphen",
    "words",
    by(*WORDS[:3], "toss‑4"),
    like("toss-4", "toss‑4", "another kind of dash or quote"),
)
add("a dash", "words", by(*WORDS[:3], "toss–4"), like("toss-4", "toss–4", "another kind of dash or quote"))
add("capitals", "words", by(*WORDS[:3], "Toss-4"), like("toss-4", "Toss-4", "upper and lower case differ"))
add("the ending of a file", "one", by("a.png", "b", "c", "d"), like("a", "a.png", "the ending of a file name"))
add("a wide letter and a blank", "one", by("ａ ", "b", "c", "d"), "(blanks, quotes or look-alike characters).")
add("NUL", "one", by("a\0", "b", "c", "d"), like("a", "'a\\x00'", "characters that cannot be seen"))


def outcome(source: object, spec: str) -> Array | PredictionError:
    try:
        return predictions.canonical(np.asarray(predictions.read(source, SPECS[spec])))
    except PredictionError as error:
        return error


@pytest.mark.parametrize("kind", TABLES)
def test_a_csv_is_read_right_or_refused_with_what_it_is(kind: str, tmp_path: Path) -> None:
    spec, content, wanted = TABLES[kind]
    (tmp_path / "p.csv").write_bytes(content)
    found = outcome(tmp_path / "p.csv", spec)
    if isinstance(wanted, str):
        assert isinstance(found, KitError)
        assert wanted in str(found)
        assert found.exit_code == 1
        assert len(str(found)) < 800
    else:
        assert isinstance(found, np.ndarray)
        assert np.array_equal(found, wanted)


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda table, path: table.to_csv(path / "p.csv", index=False) or path / "p.csv",
    "csv.gz": lambda table, path: table.to_csv(path / "p.csv.gz", index=False) or path / "p.csv.gz",
    "parquet": lambda table, path: table.to_parquet(path / "p.parquet") or path / "p.parquet",
    "parquet of dictionaries": lambda table, path: (
        parquet.write_table(
            pa.table({"id": pa.array(table["id"]).dictionary_encode(), "p": table["p"]}), path / "p.parquet"
        )
        or path / "p.parquet"
    ),
    "frame": lambda table, path: table,
    "frame by its index": lambda table, path: table.set_index("id"),
    "Series": lambda table, path: table.set_index("id")["p"],
    "dict": lambda table, path: dict(zip(table["id"].tolist(), table["p"], strict=True)),
    "Arrow": lambda table, path: pa.table(table),
}


@pytest.mark.parametrize("written", WRITERS)
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "Float64", "double[pyarrow]", "int8", "uint64", "str", object]
)
def test_whole_ids_are_alike_however_they_are_written(dtype: str, written: str, tmp_path: Path) -> None:
    spec = Spec(np.arange(1, 201), ("p",), "probability")
    values = np.linspace(0, 1, 200, dtype=np.float32)
    whole = np.arange(1, 201) if dtype != "int8" else np.arange(1, 201) % 128
    if dtype == "int8":  # so many fit
        spec, values, whole = Spec(np.arange(1, 101), ("p",), "probability"), values[:100], np.arange(1, 101)
    if dtype == "float16" and written in ("frame by its index", "Series"):
        pytest.skip("pandas has no index of float16")
    table = pd.DataFrame({"id": pd.Series(whole).astype(dtype), "p": values}).sample(frac=1, random_state=0)
    source = WRITERS[written](table.reset_index(drop=True), tmp_path)
    assert np.array_equal(predictions.read(source, spec), values)


@pytest.mark.parametrize("written", ["parquet", "frame", "Series", "Arrow"])
@pytest.mark.parametrize(("dtype", "n"), [("float64", 2**53), ("float32", 2**24), ("float16", 2**11)])
def test_a_float_too_large_to_tell_two_ids_apart_is_unknown(dtype: str, n: int, written: str, tmp_path: Path) -> None:
    if dtype == "float16" and written == "Series":
        pytest.skip("pandas has no index of float16")
    spec = Spec(np.array([5, n + 2]), ("p",), "probability")
    table = pd.DataFrame({"id": np.array([5, n + 2]).astype(dtype), "p": [0, 1]})
    with pytest.raises(PredictionError) as found:
        predictions.read(WRITERS[written](table, tmp_path), spec)
    assert f"1 id is missing: {n + 2}." in str(found.value)


def test_the_command_says_it_in_one_line(workspace: Path, kit_command: Kit) -> None:
    rows = "".join(f"toss{row},0.5\n" for row in range(100))
    for content, words in (
        (f"sep=,\nid,heads\n{rows}", f"p.csv: its first line is sep=,, a note to Excel. {ABOVE}"),
        (f"id,heads\n{rows.replace('toss7,', 'toss７,')}", "Write ids as the task does: toss7, not toss７ (full-width"),
    ):
        (workspace / "p.csv").write_text(content, encoding="utf-8")
        done = kit_command("submit", "coin", workspace / "p.csv", timeout=60)
        assert done.returncode == 1
        assert done.stdout == ""
        assert words in done.stderr
        assert done.stderr.count("error: ") == 1
        assert not (workspace / "submissions").exists()
