"""Receipts: what somebody else than the board's owner keeps, to show that an entry is still there and unchanged.

A chain without a key shows no forgery to which its owner has fitted all hashes anew. A receipt does: it holds the hash
of one entry, which covers that entry and, through the hash before it, every earlier one.
"""

import json
import re
from pathlib import Path
from typing import Any

from kit import workspace
from kit.board import Board, Entry
from kit.errors import KitError, shown
from kit.seals import seal

FORMAT = 1
_TYPES: dict[str, type] = {"id": str, "number": int, "task": str, "hash": str, "time": str}


def receipt(entry: Entry) -> dict[str, Any]:
    """What a receipt says of an entry; the signature is for boards whose owner has a key."""
    return {"format": FORMAT, **{field: entry[field] for field in _TYPES}, "signature": None}


def write_receipt(path: Path, entry: Entry) -> None:
    """Write an entry's receipt, whole or not at all."""
    with workspace.replacing(path) as file:
        file.write(f"{json.dumps(receipt(entry), indent=2)}\n".encode())


def check_place(path: Path) -> None:
    """KitError where no receipt can be written; asked before an entry is made."""
    if path.exists():
        raise KitError(f"{path} is there already; a receipt is not written over anything. Give another name.")
    if not path.parent.is_dir():
        raise KitError(f"{path} cannot be written: there is no folder {path.parent}.")


def read_receipt(path: Path) -> dict[str, Any]:
    """A receipt from its file; KitError where it is none."""
    try:
        content = path.read_bytes()
        found = json.loads(content) if len(content) < 100_000 else None
    except OSError as error:
        raise KitError(f"The receipt {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise KitError(f"{path} is no receipt: it is no JSON.") from error
    if faults := _faults(found):
        raise KitError(f"{path} is no receipt: {'; '.join(faults)}.")
    return dict(found or {})


def check_receipt(board: Board, given: dict[str, Any]) -> list[str]:
    """What a receipt shows to be wrong with a board; nothing where its entry stands there as it was made."""
    if faults := _faults(given):
        return [f"this is no receipt: {fault}" for fault in faults]
    named = f"entry {given['number']} ({shown(given['id'])} in {shown(given['task'])})"
    row = next(board.all(id=given["id"]), None)
    if row is None:
        return [f"{named} has a receipt, and is not on the board"]
    faults = [
        f"{named}: its {field} is {row[field]} now"
        for field in ("number", "task", "time")
        if row[field] != given[field]
    ]
    try:
        now = seal(row)
    except (TypeError, ValueError):
        now = ""
    if given["hash"] not in (row["hash"],) or now != row["hash"]:
        faults.append(f"{named}: it is not the entry that the receipt was given for; its hash is another")
    return faults


def _faults(given: Any) -> list[str]:
    if not isinstance(given, dict):
        return ["an object with format, id, number, task, hash and time is wanted"]
    if given.get("format") != FORMAT or isinstance(given.get("format"), bool):
        return [f"its format is {shown(repr(given.get('format')))}; this version of the kit reads format {FORMAT}"]
    faults = [
        f"its {field} must be {'a whole number' if kind is int else 'text'}"
        for field, kind in _TYPES.items()
        if not isinstance(given.get(field), kind) or isinstance(given.get(field), bool)
    ]
    if not faults and not re.fullmatch("[0-9a-f]{64}", given["hash"]):
        faults.append("its hash is no sha256")
    return faults
