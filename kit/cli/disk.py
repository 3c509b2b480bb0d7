"""Commands that show what is on disk, and make room there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from kit.cli.arguments import AsJson, Facts, OptionalTask, app
from kit.errors import KitError

if TYPE_CHECKING:
    from kit.disk import Item, Usage


@app.command("disk")
def disk_command(task: OptionalTask = None, form: AsJson = Facts.table) -> None:
    """Show what the cache, runs, submissions and leaderboard take on disk.

    Example: kit disk
    """
    from dataclasses import asdict

    from kit import disk, export, workspace

    rows = disk.usage(task)
    if form is Facts.json:
        export.write_json([asdict(row) for row in rows])
    else:
        _show_usage(rows, {"workspace": str(workspace.root()), "cache": str(workspace.cache())})


@app.command()
def clean(
    task: OptionalTask = None,
    runs: Annotated[bool, typer.Option("--runs", help="Also runs without an entry, and checkpoints.")] = False,
    cache: Annotated[bool, typer.Option("--cache", help="Also downloads and prepared data.")] = False,
    older: Annotated[str, typer.Option(metavar="AGE", help="Only what is older: 12h, 30d, 8w.")] = "0h",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete leftovers, and what you ask for; shows it first. What the board names stays.

    Example: kit clean --runs --older 30d
    """
    from kit import disk
    from kit.console import say, size

    items = disk.cleanable(task, runs, cache, disk.seconds(older))
    _show_items(items, more=not (runs and cache))
    if not items:
        return
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        say("Nothing was deleted. Run it with --yes to delete these.")
    elif yes or typer.confirm("Delete all of these?"):
        problems = {number: problem for number, item in enumerate(items) if (problem := disk.remove(item))}
        gone = [item for number, item in enumerate(items) if number not in problems]
        say(f"Deleted {len(gone):,} items, {size(sum(item.bytes for item in gone))}.")
        if problems:
            raise KitError("\n".join(problems.values()))


def _show_usage(rows: Sequence[Usage], places: dict[str, str]) -> None:
    """What is on disk, and what is free. places: the folders it is in, by name."""
    from kit.console import Column, note, say, size, table

    columns = [Column("size", right=True), Column("files", right=True), Column("what"), Column("task")]
    cells = [(size(row.bytes), f"{row.files:,}", row.place, row.task) for row in rows]
    total = size(sum(row.bytes for row in rows)), f"{sum(row.files for row in rows):,}"
    table(columns, [*cells, (*total, "all together", "")])
    for name, place in places.items():
        say(f"{name:<10} {place}")
    if unread := sum(row.unread for row in rows):
        note(f"{unread:,} folders may not be looked into; what is in them is not counted.")


def _show_items(items: Sequence[Item], more: bool) -> None:
    """What would be deleted. more: not everything that could be was asked for."""
    from datetime import datetime

    from kit.console import Column, say, size, table

    hint = " More can go with --runs and --cache." if more else ""
    if not items:
        say(f"There is nothing to clean.{hint}")
        return
    cells = []
    for item in items:
        day = datetime.fromtimestamp(item.used).strftime("%Y-%m-%d") if item.used else ""
        others = f" and {len(item.paths) - 1} more" if len(item.paths) > 1 else ""
        cells.append((size(item.bytes), day, item.kind, f"{item.paths[0]}{others}"))
    columns = [Column("size", right=True), Column("last written", drop=2), Column("what", drop=1)]
    table([*columns, Column("where", fold=20)], cells)
    say(f"{size(sum(item.bytes for item in items))} in {len(items):,} items.{hint}")
