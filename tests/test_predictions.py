"""The same predictions are read as the same bits, whatever the format and the order of lines; faults are counted."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyarrow import parquet

from kit.errors import PredictionError
from kit.predictions import canonical, read, value_faults
from kit.task import Array, Spec

N = 40
IDS = {
    "text": np.array([f"id_{row:04d}" for row in range(N)]),
    "bytes": np.array([f"id_{row:04d}" for row in range(N)], "S"),
    "numbers": np.arange(1000, 1000 + N),
}
RNG = np.random.default_rng(0)
SHARES = RNG.dirichlet(np.ones(3), N)
KINDS: dict[str, tuple[tuple[str, ...], Any, Array]] = {
    "labels": (("cat", "dog", "emu"), "class", RNG.integers(0, 3, N)),
    "digits": (("7", "8", "9"), "class", RNG.integers(0, 3, N)),
    "class probabilities": (("cat", "dog", "emu"), "class", SHARES),
    "probability": (("p",), "probability", RNG.random(N)),
    "probabilities": (("p", "q"), "probability", RNG.random((N, 2))),
    "value": (("v",), "value", RNG.normal(size=N) * 1e6),
    "values": (("v", "w", "x"), "value", RNG.normal(size=(N, 3)) / 1e9),
}
PLAIN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make(kind: str, ids: str = "text") -> tuple[Spec, Array]:
    columns, spec_kind, array = KINDS[kind]
    return Spec(IDS[ids], columns, spec_kind), array


def values(columns: str | list[str], ids: Any = IDS["text"], **more: Any) -> Spec:
    return Spec(ids, tuple(columns), "value", **more)


def frame(spec: Spec, array: Array) -> pd.DataFrame:
    """The table that a competitor would write, its lines in a shuffled order."""
    ids = spec.ids.astype(str) if spec.ids.dtype.kind == "S" else spec.ids
    if spec.kind == "class" and array.ndim == 1:
        table = pd.DataFrame({"id": ids, "label": np.array(spec.columns)[array]})
    else:
        table = pd.DataFrame(array.reshape(len(ids), -1), columns=list(spec.columns))
        table.insert(len(spec.columns) // 2, "id", ids)
    return table.sample(frac=1, random_state=1)


def npz(path: Path, array: Array) -> Path:
    np.savez(path / "p.npz", array)
    return path / "p.npz"


def npy(path: Path, array: Array) -> Path:
    np.save(path / "p.npy", array)
    return path / "p.npy"


def csv(path: Path, table: pd.DataFrame, name: str = "p.csv", **options: Any) -> Path:
    table.to_csv(path / name, index=False, **options)
    return path / name


def text(path: Path, written: str) -> Path:
    (path / "p.csv").write_text(written, encoding="utf-8", newline="")
    return path / "p.csv"


def parquet_file(path: Path, table: pd.DataFrame, **options: Any) -> Path:
    table.to_parquet(path / "p.parquet", **options)
    return path / "p.parquet"


class Stream:
    """A table of any library that speaks Arrow, as polars does."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.columns = table, table.column_names

    def __arrow_c_stream__(self, schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(schema)


FORMATS: dict[str, Callable[[Path, Spec, Array], Any]] = {
    "npy": lambda path, spec, array: npy(path, array),
    "npy in Fortran order": lambda path, spec, array: npy(path, np.asfortranarray(array)),
    "npy big-endian": lambda path, spec, array: npy(path, array.astype(array.dtype.newbyteorder(">"))),
    "npz": lambda path, spec, array: npz(path, array),
    "csv": lambda path, spec, array: csv(path, frame(spec, array)),
    "csv in order": lambda path, spec, array: csv(path, frame(spec, array).sort_values("id")),
    "csv, all quoted": lambda path, spec, array: csv(path, frame(spec, array), quoting=1),
    "csv with CRLF": lambda path, spec, array: csv(path, frame(spec, array), lineterminator="\r\n"),
    "csv with BOM": lambda path, spec, array: csv(path, frame(spec, array), encoding="utf-8-sig"),
    "csv.gz": lambda path, spec, array: csv(path, frame(spec, array), "p.csv.gz"),
    "CSV.GZ": lambda path, spec, array: csv(path, frame(spec, array), "P.CSV.GZ", compression="gzip"),
    "parquet": lambda path, spec, array: parquet_file(path, frame(spec, array)),
    "parquet of text": lambda path, spec, array: parquet_file(path, frame(spec, array).astype(str)),
    "array": lambda path, spec, array: array,
    "array, (n, 1)": lambda path, spec, array: array.reshape(N, -1),
    "nested list": lambda path, spec, array: array.tolist(),
    "tensor": lambda path, spec, array: torch.tensor(array),
    "tensor with gradient": lambda path, spec, array: (
        torch.tensor(array, requires_grad=True) if array.dtype.kind == "f" else torch.tensor(array)
    ),
    "pandas": lambda path, spec, array: frame(spec, array),
    "pandas, ids in the index": lambda path, spec, array: frame(spec, array).set_index("id"),
    "pandas, Arrow types": lambda path, spec, array: frame(spec, array).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, objects": lambda path, spec, array: frame(spec, array).astype(object),
    "pandas, categories": lambda path, spec, array: frame(spec, array).astype({"id": "category"}),
    "arrow": lambda path, spec, array: pa.table(frame(spec, array).reset_index(drop=True)),
    "arrow in pieces": lambda path, spec, array: pa.concat_tables(
        [pa.table(frame(spec, array))[7:], pa.table(frame(spec, array))[:7]]
    ),
    "arrow stream": lambda path, spec, array: Stream(pa.table(frame(spec, array).reset_index(drop=True))),
    "arrow string views": lambda path, spec, array: pa.table(
        {name: pa.array(column.astype(str), pa.string_view()) for name, column in frame(spec, array).items()}
    ),
    "arrow dictionaries": lambda path, spec, array: pa.table(
        {name: pa.array(column).dictionary_encode() for name, column in frame(spec, array).items()}
    ),
}


def faults(source: Any, spec: Spec) -> tuple[str, ...]:
    with pytest.raises(PredictionError) as caught:
        read(source, spec)
    return caught.value.faults


def fault(source: Any, spec: Spec) -> str:
    (only,) = faults(source, spec)
    return only


def same_bits(a: Array, b: Array) -> bool:
    a, b = canonical(np.asarray(a)), canonical(np.asarray(b))
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_bits(kind: str, written: str, tmp_path: Path) -> None:
    for ids in IDS:
        spec, array = make(kind, ids)
        wanted = array.astype(np.int32 if array.dtype.kind == "i" else np.float32)
        assert same_bits(read(FORMATS[written](tmp_path, spec, array), spec), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_one_line_a_cell_gives_the_same_bits_as_one_line_a_row(kind: str, tmp_path: Path) -> None:
    columns, spec_kind, array = KINDS[kind]
    if kind in ("labels", "digits"):
        array = np.eye(3)[array]
    for ids in IDS:
        spec = Spec(IDS[ids], columns, spec_kind, cell=("id_column", "prediction"))
        cells = frame(spec, array).melt("id", list(columns))
        long = pd.DataFrame(
            {"id_column": cells["id"].astype(str) + "_" + cells["variable"], "prediction": cells["value"]}
        )
        long = long.sample(frac=1, random_state=2)
        assert same_bits(read(csv(tmp_path, long), spec), array)
        assert same_bits(read(long, spec), array)
        assert same_bits(read(csv(tmp_path, frame(spec, array)), spec), array)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.int64, np.uint64, np.float16, np.float32, np.longdouble, ">i2"]
)
def test_labels_may_have_any_type_of_number(dtype: Any, tmp_path: Path) -> None:
    spec, array = make("labels")
    assert same_bits(read(array.astype(dtype), spec), array.astype(np.int32))
    assert same_bits(read(npy(tmp_path, array.astype(dtype)), spec), array.astype(np.int32))


def test_booleans_are_labels_of_two_classes(tmp_path: Path) -> None:
    spec = Spec(IDS["text"], ("no", "yes"), "class")
    yes = np.arange(N) % 3 == 0
    assert same_bits(read(npy(tmp_path, yes), spec), yes.astype(np.int32))
    assert same_bits(read(pd.DataFrame({"id": spec.ids, "label": yes}), spec), yes.astype(np.int32))


@pytest.mark.parametrize("cell", ["{}", "{}.0", "{}.00", " {} "])
def test_labels_in_a_table_may_be_class_numbers(cell: str, tmp_path: Path) -> None:
    spec, array = make("labels")
    table = pd.DataFrame({"id": spec.ids, "label": [cell.format(label) for label in array]})
    assert same_bits(read(csv(tmp_path, table), spec), array.astype(np.int32))


@pytest.mark.parametrize("dtype", [int, float, np.float16, str, "Int64"])
def test_a_class_with_a_number_for_a_name_goes_by_its_name(dtype: Any) -> None:
    spec, array = make("digits")
    table = pd.DataFrame({"id": spec.ids, "label": (array + 7).astype(int)}).astype({"label": dtype})
    assert same_bits(read(table, spec), array.astype(np.int32))
    table["label"] = np.arange(N) % 7
    assert fault(table, spec).startswith("40 labels are none of 7,8,9: '0' (id id_0000), '1' (id id_0001), ")


def test_names_that_end_like_numbers_stay_whole() -> None:
    spec = Spec(IDS["text"], ("v1", "v1.0", "None"), "class")
    label = np.arange(N) % 3
    assert same_bits(read(frame(spec, label), spec), label.astype(np.int32))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_tensors_of_any_precision_keep_their_values(dtype: torch.dtype) -> None:
    spec, array = make("probabilities")
    tensor = torch.tensor(array, dtype=dtype, requires_grad=True)
    assert same_bits(read(tensor, spec), tensor.detach().float().numpy())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, ">f4", ">f8"])
def test_values_of_any_precision_keep_their_values(dtype: Any, tmp_path: Path) -> None:
    spec, array = make("values")
    narrow = array.astype(dtype)
    assert same_bits(read(npy(tmp_path, narrow), spec), narrow.astype(np.float32))


def test_whole_numbers_and_booleans_are_values_too(tmp_path: Path) -> None:
    spec = values("v")
    for array in (np.arange(N), np.arange(N) % 2 == 0, np.full(N, 2**63 + 1, np.uint64), np.full(N, -(2**62) - 1)):
        assert same_bits(read(array, spec), array.astype(np.float32))
        assert same_bits(read(npy(tmp_path, array), spec), array.astype(np.float32))
        assert same_bits(read(frame(spec, array), spec), array.astype(np.float32))


def test_a_npy_file_stays_on_disk(tmp_path: Path) -> None:
    spec, array = make("values")
    assert isinstance(read(npy(tmp_path, array), spec), np.memmap)


class Located:
    """A path of another kind than pathlib's."""

    def __init__(self, path: str | bytes) -> None:
        self.path = path

    def __fspath__(self) -> str | bytes:
        return self.path


def test_a_path_may_be_of_any_kind(tmp_path: Path) -> None:
    spec, array = make("values")
    path = npy(tmp_path, array)
    entry = next(entry for entry in os.scandir(tmp_path) if entry.name == path.name)
    for source in (path, str(path), np.str_(path), Located(str(path)), Located(os.fsencode(path)), entry):
        assert same_bits(read(source, spec), array)


def test_what_numpy_loads_from_a_npz_is_its_one_array(tmp_path: Path) -> None:
    spec, array = make("values")
    with np.load(npz(tmp_path, array)) as loaded:
        assert same_bits(read(loaded, spec), array)
    np.savez(tmp_path / "two.npz", array, array)
    with np.load(tmp_path / "two.npz") as loaded:
        assert fault(loaded, spec) == "it holds 2 arrays; one is wanted: np.load(path)['name']."


@PLAIN
@given(data=st.data())
def test_labels_of_any_kind_go_by_their_ids(data: st.DataObject) -> None:
    """However the rows are shuffled, with ids in an index, a column or a dict's keys, each value stays with its id."""
    ids = data.draw(st.sampled_from(list(IDS)))
    spec, array = make("values", ids)
    order = np.array(data.draw(st.permutations(range(N))))
    names = spec.ids.astype(str) if ids == "bytes" else spec.ids
    table = pd.DataFrame(array[order], names[order], ["v", "w", "x"])
    source = data.draw(st.sampled_from(["index", "column", "dict", "records", "columns turned"]))
    given_as: Any = {
        "index": table,
        "column": table.reset_index(names="id"),
        "dict": dict(zip(names[order].tolist(), array[order], strict=True)),
        "records": table.reset_index(names="id").to_dict("records"),
        "columns turned": table[["x", "v", "w"]],
    }[source]
    assert same_bits(read(given_as, spec), array)


@PLAIN
@given(array=hnp.arrays(np.float64, 8, elements=st.floats(-1e38, 1e38)), order=st.permutations(range(8)))
def test_a_csv_in_any_order_has_the_bits_of_the_npy(array: Array, order: list[int], tmp_path: Path) -> None:
    spec = values("v", np.array([f"r{row}" for row in range(8)]))
    lines = [f"r{row},{float(array[row])!r}\n" for row in order]
    shuffled = read(text(tmp_path, "id,v\n" + "".join(lines)), spec)
    assert same_bits(shuffled, read(npy(tmp_path, array), spec))
    assert shuffled.tobytes() == array.astype(np.float32).tobytes()


@PLAIN
@given(array=hnp.arrays(np.float32, (5, 2), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_float32_survives_the_shortest_decimals_of_pandas(array: Array, tmp_path: Path) -> None:
    spec = values(["v", "w"], np.arange(5))
    assert same_bits(read(csv(tmp_path, frame(spec, array)), spec), array)


@PLAIN
@given(cell=st.from_regex(r"[ +-]?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,4})?", fullmatch=True), junk=st.booleans())
def test_decimals_are_read_as_python_reads_them(cell: str, junk: bool, tmp_path: Path) -> None:
    """With junk in another line, the file is read the slow way; the two ways must agree."""
    try:
        number = canonical(np.array(float(cell)))
    except ValueError:
        number = np.array(np.nan)
    spec = values("v", np.array(["a", "b"]))
    written = text(tmp_path, f"id,v\na,{cell}\nb,{'junk' if junk else '1'}\n")
    if np.isfinite(number) and not junk:
        assert same_bits(read(written, spec), np.array([number, 1], np.float32))
    else:
        found = " ".join(faults(written, spec))
        assert ("junk" in found) is junk
        assert ("id a" in found) is not np.isfinite(number)


# Required cells


def triangle(**more: Any) -> Spec:
    """Ten rows and four columns; row i needs its first i % 5 cells."""
    needed = np.arange(4)[None, :] < (np.arange(10) % 5)[:, None]
    return Spec(np.arange(10), tuple("1234"), "value", required=needed, **more)


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_cells_that_are_not_required_may_hold_anything(nothing: float, tmp_path: Path) -> None:
    spec = triangle()
    assert spec.required is not None
    array = np.where(spec.required, 0.5, nothing)
    for source in (npy(tmp_path, array), csv(tmp_path, frame(spec, array)), frame(spec, array), torch.tensor(array)):
        assert same_bits(read(source, spec), array)


def test_required_cells_must_be_finite(tmp_path: Path) -> None:
    spec = triangle()
    array = np.full((10, 4), np.nan)
    array[:8] = 1
    array[2, 1], array[7, 1], array[0] = np.inf, np.nan, np.nan
    for source in (npy(tmp_path, array), csv(tmp_path, frame(spec, array)), frame(spec, array), torch.tensor(array)):
        assert re.fullmatch(
            r"9 cells are not finite \(.*\): id 2 column 2, id 7 column 2, id 8 column 1 and 6 more\.",
            fault(source, spec),
        )


def test_a_long_file_needs_the_required_cells_only(tmp_path: Path) -> None:
    spec = triangle(cell=("cell", "v"))
    assert spec.required is not None
    needed = [(f"{row}_{column + 1}", row + column / 4) for row, column in np.argwhere(spec.required)]
    array = read(text(tmp_path, "cell,v\n" + "".join(f"{cell},{value}\n" for cell, value in reversed(needed))), spec)
    wanted = np.arange(10)[:, None] + np.arange(4) / 4
    assert same_bits(array, np.where(spec.required, wanted, np.nan))
    short = text(tmp_path, "v,cell\n" + "".join(f"{value},{cell}\n" for cell, value in needed[2:]))
    assert fault(short, spec) == "2 ids are missing: 1_1, 2_1."


def test_a_long_file_without_a_mask_needs_every_cell(tmp_path: Path) -> None:
    spec = Spec(np.array(["a", "b"]), ("x", "y"), "class", cell=("cell", "p"))
    written = text(tmp_path, "cell,p\na_x,0.5\na_y,0.5\nb_x,0.25\nb_z,1\nb_x,0.25\n")
    assert faults(written, spec) == (
        "1 id is missing: b_y.",
        "1 id is given more than once: b_x.",
        "1 line has an unknown id: b_z.",
    )


def test_labels_are_needed_in_rows_with_a_required_cell() -> None:
    needed = np.array([[True, False], [False, False]])
    spec = Spec(np.array(["a", "b"]), ("x", "y"), "class", required=needed)
    assert same_bits(read([1, np.nan], spec), np.array([1, np.nan]))
    assert "1 cell is not finite" in fault([np.nan, 1], spec)
    assert "id a." in fault(pd.DataFrame({"id": ["a", "b"], "label": ["", "x"]}), spec)


# Faults of arrays


@pytest.mark.parametrize(
    ("source", "kind", "wanted"),
    [
        (np.zeros(7), "value", "it has 7 rows; 40 are wanted, one for each test row."),
        (np.zeros((10_000, 1)), "value", "it has 10,000 rows; 40 are wanted, one for each test row."),
        (np.zeros((7, 3)), "values", "it has 7 rows; 40 are wanted, one for each test row."),
        (np.zeros((N, 2)), "values", "its shape is (40, 2); (40, 3) is wanted, one row for each test row."),
        (np.zeros((N, 1)), "values", "its shape is (40, 1); (40, 3) is wanted, one row for each test row."),
        (np.zeros((3, N)), "labels", "its shape is (3, 40); (40,) or (40, 3) is wanted, one row for each test row."),
        (np.zeros((N, 1, 1)), "value", "its shape is (40, 1, 1); (40,) is wanted, one row for each test row."),
        (0.5, "value", "its shape is (); (40,) is wanted, one row for each test row."),
        ([], "value", "it has 0 rows; 40 are wanted, one for each test row."),
        (np.zeros(N, complex), "value", "its type is complex128; whole or floating-point numbers are wanted."),
        (["cat"] * N, "labels", "its type is <U3; whole or floating-point numbers are wanted."),
        ([None] * N, "value", "it holds Python objects, which are never loaded; save plain numbers, such as float32."),
        (torch.zeros(N, dtype=torch.complex64), "value", "its type is complex64; whole or floating-point numbers"),
        ([[1, 2], [3]], "value", "this is no array of numbers: "),
        (torch.zeros(N).to_sparse(), "value", "this is no array of numbers: "),
    ],
)
def test_a_wrong_shape_or_type_is_told(source: Any, kind: str, wanted: str) -> None:
    assert fault(source, make(kind)[0]).startswith(wanted)


def test_type_and_shape_are_told_together() -> None:
    assert len(faults(np.zeros((7, 3), complex), make("values")[0])) == 2


@pytest.mark.parametrize("bad", [-1, 3, 2.5, 1e300, 0.99999999, 256])
def test_a_label_outside_is_told(bad: float) -> None:
    spec, array = make("labels")
    labels = array.astype(np.float64)
    labels[[3, 9]] = bad
    assert fault(labels, spec) == "2 labels are no whole numbers from 0 to 2: id id_0003, id id_0009."


def test_a_masked_cell_is_a_missing_one() -> None:
    spec, array = make("value")
    masked = np.ma.masked_array(array.astype(int), np.arange(N) == 4)
    assert fault(masked, spec).endswith("float32): id id_0004.")


def test_probabilities_must_lie_within_0_and_1_and_add_up() -> None:
    spec, array = make("class probabilities")
    array = array.copy()
    array[0, 1], array[1, 2], array[2] = -0.1, np.nan, 0.3
    assert faults(array, spec) == (
        "1 cell is not finite (NaN, empty, infinite, or too large for float32): id id_0001 column emu.",
        "1 probability lies outside 0..1: id id_0000 column dog.",
        "1 row of probabilities does not add up to 1: id id_0002.",
    )
    assert read(SHARES.astype(np.float16), spec).dtype == np.float16
    one, p = make("probability")
    assert fault(np.where(p == p[5], 1.5, p), one) == "1 probability lies outside 0..1: id id_0005."


def test_a_value_beyond_float32_is_not_finite() -> None:
    spec = values("v")
    assert "id id_0000, id id_0001, id id_0002 and 37 more." in fault(np.full(N, 1e39), spec)
    assert same_bits(read(np.full(N, 1e-46), spec), np.zeros(N))


def test_faults_in_a_later_chunk_have_their_own_ids() -> None:
    spec = values("v", np.arange(2_500_000))
    array = np.zeros(len(spec.ids), np.float32)
    array[[5, 1_000_000, 2_499_999]] = np.nan
    assert value_faults(array, spec) == [
        "3 cells are not finite (NaN, empty, infinite, or too large for float32): id 5, id 1000000, id 2499999."
    ]


def test_a_line_may_be_longer_than_a_million_bytes(tmp_path: Path) -> None:
    columns = [f"a column with a long name, number {number}" for number in range(40_000)]
    spec, array = values(columns, np.array(["a", "b"])), RNG.random((2, 40_000)).astype(np.float32)
    path = csv(tmp_path, pd.DataFrame(array[::-1], ["b", "a"], columns).reset_index(names="id"))
    assert len(path.read_bytes().splitlines()[0]) > 1 << 20
    assert np.array_equal(read(path, spec), array)


def test_ten_million_cells_are_checked_in_half_a_second(tmp_path: Path) -> None:
    shares = np.full((1_000_000, 10), 0.1, np.float32)
    spec = Spec(np.arange(1_000_000), tuple("0123456789"), "class")
    npy(tmp_path, shares)
    started = time.process_time()
    assert len(read(tmp_path / "p.npy", spec)) == 1_000_000
    assert time.process_time() - started < 0.5


# Faults of tables


def test_all_faults_of_a_table_stand_in_one_message(tmp_path: Path) -> None:
    spec = Spec(np.array(list("abcdefgh")), ("p", "q"), "probability")
    lines = ["a,0,0", "a,0,0", "x,0,0", "y,9,9", "c,0,zero", "d,,0.5", "e,2,inf", "f,0,0,0", "g,0.1,0.2"]
    with pytest.raises(PredictionError) as caught:
        read(text(tmp_path, "id,p,q\n" + "\n".join(lines)), spec)
    assert str(caught.value) == (
        "p.csv has 7 faults:\n"
        "  - 1 line has other than 3 cells: f,0,0,0 (4).\n"
        "  - 3 ids are missing: b, f, h.\n"
        "  - 1 id is given more than once: a.\n"
        "  - 2 lines have an unknown id: x, y.\n"
        "  - 1 cell of column q is no number: 'zero' (id c).\n"
        "  - 2 cells are not finite (NaN, empty, infinite, or too large for float32): id d column p, id e column q.\n"
        "  - 1 probability lies outside 0..1: id e column p."
    )


def test_missing_rows_do_not_make_more_faults(tmp_path: Path) -> None:
    spec, array = make("class probabilities")
    assert fault(csv(tmp_path, frame(spec, array)[7:]), spec).startswith("7 ids are missing: ")
    labels, array = make("labels")
    assert fault(csv(tmp_path, frame(labels, array)[7:]), labels).startswith("7 ids are missing: ")


def test_unknown_labels_are_named(tmp_path: Path) -> None:
    spec = Spec(np.array(list("abc")), ("cat", "dog"), "class")
    assert faults(text(tmp_path, "id,label\na,cow\nb,\nc,2\n"), spec) == (
        "2 labels are none of cat,dog: 'cow' (id a), '2' (id c).",
        "1 cell is not finite (NaN, empty, infinite, or too large for float32): id b.",
    )


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("id,v", ["missing columns: w. The columns should be id,v,w."]),
        ("id;v;w", ["missing columns: id,v,w.", "unknown columns: id;v;w. {} Separate them with commas, not ';'."]),
        ("id,v,w,x", ["unknown columns: x. {}"]),
        (",id,v,w", ["unknown columns: ''. {} Leave the index out: to_csv(path, index=False)."]),
        ("id,v,v,w", ["columns given more than once: v. {}"]),
        ("ID,v,v,x", ["missing columns: id,w.", "unknown columns: ID,x.", "columns given more than once: v. {}"]),
        ("id,v, w", ["missing columns: w.", "unknown columns: ' w'. {} Write the names exactly so: w, not ' w'."]),
        ("", ["missing columns: id,v,w. {}"]),
    ],
)
def test_wrong_columns_are_told(header: str, wanted: list[str], tmp_path: Path) -> None:
    right = "The columns should be id,v,w."
    assert faults(text(tmp_path, f"{header}\n"), values("vw")) == tuple(line.format(right) for line in wanted)


def test_wrong_columns_of_a_frame_are_told(tmp_path: Path) -> None:
    spec, array = make("values")
    table = frame(spec, array)
    assert "missing columns: v" in fault(table.drop(columns="v"), spec)
    assert "unknown columns: Unnamed: 0" in fault(csv(tmp_path, table.reset_index(names="Unnamed: 0")), spec)
    assert "columns given more than once: v. " in fault(pd.concat([table, table["v"]], axis=1), spec)
    assert "unknown columns: 0,1,2" in " ".join(faults(pd.DataFrame(array), spec))


def test_wrong_columns_of_a_class_task_are_held_against_the_nearest_header(tmp_path: Path) -> None:
    spec, _ = make("labels")
    right = "The columns should be id,label or id,cat,dog,emu."
    assert faults(text(tmp_path, "id,labels\n"), spec) == (
        "missing columns: label.",
        f"unknown columns: labels. {right}",
    )
    assert fault(text(tmp_path, "id,cat,dog\n"), spec) == f"missing columns: emu. {right}"
    many = Spec(IDS["text"], tuple(map(str, range(100))), "value")
    assert fault(text(tmp_path, "id\n"), many) == (
        "missing columns: 0,1,2,3,...,99. The columns should be id,0,1,2,...,99."
    )


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (["0.5", "half", None], "1 cell of column v is no number: 'half' (id b)."),
        ([0.5, "half", 1], "1 cell of column v is no number: 'half' (id b)."),
        (pd.to_datetime(["2020-01-01"] * 3), "3 cells of column v are no numbers: '2020-01-01 00:00:00"),
        ([[1], [2], [3]], "column v holds list<"),
        ([{"a": 1}] * 3, "column v holds struct<"),
    ],
)
def test_a_frame_of_other_things_than_numbers_is_refused(column: Any, wanted: str, tmp_path: Path) -> None:
    spec = values("v", np.array(list("abc")))
    table = pd.DataFrame({"id": list("abc"), "v": column})
    assert faults(table, spec)[0].startswith(wanted)
    if column[0] != 0.5:
        assert faults(parquet_file(tmp_path, table), spec)[0].startswith(wanted)


def test_ids_of_another_type_are_refused() -> None:
    spec = values("v", np.array(list("abc")))
    odd = pa.table({"id": pa.array([["a"], ["b"], ["c"]]), "v": [1, 2, 3]})
    assert fault(odd, spec).startswith("column id holds list<")
    torn = pa.table({"id": pa.array([b"\xff", b"b", b"c"]), "v": [1, 2, 3]})
    assert fault(torn, spec).startswith("column id holds binary")
    assert faults(pa.table({"id": pa.array(["a", None, "c"]), "v": [1, 2, 3]}), spec) == (
        "1 id is missing: b.",
        "1 line has an unknown id: None.",
    )


def test_text_that_is_no_utf8_is_refused() -> None:
    table = pa.table({"id": pa.array([b"a", b"\xe9"], pa.binary()).view(pa.string()), "v": [0.0, 1.0]})
    assert "Invalid UTF8" in fault(table, values("v", ids=np.array(["a", "b"])))


def test_a_frame_may_hold_empty_cells_only_where_none_is_required() -> None:
    spec = values("v", np.array(list("abc")))
    table = pa.table({"id": list("abc"), "v": pa.nulls(3)})
    assert fault(table, spec).endswith("id a, id b, id c.")
    free = values("v", spec.ids, required=np.zeros(3, bool))
    assert same_bits(read(table, free), np.full(3, np.nan))


def test_a_parquet_file_of_a_shuffled_frame_keeps_its_row_numbers_to_itself(tmp_path: Path) -> None:
    spec, array = make("values")
    parquet_file(tmp_path, frame(spec, array), index=True)
    assert "__index_level_0__" in parquet.read_schema(tmp_path / "p.parquet").names
    assert same_bits(read(tmp_path / "p.parquet", spec), array)


@PLAIN
@given(data=st.data())
def test_every_fault_is_found_and_counted(data: st.DataObject, tmp_path: Path) -> None:
    rows = st.sets(st.integers(0, N - 1), max_size=4)
    missing, twice = data.draw(rows), data.draw(rows)
    empty, wild, outside = (data.draw(st.sets(st.tuples(st.integers(0, N - 1), st.integers(0, 1)))) for _ in range(3))
    unknown = data.draw(st.sets(st.integers(N, 2 * N), max_size=4))
    empty -= wild
    outside -= wild | empty
    empty, wild, outside = ({cell for cell in cells if cell[0] not in missing} for cells in (empty, wild, outside))
    twice = {row for row in twice - missing if not any(row == cell[0] for cell in wild)}
    spec = Spec(np.arange(N), ("p", "q"), "probability")
    cells = np.full((2 * N + 1, 2), "0.25", object)
    for injected, cell in ((empty, "NaN"), (wild, "n/o"), (outside, "-3")):
        for row, column in injected:
            cells[row, column] = cell
    lines = [row for row in range(N) if row not in missing] + sorted(twice) + sorted(unknown)
    order = data.draw(st.permutations(lines))
    written = text(tmp_path, "id,p,q\n" + "".join(f"{row},{cells[row, 0]},{cells[row, 1]}\n" for row in order))
    wanted = [
        len(missing), len(twice), len(unknown), *(sum(cell[1] == column for cell in wild) for column in (0, 1)),
        len(empty), len(outside),
    ]  # fmt: skip
    if not any(wanted):
        assert same_bits(read(written, spec), np.full((N, 2), 0.25))
        return
    found = faults(written, spec)
    words = ["missing", "more than once", "unknown", "column p ", "column q ", "not finite", "outside"]
    told = [next((int(line.split()[0]) for line in found if word in line.partition(":")[0]), 0) for word in words]
    assert told == wanted
