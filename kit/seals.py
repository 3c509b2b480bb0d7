"""Seals: what an entry's hash covers. Each version is a fixed list of fields, so that no later column breaks it.

Version 1 is what the kit sealed before it had versions: every field, the name and the note as they stand. From version
2 on the name and the note are sealed as salted hashes only, and stand beside the chain together with the salt: without
the salt nobody can find the name from its hash, not even by trying all names, so a person can be forgotten and the
chain still holds. A field that no version lists (what serves only the view) belongs in another table.
"""

import hashlib
import json
import re
from typing import Any

Entry = dict[str, Any]

SEALED: dict[int, tuple[str, ...]] = {
    1: (
        *("number", "id", "task", "answers", "source", "name", "baseline", "time", "file", "file_sha256"),
        *("sums_sha256", "metric", "higher_is_better", "score", "score_public", "score_private", "scores", "coverage"),
        *("seconds", "device", "seed", "version", "commit", "note", "previous"),
    ),
    2: (
        *("seal", "number", "id", "kind", "refers", "task", "answers", "source", "name_hash", "note_hash", "baseline"),
        *("time", "file", "file_sha256", "sums_sha256", "metric", "metric_version", "higher_is_better", "score"),
        *("score_public", "score_private", "scores", "coverage", "seconds", "device", "seed", "version", "commit"),
        "previous",
    ),
}
NEWEST = max(SEALED)
FORGOTTEN = re.compile(r"forgotten-\d+")  # the name of a person whose entries were made nobody's


def seal(entry: Entry) -> str:
    """sha256 of the canonical JSON (RFC 8785 in spirit: sorted keys, no spaces) of the fields its version lists.

    ValueError where the version is unknown, or a field is of a kind that no entry can have.
    """
    fields = SEALED.get(entry.get("seal", 1))
    if fields is None:
        raise ValueError(f"seal version {entry['seal']} is not known to this version of the kit")
    content = {name: entry[name] for name in fields}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def salted(salt: str, field: str, text: str) -> str:
    """sha256 of salt, field name and text, with zero bytes between them (none of the three can hold one)."""
    return hashlib.sha256("\0".join((salt, field, text)).encode("utf-8", "surrogatepass")).hexdigest()


def unsealed_faults(entry: Entry) -> list[str]:
    """What is wrong with the fields that a seal covers by their salted hashes only; none in an entry of version 1."""
    if entry["seal"] == 1:
        return []
    if entry["salt"] is None:  # forgotten
        blank = FORGOTTEN.fullmatch(entry["name"]) and entry["note"] == ""
        return [] if blank else ["its name or note was changed after its salt was taken away"]
    fields = ("name", "note")
    return [
        f"its {field} is not the one it was made with"
        for field in fields
        if salted(entry["salt"], field, entry[field]) != entry[f"{field}_hash"]
    ]
