"""The Python API: load a task, score predictions, submit them, read the board."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from kit import predictions, prepare, scoring, tasks
from kit.errors import KitError
from kit.scoring import Scorecard
from kit.task import Array, Data, Task

if TYPE_CHECKING:
    import pandas as pd

    from kit.board import Entry


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
    from kit import names, recording
    from kit.board import Board

    found = tasks.find(task)
    facts = {"baseline": baseline, "seconds": seconds, "device": device, "seed": seed}
    facts["note"] = names.text("note", note, 0, names.LONGEST_NOTE)
    facts["name"] = name if baseline and name else names.checked(name or login_name())
    return recording.submit(found, source, Board(), entry_id, **facts)


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
