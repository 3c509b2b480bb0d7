"""Check a board against its own hashes and files: nothing changed, nothing missing, every field what the files give.

What can be derived is derived: the chain, and of every entry its scores with their intervals, by what and which way it
is ranked, coverage, the answers, and the files. What cannot (who, when, with which note, on which machine; or that the
owner of the board made the whole of it anew) is held by receipts that others keep.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kit import chain, prepare, receipts, store, tasks, workspace
from kit.board import Board, Entry
from kit.errors import FIRST, KitError, counted, first_line, shown
from kit.judge import Judge

_SKEW = timedelta(minutes=10)  # by which two machines' clocks, or two submissions at once, may differ


@dataclass
class Report:
    """What `kit verify` found.

    checked: entries looked at. scored_again: those whose every derivable field was derived. by_files: why an entry
    was checked by its hash and its files only -> how many. marks: withdrawals, which have no scores.
    receipts: how many were held against the board.
    faults: what is wrong, with the entry it is about. warnings: what may be in order, but should be known.
    """

    checked: int = 0
    scored_again: int = 0
    marks: int = 0
    receipts: int = 0
    by_files: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def words(self) -> str:
        """How much was checked, and how."""
        parts = [f"{self.scored_again:,} scored again"] if self.scored_again or not self.by_files else []
        parts += [f"{n:,} by their files only ({why})" for why, n in self.by_files.most_common()]
        parts += [f"{self.marks:,} withdrawn"] if self.marks else []
        parts += [f"{self.receipts:,} held against receipts"] if self.receipts else []
        return f"{self.checked:,} {'entry' if self.checked == 1 else 'entries'} verified: {', '.join(parts)}."

    def complaint(self) -> str:
        """All faults, and how much was checked."""
        faults = "\n".join(f"  - {fault}" for fault in self.faults)
        n = f"{len(self.faults)} {'fault' if len(self.faults) == 1 else 'faults'}"
        looked_at = self.words().replace(" verified:", " looked at:")
        return f"The board is not what was submitted; {n}:\n{faults}\n{looked_at}"

    def document(self) -> dict[str, Any]:
        """The same for `--format json`."""
        counts = {
            "scored_again": self.scored_again,
            "by_files": dict(self.by_files),
            "withdrawn": self.marks,
            "receipts": self.receipts,
        }
        lists = {"faults": self.faults, "warnings": self.warnings}
        return {"entries": self.checked, "verified": not self.faults, **counts, **lists}


def verify(task: str | None = None) -> tuple[int, list[str]]:
    """(entries checked, faults found), of one task's files where it is given; the chain is checked whole."""
    found = report(task)
    return found.checked, found.faults


def report(task: str | None = None, held: Sequence[dict[str, Any]] = ()) -> Report:
    """Check everything that can be checked here, of one task's files where it is given; the chain is checked whole.

    Entries made on answers that are not prepared here have their chain and files checked, but cannot be scored again.
    held: receipts (`receipts.read_receipt`), whose entries must be there as they were.
    """
    board, found = Board(), Report()
    with board.at_once():  # a submission that ends meanwhile is no fault
        rows, last = list(board.all()), board.head()
    found.faults += chain.faults(rows, *last)
    found.receipts = len(held)
    found.faults += [fault for given in held for fault in receipts.check_receipt(board, given)]
    found.warnings += _times(rows)
    mine = [row for row in rows if task is None or row["task"] == task]
    found.checked = len(mine)
    court = _Court(found, board)
    for row in mine:
        found.faults += [f"{chain.named(row)}: {fault}" for fault in court.examine(row)]
    _leftovers(found, rows, task, board)
    return found


class _Court:
    """The judges of all tasks, each called when its first entry comes up."""

    def __init__(self, report: Report, board: Board) -> None:
        self.report, self.board = report, board
        self.judges: dict[str, tuple[list[Judge], str]] = {}

    def examine(self, row: Entry) -> Iterator[str]:
        if row["kind"] == "withdrawal":
            self.report.marks += 1
            return
        if not chain.sealed(row):
            self.report.by_files["its hash is broken"] += 1
            return
        if not _in_its_place(row):
            yield f"its file is {shown(row['file'])}; submissions/{row['task']}/{row['id']}.npy is expected"
            self.report.by_files["its files are not where they belong"] += 1
            return
        (file, wrong), (sums, amiss) = self._found(row, False), self._found(row, True)
        yield from (f"{path.name} {fault}" for path, fault in ((file, wrong), (sums, amiss)) if fault)
        if wrong or amiss:
            self.report.by_files["its files are not whole"] += 1
            return
        yield from self._score(row, file, sums)

    def _found(self, row: Entry, sums: bool) -> tuple[Path, str]:
        """One of an entry's two files, and what is wrong with it: the workspace's own, else a shared board's."""
        file, kept = workspace.root() / row["file"], row["sums_sha256" if sums else "file_sha256"]
        path = store.sums_path(file) if sums else file
        if path.exists() or not self.board.address.shared:
            return path, _file_fault(path, kept)
        copy = store.local(row, sums, self.board)
        return (copy, "") if copy else (path, "is missing, here and on the board")

    def _score(self, row: Entry, file: Path, sums: Path) -> Iterator[str]:
        judges, why = self._judges(row["task"])
        version = 1 if row["seal"] == 1 else 0
        judge = next((judge for judge in judges if row["answers"] == judge.fingerprints[version]), None)
        if judge is not None:
            self.report.scored_again += 1
            yield from judge.faults(row, file, sums)[0]
            return
        for other in judges:
            faults, fits = other.faults(row, file, sums)
            if fits:
                self.report.scored_again += 1
                yield f"its answers are {row['answers'][:16]}; it was scored on {other.fingerprints[version][:16]}"
                yield from faults
                return
        self.report.by_files[why] += 1

    def _judges(self, name: str) -> tuple[list[Judge], str]:
        """One for each set of answers of the task that is prepared here; and why an entry may find none."""
        if name not in self.judges:
            self.judges[name] = self._called(name)
        return self.judges[name]

    def _called(self, name: str) -> tuple[list[Judge], str]:
        try:
            if name not in tasks.folders():
                return [], f"there is no task {name} here"
            task = tasks.find(name)
        except KitError as error:
            return [], f"the task {name} cannot be used: {first_line(error)}"
        judges = []
        try:
            kept = prepare.kept(task)
            judges += [Judge(task, kept)] if kept else []
            why = f"scored on other answers of {name} than those prepared here"
            if kept is None:
                why = f"no answers of {name} are prepared here: `kit data {name}`"
        except KitError as error:
            self.report.faults.append(f"{name}: {str(error).rstrip('.')}")
            why = f"the answers of {name} that are prepared here are damaged"
        for earlier in prepare.earlier(task):
            try:
                judges.append(Judge(task, earlier))
            except KitError:
                continue  # nobody uses these any more
        return judges, why


def _in_its_place(row: Entry) -> bool:
    """Whether predictions lie where the entry's id says, or in the next free place, as after a run that was killed."""
    names = [row["task"], row["id"]]
    place = rf"submissions/{re.escape(row['task'])}/{re.escape(row['id'])}(-\d{{1,3}})?\.npy"
    return not any("/" in name or name in ("", ".", "..") for name in names) and bool(re.fullmatch(place, row["file"]))


def _file_fault(path: Path, kept: str) -> str:
    if not path.is_file():
        return "is missing" if not path.exists() else "is no file"
    try:
        return "" if workspace.sha256(path) == kept else "is not the file that was submitted"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _times(rows: list[Entry]) -> Iterator[str]:
    """Entries that claim to be older than the one before them."""
    last: datetime | None = None
    for row in rows:
        time = chain.time_of(row)
        if time is not None and last is not None and time < last - _SKEW:
            yield f"{chain.named(row)}: its time {row['time']} lies before that of an entry before it"
        last = max(filter(None, (last, time)), default=None)


def _leftovers(found: Report, rows: list[Entry], task: str | None, board: Board) -> None:
    """Files that no entry speaks of: a submission was killed before its entry was made, or the entry was taken away."""
    known = {row["id"] for row in rows}
    folder = workspace.root() / "submissions"
    folders = [folder / task] if task is not None else sorted(folder.glob("*"))
    for place in (place for place in folders if place.is_dir()):
        names = sorted(path.name for path in place.iterdir() if path.is_file())
        left = [name for name in names if name.removesuffix(".sums.npz").removesuffix(".npy") not in known]
        left = [name for name in left if name.endswith((".npy", ".npz", ".part"))]
        if not left:
            continue
        if not rows and any(name.removesuffix(".npy") + ".sums.npz" in left for name in left if name.endswith(".npy")):
            state = "is gone" if board.address.missing else "is empty"
            found.faults.append(
                f"the board {board.address.shown} {state}, but submissions are kept in {place}: bring the board back"
            )
            continue
        more = " (a submission was stopped before it was recorded, or its entry was taken from the board)"
        one, many = f"file in {place} has no entry{more}", f"files in {place} have no entry{more}"
        found.warnings.append(counted(len(left), one, many, left[:FIRST]))
