"""The pictures of the HTML page, as SVG: a score's interval on a line, and all entries of a board against time."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from kit.board import Board, Entry
from kit.console import spelled_out
from kit.ranking import Leaderboard

_WIDTH, _HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 20, 34, 44  # margins
_LABEL = 14  # characters of a name beside its dot
_LETTER, _LINE = 13, 26  # what a letter and a line take at most, on a small screen


class Scale:
    """From values to pixels, a little beyond the least and the largest value."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = min(values, default=0.0), max(values, default=1.0)
        margin = (high - low or abs(high) or 1.0) * 0.06
        self.low, self.high, self.start, self.end = low - margin, high + margin, start, end

    def __call__(self, value: float) -> float:
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return self.start + share * (self.end - self.start)


def when(row: Entry) -> str:
    """Day and minute in UTC."""
    return escape(spelled_out(row["time"][:16].replace("T", " ")))


def bar(score: Sequence[float | None], scale: Scale) -> str:
    """A score's interval as a line with a dot, on the scale that all rows share."""
    value, low, high = score
    if value is None or low is None or high is None:
        return "–"
    words = f"{low:.4f} to {high:.4f}"
    if not scale.low <= value <= scale.high:  # off the scale: an arrow says on which side
        return _svg(_arrow(3, 11) if value < scale.low else _arrow(157, 149), words)
    return _svg(_interval(scale(low), scale(value), scale(high)), words)


def sign(off: bool = False) -> str:
    """What a bar looks like, for a legend."""
    return _svg(_arrow(3, 11) if off else _interval(4, 20, 36), "", 40)


def _svg(content: str, words: str, width: int = 160) -> str:
    named = f' role="img" aria-label="{words}"><title>{words}</title>' if words else ' aria-hidden="true">'
    return f'<svg width="{width}" height="14"{named}{content}</svg>'


def _interval(low: float, value: float, high: float) -> str:
    return (
        f'<line class="mark" x1="{low:.1f}" x2="{high:.1f}" y1="7" y2="7" stroke-width="2"/>'
        f'<circle class="mark" cx="{value:.1f}" cy="7" r="3.5"/>'
    )


def _arrow(tip: int, base: int) -> str:
    return f'<path class="off" d="M{tip} 7 L{base} 2 L{base} 12 Z"/>'


def over_time(board: Leaderboard) -> str:
    """Every entry of this board against time, and the best so far as a line; "" where there are fewer than two."""
    column = {"all": "score", "public": "score_public", "private": "score_private"}[board.part]
    made = [row for row in Board().counted(board.ranking) if row[column] is not None]
    if len(made) < 2:
        return ""
    times = [datetime.fromisoformat(row["time"]).timestamp() for row in made]
    scores = [float(row[column]) for row in made]
    x, y = Scale(times, _LEFT, _WIDTH - _RIGHT), Scale(scores, _HEIGHT - _BOTTOM, _TOP)
    better = max if board.higher_is_better else min
    best, line, labels = scores[0], [], []
    taken: list[tuple[float, float, float]] = []
    for row, time, score in zip(made, times, scores, strict=True):
        before, best = best, better(best, score)
        line += [f"{x(time):.1f},{y(before):.1f}", f"{x(time):.1f},{y(best):.1f}"]
        if row is made[0] or best != before:
            labels.append((x(time), y(score), row["name"]))
    names = "".join(_label(*label, taken) for label in reversed(labels))  # the newest record first: it must have room
    dots = "".join(map(_dot, made, map(x, times), map(y, scores), scores))
    middle = (min(scores) + max(scores)) / 2
    ticks = "".join(
        f'<text x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.4f}</text>'
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        for tick in sorted({min(scores), middle, max(scores)})
    )
    caption = (
        f"{escape(spelled_out(board.metric))} of all {len(made):,} entries over time (UTC). Each dot is an entry, a "
        "hollow one a baseline&#39;s; the line is the best so far, with the names that set it."
    )
    return (
        f'<figure><figcaption>{caption}</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="score over time">{ticks}<polyline class="best" points="{" ".join(line)}"/>{dots}{names}'
        f'<text x="{_LEFT}" y="{_HEIGHT - 12}">{when(made[0])}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 12}" text-anchor="end">{when(made[-1])}</text></svg></figure>'
    )


def _dot(row: Entry, x: float, y: float, score: float) -> str:
    kind = "baseline" if row["baseline"] else "mark"
    words = f"{escape(spelled_out(row['name']))} {score:.4f}, {when(row)} UTC"
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{words}</title></circle>'


def _label(x: float, y: float, name: str, taken: list[tuple[float, float, float]]) -> str:
    """A name beside its dot, on the side that has room; "" where other names are. taken: (left, right, y) of those."""
    text = name if len(name) <= _LABEL else name[: _LABEL - 1] + "…"
    wide = sum(2 if ord(letter) > 0x1100 else 1 for letter in text) * _LETTER
    left = x - wide - 6 if x + wide > _WIDTH else x + 6
    if left < 0 or any(left < there[1] and there[0] < left + wide and abs(y - there[2]) < _LINE for there in taken):
        return ""
    taken.append((left, left + wide, y))
    at, anchor = (x - 7, "end") if left < x else (x + 7, "start")
    return f'<text x="{at:.1f}" y="{y - 7:.1f}" text-anchor="{anchor}">{escape(spelled_out(text))}</text>'
