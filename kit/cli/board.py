"""Commands that check and submit predictions, and that read the board."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kit.cli.arguments import File, OptionalTask, TaskName, app
from kit.errors import KitError


class Form(StrEnum):
    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


@app.command()
def check(task: TaskName, file: File) -> None:
    """Check a file of predictions without scoring or keeping it.

    Example: kit check mnist preds.npy
    """
    from kit import api, render

    array = api.check(task, file)
    render.say(f"{file.name} is a valid submission for {task}: {len(array):,} rows, shape {array.shape}.")


@app.command()
def submit(
    task: TaskName,
    file: File,
    name: Annotated[str | None, typer.Option(help="Who submits; your login name without it.")] = None,
    note: Annotated[str, typer.Option(help="A remark to keep with the entry.")] = "",
) -> None:
    """Check, score and record a file of predictions, and show the board.

    Example: kit submit mnist preds.npy --name ada --note "bigger net"
    """
    from kit import api, ranking, render, tasks

    entry = api.submit(task, file, name=name, note=note)
    render.entry(entry)
    render.leaderboard(ranking.read(tasks.find(task)), "table")


@app.command()
def leaderboard(
    task: OptionalTask = None,
    form: Annotated[Form, typer.Option("--format", help="json is stable, for programs to read.")] = Form.table,
    public: Annotated[bool, typer.Option("--public", help="Rank by the public rows only.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Rank by the private rows only.")] = False,
    top: Annotated[int, typer.Option(min=0, help="How many names to show; 0 shows all.")] = 100,
    history: Annotated[str | None, typer.Option(metavar="NAME", help="All entries of one name, in order.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the board as one self-contained page.")] = None,
) -> None:
    """Show the board of a task, or of every task that has entries.

    Example: kit leaderboard mnist --format md
    """
    from kit import ranking, render, tasks

    if public and private:
        raise KitError("Give --public or --private, not both; without them all rows count.")
    part = "public" if public else "private" if private else "all"
    if history is not None:
        if task is None:
            raise KitError("--history needs a task: kit leaderboard mnist --history ada")
        render.history(ranking.history(tasks.find(task), history), part)
        return
    boards = ranking.read_all(task, part, top or None)
    if html is not None:
        from kit import page

        page.write(html, boards)
        render.say(f"Wrote {html}")
        return
    render.leaderboards(boards, form.value)


@app.command()
def compare(
    task: TaskName,
    a: Annotated[str, typer.Argument(help="A name (its best entry counts) or the id of an entry.", metavar="A")],
    b: Annotated[str, typer.Argument(help="Another one.", metavar="B")],
) -> None:
    """Tell which of two entries is better, or that they cannot be told apart.

    Example: kit compare mnist cnn mlp
    """
    from kit import ranking, render, tasks

    found = tasks.find(task)
    _, _, comparisons = ranking.compare(found, a, b)
    render.comparison(a, b, comparisons)
    first = found.metrics[0]
    render.say(ranking.verdict(a, b, first, comparisons[first.name]))


@app.command()
def verify(task: OptionalTask = None) -> None:
    """Check that nothing on the board was changed: the hash chain, every file, every score.

    Example: kit verify mnist
    """
    from kit import render
    from kit.verify import verify

    checked, faults = verify(task)
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        plural = "fault" if len(faults) == 1 else "faults"
        raise KitError(f"The board is not what was submitted; {len(faults)} {plural}:\n{listed}")
    render.say(f"{checked:,} entries verified: the chain, their files and their scores agree.")
