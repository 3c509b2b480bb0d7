"""The chain of a board's entries: each one whole, in its place, and about what it may be about."""

from collections.abc import Iterator
from datetime import datetime

from kit import seals
from kit.board import GENESIS, Entry
from kit.errors import shown

_UNSEALED = {"kind": "entry", "refers": None, "metric_version": 1, "name_hash": None, "note_hash": None, "salt": None}

_TAKEN_OVER = {  # from the entry that a rescore or a withdrawal is about
    "rescore": ("file_sha256", "name", "baseline", "seconds", "device", "seed"),
    "withdrawal": ("name", "baseline", "metric", "metric_version", "higher_is_better", "answers", "source"),
}
_BLANK = {  # in a withdrawal
    **{"scores": "{}", "coverage": "{}", "file": "", "file_sha256": "", "sums_sha256": ""},
    **dict.fromkeys(("score", "score_public", "score_private", "seconds", "device", "seed")),
}


def faults(rows: list[Entry], last_number: int, last_hash: str) -> Iterator[str]:
    """What is wrong with the chain, whose last entry is remembered apart from it."""
    number, previous, version = 0, GENESIS, 1
    earlier: dict[str, Entry] = {}
    marks: dict[str, str] = {}
    for row in rows:
        if row["number"] != number + 1:
            missing = f"{number + 1}" if row["number"] == number + 2 else f"{number + 1} to {row['number'] - 1}"
            yield f"entry {missing}: missing from the chain"
        elif row["previous"] != previous:
            yield f"{named(row)}: does not follow the entry before it"
        if not sealed(row):
            yield f"{named(row)}: its fields are not those it was made with"
        elif row["seal"] < version:
            yield f"{named(row)}: is sealed as older entries are, and comes after newer ones"
        elif fault := _fault(row, earlier, marks):
            yield f"{named(row)}: {fault}"
        earlier[row["id"]] = row
        number, previous = row["number"], row["hash"]
        version = max(version, row["seal"] if row["seal"] in seals.SEALED else 1)
    if number < last_number:
        yield f"entry {number + 1}: missing from the end of the chain, which was {last_number} entries long"
    elif (number, previous) != (last_number, last_hash):
        yield f"entry {number}: is not the one that was written last (entry {last_number})"


def sealed(row: Entry) -> bool:
    """Whether an entry's hash is that of its fields; a field of a type that no entry can have is no such field."""
    try:
        whole = seals.seal(row) == row["hash"] and not seals.unsealed_faults(row)
    except (TypeError, ValueError):
        return False
    return whole and (row["seal"] != 1 or all(row[column] == value for column, value in _UNSEALED.items()))


def named(row: Entry) -> str:
    return f"entry {row['number']} ({shown(row['id'])}, {shown(row['name'])} in {shown(row['task'])})"


def time_of(row: Entry) -> datetime | None:
    """When an entry was made; None where its time cannot be read or is not given in UTC."""
    try:
        time = datetime.fromisoformat(row["time"])
    except (TypeError, ValueError):
        return None
    return time if time.utcoffset() is not None and not time.utcoffset() else None


def _fault(row: Entry, earlier: dict[str, Entry], marks: dict[str, str]) -> str:
    """What a whole entry may not say. marks: ids of withdrawn entries -> id of the mark."""
    if row["kind"] not in ("entry", "rescore", "withdrawal"):
        return f"it is a {shown(row['kind'])}, and there is no such kind"
    if time_of(row) is None:
        return f"its time {shown(row['time'])} is no time in UTC"
    if row["kind"] == "entry":
        return "" if row["refers"] is None else "it refers to another entry, which only a rescore and a withdrawal do"
    about = earlier.get(row["refers"])
    what = f"it is a {row['kind']} of {shown(row['refers'])}"
    if about is None or about["task"] != row["task"] or about["kind"] == "withdrawal":
        return f"{what}, and there is no such entry before it"
    if row["refers"] in marks:
        return f"{what}, which was withdrawn by {marks[row['refers']]} before"
    if changed := [name for name in _TAKEN_OVER[row["kind"]] if row[name] != about[name] and not _forgotten(name, row)]:
        return f"{what}, and its {changed[0]} is another"
    if row["kind"] == "withdrawal":
        if filled := [name for name, blank in _BLANK.items() if row[name] != blank]:
            return f"{what}, and it holds a {filled[0]}"
        marks[row["refers"]] = row["id"]
    return ""


def _forgotten(column: str, row: Entry) -> bool:
    return column == "name" and row["salt"] is None
