"""The board as it is read: who is where, by how much, and which ranks are really ties."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kit import prepare, ranks, statistics, store, tasks
from kit.board import Board, Entry, Ranking
from kit.errors import KitError, did_you_mean
from kit.metrics import Metric, WholeMetric, over_columns
from kit.prepared import Prepared
from kit.ranks import Bound, RankRanges
from kit.statistics import Comparison
from kit.task import PARTS, Array, Task

TOP = 100  # names shown, and compared with each other, unless more are asked for
OTHER = {"public": "private", "private": "public"}


@dataclass(frozen=True)
class Leaderboard:
    """One task's board: entries made on the same answers and ranked by the same metric, best entry per name.

    ranking: which entries count.
    rows: entries with scores and coverage as dicts, and four fields more: "rank"; "entries", how many the name has;
        "range", the ranks it could hold among all names; "moved", ranks won against the other part.
    names: how many there are, which may be more than the rows.
    bound, why_none: how the ranges were found (`ranks.RankRanges`), and why there are none.
    apart: boards of entries made on other answers, or ranked by another metric; never ranked together with these.
    """

    ranking: Ranking
    task: str
    title: str
    metric: str
    higher_is_better: bool
    part: str
    answers: str
    source: str
    rows: list[Entry]
    names: int
    bound: Bound = "pairs"
    why_none: str = ""
    apart: "list[Leaderboard]" = field(default_factory=list)

    def first(self, top: int) -> "Leaderboard":
        """The same with so many rows only."""
        return replace(self, rows=self.rows[:top], apart=[other.first(top) for other in self.apart])

    def range_words(self) -> str:
        """What the ranges of ranks are, or why there are none."""
        if self.bound == "none":
            return f"every rank is possible ({self.why_none})"
        coarse = ", by a coarser bound, as there are many" if self.bound == "intervals" else ""
        why = f" ({self.why_none})" if self.why_none else ""
        return f"the ranks it could hold, at 95 % for all names together{coarse}{why}"


def read(task: Task, part: str = "all", top: int | None = TOP, board: Board | None = None) -> Leaderboard:
    """The task's board on the answers prepared here, else on those of the newest entry; other ones apart."""
    board = board or Board()
    with board.at_once():
        first, *others = _rankings(task, board)
        main = _read_one(task, first, part, top, board)
        main.apart.extend(_read_one(task, other, part, top, board) for other in others)
    return main


def _rankings(task: Task, board: Board) -> list[Ranking]:
    """The ranking by today's metric on the answers prepared here (else those of the newest entry), and all others.

    The same answers may stand on the board under two fingerprints, that of today and that of older versions of the kit.
    """
    known = board.rankings(task.name)
    used, metric = _in_use(task), task.metrics[0]
    same = _fingerprints(used) or (known[0].answers if known else ("",))
    newest = next((each.version for each in known if each.metric == metric.name), metric.version)
    version = over_columns(metric, used.spec.shapes[0]).version if used else newest
    first = Ranking(task.name, same, metric.name, version)
    merged = (each._replace(answers=same) if each.answers[0] in same else each for each in known)
    return list(dict.fromkeys([first, *merged]))


def read_all(task: str | None, part: str = "all", top: int | None = TOP) -> list[Leaderboard]:
    """The board of one task, or of every task that has entries."""
    board = Board()
    with board.at_once():
        played = set() if task else set(board.tasks())
        found = [tasks.find(task)] if task else [one for one in tasks.every(played | tasks.own()) if one.name in played]
        return [read(one, part, top, board) for one in found]


def history(task: Task, name: str) -> list[Entry]:
    """All entries of a name in the order in which they were made, with "withdrawn" added.

    name: as the board shows it, which is `cnn *` for a baseline where a person is called so too.
    """
    board = Board()
    with board.at_once():
        gone = _withdrawn(board, task)
        found = [{**_opened(row), "withdrawn": _is_of(row, gone)} for row in _of_name(board, task, name)]
        if not found:
            raise KitError(f"{name!r} has no entry in {task.name}. {did_you_mean(name, board.names(task.name))}")
    return found


def _of_name(board: Board, task: Task, word: str) -> list[Entry]:
    """The entries of whom the board shows under a name: a person, a baseline, or a baseline with its star."""
    import unicodedata

    for name in dict.fromkeys((word, unicodedata.normalize("NFC", word))):
        for asked, baseline in ((name, False), (name, True), (name.removesuffix(" *"), True)):
            rows = board.all(task.name, name=asked, baseline=baseline)
            if found := [row for row in rows if row["kind"] != "withdrawal"]:
                return found
    return []


def _withdrawn(board: Board, task: Task) -> set[str]:
    """Ids of the entries that were withdrawn."""
    return {row["refers"] for row in board.all(task.name, kind="withdrawal")}


def _is_of(row: Entry, ids: set[str]) -> bool:
    """Whether an entry, or the one that it scores again, is among these."""
    return row["id"] in ids or row["refers"] in ids


@dataclass(frozen=True)
class Standing:
    """Where an entry brought its name: its score, the best that the name had before, and the place it has now.

    improved: against `before`. rank: of the name's best entry, among so many names; None where it has no entry there.
    """

    score: float | None
    before: float | None
    improved: bool
    rank: int | None
    names: int


def standing(task: Task, entry: Entry, whole: Leaderboard | None = None) -> Standing:
    """What an entry that was just made changed, on the board of its answers and metric, over all test rows.

    whole: the task's board with all its names, where it was read since.
    """
    board = Board()
    there = {each.ranking: each.rows for each in (whole, *whole.apart)} if whole else {}
    ranking = Ranking(task.name, (entry["answers"],), entry["metric"], entry["metric_version"])
    known = there or _rankings(task, board)
    ranking = next((each for each in known if set(ranking.answers) <= set(each.answers)), ranking)
    mine = {"name": entry["name"], "baseline": entry["baseline"], "metric": entry["metric"]}
    rows = board.all(task.name, **mine, metric_version=entry["metric_version"])
    earlier = [row for row in rows if row["answers"] in ranking.answers and row["number"] < entry["number"]]
    scores = [row["score"] for row in earlier if row["score"] is not None]
    best = max if entry["higher_is_better"] else min
    before, score = best(scores, default=None), entry["score"]
    improved = score is not None and (before is None or (score != before and best(score, before) == score))
    ranked = there[ranking] if ranking in there else board.best(ranking)
    rank = next((row["rank"] for row in ranked if _who(row) == _who(entry)), None)
    return Standing(score, before, improved, rank, len(ranked))


def compare(task: Task, a: str, b: str, part: str = "all") -> tuple[Entry, Entry, dict[str, Comparison]]:
    """The entries of A and B (names: their best; or ids of entries), and A minus B by every metric both have."""
    board = Board()
    first, second = _find(board, task, a), _find(board, task, b)
    same = _fingerprints(_in_use(task))  # the same answers may be known by two fingerprints
    if first["answers"] != second["answers"] and not {first["answers"], second["answers"]} <= set(same):
        raise KitError(f"{a} and {b} were scored on different answers; such scores cannot be compared.")
    found = {}
    for metric in task.metrics:
        pair = [entry["scores"].get(metric.name, {}).get(part, [None])[0] for entry in (first, second)]
        one, other = (_replicates(entry, metric.name, part, board) for entry in (first, second))
        if None not in pair and one is not None and other is not None and len(one) == len(other):
            n_groups = min(_n_groups(first, part, board), _n_groups(second, part, board))
            found[metric.name] = statistics.compare(pair[0] - pair[1], one - other, n_groups)
    if task.metrics[0].name not in found:
        raise KitError(f"{a} and {b} cannot be compared: the row sums of one are missing. `kit verify` says which.")
    return first, second, found


def verdict(a: str, b: str, metric: Metric | WholeMetric, found: Comparison) -> str:
    """What a comparison means, in words."""
    if np.isnan(found.p):
        return f"{a} and {b} cannot be compared by {metric.name}: {found.why_none}."
    if not found.told_apart:
        return f"{a} and {b} cannot be told apart by {metric.name} ({found.p_words})."
    winner = a if (found.difference > 0) == metric.higher_is_better else b
    return f"{winner} is better by {metric.name} ({found.p_words})."


def _find(board: Board, task: Task, word: str) -> Entry:
    """The entry with that id, else the best one of that name."""
    for row in board.all(task.name, id=word):
        if row["kind"] != "withdrawal":
            return _opened(row)
    gone, metric = _withdrawn(board, task), task.metrics[0]
    named = [row for row in _of_name(board, task, word) if row["metric"] == metric.name and not _is_of(row, gone)]
    used = _fingerprints(_in_use(task)) or (named[-1]["answers"] if named else "",)
    mine = [row for row in named if row["answers"] in used and row["score"] is not None] or named
    if not mine:
        raise KitError(f"{word!r} is no name and no entry in {task.name}. {did_you_mean(word, board.names(task.name))}")
    return _opened(max(mine, key=lambda row: (row["score"] or 0) * (1 if metric.higher_is_better else -1)))


def _in_use(task: Task) -> Prepared | None:
    """The Spec and Answers prepared here; None where none are, for reading a board prepares nothing."""
    try:
        return prepare.kept(task)
    except KitError:  # damaged: `kit verify` says so
        return None


def _fingerprints(used: Prepared | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(used.fingerprints)) if used else ()


def _read_one(task: Task, ranking: Ranking, part: str, top: int | None, board: Board) -> Leaderboard:
    rows = [_opened(row) for row in board.best(ranking, part)]
    known = {each.name: each.higher_is_better for each in task.metrics}
    higher = bool(rows[0]["higher_is_better"]) if rows else known.get(ranking.metric, True)
    ranges = _ranges(rows, ranking.metric, part, higher, board)
    there = {}
    if part in OTHER:
        there = {_who(row): row["rank"] for row in board.best(ranking, OTHER[part])}
    names, rows = len(rows), rows[:top]
    for row, span in zip(rows, ranges.ranks.tolist(), strict=False):
        row["range"] = tuple(span)
        row["moved"] = there[_who(row)] - row["rank"] if _who(row) in there else None
    source = rows[0]["source"] if rows else ""
    about = (ranking, task.name, task.title, ranking.metric, higher, part, ranking.answers[0], source)
    return Leaderboard(*about, rows, names, ranges.bound, ranges.why)


def _who(row: Entry) -> tuple[str, bool]:
    """A name, and whether it is a baseline's: a person of the same name is another."""
    return row["name"], row["baseline"]


def _ranges(rows: list[Entry], metric: str, part: str, higher: bool, board: Board) -> RankRanges:
    """The ranks that each of the board's names could hold."""
    columns = {"all": "score", "public": "score_public", "private": "score_private"}
    values = np.array([row[columns[part]] for row in rows], np.float64)
    drawn = [_replicates(row, metric, part, board) for row in rows]
    n_groups = next(
        (_n_groups(row, part, board) for row, found in zip(rows, drawn, strict=True) if found is not None), 0
    )
    return ranks.rank_ranges(values, drawn, n_groups, higher)


def _n_groups(row: Entry, part: str, board: Board) -> int:
    sums = store.local(row, sums=True, board=board)
    return 0 if sums is None else store.read_n_groups(sums).get(part, 0)


def _replicates(row: Entry, metric: str, part: str, board: Board) -> Array | None:
    sums = store.local(row, sums=True, board=board)
    values = None if sums is None else store.read_replicates(sums, metric)
    return None if values is None or np.isnan(values[PARTS.index(part)]).all() else values[PARTS.index(part)]


def _opened(row: Entry) -> Entry:
    """The entry with its scores and coverage as dicts: none of them where they cannot be read, as `kit verify` says."""
    try:
        scores, coverage = json.loads(row["scores"]), json.loads(row["coverage"])
        whole = all(len(parts[part]) == 3 for parts in scores.values() for part in PARTS)
        coverage = {part: float(coverage[part]) for part in PARTS}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        scores, coverage = {}, dict.fromkeys(PARTS, 0.0)
    return {**row, "scores": scores, "coverage": coverage}


FACTS = ("baseline", "seconds", "device", "seed", "time", "id", "file", "version", "commit", "note", "hash")


def flat(row: Entry, part: str = "all") -> dict[str, Any]:
    """One row of a table: rank, name, entries, each metric with the bounds of its interval, coverage, and the facts."""
    numbers: dict[str, Any] = {}
    for metric, parts in row["scores"].items():
        numbers[metric], numbers[f"{metric}_low"], numbers[f"{metric}_high"] = parts[part]
    low, high = row["range"] or (None, None)
    lead = {"rank": row["rank"], "rank_low": low, "rank_high": high, "name": row["name"], "entries": row["entries"]}
    return {**lead, **numbers, "coverage": row["coverage"][part], **{fact: row[fact] for fact in FACTS}}
