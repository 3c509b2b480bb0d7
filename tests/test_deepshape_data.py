"""Deepshape's data: what is read, kept and dropped; damaged files; the stand-in; submissions."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from kit import predictions as submissions
from kit import sources
from kit.errors import PredictionError, SourceError
from kit.tasks.deepshape import eterna, rdat, simulated
from kit.tasks.deepshape.data import ShapeData, answers, held_out, load
from kit.tasks.deepshape.eterna import merge
from kit.tasks.deepshape.sequences import PAD, WIDTH, decode, encode, nearest
from tests.conftest import Kit

FILE = """RDAT_VERSION\t0.33
NAME\tEteRNA Cloud Lab
COMMENT\tfrom data: R71

ANNOTATION\tmodifier:1M7\tchemical:MgCl2:10mM

ANNOTATION_DATA:1\tMAPseq:project_name:One\tsequence:GGAAAC\tsignal_to_noise:good:5.1
ANNOTATION_DATA:2\tMAPseq:project_name:Two\tsequence:GGAAUU\tsignal_to_noise:weak:0.2
OFFSET\t0
SEQPOS\tX1\tX2\tX3
REACTIVITY:1\t0.5\t-0.1\t1.5
REACTIVITY:2\t0.1\t0.2\t0.3
REACTIVITY_ERROR:1\t0.1\t0.1\t0.1
REACTIVITY_ERROR:2\t0.1\t0.1\t0.1
"""


def written(folder: Path, text: str, name: str = "ETERNA_R71_0000.rdat") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_an_rdat_file_is_read(tmp_path: Path) -> None:
    found = rdat.read(written(tmp_path, FILE))
    assert found.header["modifier"] == ["1M7"]
    assert found.annotations[1]["sequence"] == ["GGAAUU"]
    assert found.positions.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(found.reactivity, np.float32([[0.5, -0.1, 1.5], [0.1, 0.2, 0.3]]))
    np.testing.assert_array_equal(found.error, np.full((2, 3), 0.1, np.float32))


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("RDAT_VERSION\t0.33", "VERSION 7", 1, "RDAT_VERSION 0.3x was expected"),
        ("-0.1", "zero", 11, "a number was expected"),
        ("-0.1", "nan", 11, "not finite"),
        ("\t0.3\nREACTIVITY_E", "\nREACTIVITY_E", 12, "has 2 numbers; SEQPOS lists 3"),
        ("REACTIVITY:2", "REACTIVITY:3", 12, "REACTIVITY:3 where number 2 was expected"),
        ("GGAAUU", "GGAATT", 8, "letters A, C, G and U"),
        ("SEQPOS\tX1\tX2\tX3\n", "", 10, "before SEQPOS"),
        ("SEQPOS\tX1\tX2", "SEQPOS\tX1\tX5", 10, "one after the other"),
        ("OFFSET", "OFSET", 9, "'OFSET' is no keyword"),
        ("data: R71", "data: R72", 3, "not from round R71"),
        ("REACTIVITY_ERROR:2\t0.1\t0.1\t0.1\n", "", 13, "the file ends here with 2 lines of ANNOTATION_DATA"),
        ("0.1\t0.1\t0.1\n", "0.1\t0.1\t0.1", 14, "breaks off in the middle of a line"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert old in FILE
    damaged = new.join(FILE.rsplit(old, 1))
    with pytest.raises(SourceError, match=rf"ETERNA_R71_0000\.rdat, line {line}: .*{words}"):
        rdat.read(written(tmp_path, damaged))


def test_bytes_that_are_no_text_are_named_too(tmp_path: Path) -> None:
    path = tmp_path / "ETERNA_R71_0000.rdat"
    path.write_bytes(FILE.encode()[:200] + b"\xff\xfe" + FILE.encode()[200:])
    with pytest.raises(SourceError, match="line 1: not text"):
        rdat.read(path)


def test_nothing_prepared_from_a_damaged_file_is_kept(tmp_path: Path) -> None:
    whole = written(tmp_path, FILE)
    test = written(tmp_path, FILE.replace("R71", "R69")[:-30], "ETERNA_R69_0000.rdat")
    with pytest.raises(SourceError, match=r"ETERNA_R69_0000\.rdat, line 14"):
        sources.prepared("deepshape", "eterna-1", lambda: eterna.assemble([test, whole]))
    assert not list(tmp_path.rglob("*.npy"))
    assert not list((tmp_path / "cache" / "deepshape").glob("eterna*"))


def test_a_mirror_with_another_files_content_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in eterna.FILES:
        written(tmp_path, FILE, file.name)
    monkeypatch.setenv("KIT_MIRROR", str(tmp_path))
    monkeypatch.setattr(eterna, "FILES", [sources.File(file.name, file.sha256) for file in eterna.FILES])  # no web
    with pytest.raises(SourceError, match=r"ETERNA_R69_0000\.rdat is not the file that was expected"):
        load("eterna")
    assert not list(tmp_path.rglob("*.npy"))


def test_a_round_keeps_what_has_signal_and_was_measured(tmp_path: Path) -> None:
    long = "GGAAA" + "ACGU" * 8
    found = eterna.read_round(written(tmp_path, FILE.replace("GGAAAC", long)))
    assert (found.sequences, found.projects, found.index.tolist()) == ([long], ["One"], [1])
    assert found.counts == {"constructs": 2, "not 1M7 alone": 0, "weak signal": 1}
    np.testing.assert_array_equal(found.y[0, :3], np.float32([0.5, -0.1, 1.5]))
    assert np.isnan(found.y[0, 3:]).all()


def test_zeros_at_the_end_of_a_sequence_were_not_measured(tmp_path: Path) -> None:
    found = eterna.read_round(written(tmp_path, FILE.replace("GGAAAC", "GG" + "A" * 28)))
    assert np.isfinite(found.y[0]).sum() == 2  # the third value is in the last 28 nucleotides


@pytest.mark.parametrize("other", ["modifier:NMIA", "modifier:1M7\tchemical:FMN:200uM"])
def test_other_reagents_and_ligands_are_left_out(tmp_path: Path, other: str) -> None:
    found = eterna.read_round(written(tmp_path, FILE.replace("\tMAPseq:project_name:One", f"\t{other}")))
    assert found.counts["not 1M7 alone"] == 1
    assert found.sequences == []


def test_sequences_are_encoded_cut_and_decoded() -> None:
    codes = encode(["ACGU", "G" * 131])
    assert codes.shape == (2, WIDTH)
    assert codes[0, :6].tolist() == [0, 1, 2, 3, PAD, PAD]
    assert decode(codes) == ["ACGU", "G" * WIDTH]


def test_nearest_agrees_with_counting_by_hand() -> None:
    rng = np.random.default_rng(0)

    def draw(length: int) -> str:
        return "".join(rng.choice(list("ACGU"), length))

    a, b = [draw(n) for n in (60, 75, 90, 128)], [draw(n) for n in (60, 80, 107)]
    a.append("GG" + b[2][:-2])  # one that is moved by two
    tail, shift = 20, 4

    def distance(x: str, y: str) -> float:
        x, y = x[:-tail], y[:-tail]
        best = 1.0
        for step in range(-shift, shift + 1):
            pairs = [(x[i], y[i - step]) for i in range(len(x)) if 0 <= i - step < len(y)]
            best = min(best, sum(p != q for p, q in pairs) / len(pairs))
        return best

    wanted = [min(distance(x, y) for y in b) for x in a]
    np.testing.assert_allclose(nearest(encode(a), encode(b), tail, shift), wanted, atol=1e-6)
    assert wanted[-1] == 0


def test_equal_constructs_become_their_weighted_mean() -> None:
    y = np.float32([[0.2, np.nan], [0.8, np.nan], [0.5, 0.5]])
    error = np.float32([[0.1, np.nan], [0.2, np.nan], [0.3, 0.3]])
    mean, spread = merge(y, error, np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(mean, [[(0.2 * 100 + 0.8 * 25) / 125, np.nan], [0.5, 0.5]], rtol=1e-5)
    np.testing.assert_allclose(spread, [[125**-0.5, np.nan], [0.3, 0.3]], rtol=1e-5)


def test_whole_projects_are_held_out() -> None:
    groups = np.random.default_rng(0).integers(0, 50, 2000)
    chosen = held_out(groups, 0.2, seed=1)
    assert 0.1 < chosen.mean() <= 0.2
    assert not set(groups[chosen]) & set(groups[~chosen])
    assert np.array_equal(chosen, held_out(groups, 0.2, seed=1))


@pytest.fixture
def real(shared_cache: None) -> ShapeData:
    """The real data, from the user's own cache or mirror."""
    try:
        return load("eterna")
    except SourceError as error:
        pytest.skip(f"the data cannot be had here: {error}")


def test_the_real_test_set_is_round_1(real: ShapeData) -> None:
    truth = answers("eterna").truth
    assert truth.shape == real.x_test.shape == (1588, WIDTH)
    assert ((real.x_test != PAD).sum(axis=1) == 107).all()
    assert np.isfinite(truth).sum(axis=1).max() == 79
    assert len(real.x_train) == 9163
    assert np.nanmin(real.y_train) == 0
    assert np.nanmax(real.y_train) == 1


def test_nothing_in_training_is_near_a_test_construct(real: ShapeData) -> None:
    assert nearest(real.x_train[:300], real.x_test).min() > 0.2
    assert len(np.unique(real.x_train, axis=0)) == len(real.x_train)


def test_nothing_is_measured_outside_a_sequence_or_in_its_last_28(real: ShapeData) -> None:
    length = (real.x_train != PAD).sum(axis=1, keepdims=True)
    whole = length < WIDTH  # of a longer one only the first 128 are known here
    assert np.isnan(real.y_train[whole & (np.arange(WIDTH) >= length - 28)]).all()
    assert np.array_equal(np.isnan(real.y_train), np.isnan(real.error_train))


def test_head_takes_the_errors_along(real: ShapeData) -> None:
    small = real.head(7)
    assert isinstance(small, ShapeData)
    assert (len(small.y_train), len(small.error_train), len(small.x_test)) == (7, 7, 1588)


def rdat_files() -> list[Path]:
    from kit import workspace

    return sorted((workspace.cache() / "deepshape" / "files").glob("*.rdat"))


@pytest.mark.skipif(importlib.util.find_spec("rdat_kit") is None, reason="rdat-kit is not installed")
def test_the_reader_agrees_with_rdat_kit(real: ShapeData) -> None:
    from rdat_kit.handler import RDATFile

    assert len(rdat_files()) == 11
    for path in rdat_files():
        theirs = RDATFile()
        with path.open() as file:
            theirs.load(file)
        (construct,) = theirs.constructs.values()
        ours = rdat.read(path)
        assert construct.seqpos == ours.positions.tolist()
        assert [data.annotations["sequence"] for data in construct.data] == [f["sequence"] for f in ours.annotations]
        np.testing.assert_array_equal(np.float32([data.values for data in construct.data]), ours.reactivity)
        np.testing.assert_array_equal(np.float32([data.errors for data in construct.data]), ours.error)


def test_nan_outside_the_sequence_passes_and_inside_is_refused(real: ShapeData) -> None:
    predictions = np.where(real.spec.required, 0.5, np.nan)
    np.testing.assert_array_equal(submissions.read(predictions, real.spec), predictions.astype(np.float32))
    predictions[3, 17] = np.nan
    with pytest.raises(PredictionError, match=rf"{real.spec.ids[3]}\D+17"):
        submissions.read(predictions, real.spec)


def long_csv(path: Path, predictions: np.ndarray, data: ShapeData) -> Path:
    """A file with a shuffled line for each position of each sequence."""
    rows, columns = np.nonzero(data.spec.required)
    order = np.random.default_rng(1).permutation(len(rows))
    lines = [f"{data.spec.ids[rows[k]]}_{columns[k]},{predictions[rows[k], columns[k]]}" for k in order]
    path.write_text("id_position,reactivity\n" + "\n".join(lines) + "\n")
    return path


def test_a_csv_with_a_line_for_each_position(real: ShapeData, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(real.x_test.shape).round(4)
    found = submissions.read(long_csv(tmp_path / "long.csv", values, real), real.spec)
    np.testing.assert_allclose(found[real.spec.required], values[real.spec.required], atol=1e-6)
    assert np.isnan(found[~real.spec.required]).all()


def test_both_forms_score_the_same_from_the_command_line(real: ShapeData, kit_command: Kit, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(real.x_test.shape).round(4)
    values[~real.spec.required] = np.nan
    np.save(tmp_path / "preds.npy", values)
    for file in (tmp_path / "preds.npy", long_csv(tmp_path / "long.csv", values, real)):
        done = kit_command("submit", "deepshape", file, "--name", file.stem)
        assert done.returncode == 0, done.stderr
    (board,) = json.loads(kit_command("leaderboard", "deepshape", "--format", "json").stdout)
    first, second = (row["scores"] for row in board["rows"])
    assert first == second


def test_a_hole_inside_a_sequence_is_refused_from_the_command_line(
    real: ShapeData, kit_command: Kit, tmp_path: Path
) -> None:
    values = np.where(real.spec.required, 0.5, np.nan)
    values[3, 17] = values[100, 5] = np.nan
    np.save(tmp_path / "preds.npy", values)
    done = kit_command("submit", "deepshape", tmp_path / "preds.npy")
    assert done.returncode == 1
    named = f"id {real.spec.ids[3]} column 17, id {real.spec.ids[100]} column 5"
    assert named in " ".join(done.stderr.split())
    assert "No entries yet" in kit_command("leaderboard", "deepshape").stdout


def vienna_or_skip() -> None:
    pytest.importorskip("RNA", reason="ViennaRNA is not installed")


def test_the_stand_in_is_seeded_and_has_what_the_real_set_has() -> None:
    vienna_or_skip()
    a, b = (simulated.build(100, 50, seed=3) for _ in range(2))
    assert all(np.array_equal(a[key], b[key], equal_nan=a[key].dtype.kind == "f") for key in a)
    assert a["x_train"].shape == (100, WIDTH)
    assert a["y_test"].shape == (50, WIDTH)
    assert not set(a["groups_train"]) & set(a["groups_test"])
    y = np.concatenate([a["y_train"], a["y_test"]])
    assert np.nanmin(y) >= 0
    assert np.nanmax(y) <= 1
    assert 0.5 < np.isfinite(a["y_test"]).sum(axis=1).mean() / 79 < 1


def test_simulated_reactivity_follows_pairing() -> None:
    free = np.zeros((400, WIDTH), np.float32)
    free[:, ::2] = 1
    y = simulated.measure(np.random.default_rng(0), np.zeros((400, WIDTH), np.uint8), free)
    assert np.nanmean(y[:, ::2]) == pytest.approx(0.681211 * (1 - np.exp(-1 / 0.681211)), abs=0.01)  # clipped at 1
    assert np.nanmean(y[:, 1::2]) < 0.35
