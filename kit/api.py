"""The Python API: load a task, score predictions, submit them, read the board."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import __version__, predictions, prepare, scoring, store, tasks, workspace
from kit.errors import KitError
from kit.scoring import Scorecard
from kit.task import Array, Data, Task

if TYPE_CHECKING:
    import pandas as pd

    from kit.board import Entry

_LONGEST_NAME, _LONGEST_NOTE = 64, 500  # characters


def load(task: str, source: str | None = None) -> Data:
    """What a competitor may see of a task; downloads and prepares it the first time.

    source: which data set, for a task that has several; what was prepared last stays chosen.
    """
    return prepare.load(tasks.find(task), source)


def refreshed(task: Task, before: str | None) -> str:
    """What preparing a task anew changed, in words; `before` is the fingerprint its answers had."""
    from kit.board import Board

    now = prepare.fingerprints(task)
    words = "Prepared anew." if before is None else "Prepared anew: the answers are the same."
    if before not in (None, now[0]):
        words = "Prepared anew: the answers changed."
    if any(ranking.answers[0] not in now for ranking in Board().rankings(task.name)):
        words += f" Entries scored on other answers are listed apart; `kit rescore {task.name}` scores them on these."
    return words


def check(task: str, source: Any) -> Array:
    """The predictions in the order of the task's ids; PredictionError with every fault. Needs no truth."""
    return predictions.read(source, prepare.spec(tasks.find(task)))


def score(task: str, source: Any) -> Scorecard:
    """Check and score predictions without submitting them."""
    found = tasks.find(task)
    spec = prepare.spec(found)
    return scoring.score(found.metrics, predictions.read(source, spec), prepare.answers(found), spec)


def submit(
    task: str,
    source: Any,
    name: str | None = None,
    note: str = "",
    *,
    entry_id: str | None = None,
    baseline: bool = False,
    seconds: float | None = None,
    device: str | None = None,
    seed: int | None = None,
) -> Entry:
    """Check, score and record predictions; returns the entry on the board.

    source: a file's path, an array, a tensor or a DataFrame; see `kit.predictions.read`.
    name: who submits; the user's login name by default. A name's best entry ranks.
    entry_id, baseline, seconds, device, seed: what a baseline run tells about itself.
    Raises PredictionError, with all faults and nothing written, where the predictions cannot be scored.
    """
    import secrets

    from kit.board import Board

    found = tasks.find(task)
    name, note = _printable("name", name or login_name(), 1, _LONGEST_NAME), _printable("note", note, 0, _LONGEST_NOTE)
    spec = prepare.spec(found)
    array = predictions.read(source, spec)
    answers, fingerprint, described = prepare.answers(found), prepare.fingerprint(found), prepare.source(found)
    stamp = datetime.now(UTC)
    entry_id = entry_id or f"{stamp:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    file = workspace.submissions(found.name) / f"{entry_id}.npy"
    try:
        with workspace.replacing(file) as draft, workspace.replacing(store.sums_path(file)) as sums_draft:
            file_hash = store.write_predictions(draft, array)
            draft.flush()
            kept = np.load(draft.name, mmap_mode="r")  # scored is what is kept, whatever becomes of the user's file
            card = scoring.score(found.metrics, kept, answers, spec)
            del kept  # Windows renames no file that is mapped
            store.write_sums(sums_draft, card)
        first, scores = found.metrics[0], card.json()
        mine = scores.get(first.name, {})
        entry = {
            "id": entry_id,
            "task": found.name,
            "answers": fingerprint,
            "source": described,
            "name": name,
            "baseline": baseline,
            "time": stamp.isoformat(timespec="seconds"),
            "file": file.relative_to(workspace.root()).as_posix(),
            "file_sha256": file_hash,
            "sums_sha256": workspace.sha256(store.sums_path(file)),
            "metric": first.name,
            "higher_is_better": first.higher_is_better,
            **{column: mine.get(part, [None])[0] for column, part in _SCORE_COLUMNS.items()},
            "scores": _json(scores),
            "coverage": _json(card.coverage),
            "seconds": seconds,
            "device": device,
            "seed": seed,
            "version": __version__,
            "commit": _commit(),
            "note": note,
        }
        return Board().append(entry)
    except (KitError, OSError):  # it cannot be recorded: a file without an entry would be a riddle
        for left in (file, store.sums_path(file)):
            left.unlink(missing_ok=True)
        raise


_SCORE_COLUMNS = {"score": "all", "score_public": "public", "score_private": "private"}


def leaderboard(task: str, part: str = "all") -> pd.DataFrame:
    """The board as a DataFrame, best first: rank, name, entries, score with its interval, every metric, and the rest.

    part: "all", "public" or "private" rows.
    """
    import pandas as pd

    from kit import ranking

    board = ranking.read(tasks.find(task), part=part)
    return pd.DataFrame([ranking.flat(row, part) for row in board.rows])


def login_name() -> str:
    """Who is logged in; some containers do not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:  # the last one on Windows
        raise KitError("Nobody is logged in here by name. Say who submits: --name ada") from error


def _printable(what: str, text: str, least: int, most: int) -> str:
    """Text as it may stand on the board: one line, printable (no escape sequence reaches anybody's terminal)."""
    text = " ".join(text.split())
    if not least <= len(text) <= most or not text.isprintable():
        raise KitError(f"The {what} {text[:80]!r} cannot stand on the board: {least} to {most} printable characters.")
    return text


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _commit() -> str | None:
    """The git commit of the workspace, where it is a checkout."""
    if not (workspace.root() / ".git").exists():
        return None
    import subprocess

    command = ["git", "-C", str(workspace.root()), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git, or none that may be run
        return None
    return done.stdout.strip() if done.returncode == 0 else None
