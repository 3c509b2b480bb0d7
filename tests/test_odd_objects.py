"""Whatever a notebook hands over is scored right, by its ids where it carries any, or refused with one message."""

import collections
import dataclasses
import io
import os
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from kit import predictions
from kit.errors import PredictionError
from kit.task import Array, Spec

pl = pytest.importorskip("polars")
xr = pytest.importorskip("xarray")
ml_dtypes = pytest.importorskip("ml_dtypes")

N = 8
WORDS = [f"toss{row}" for row in range(N)]
ORDER = np.array([3, 1, 7, 0, 2, 6, 5, 4])
P = np.linspace(0, 1, N).astype(np.float32)
Q = np.stack([P, 1 - P, P / 2], axis=1)
LABELS = np.array([0, 1, 2, 1, 0, 2, 2, 0])
NAMES = [("cat", "dog", "emu")[label] for label in LABELS]
HALVES = np.arange(N) / 8

SPECS = {
    "word": Spec(np.array(WORDS), ("p",), "probability"),
    "count": Spec(np.arange(N), ("p",), "probability"),  # ids 0, 1, 2, ...
    "mixed": Spec(ORDER, ("p",), "probability"),  # the same, shuffled
    "far": Spec(np.arange(1000, 1000 + N), ("p",), "probability"),
    "three": Spec(np.array(WORDS), ("a", "b", "c"), "value"),
    "three-count": Spec(np.arange(N), ("a", "b", "c"), "value"),
    "class": Spec(np.array(WORDS), ("cat", "dog", "emu"), "class"),
    "cell": Spec(np.array(WORDS), ("a", "b", "c"), "value", cell=("cell", "value")),
    "odd": Spec(np.array(WORDS), ("read", "index"), "value"),
}
Wanted = str | Array
OBJECTS: dict[str, tuple[str, Callable[[], Any], Wanted]] = {}  # kind: spec, object, predictions or the only message


def add(kind: str, spec: str, source: Callable[[], Any], wanted: Wanted) -> None:
    assert kind not in OBJECTS
    OBJECTS[kind] = (spec, source, wanted)


def series(values: Any = P, index: Any = WORDS, **more: Any) -> pd.Series:
    """A Series whose lines are shuffled together with their labels."""
    return pd.Series(values, index, **more).iloc[ORDER]


def frame(index: Any = WORDS, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns or {"p": P}, index).iloc[ORDER]


def array(labels: Any = WORDS, values: Any = P, **more: Any) -> Any:
    return xr.DataArray(values, {"row": labels, **more}, ["row", *more])[ORDER]


IS_LIST = "an array, a tensor, a list, a DataFrame or the path of a file is wanted."
ALONE = " If the values are in the order of the test rows, give them alone."
ROWS = " Numbers of rows are no ids: those of the task are such as toss0."
MISSING = "missing columns: id. The columns should be id,p."

# Series, by their index
add("Series by id", "word", series, P)
add("Series by id, named", "word", lambda: series(index=pd.Index(WORDS, name="id")), P)
add("Series by id, named otherwise", "word", lambda: series(index=pd.Index(WORDS, name="toss")), P)
add("Series by id, of categories", "word", lambda: series(index=pd.CategoricalIndex(WORDS)), P)
add("Series by id, Arrow strings", "word", lambda: series(index=pd.Index(WORDS, dtype="string[pyarrow]")), P)
add("Series by id, objects", "word", lambda: series(index=pd.Index(WORDS, dtype=object)), P)
add("Series by id, bytes", "word", lambda: series(index=pd.Index([word.encode() for word in WORDS])), P)
add("Series by whole ids", "far", lambda: series(index=np.arange(1000, 1000 + N)), P)
add("Series by float ids", "far", lambda: series(index=np.arange(1000.0, 1000 + N)), P)
add("Series by ids as text", "far", lambda: series(index=[str(row) for row in range(1000, 1000 + N)]), P)
add("Series by float ids as text", "far", lambda: series(index=[f"{row}.0" for row in range(1000, 1000 + N)]), P)
add("Series by unsigned ids", "far", lambda: series(index=np.arange(1000, 1000 + N, dtype="u2")), P)
add("Series without ids", "word", lambda: pd.Series(P), P)
add("Series without ids, far", "far", lambda: pd.Series(P), P)
add("Series without ids, index of int64", "word", lambda: pd.Series(P, np.arange(N)), P)
add("Series, RangeIndex is the ids", "count", lambda: pd.Series(P), P)
add("Series, RangeIndex is the ids, shuffled", "count", lambda: series(index=None), P)
add("Series, RangeIndex is the shuffled ids", "mixed", lambda: pd.Series(P), P[ORDER])
add("Series, shuffled RangeIndex, shuffled ids", "mixed", lambda: series(index=None), P[ORDER])
add(
    "Series, shuffled RangeIndex, other ids",
    "word",
    lambda: series(index=None),
    f"its index holds no ids: it begins with 3,1,7; ids are such as toss0.{ROWS}{ALONE}",
)
add(
    "Series, part of a longer one",
    "word",
    lambda: pd.Series(np.tile(P, 20))[100 : 100 + N],
    f"its index holds no ids: it begins with 100,101,102; ids are such as toss0.{ROWS}{ALONE}",
)
add("Series, one id missing", "word", lambda: series()[:-1], "1 id is missing: toss4.")
add(
    "Series, an id twice",
    "word",
    lambda: pd.Series([*P, 0.5], [*WORDS, "toss2"]),
    "1 id is given more than once: toss2.",
)
add("Series, an id unknown", "word", lambda: pd.Series([*P, 0.5], [*WORDS, "x"]), "1 line has an unknown id: x.")
add(
    "Series, ids in capitals",
    "word",
    lambda: series(index=[word.upper() for word in WORDS]),
    "its index holds no ids: it begins with TOSS3,TOSS1,TOSS7; ids are such as toss0. Write ids as the task does: "
    f"toss3, not TOSS3 (upper and lower case differ).{ALONE}",
)
add(
    "Series by two levels",
    "word",
    lambda: pd.Series(P, pd.MultiIndex.from_product([WORDS, ["p"]])),
    "its index has 2 levels; one with the ids is wanted.",
)
add(
    "Series by times",
    "word",
    lambda: pd.Series(P, pd.date_range("2020-01-01", periods=N)),
    "its index holds no ids: it begins with 2020-01-01 00:00:00.000000,2020-01-02 "
    f"00:00:00.000000,2020-01-03 00:00:00.000000; ids are such as toss0.{ALONE}",
)
add(
    "Series of nothing",
    "word",
    lambda: pd.Series([], dtype=float),
    "it has 0 rows; 8 are wanted, one for each test row.",
)
add(
    "Series too short, without ids",
    "word",
    lambda: pd.Series(P[:5]),
    "it has 5 rows; 8 are wanted, one for each test row.",
)
add("Series too short, of ids", "count", lambda: pd.Series(P[:5]), "3 ids are missing: 5, 6, 7.")
add(
    "Series for three columns",
    "three",
    series,
    "its shape is (8,); (8, 3) is wanted, one row for each test row.",
)
for dtype in ("float64", "float16", "Float32", "float[pyarrow]", "double[pyarrow]", "longdouble", object, "str"):
    add(f"Series of {dtype}", "word", lambda dtype=dtype: series(pd.Series(HALVES).astype(dtype).array), HALVES)
add("Series, big-endian", "word", lambda: pd.Series(HALVES.astype(">f8"), WORDS), HALVES)
add("frame, big-endian", "word", lambda: pd.DataFrame({"p": HALVES.astype(">f4")}, WORDS), HALVES)
add("Series of categories", "word", lambda: series(pd.Categorical(HALVES)), HALVES)
add("Series that is sparse", "word", lambda: series(pd.arrays.SparseArray(HALVES)), HALVES)
add("Series of Decimal", "word", lambda: series([Decimal(x) for x in HALVES.tolist()]), HALVES)
add("Series of Decimal by position", "word", lambda: pd.Series([Decimal(x) for x in HALVES.tolist()]), HALVES)
add(
    "Series with a missing cell",
    "word",
    lambda: series(pd.array([None, *HALVES[1:]], "Float64")),
    "1 cell is not finite (NaN, empty, infinite, or too large for float32): id toss0.",
)
add(
    "Series with a word",
    "word",
    lambda: series(["half", *HALVES[1:]]),
    "1 cell of column p is no number: 'half' (id toss0).",
)
add(
    "Series of complex numbers",
    "word",
    lambda: series(P + 1j),
    "its type is complex64; whole or floating-point numbers are wanted.",
)
add(
    "Series of durations",
    "word",
    lambda: series(np.arange(N).astype("m8[s]")),
    "its type is timedelta64[s]; whole or floating-point numbers are wanted.",
)
add("labels in a Series", "class", lambda: series(LABELS), LABELS)
add("labels in a Series of int8", "class", lambda: series(LABELS.astype("i1")), LABELS)
add("class names in a Series", "class", lambda: series(NAMES), LABELS)
add("class names in a Series of categories", "class", lambda: series(pd.Categorical(NAMES)), LABELS)
add("class names in a Series without ids", "class", lambda: pd.Series(NAMES), LABELS)
add("class names in a Series of strings", "class", lambda: series(NAMES, dtype="string"), LABELS)
add(
    "a wrong class name in a Series",
    "class",
    lambda: series(["cow", *NAMES[1:]]),
    "1 label is none of cat,dog,emu: 'cow' (id toss0).",
)
add(
    "a wrong class name in a Series without ids",
    "class",
    lambda: pd.Series(["cow", *NAMES[1:]]),
    "1 label is none of cat,dog,emu: 'cow' (id toss0).",
)

# DataFrames
add("frame by an index named id", "word", lambda: frame(pd.Index(WORDS, name="id")), P)
add("frame by an unnamed index", "word", frame, P)
add("frame by an index of another name", "word", lambda: frame(pd.Index(WORDS, name="toss")), P)
add("frame by a RangeIndex that is the ids", "count", lambda: pd.DataFrame({"p": P}), P)
add("frame by a shuffled RangeIndex", "count", lambda: frame(None), P)
add("frame by a RangeIndex, ids shuffled", "mixed", lambda: pd.DataFrame({"p": P}), P[ORDER])
add("frame of three by its index", "three", lambda: frame(c=Q[:, 2], a=Q[:, 0], b=Q[:, 1]), Q)
add("frame of three by a RangeIndex", "three-count", lambda: frame(None, c=Q[:, 2], a=Q[:, 0], b=Q[:, 1]), Q)
add("frame of labels by its index", "class", lambda: frame(label=NAMES), LABELS)
add("frame of categories", "class", lambda: frame(label=pd.Categorical(NAMES)), LABELS)
add(
    "frame of cells by its index",
    "cell",
    lambda: pd.DataFrame({"value": Q.ravel()}, [f"{row}_{column}" for row in WORDS for column in "abc"])[::-1],
    Q,
)
add("frame with a column id and any index", "word", lambda: frame(np.arange(50, 50 + N), id=WORDS, p=P), P)
add("frame with id in column and index", "word", lambda: frame(pd.Index(WORDS, name="id"), id=WORDS, p=P), P)
add(
    "frame whose column and index id differ",
    "word",
    lambda: frame(pd.Index(WORDS[::-1], name="id"), id=WORDS, p=P),
    "its column id and its index id differ; drop one of them.",
)
add("frame with a level id", "word", lambda: frame(pd.MultiIndex.from_arrays([WORDS, WORDS], names=["id", "x"])), P)
add("frame without ids", "word", lambda: pd.DataFrame({"p": P}), MISSING)
add("frame without ids, far", "far", lambda: pd.DataFrame({"p": P}), MISSING)
add(
    "frame by an index of no ids",
    "far",
    lambda: frame(np.arange(50, 50 + N)),
    f"{MISSING} And its index holds no ids: it begins with 53,51,57; ids are such as 1000.",
)
add(
    "frame by two levels",
    "word",
    lambda: frame(pd.MultiIndex.from_product([WORDS, ["x"]])),
    f"{MISSING} Its index has 2 levels, none of them named id.",
)
add(
    "frame with columns of two levels",
    "word",
    lambda: pd.DataFrame(P, WORDS, pd.MultiIndex.from_tuples([("p", "x")])),
    "its columns have 2 levels; one is wanted: frame.columns.droplevel(0).",
)
add(
    "frame with a column twice",
    "word",
    lambda: pd.DataFrame(np.stack([P, P], 1), WORDS, ["p", "p"]),
    "columns given more than once: p. The columns should be id,p.",
)
add("frame with columns read and index", "odd", lambda: pd.DataFrame(Q[:, :2], WORDS, ["read", "index"]), Q[:, :2])
for dtype in (
    "float[pyarrow]",
    "Float64",
    "category",
    object,
    "string",
    "string[pyarrow]",
    "longdouble",
    "float16",
):
    add(f"frame of {dtype}", "word", lambda dtype=dtype: frame(p=pd.Series(HALVES).astype(dtype).array), HALVES)
add("frame that is sparse", "word", lambda: frame(p=pd.arrays.SparseArray(HALVES)), HALVES)
add("frame of bools", "word", lambda: frame(p=HALVES > 0.5), (HALVES > 0.5).astype("f4"))
add("frame of float ids", "far", lambda: pd.DataFrame({"id": np.arange(1000.0, 1000 + N), "p": P}), P)
add("frame of float32 ids", "far", lambda: pd.DataFrame({"id": np.arange(1000, 1000 + N, dtype="f4"), "p": P}), P)
add(
    "frame of ids and one and a half",
    "far",
    lambda: pd.DataFrame({"id": [1000.5, *range(1001, 1000 + N)], "p": P}),
    "predictions has 2 faults:\n  - 1 id is missing: 1000.\n  - 1 line has an unknown id: 1000.5.",
)
add(
    "frame of ids and NaN",
    "far",
    lambda: pd.DataFrame({"id": [np.nan, *range(1001, 1000 + N)], "p": P}),
    "predictions has 2 faults:\n  - 1 id is missing: 1000.\n  - 1 line has an unknown id: None.",
)
add(
    "frame of ids and 1e300",
    "far",
    lambda: pd.DataFrame({"id": [1e300, *range(1001, 1000 + N)], "p": P}),
    "predictions has 2 faults:\n  - 1 id is missing: 1000.\n  - 1 line has an unknown id: 1e+300.",
)
add(
    "frame of complex numbers",
    "word",
    lambda: frame(p=[1j, *P[1:]]),
    "8 cells of column p are no numbers: '(0.4285714328289032+0j)' (id toss3)",
)
add(
    "frame of durations",
    "word",
    lambda: frame(p=np.arange(N).astype("m8[us]")),
    "column p holds duration[us]; numbers are wanted.",
)
add(
    "frame of lists",
    "word",
    lambda: frame(p=[[x] for x in P]),
    "column p holds list<item: float>; numbers are wanted.",
)
add("the class DataFrame", "word", lambda: pd.DataFrame, "which is to be called; " + IS_LIST)

# polars and Arrow
for kind, dtype in (("Categorical", pl.Categorical), ("Enum", pl.Enum(WORDS)), ("String", pl.String)):
    add(
        f"polars frame, ids {kind}",
        "word",
        lambda dtype=dtype: pl.DataFrame({"id": pl.Series(WORDS, dtype=dtype), "p": P})[ORDER.tolist()],
        P,
    )
for kind, dtype in (("Categorical", pl.Categorical), ("Enum", pl.Enum(["emu", "dog", "cat"])), ("String", pl.String)):
    add(
        f"polars labels {kind}",
        "class",
        lambda dtype=dtype: pl.DataFrame({"id": WORDS, "label": pl.Series(NAMES, dtype=dtype)}),
        LABELS,
    )
    add(f"polars Series of labels {kind}", "class", lambda dtype=dtype: pl.Series(NAMES, dtype=dtype), LABELS)
add(
    "polars values Categorical",
    "word",
    lambda: pl.DataFrame({"id": WORDS, "p": pl.Series(HALVES.astype(str), dtype=pl.Categorical)}),
    HALVES,
)
add("polars Series", "word", lambda: pl.Series(P), P)
add("polars Series of Decimal", "word", lambda: pl.Series(HALVES).cast(pl.Decimal(10, 4)), HALVES)
add("polars Series of bool", "word", lambda: pl.Series(HALVES > 0.5), (HALVES > 0.5).astype("f4"))
add("polars float ids", "far", lambda: pl.DataFrame({"id": np.arange(1000.0, 1000 + N), "p": P}), P)
add(
    "polars Series with null",
    "word",
    lambda: pl.Series([None, *HALVES[1:].tolist()]),
    "1 cell is not finite (NaN, empty, infinite, or too large for float32): id toss0.",
)
add(
    "polars LazyFrame",
    "word",
    lambda: pl.LazyFrame({"id": WORDS, "p": P}),
    "this is a LazyFrame, which is not computed yet; give what its collect() returns.",
)
add("polars frame without ids", "word", lambda: pl.DataFrame({"p": P}), MISSING)
add("polars expression", "word", lambda: pl.col("p"), "this is no array of numbers")
add("Arrow array", "word", lambda: pa.array(P), P)
add("Arrow chunked array", "word", lambda: pa.chunked_array([P[:3], P[3:]]), P)
add("Arrow array of whole numbers", "class", lambda: pa.array(LABELS), LABELS)
add("Arrow array of names", "class", lambda: pa.array(NAMES).dictionary_encode(), LABELS)
add("Arrow array of text", "word", lambda: pa.array([str(x) for x in HALVES]), HALVES)
add("Arrow array of half floats", "word", lambda: pa.array(HALVES.astype("f2")), HALVES)
add("Arrow array of lists", "three", lambda: pa.array(Q.tolist()), Q)
add("Arrow array of rows", "word", lambda: pa.StructArray.from_arrays([pa.array(WORDS), pa.array(P)], ["id", "p"]), P)
add("Arrow record batch", "word", lambda: pa.record_batch({"id": WORDS, "p": P}), P)
add("Arrow reader", "word", lambda: pa.table({"id": WORDS, "p": P}).to_reader(), P)
add(
    "Arrow array with null",
    "word",
    lambda: pa.array([None, *HALVES[1:].tolist()]),
    "1 cell is not finite (NaN, empty, infinite, or too large for float32): id toss0.",
)
add("Arrow table of float ids", "far", lambda: pa.table({"id": np.arange(1000.0, 1000 + N), "p": P}), P)
add(
    "Arrow table of decimal ids",
    "far",
    lambda: pa.table({"id": [Decimal(f"{row}.00") for row in range(1000, 1000 + N)], "p": P}),
    P,
)
add("Arrow table of half-float ids", "count", lambda: pa.table({"id": np.arange(N).astype("f2"), "p": P}), P)
add("Arrow table of string views", "word", lambda: pa.table({"id": pa.array(WORDS, pa.string_view()), "p": P}), P)
add("Arrow table of large strings", "word", lambda: pa.table({"id": pa.array(WORDS, pa.large_string()), "p": P}), P)


class OnlyStream:
    def __init__(self, source: Any) -> None:
        self.__source = source

    def __arrow_c_stream__(self, schema: Any = None) -> Any:
        return self.__source.__arrow_c_stream__(schema)


class OnlyArray:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return P


class OnlyDlpack:
    def __dlpack__(self, **options: Any) -> Any:
        return P.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return P.__dlpack_device__()


class OnlyInterface:
    __array_interface__ = P.__array_interface__


class OnGpu:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")


class OnlyDataframe:
    def __dataframe__(self, **options: Any) -> Any:
        return pa.table({"id": WORDS, "p": P}).__dataframe__()


class Spark:
    columns = ("id", "p")

    def toPandas(self) -> None:
        raise AssertionError


class Torn:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise ZeroDivisionError("torn")


add("stream of a table", "word", lambda: OnlyStream(pa.table({"id": WORDS, "p": P})), P)
add("stream of a column", "word", lambda: OnlyStream(pa.chunked_array([P])), P)
add("object with __array__", "word", OnlyArray, P)
add("object with __dlpack__", "word", OnlyDlpack, P)
add("object with __array_interface__", "word", OnlyInterface, P)
add("object with __dataframe__", "word", OnlyDataframe, P)
add(
    "object on a GPU",
    "word",
    OnGpu,
    "this is no array of numbers: Implicit conversion to a NumPy array is not allowed.",
)
add("table of Spark", "word", Spark, "Give what its toPandas() returns.")
add("object whose code fails", "word", Torn, "this is no array of numbers: torn.")

# xarray
add("DataArray by id", "word", array, P)
add("DataArray by whole ids", "far", lambda: array(np.arange(1000, 1000 + N)), P)
add("DataArray without labels", "word", lambda: xr.DataArray(P), P)
add("DataArray that counts", "word", lambda: xr.DataArray(P, {"row": np.arange(N)}, ["row"]), P)
add("DataArray that counts, shuffled", "count", lambda: array(np.arange(N)), P)
add("DataArray by a coordinate id", "word", lambda: xr.DataArray(P, {"id": ("row", WORDS)}, ["row"])[ORDER], P)
add("DataArray by columns", "three", lambda: array(values=Q[:, [2, 0, 1]], column=["c", "a", "b"]), Q)
add("DataArray by columns only", "three", lambda: xr.DataArray(Q[:, [2, 0, 1]], {"c": ["c", "a", "b"]}, ["r", "c"]), Q)
add("DataArray of class names", "class", lambda: array(values=np.array(NAMES)), LABELS)
add("Dataset", "word", lambda: xr.Dataset({"p": array()}), P)
add(
    "DataArray by other columns",
    "three",
    lambda: array(values=Q, column=["x", "a", "b"]),
    "predictions has 2 faults:\n  - missing columns: c.\n  - unknown columns: x. The columns should be id,a,b,c.",
)
add(
    "DataArray by no ids",
    "word",
    lambda: array([f"x{row}" for row in range(N)]),
    "its index holds no ids: it begins with x3,x1,x7;",
)
add(
    "DataArray of three dimensions",
    "word",
    lambda: xr.DataArray(Q[..., None]),
    "its shape is (8, 3, 1); (8,) is wanted",
)

# dicts and records


class Row(NamedTuple):
    id: str
    p: float


@dataclasses.dataclass
class Record:
    id: str
    p: float


PAIRS = [(WORDS[row], float(P[row])) for row in ORDER]
add(
    "dict of a flat and a square array",
    "word",
    lambda: {"id": WORDS, "p": np.stack([P, P], 1)},
    "this table cannot be read: one value a row is wanted in each column, not an array of shape (8, 2).",
)
add(
    "records with a square field",
    "word",
    lambda: np.zeros(N, [("id", "U8"), ("p", "f4", 2)]),
    "this table cannot be read: one value a row is wanted in each column, not an array of shape (8, 2).",
)
add("dict of plain values", "word", lambda: {"id": 1, "p": 0.5}, "this table cannot be read: one value a row is wanted")
add("dict by id", "word", lambda: dict(PAIRS), P)
add("dict by id, whole", "far", lambda: {1000 + row: P[row] for row in ORDER.tolist()}, P)
add("dict by id, floats", "far", lambda: {1000.0 + row: P[row] for row in ORDER.tolist()}, P)
add("dict by id of rows", "three", lambda: {WORDS[row]: Q[row] for row in ORDER}, Q)
add("dict by id of names", "class", lambda: {WORDS[row]: NAMES[row] for row in ORDER}, LABELS)
add("dict by id of labels", "class", lambda: {WORDS[row]: LABELS[row] for row in ORDER}, LABELS)
add("dict of columns", "word", lambda: {"p": P[ORDER], "id": np.array(WORDS)[ORDER]}, P)
add(
    "dict of lists",
    "three",
    lambda: {"id": WORDS, "c": Q[:, 2].tolist(), "a": Q[:, 0].tolist(), "b": Q[:, 1].tolist()},
    Q,
)
add("dict of Series", "word", lambda: {"id": pd.Series(WORDS), "p": pd.Series(P)}, P)
add("OrderedDict", "word", lambda: collections.OrderedDict(PAIRS), P)
add("mapping proxy", "word", lambda: MappingProxyType(dict(PAIRS)), P)
add("list of dicts", "word", lambda: [{"id": word, "p": p} for word, p in PAIRS], P)
add("list of named tuples", "word", lambda: [Row(*pair) for pair in PAIRS], P)
add("list of dataclasses", "word", lambda: [Record(*pair) for pair in PAIRS], P)
add("list of Series", "word", lambda: [pd.Series({"id": word, "p": p}) for word, p in PAIRS], P)
add("tuple of dicts of names", "class", lambda: tuple({"id": WORDS[n], "label": NAMES[n]} for n in ORDER), LABELS)
add("list of dicts without ids", "word", lambda: [{"p": p} for p in P], MISSING)
add(
    "list of dicts and numbers",
    "word",
    lambda: [{"id": "toss0", "p": 1}, 5],
    "its rows are of several kinds; " + IS_LIST,
)
add(
    "list of dicts with gaps",
    "word",
    lambda: [{"id": word, **({"p": p} if word != "toss3" else {})} for word, p in PAIRS],
    "1 cell is not finite (NaN, empty, infinite, or too large for float32): id toss3.",
)
add("dict of columns without ids", "word", lambda: {"p": P}, MISSING)
add("dict of one array of no name", "word", lambda: {"predictions": P}, "missing columns: id,p.")
add("dict of nothing", "word", dict, f"this is an empty dict; {IS_LIST}")
add(
    "dict of columns of two lengths",
    "word",
    lambda: {"id": WORDS, "p": P[:3]},
    "its columns differ in length: id 8,p 3.",
)
add("dict with an id missing", "word", lambda: dict(PAIRS[1:]), "1 id is missing: toss3.")
add("dict with an id unknown", "word", lambda: {**dict(PAIRS), "x": 0.5}, "1 line has an unknown id: x.")
add(
    "dict of ragged rows",
    "three",
    lambda: {word: [0] * (1 + n % 2) for n, word in enumerate(WORDS)},
    "this is no array of numbers",
)
add(
    "pairs",
    "word",
    lambda: PAIRS,
    "these are pairs with text in them; pairs of an id and a value are given as dict(pairs).",
)
add("records of numpy", "word", lambda: np.array(PAIRS, [("id", "U8"), ("p", "f8")]), P)
add(
    "records of numpy, big-endian",
    "far",
    lambda: np.array([(1000 + n, P[n]) for n in ORDER], [("id", ">i4"), ("p", ">f4")]),
    P,
)
add("recarray", "word", lambda: np.rec.array(PAIRS, [("id", "U8"), ("p", "f8")]), P)
add("records of other fields", "word", lambda: np.zeros(N, [("x", "f4"), ("y", "f4")]), "missing columns: id,p.")
add(
    "masked records",
    "word",
    lambda: np.ma.array(np.array(PAIRS, [("id", "U8"), ("p", "f8")])),
    P,
)

# arrays and tensors
add("list", "word", lambda: P.tolist(), P)
add("deque", "word", lambda: collections.deque(P.tolist()), P)
add("range", "three", lambda: [range(3)] * N, np.tile(np.arange(3.0), (N, 1)))
add("list of arrays", "three", lambda: list(Q), Q)
add("list of tensors", "word", lambda: [torch.tensor(p) for p in P], P)
add("matrix", "word", lambda: np.asmatrix(P).T, P)
add("memoryview", "word", lambda: memoryview(P), P)
add(
    "objects that are numbers",
    "word",
    lambda: np.array([*HALVES[:4].tolist(), *map(Fraction, HALVES[4:].tolist())], object),
    HALVES,
)
add("objects that are bools", "class", lambda: np.array([True, False] * 4, object), np.array([1, 0] * 4))
add(
    "objects, one missing",
    "word",
    lambda: np.array([None, *HALVES[1:]], object),
    "1 cell is not finite (NaN, empty, infinite, or too large for float32): id toss0.",
)
add(
    "objects, one a word",
    "word",
    lambda: np.array(["half", *HALVES[1:]], object),
    "it holds Python objects, which are never loaded; save plain numbers, such as float32.",
)
add(
    "objects that are names",
    "class",
    lambda: np.array(NAMES, object),
    "its type is <U3; whole or floating-point numbers are wanted. Class names go into a table: id,label.",
)
add(
    "whole numbers without bounds",
    "word",
    lambda: [2**80] * N,
    "8 probabilities lie outside 0..1: id toss0, id toss1, id toss2 and 5 more.",
)
add(
    "huge unsigned numbers",
    "word",
    lambda: np.full(N, 2**64 - 1, np.uint64),
    "8 probabilities lie outside 0..1: id toss0, id toss1, id toss2 and 5 more.",
)
add("longdouble", "word", lambda: HALVES.astype(np.longdouble), HALVES)
add("big-endian", "word", lambda: HALVES.astype(">f8"), HALVES)
add(
    "masked whole numbers",
    "class",
    lambda: np.ma.masked_array(LABELS, [1] + [0] * 7),
    "1 cell is not finite (NaN, empty, infinite, or too large for float32): id toss0.",
)
add("masked, none", "class", lambda: np.ma.masked_array(LABELS), LABELS)
add("complex numbers", "word", lambda: P + 0j, "its type is complex64; whole or floating-point numbers are wanted.")
add(
    "durations",
    "word",
    lambda: np.arange(N).astype("m8[s]"),
    "its type is timedelta64[s]; whole or floating-point numbers are wanted.",
)
add(
    "dates",
    "word",
    lambda: np.arange(N).astype("M8[D]"),
    "its type is datetime64[D]; whole or floating-point numbers are wanted.",
)
add(
    "text of numpy 2",
    "class",
    lambda: np.array(NAMES, np.dtypes.StringDType()),
    "its type is <U3; whole or floating-point numbers are wanted. Class names go into a table: id,label.",
)
add("a number", "word", lambda: 0.5, "its shape is (); (8,) is wanted, one row for each test row.")
add(
    "an array without dimension",
    "word",
    lambda: np.array(0.5),
    "its shape is (); (8,) is wanted, one row for each test row.",
)
for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
    add(f"ml_dtypes {name}", "word", lambda name=name: HALVES.astype(getattr(ml_dtypes, name)), HALVES)
    add(f"torch {name}", "word", lambda name=name: torch.tensor(HALVES).to(getattr(torch, name)), HALVES)
add("ml_dtypes int4", "class", lambda: LABELS.astype(ml_dtypes.int4), LABELS)
add("tensor with gradient", "word", lambda: torch.tensor(P, requires_grad=True) * 1, P)
add("tensor, a parameter", "word", lambda: torch.nn.Parameter(torch.tensor(P)), P)
add(
    "tensor, negative view",
    "word",
    lambda: torch._neg_view(torch.tensor(-P)),
    P,
)
add("tensor of uint16", "class", lambda: torch.tensor(LABELS).to(torch.uint16), LABELS)
add(
    "tensor, quantized",
    "word",
    lambda: torch.quantize_per_tensor(torch.tensor(HALVES).float(), 0.125, 0, torch.quint8),
    HALVES,
)
add(
    "tensor, meta",
    "word",
    lambda: torch.zeros(N, device="meta"),
    "this tensor is on the device meta, where it has a shape and no values.",
)
add(
    "tensor, sparse",
    "word",
    lambda: torch.tensor(P).to_sparse(),
    "the tensor's layout is torch.sparse_coo; give its to_dense().",
)
add(
    "tensor, sparse rows",
    "three",
    lambda: torch.tensor(Q).to_sparse_csr(),
    "the tensor's layout is torch.sparse_csr; give its to_dense().",
)
add(
    "tensor, nested",
    "word",
    lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
    "give its to_dense().",
)
add(
    "tensor of complex numbers",
    "word",
    lambda: torch.zeros(N, dtype=torch.complex64),
    "its type is complex64; whole or floating-point numbers are wanted.",
)
add(
    "sparse matrix",
    "three",
    lambda: scipy.sparse.csr_matrix(Q),
    "this is a sparse matrix (csr_matrix); give what its toarray() returns.",
)
add(
    "sparse array",
    "three",
    lambda: scipy.sparse.coo_array(Q),
    "this is a sparse matrix (coo_array); give what its toarray() returns.",
)

# what is no array at all
add("nothing", "word", lambda: None, f"this is None (does a function lack its return?); {IS_LIST}")
add(
    "generator",
    "word",
    lambda: (p for p in P),
    "this is a generator, which yields its values once; give list(...) of it.",
)
add("map", "word", lambda: map(float, P), "this is a map, which yields its values once; give list(...) of it.")
add(
    "zip",
    "word",
    lambda: zip(WORDS, P, strict=True),
    "this is a zip, which yields its values once; give list(...) of it.",
)
add("set", "word", lambda: set(P.tolist()), f"this is a set, which has no order; {IS_LIST}")
add(
    "values of a dict",
    "word",
    lambda: dict(PAIRS).values(),
    f"this is no array of numbers but of type dict_values; {IS_LIST}",
)
add(
    "bytes",
    "word",
    lambda: P.tobytes(),
    "these are bytes of a file; give its path, or what np.load(io.BytesIO(data)) returns.",
)
add(
    "BytesIO",
    "word",
    lambda: io.BytesIO(b"x"),
    "this is an open file (BytesIO); give what it holds: np.load(file), pd.read_csv(file).",
)
add(
    "StringIO",
    "word",
    lambda: io.StringIO("id,p\n"),
    "this is an open file (StringIO); give what it holds: np.load(file), pd.read_csv(file).",
)
add(
    "open file",
    "word",
    lambda: Path(os.devnull).open("rb"),  # noqa: SIM115
    f"this is an open file (BufferedReader); give its path, {os.devnull}, or what it holds: np.load(file)",
)
add("function", "word", lambda: len, "which is to be called; " + IS_LIST)
add("network", "word", lambda: torch.nn.Linear(1, 1), "which is to be called; " + IS_LIST)
add("object", "word", object, f"this is no array of numbers but of type object; {IS_LIST}")
add(
    "text of a csv",
    "word",
    lambda: "id,p\ntoss0,1\n",
    "This is text, not a path; write it to a file that ends in .csv.",
)
add("address", "word", lambda: "https://example.org/p.csv", "This is an address, not a path; download the file first.")
add("path from home", "word", lambda: "~/nowhere/p.csv", f". Did you mean {Path('~').expanduser()}/nowhere/p.csv?")
add("path of another kind", "word", lambda: "p.feather", "there is no such file: p.feather")


@pytest.mark.parametrize("kind", OBJECTS)
def test_an_object_is_read_right_or_refused_with_one_message(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    spec, source, wanted = OBJECTS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)  # of torch, about prototypes
        given = source()
    if isinstance(wanted, str):
        with pytest.raises(PredictionError) as caught:
            predictions.read(given, SPECS[spec])
        assert wanted in str(caught.value)
        assert wanted.startswith("predictions has") or "columns" in wanted or len(caught.value.faults) == 1
        assert caught.value.exit_code == 1
    else:
        found = predictions.canonical(np.asarray(predictions.read(given, SPECS[spec])))
        assert found.dtype == (np.int32 if SPECS[spec].kind == "class" else np.float32)
        assert np.array_equal(found, wanted.astype(found.dtype))
    assert list(Path().iterdir()) == []
