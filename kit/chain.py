"""The chain of a board's entries: each one whole, in its place, and about what it may be about."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from kit import seals
from kit.board import GENESIS, Entry
from kit.errors import shown

_UNSEALED = {"kind": "entry", "refers": None, "metric_version": 1, "name_hash": None, "note_hash": None, "salt": None}


def faults(rows: list[Entry], last_number: int, last_hash: str) -> Iterator[str]:
    """What is wrong with the chain, whose last entry is remembered apart from it."""
    number, previous, version = 0, GENESIS, 1
    earlier: dict[str, Entry] = {}
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
        elif fault := _fault(row, earlier):
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


def _fault(row: Entry, earlier: dict[str, Entry]) -> str:
    """What a whole entry may not say."""
    about: Any = earlier.get(row["refers"]) if row["refers"] is not None else None
    if row["kind"] not in ("entry", "rescore", "withdrawal"):
        return f"it is a {shown(row['kind'])}, and there is no such kind"
    if time_of(row) is None:
        return f"its time {shown(row['time'])} is no time"
    if row["kind"] == "entry":
        return "" if row["refers"] is None else "it refers to another entry, which only marks do"
    if about is None or about["task"] != row["task"]:
        return f"it is a {row['kind']} of {shown(row['refers'])}, and there is no such entry of its task before it"
    if about["kind"] == "withdrawal":
        return f"it is a {row['kind']} of a withdrawal"
    if row["kind"] == "rescore" and any(row[field] != about[field] for field in ("file_sha256", "name", "baseline")):
        return f"it is a rescore of {about['id']}, and its predictions or its name are not the same"
    return ""
