"""A board as the kit made it before it had migrations: its tables in plain SQL, its entries sealed field by field.

Written out by hand, so that no change of the kit can change what an old board is.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from kit import legacy, prepare, store, tasks

TABLES = """
CREATE TABLE entries (
    number INTEGER NOT NULL, id TEXT NOT NULL, task TEXT NOT NULL, answers TEXT NOT NULL, source TEXT NOT NULL,
    name TEXT NOT NULL, baseline BOOLEAN NOT NULL, time TEXT NOT NULL, file TEXT NOT NULL, file_sha256 TEXT NOT NULL,
    sums_sha256 TEXT NOT NULL, metric TEXT NOT NULL, higher_is_better BOOLEAN NOT NULL, score FLOAT,
    score_public FLOAT, score_private FLOAT, scores TEXT NOT NULL, coverage TEXT NOT NULL, seconds FLOAT, device TEXT,
    seed INTEGER, version TEXT NOT NULL, "commit" TEXT, note TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (number), UNIQUE (id), UNIQUE (previous), UNIQUE (hash)
);
CREATE INDEX entries_best ON entries (task, answers, metric, name, score, number);
CREATE TABLE head (one INTEGER NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (one))
"""


def old_seal(entry: dict[str, Any]) -> str:
    content = {field: value for field, value in entry.items() if field != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def make(engine: sa.Engine, workspace: Path, names: list[str], **changed: Any) -> list[dict[str, Any]]:
    """Make the tables, and an entry of random predictions for each name, with its files. changed: fields of all."""
    coin, entries, previous = tasks.find("coin"), [], "0" * 64
    answers = prepare.answers(coin)
    for number, name in enumerate(names, 1):
        file = workspace / "submissions" / "coin" / f"old{number}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.random.default_rng(number).random(100).astype(np.float32))
        scores, coverage, arrays = legacy.score(coin.metrics, np.load(file), answers, prepare.spec(coin))
        with store.sums_path(file).open("wb") as sums:
            np.savez_compressed(sums, **arrays)  # type: ignore[arg-type]
        mine = scores["binary_accuracy"]
        entry = {
            "number": number, "id": f"old{number}", "task": "coin", "answers": prepare.fingerprints(coin)[1],
            "source": "simulated", "name": name, "baseline": False, "time": "2026-01-01T00:00:00+00:00",
            "file": f"submissions/coin/{file.name}", "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "sums_sha256": hashlib.sha256(store.sums_path(file).read_bytes()).hexdigest(),
            "metric": "binary_accuracy", "higher_is_better": True, "score": mine["all"][0],
            "score_public": mine["public"][0], "score_private": mine["private"][0], "scores": json.dumps(scores),
            "coverage": json.dumps(coverage), "seconds": 1.5, "device": "cpu", "seed": number, "version": "0.1.0",
            "commit": None, "note": f"note {number}", "previous": previous, **changed,
        }  # fmt: skip
        entry["hash"] = previous = old_seal(entry)
        entries.append(entry)
    columns = [f'"{field}"' for field in entries[0]]
    insert = f"INSERT INTO entries ({', '.join(columns)}) VALUES ({', '.join(f':{field}' for field in entries[0])})"
    with engine.begin() as connection:
        for statement in TABLES.split(";"):
            connection.execute(sa.text(statement))
        connection.execute(sa.text(insert), entries)
        connection.execute(sa.text("INSERT INTO head VALUES (1, :n, :h)"), {"n": len(entries), "h": previous})
    return entries
