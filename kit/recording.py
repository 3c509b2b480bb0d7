"""How an entry comes to stand on the board: predictions are copied, checked, scored and kept, then recorded.

What is scored is the kept copy, whatever becomes of the user's file or array meanwhile.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kit import __version__, names, predictions, prepare, readers, scoring, store, workspace
from kit.board import Board, Entry, typed
from kit.errors import KitError, PredictionError, shown
from kit.metrics import over_columns
from kit.prepared import Prepared
from kit.task import Spec, Task

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_SCORE_COLUMNS = {"score": "all", "score_public": "public", "score_private": "private"}


def submit(task: Task, source: Any, board: Board, entry_id: str | None, **facts: Any) -> Entry:
    """Check, score and record predictions. facts: name, note, baseline, seconds, device and seed of the entry."""
    if entry_id is not None and not _ID.fullmatch(entry_id):
        raise KitError(f"The id {entry_id!r} cannot be an entry's: up to 100 letters, digits, - and _ are wanted.")
    facts = typed(facts)
    if not facts["baseline"]:
        _not_a_baseline(task, facts["name"])
    if entry_id and next(board.all(id=entry_id), None):
        raise KitError(f"There is an entry with the id {entry_id} already.")
    stamp, prepared = datetime.now(UTC), prepare.ready(task)
    entry_id = entry_id or _new_id(stamp)
    mapped = _npy(source, prepared.spec)  # anything else is read into memory, which is ours
    array = None if mapped else predictions.read(source, prepared.spec)
    with store.incoming(task.name, entry_id) as drafts:
        if mapped:
            array = predictions.read(_copied(mapped, drafts), prepared.spec)
        return _record(task, array, prepared, drafts, board, {"id": entry_id, "time": stamp, **facts})


def _npy(source: Any, spec: Spec) -> Path | None:
    """The path of a .npy file whose header fits the Spec; None where the source is something else."""
    if not isinstance(source, str | Path):
        return None
    path = Path(source)
    try:
        if readers.kind_of(path) != ".npy":
            return None
        readers.read_npy(path, spec)
    except OSError as error:
        raise _unreadable(path, error) from error
    return path


def _copied(path: Path, drafts: Path) -> Path:
    """A copy of the user's file: what is checked there stays as it is."""
    copy = drafts / "given" / path.name
    copy.parent.mkdir()
    with workspace.naming(copy), copy.open("xb") as ours:
        try:
            theirs = path.open("rb")
        except OSError as error:
            raise _unreadable(path, error) from error
        with theirs:
            shutil.copyfileobj(theirs, ours, 1 << 20)
    return copy


def _unreadable(path: Path, error: OSError) -> PredictionError:
    return PredictionError(shown(path.name or path), [f"it cannot be read: {error.strerror or error}."])


def _record(task: Task, array: Any, prepared: Prepared, drafts: Path, board: Board, facts: dict[str, Any]) -> Entry:
    """Keep the predictions and what they score, and append the entry; neither without the other."""
    draft = drafts / "predictions.npy"
    with workspace.replacing(draft) as opened:
        file_hash = store.write_predictions(opened, array)
    scored = _score(task, draft, prepared)
    file = store.keep(drafts, task.name, facts["id"], free=facts["baseline"])
    try:
        entry = {**scored, **facts, "file": file.relative_to(workspace.root()).as_posix(), "file_sha256": file_hash}
        entry |= {"time": facts["time"].isoformat(timespec="seconds"), "version": __version__, "commit": _commit()}
        return board.append(entry, [file, store.sums_path(file)])
    except BaseException:
        if made := _recorded(board, facts["id"]):  # it was interrupted after it had been written
            return made
        store.remove(file)
        raise


def _score(task: Task, draft: Path, prepared: Prepared) -> dict[str, Any]:
    """What an entry says about its scores; writes the row sums beside the draft. Here alone is the draft mapped."""
    kept = workspace.mapped(draft)
    # an array may have been changed between its check and its writing
    if faults := predictions.value_faults(kept, prepared.spec):
        raise PredictionError("predictions", faults)
    card = scoring.score(task.metrics, kept, prepared.answers, prepared.spec)
    with workspace.replacing(store.sums_path(draft)) as file:
        store.write_sums(file, card)
    first, scores = task.metrics[0], card.json()
    mine = scores.get(first.name, {})
    return {
        "task": task.name,
        "answers": prepared.fingerprints[0],
        "source": prepared.source,
        "sums_sha256": workspace.sha256(store.sums_path(draft)),
        "metric": first.name,
        "metric_version": _version(task, prepared),
        "higher_is_better": first.higher_is_better,
        **{column: mine.get(part, [None])[0] for column, part in _SCORE_COLUMNS.items()},
        "scores": _json(scores),
        "coverage": _json(card.coverage),
    }


def _version(task: Task, prepared: Prepared) -> int:
    """Of the definition by which the metric that ranks scores this task's columns."""
    return over_columns(task.metrics[0], prepared.answers.truth.shape).version


def _recorded(board: Board, entry_id: str) -> Entry | None:
    try:
        return next(board.all(id=entry_id), None)
    except KitError:
        return None


def _not_a_baseline(task: Task, name: str) -> None:
    stems = [file.stem for file in (task.folder / "baselines").glob("[!_]*.py")]
    if taken := names.look_alike(name, stems):
        raise KitError(f"The name {name!r} is taken: {taken} is a baseline of {task.name}. Choose another: --name ada")


def withdraw(board: Board, entry_id: str) -> tuple[Entry, Entry]:
    """(the mark, the entry): mark an entry as withdrawn. It leaves the ranking, with what it scored on other answers,
    and stays in the chain.
    """
    found = next(board.all(id=entry_id), None)
    if found and found["kind"] == "rescore":
        found = next(board.all(id=found["refers"]), None)
    if found is None:
        raise KitError(f"There is no entry with the id {entry_id!r}. `kit leaderboard TASK --history NAME` lists them.")
    if found["kind"] == "withdrawal":
        raise KitError(f"{entry_id} is no entry: it is the mark that {found['refers']} was withdrawn.")
    stamp = datetime.now(UTC)
    kept = ("task", "name", "baseline", "metric", "metric_version", "higher_is_better", "answers", "source")
    blank: dict[str, Any] = {"scores": "{}", "coverage": "{}", "note": "", "file": "", "file_sha256": ""}
    blank |= dict.fromkeys(("score", "score_public", "score_private", "seconds", "device", "seed"))
    mark = {**blank, **{field: found[field] for field in kept}, "sums_sha256": "", "commit": None}
    mark |= {"id": _new_id(stamp), "time": stamp.isoformat(timespec="seconds"), "version": __version__}
    return board.append({**mark, "kind": "withdrawal", "refers": found["id"]}), found


def rescore(task: Task, board: Board) -> Iterator[tuple[Entry, Entry | str]]:
    """Score the kept files of entries made on other answers (or ranked by another metric) on those prepared now.

    Yields each such entry with the new one, which refers to it, or with the reason why there is none. Those that were
    withdrawn, or are scored on these answers already, are passed over.
    """
    prepared = prepare.ready(task)
    same = prepared.fingerprints
    metric = task.metrics[0].name
    rows = list(board.all(task.name))
    gone = {row["refers"] for row in rows if row["kind"] == "withdrawal"}
    now = (metric, _version(task, prepared))
    here = {row["id"] for row in rows if row["answers"] in same and (row["metric"], row["metric_version"]) == now}
    done = {row["refers"] for row in rows if row["kind"] == "rescore" and row["id"] in here}
    for row in rows:
        if row["kind"] != "entry" or row["id"] in gone | done | here:
            continue
        file = store.local(row, board=board)
        if file is None:
            yield row, "the file of its predictions is missing, or is not the one that was submitted"
            continue
        stamp = datetime.now(UTC)
        facts = {field: row[field] for field in ("name", "note", "baseline", "seconds", "device", "seed")}
        facts |= {"id": _new_id(stamp), "time": stamp, "kind": "rescore", "refers": row["id"]}
        try:
            with store.incoming(task.name, facts["id"]) as drafts:
                yield row, _record(task, predictions.read(file, prepared.spec), prepared, drafts, board, facts)
        except PredictionError as error:
            yield row, f"its predictions do not fit the answers of today: {' '.join(error.faults)}"


def _new_id(stamp: datetime) -> str:
    return f"{stamp:%Y%m%d-%H%M%S}-{os.urandom(4).hex()}"


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
