"""The board as one self-contained page: no scripts, nothing fetched; it can be mailed or put on any server."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from kit.board import Board, Entry
from kit.ranking import Leaderboard
from kit.workspace import replacing

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 66rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } p { margin: .3rem 0 1rem; color: #57606a; }
table { border-collapse: collapse; width: 100%; margin-bottom: 1.5rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #d8dee4; text-align: right; white-space: nowrap; }
th { font-weight: 600; color: #57606a; } .name { text-align: left; white-space: normal; } .baseline { color: #57606a; }
svg { display: block; } svg text { font: 12px system-ui, sans-serif; fill: #57606a; }
section { margin-bottom: 3rem; } code { font-size: .85em; }
@media (prefers-color-scheme: dark) { body { background: #0d1117; color: #e6edf3; } th, td { border-color: #30363d; } }
"""
_BLUE, _GREY = "#0969da", "#8c959f"
_WIDTH, _HEIGHT = 720, 260


def write(path: Path, boards: Sequence[Leaderboard]) -> None:
    """Write the boards as one HTML file, whole or not at all."""
    sections = "\n".join(_section(board) for board in boards) or "<p>No entries yet.</p>"
    title = ", ".join(board.title for board in boards) or "Leaderboard"
    with replacing(path) as file:
        file.write(
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
            f"<body>\n{sections}\n</body></html>\n".encode()
        )


def _section(board: Leaderboard) -> str:
    better = "higher" if board.higher_is_better else "lower"
    part = "all test rows" if board.part == "all" else f"the {board.part} test rows"
    note = f"Ranked by {board.metric} on {part}, {better} is better. Data: {board.source}. "
    note += "Range: the ranks an entry could hold, by paired tests at 95 %."
    others = list(dict.fromkeys(metric for row in board.rows for metric in row["scores"] if metric != board.metric))
    leaders = board.rows[: max(3, (len(board.rows) + 1) // 2)]  # so that one poor score does not squeeze all others
    scale = _Scale([bound for row in leaders for bound in _score(row, board) if bound is not None], 4, 156)
    heads = [
        "Rank",
        "Range",
        "Name",
        board.metric,
        f"95 % interval, {scale.low:.3f} to {scale.high:.3f}",
        *others,
        "Entries",
        "When (UTC)",
    ]
    head = "".join(f"<th{' class=name' if each == 'Name' else ''}>{escape(each)}</th>" for each in heads)
    rows = "\n".join(_row(row, board, others, scale) for row in board.rows)
    apart = "".join(f"<p>Apart, scored on other answers:</p>{_section(other)}" for other in board.apart)
    return (
        f"<section><h1>{escape(board.title)} <code>{escape(board.task)}</code></h1><p>{escape(note)}</p>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n{_over_time(board)}{apart}</section>"
    )


def _score(row: Entry, board: Leaderboard) -> list[float | None]:
    """[value, low, high] by the ranking metric."""
    return list(row["scores"].get(board.metric, {}).get(board.part, [None, None, None]))


def _row(row: Entry, board: Leaderboard, others: Sequence[str], scale: "_Scale") -> str:
    low, high = row["range"] or ("?", "?")
    value = _score(row, board)
    rest = [_number(row["scores"].get(metric, {}).get(board.part, [None])[0]) for metric in others]
    kind = ' <span class="baseline">baseline</span>' if row["baseline"] else ""
    cells = [str(row["rank"]), str(low) if low == high else f"{low}-{high}", "", _number(value[0]), _bar(value, scale)]
    cells += [*rest, str(row["entries"]), _when(row)]
    cells[2] = escape(row["name"]) + kind
    return (
        "<tr>" + "".join(f"<td{' class=name' if n == 2 else ''}>{cell}</td>" for n, cell in enumerate(cells)) + "</tr>"
    )


def _when(row: Entry) -> str:
    return escape(row["time"][:16].replace("T", " "))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


class _Scale:
    """From values to pixels, a little beyond the least and the largest value."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = min(values, default=0.0), max(values, default=1.0)
        margin = (high - low or abs(high) or 1.0) * 0.06
        self.low, self.high, self.start, self.end = low - margin, high + margin, start, end

    def __call__(self, value: float) -> float:
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return self.start + share * (self.end - self.start)


def _bar(score: Sequence[float | None], scale: _Scale) -> str:
    """A score's interval as a line with a dot, on the scale that all rows share."""
    value, low, high = score
    if value is None or low is None or high is None:
        return ""
    words = f"{low:.4f} to {high:.4f}"
    if not scale.low <= value <= scale.high:  # off the scale: an arrow says on which side
        tip, base = (3, 11) if value < scale.low else (157, 149)
        arrow = f'<path d="M{tip} 7 L{base} 2 L{base} 12 Z" fill="{_GREY}"/>'
        return f'<svg width="160" height="14" role="img" aria-label="{words}"><title>{words}</title>{arrow}</svg>'
    return (
        f'<svg width="160" height="14" role="img" aria-label="{words}"><title>{words}</title>'
        f'<line x1="{scale(low):.1f}" x2="{scale(high):.1f}" y1="7" y2="7" stroke="{_BLUE}" stroke-width="2"/>'
        f'<circle cx="{scale(value):.1f}" cy="7" r="3.5" fill="{_BLUE}"/></svg>'
    )


def _over_time(board: Leaderboard) -> str:
    """Every entry of this board against time, and the best so far as a line."""
    here = {"answers": board.answers, "metric": board.metric}
    column = {"all": "score", "public": "score_public", "private": "score_private"}[board.part]
    made = [row for row in Board().all(board.task, **here) if row[column] is not None]
    if len(made) < 2:
        return ""
    times = [datetime.fromisoformat(row["time"]).timestamp() for row in made]
    scores = [float(row[column]) for row in made]
    x, y = _Scale(times, 60, _WIDTH - 10), _Scale(scores, _HEIGHT - 40, 10)
    best, line = scores[0], []
    for when, score in zip(times, scores, strict=True):
        before, best = best, (max if board.higher_is_better else min)(best, score)
        line += [f"{x(when):.1f},{y(before):.1f}", f"{x(when):.1f},{y(best):.1f}"]
    dots = "".join(
        f'<circle cx="{x(when):.1f}" cy="{y(score):.1f}" r="3" fill="{_GREY if row["baseline"] else _BLUE}">'
        f"<title>{escape(row['name'])} {score:.4f}, {escape(row['time'][:16])}</title></circle>"
        for when, score, row in zip(times, scores, made, strict=True)
    )
    caption = f"{escape(board.metric)} over time; line: best so far"
    ticks = "".join(
        f'<text x="54" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.4f}</text>'
        f'<line x1="60" x2="{_WIDTH - 10}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#d8dee4"/>'
        for tick in (min(scores), (min(scores) + max(scores)) / 2, max(scores))
    )
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="score over time">{ticks}'
        f'<polyline points="{" ".join(line)}" fill="none" stroke="{_BLUE}" stroke-opacity=".5"/>{dots}'
        f'<text x="60" y="{_HEIGHT - 14}">{_when(made[0])}</text>'
        f'<text x="{_WIDTH - 10}" y="{_HEIGHT - 14}" text-anchor="end">{_when(made[-1])} UTC</text>'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 14}" text-anchor="middle">{caption}</text></svg>'
    )
