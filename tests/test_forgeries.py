"""Forgeries by somebody who owns the board and knows the kit: every hash is made anew, every file fitted.

What can be derived must be named by `verify`. What cannot must be named by a receipt that somebody else holds.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import kit
from kit import prepare, receipts, scoring, store, tasks
from kit.board import GENESIS, Board, entries
from kit.schema import head
from kit.seals import salted, seal
from kit.verify import report
from tests.test_board import database as database
from tests.test_board import guesses

Rows = list[dict[str, Any]]
Files = dict[Path, bytes]


class Forger:
    """Has the rows and files of a board, and changes them; row is the entry that a forgery is about."""

    def __init__(self, workspace: Path, rows: Rows, files: Files, rng: random.Random) -> None:
        self.workspace, self.rng = workspace, rng
        self.rows, self.files = [dict(row) for row in rows], dict(files)
        self.row = rng.choice(self.rows)

    def path(self, sums: bool = False) -> Path:
        path = self.workspace / self.row["file"]
        return store.sums_path(path) if sums else path

    def write(self, content: bytes, sums: bool = False) -> None:
        self.files[self.path(sums)] = content
        self.row["sums_sha256" if sums else "file_sha256"] = hashlib.sha256(content).hexdigest()

    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(BytesIO(self.files[self.path(sums=True)])) as kept:
            return dict(kept)

    def write_arrays(self, arrays: dict[str, Any]) -> None:
        file = BytesIO()
        np.savez_compressed(file, **arrays)
        self.write(file.getvalue(), sums=True)

    def scores(self, change: Callable[[dict[str, Any]], None]) -> None:
        found = json.loads(self.row["scores"])
        change(found)
        self.row["scores"] = json.dumps(found, sort_keys=True, separators=(",", ":"))

    def seal(self) -> None:
        """Make the whole chain fit again, from the first entry to the head."""
        previous = GENESIS
        for row in self.rows:
            row["previous"] = previous
            if row["seal"] == 2 and row["salt"] is not None:
                row |= {f"{field}_hash": salted(row["salt"], field, row[field]) for field in ("name", "note")}
            row["hash"] = previous = seal(row)

    def put(self) -> None:
        """Write it all where the board is."""
        _put(self.rows, self.files)


def _put(rows: Rows, files: Files) -> None:
    for path, content in files.items():
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
    with Board()._connect(write=True) as connection:
        connection.execute(sa.delete(entries))
        connection.execute(sa.insert(entries), rows)
        last = rows[-1]
        connection.execute(sa.update(head).values(number=last["number"], hash=last["hash"]))


# ---- what can be derived: each changes something and returns nothing; all hashes are made anew afterwards


def _other_text(forger: Forger, column: str) -> None:
    words = {
        "answers": hashlib.sha256(b"other").hexdigest(),
        "source": "another lab",
        "metric": "binary_crossentropy",
        "file": f"submissions/coin/{forger.rows[0]['id']}x.npy",
        "file_sha256": hashlib.sha256(b"x").hexdigest(),
        "sums_sha256": hashlib.sha256(b"y").hexdigest(),
        "kind": forger.rng.choice(["rescore", "withdrawal", "gift"]),
        "refers": forger.rng.choice([row["id"] for row in forger.rows]),
        "task": "mnist",
        "id": f"{forger.row['id']}0",
        "scores": forger.rng.choice(["{}", "[]", "nonsense", "NaN"]),
        "coverage": forger.rng.choice(['{"all":1.0,"public":1.0,"private":1.0}', "{}", "[", "null"]),
    }
    forger.row[column] = words[column]


def _other_number(forger: Forger, column: str) -> None:
    value = forger.row[column]
    near = value * (1 + forger.rng.choice([-1e-6, 1e-6, 0.01]))
    forger.row[column] = forger.rng.choice([near, None, 1.0 if value != 1.0 else 0.0])


def _other_direction(forger: Forger) -> None:
    forger.row["higher_is_better"] = not forger.row["higher_is_better"]


def _other_version(forger: Forger, column: str) -> None:
    forger.row[column] = {"metric_version": 2, "seal": 1, "number": forger.row["number"] + 10}[column]


def _one_score(forger: Forger) -> None:
    """One of the numbers among value, low and high, somewhat; the entry's own columns follow."""

    def change(scores: dict[str, Any]) -> None:
        metric, part = forger.rng.choice(sorted(scores)), forger.rng.choice(scoring.PARTS)
        place = forger.rng.randrange(3)
        scores[metric][part][place] += forger.rng.choice([1e-5, -1e-5, 0.01])
        if place == 0 and metric == forger.row["metric"]:
            column = {"all": "score", "public": "score_public", "private": "score_private"}[part]
            forger.row[column] = scores[metric][part][0]

    forger.scores(change)


def _one_metric(forger: Forger) -> None:
    def change(scores: dict[str, Any]) -> None:
        metric = forger.rng.choice(sorted(scores))
        match forger.rng.randrange(3):
            case 0:
                del scores[metric]
            case 1:
                scores["mae"] = scores[metric]
            case _:
                scores[metric]["all"] = forger.rng.choice([None, [], [1.0], "1", {"value": 1}])

    forger.scores(change)


def _better_everywhere(forger: Forger) -> None:
    """A score that is better in every column, with replicates and sums that fit it."""
    by = forger.rng.choice([1e-4, 0.01, 0.1])
    metric = forger.row["metric"]

    def change(scores: dict[str, Any]) -> None:
        for part, column in (("all", "score"), ("public", "score_public"), ("private", "score_private")):
            scores[metric][part] = [value + by for value in scores[metric][part]]
            forger.row[column] = scores[metric][part][0]

    forger.scores(change)
    arrays = forger.arrays()
    arrays[f"replicates.{metric}"] = arrays[f"replicates.{metric}"] + by
    counts = arrays["sums"][:, 1]
    arrays["sums"] = arrays["sums"] + np.where(np.arange(arrays["sums"].shape[1]) == 0, by, 0) * counts[:, None]
    forger.write_arrays(arrays)


def _one_array(forger: Forger) -> None:
    """One of the arrays beside the predictions: a value, its length, its type, or the whole of it."""
    arrays = forger.arrays()
    name = forger.rng.choice(sorted(arrays))
    array = arrays[name]
    match forger.rng.randrange(5):
        case 0:
            changed = array.copy()
            place = forger.rng.randrange(changed.size)
            flat = changed.reshape(-1)
            step = {"f": lambda x: x + 1e-3, "b": lambda x: not x, "U": lambda x: "x", "i": lambda x: x + 1}
            flat[place] = step[array.dtype.kind](flat[place])
            arrays[name] = changed
        case 1:
            arrays[name] = array[..., :-1]
        case 2:
            arrays[name] = array.astype({"f": "f4", "b": "i1", "U": "S32"}.get(array.dtype.kind, "i2"))
        case 3:
            del arrays[name]
        case _:
            arrays["extra"] = array
    forger.write_arrays(arrays)


def _no_archive(forger: Forger) -> None:
    """A file of row sums that is no such file, or a damaged one."""
    content = bytearray(forger.files[forger.path(sums=True)])
    match forger.rng.randrange(4):
        case 0:
            content = bytearray()
        case 1:
            del content[len(content) // 2 :]
        case 2:
            content[forger.rng.randrange(len(content))] ^= 1 << forger.rng.randrange(8)
        case _:
            content = bytearray(b"PK nonsense")
    forger.write(bytes(content), sums=True)


def _other_predictions(forger: Forger) -> None:
    """Another file of predictions, in whatever shape, under the scores of the old one."""
    array = np.load(BytesIO(forger.files[forger.path()]))
    changed = forger.rng.choice(
        [
            lambda: np.where(np.arange(len(array)) < 50, 1 - array, array),
            lambda: array.astype(np.float64),
            lambda: array[:-1],
            lambda: np.where(np.arange(len(array)) == 3, np.nan, array).astype(np.float32),
            lambda: array.reshape(-1, 1),
        ]
    )()
    file = BytesIO()
    np.save(file, changed)
    forger.write(file.getvalue() + (b"more" if forger.rng.random() < 0.2 else b""))


def _junk_behind(forger: Forger) -> None:
    forger.write(forger.files[forger.path()] + b"junk")


def _flip_without_hash(forger: Forger) -> None:
    """The one forgery here whose hash is not made anew."""
    path = forger.path(sums=forger.rng.random() < 0.5)
    content = bytearray(forger.files[path])
    content[forger.rng.randrange(len(content))] ^= 1 << forger.rng.randrange(8)
    forger.files[path] = bytes(content)


TEXTS = ("answers", "source", "metric", "file", "file_sha256", "sums_sha256", "kind", "refers", "task", "id", "scores")
NUMBERS = ("score", "score_public", "score_private")
FUNCTIONS = (_one_score, _one_metric, _better_everywhere, _one_array, _no_archive, _other_predictions, _junk_behind)
DERIVABLE: dict[str, Callable[[Forger], None]] = {
    **{column: partial(_other_text, column=column) for column in (*TEXTS, "coverage")},
    **{column: partial(_other_number, column=column) for column in NUMBERS},
    **{column: partial(_other_version, column=column) for column in ("metric_version", "seal", "number")},
    "higher_is_better": _other_direction,
    **{function.__name__: function for function in (*FUNCTIONS, _flip_without_hash)},
}


# ---- what only a receipt shows


def _another(column: str, value: Any) -> Callable[[Forger], None]:
    def change(forger: Forger) -> None:
        forger.row[column] = not forger.row[column] if column == "baseline" else value

    return change


def _taken_away(forger: Forger) -> None:
    """The entry and its files are gone, and all others have moved up."""
    for path in (forger.path(), forger.path(sums=True)):
        del forger.files[path]
        path.unlink()
    forger.rows.remove(forger.row)
    for number, row in enumerate(forger.rows, 1):
        row["number"] = number


def _in_another_order(forger: Forger) -> None:
    forger.rows.remove(forger.row)
    forger.rows.insert(0 if forger.row["number"] > 1 else 1, forger.row)
    for number, row in enumerate(forger.rows, 1):
        row["number"] = number


def _really_better(forger: Forger) -> None:
    """Other predictions in place of those that were submitted, scored as the kit scores them."""
    coin = tasks.find("coin")
    array = guesses(7, skill=0.95).astype(np.float32)
    file, sums = BytesIO(), BytesIO()
    store.write_predictions(file, array)
    forger.write(file.getvalue())
    card = scoring.score(coin.metrics, array, prepare.answers(coin), prepare.spec(coin))
    store.write_sums(sums, card)
    forger.write(sums.getvalue(), sums=True)
    scores = card.json()
    mine = scores[forger.row["metric"]]
    forger.row |= {
        "score": mine["all"][0],
        "score_public": mine["public"][0],
        "score_private": mine["private"][0],
        "scores": json.dumps(scores),
    }


OTHERS: dict[str, Callable[[Forger], None]] = {
    "name": _another("name", "eve"),
    "note": _another("note", "I was first"),
    "time": _another("time", "2026-01-01T00:00:00+00:00"),
    "seconds": _another("seconds", 0.5),
    "device": _another("device", "abacus"),
    "seed": _another("seed", 7),
    "version": _another("version", "9.9.9"),
    "commit": _another("commit", "0" * 40),
    "baseline": _another("baseline", None),
    "salt": _another("salt", "0" * 32),
    "taken away": _taken_away,
    "in another order": _in_another_order,
    "really better": _really_better,
}
SEALED_ANEW = {"previous", "hash", "name_hash", "note_hash"}  # by Forger.seal, after whatever was changed


def test_every_column_is_forged_in_one_way_or_another() -> None:
    assert {column.name for column in entries.columns} <= {*DERIVABLE, *OTHERS, *SEALED_ANEW}


@pytest.fixture
def made(workspace: Path) -> tuple[Rows, Files, list[dict[str, Any]]]:
    """Three entries with their files, and a receipt for each."""
    for number in range(3):
        kit.submit("coin", guesses(number, skill=0.3 * number), name=f"name{number}", note="a note")
    rows = list(Board().all())
    assert report().faults == []
    files = {path: path.read_bytes() for path in (workspace / "submissions").rglob("*.np?")}
    return rows, files, [receipts.receipt(row) for row in rows]


def _forgeries(n: int) -> Iterator[tuple[str, Callable[[Forger], None], random.Random]]:
    every = {**DERIVABLE, **OTHERS}
    for number in range(n):
        name = list(every)[number % len(every)]
        yield name, every[name], random.Random(number)


def _try(n: int, workspace: Path, made: tuple[Rows, Files, list[dict[str, Any]]]) -> None:
    rows, files, held = made
    for name, forge, rng in _forgeries(n):
        forger = Forger(workspace, rows, files, rng)
        mine = next(each for each in held if each["id"] == forger.row["id"])
        if forger.row["number"] == 1 and name in ("kind", "refers"):
            forger.row = forger.rows[1]
        forge(forger)
        forger.seal()
        forger.put()
        found = report()
        if name in DERIVABLE:
            about = [fault for fault in found.faults if forger.row["id"] in fault or "missing from the chain" in fault]
            assert about, (name, found)
        else:
            missed = [fault for each in held for fault in receipts.check_receipt(Board(), each)]
            assert any(mine["id"] in fault for fault in missed), (name, missed)
            assert found.faults == [], (name, found.faults)  # else it belongs among the derivable ones
        _put(rows, files)
    assert report().faults == []


def test_each_kind_of_forgery_is_named(workspace: Path, made: tuple[Rows, Files, list[dict[str, Any]]]) -> None:
    _try(len(DERIVABLE) + len(OTHERS), workspace, made)


@pytest.mark.slow
def test_400_forgeries_are_named(workspace: Path, made: tuple[Rows, Files, list[dict[str, Any]]]) -> None:
    _try(400, workspace, made)
