"""The board as one self-contained page: no scripts, nothing fetched; it can be mailed or put on any server."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from kit import chart
from kit.board import Entry
from kit.chart import Scale
from kit.console import spelled_out
from kit.ranking import Leaderboard
from kit.workspace import replacing

# Below 46rem a row is a card: rank, name and score on its first line, the other cells below, each with its head.
_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1b1f24; --dim: #57606a; --line: #d8dee4; --blue: #0969da; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0d1117; --ink: #e6edf3; --dim: #9da7b1; --line: #30363d; --blue: #58a6ff; }
}
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  background: var(--page); color: var(--ink); } h1, p, dd { overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } p { margin: .3rem 0 1rem; } code { font-size: .85em; }
p, th, dt, dd, figcaption, .dim { color: var(--dim); }
table { border-collapse: collapse; width: 100%; margin-bottom: 1rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { font-weight: 600; vertical-align: bottom; } td { white-space: nowrap; }
.name, .others { text-align: left; min-width: 9rem; white-space: normal; overflow-wrap: anywhere; }
.others { font-size: .9rem; } .pair { display: inline-block; margin-right: .9em; }
td.score { font-weight: 600; } td svg { vertical-align: middle; }
figure { margin: 0 0 1rem; max-width: 52rem; } figure svg { width: 100%; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: var(--dim); } svg .grid { stroke: var(--line); }
svg .mark { fill: var(--blue); stroke: var(--blue); } svg .baseline { fill: var(--page); stroke: var(--dim); }
svg .best { fill: none; stroke: var(--blue); stroke-opacity: .5; stroke-width: 1.5; } svg .off { fill: var(--dim); }
dl { display: grid; grid-template-columns: auto 1fr; gap: .2rem .8rem; margin: 0 0 1.5rem; font-size: .9rem; }
dt { text-align: right; white-space: nowrap; } dd { margin: 0; } section { margin-bottom: 3rem; }
@media (max-width: 46rem) {
  thead { display: none; } table, tbody { display: block; } td { border: 0; padding: 0; text-align: left; }
  tr { display: grid; position: relative; grid-template-columns: repeat(3, 1fr);
    gap: .2rem .7rem; padding: .6rem 0 .6rem 2.6rem;
    border-bottom: 1px solid var(--line); }
  td, .name, .others { white-space: normal; min-width: 0; overflow-wrap: anywhere; } .name { grid-column: span 2; }
  .score { order: 1; text-align: right; } .more { order: 2; text-align: left; } .bar { grid-column: span 2; }
  .others { grid-column: 1 / -1; order: 3; }
  td:first-child { position: absolute; left: 0; top: .6rem; }
  .more::before { content: attr(data-head); display: block; color: var(--dim); font-size: .75rem; }
  svg text { font-size: 22px; }
}
"""
_BREAK, _THIN = "<wbr>", "&#8203;"  # places where a long word may be broken, as a tag and as a letter
_MOST_OTHERS = 3  # metrics with a column each


def write(path: Path, boards: Sequence[Leaderboard]) -> None:
    """Write the boards as one HTML file, whole or not at all."""
    sections = "\n".join(_section(board) for board in boards) or "<p>No entries yet.</p>"
    title = ", ".join(board.title for board in boards) or "Leaderboard"
    with replacing(path) as file:
        file.write(
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{safe(title)}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
            f"<body>\n{sections}\n</body></html>\n".encode()
        )


def safe(text: str) -> str:
    """Text of others as it may stand in a page, between tags or in an attribute; it reorders nothing beside it."""
    return escape(spelled_out(text))


def _section(board: Leaderboard) -> str:
    better = "higher" if board.higher_is_better else "lower"
    part = "all test rows" if board.part == "all" else f"the {board.part} test rows"
    source = f" Data: {board.source}." if board.source else ""
    note = f"Ranked by {board.metric} on {part}, {better} is better.{source}"
    others = list(dict.fromkeys(metric for row in board.rows for metric in row["scores"] if metric != board.metric))
    leaders = board.rows[: max(3, (len(board.rows) + 1) // 2)]  # so that one poor score does not squeeze all others
    scale = Scale([bound for row in leaders for bound in _score(row, board) if bound is not None], 4, 156)
    heads = _cells(None, board, others, scale)
    head = "".join(f'<th class="{kind}">{text}</th>' for kind, text in heads)
    rows = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="{kind}" data-head="{title.replace(_BREAK, _THIN)}">{text}</td>'
            for (_, title), (kind, text) in zip(heads, _cells(row, board, others, scale), strict=True)
        )
        + "</tr>"
        for row in board.rows
    )
    apart = "".join(
        f"<p>Apart, scored on other answers or ranked by another metric:</p>{_section(other)}" for other in board.apart
    )
    table = (
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n" if rows else "<p>No entries.</p>"
    )
    return (
        f"<section><h1>{safe(board.title)} <code>{safe(board.task)}</code></h1><p>{safe(note)}</p>\n"
        f"{table}{_legend(board, scale)}{chart.over_time(board)}{apart}</section>"
    )


def _score(row: Entry, board: Leaderboard) -> list[float | None]:
    """[value, low, high] by the ranking metric."""
    return list(row["scores"].get(board.metric, {}).get(board.part, [None, None, None]))


def _cells(row: Entry | None, board: Leaderboard, others: Sequence[str], scale: Scale) -> list[tuple[str, str]]:
    """(class, html) of each cell of a row; those of the head where there is no row."""
    moved = any(each["moved"] is not None for each in board.rows)
    many = len(others) > _MOST_OTHERS
    if row is None:
        texts = ["Rank", "Range", "Name", _breakable(board.metric), "95 % interval"]
        texts += ["Moved"] if moved else []
        texts += ["Other metrics"] if many else [_breakable(metric) for metric in others]
        texts += ["Entries", "When (UTC)"]
    else:
        value = _score(row, board)
        rest = [_number(row["scores"].get(metric, {}).get(board.part, [None])[0]) for metric in others]
        if many:
            rest = [
                "".join(
                    f'<span class="pair">{_breakable(metric)} {each}</span>'
                    for metric, each in zip(others, rest, strict=True)
                )
            ]
        low, high = row["range"] or ("–", "–")
        kind = ' <span class="dim">baseline</span>' if row["baseline"] else ""
        span = str(low) if low == high else f"{low}–{high}"
        texts = [str(row["rank"]), span, f"<bdi>{safe(row['name'])}</bdi>{kind}", _number(value[0])]
        texts += [chart.bar(value, scale)]
        texts += [f"{row['moved']:+d}" if row["moved"] else "="] if moved else []
        texts += [*rest, str(row["entries"]), chart.when(row)]
    classes = ["", "more", "name", "score", "more bar"] + ["more"] * (len(texts) - 5)
    if many:
        classes[-3] += " others"
    return list(zip(classes, texts, strict=True))


def _breakable(metric: str) -> str:
    """A metric's name that may be broken after its underscores."""
    return safe(metric).replace("_", f"_{_BREAK}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _legend(board: Leaderboard, scale: Scale) -> str:
    """What the signs mean."""
    if not board.rows:
        return ""
    where = f"the axis goes from {scale.low:.3f} to {scale.high:.3f} in every row"
    rows = [
        ("Range", board.range_words()),
        (chart.sign(), f"{safe(board.metric)} and its 95 % interval; {where}"),
        (chart.sign(off=True), "the score lies beyond that end of the axis"),
    ]
    if any(row["moved"] is not None for row in board.rows):
        other = "public" if board.part == "private" else "private"
        rows.append(("Moved", f"ranks won (+) or lost (-) against the {other} rows"))
    if board.names > len(board.rows):
        rows.append(("Names", f"{len(board.rows):,} of {board.names:,} are shown"))
    return f"<dl>{''.join(f'<dt>{sign}</dt><dd>{words}</dd>' for sign, words in rows)}</dl>\n"
