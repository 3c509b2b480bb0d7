"""Commands that change what entries that are there already count for: withdraw, score anew, forget."""

from typing import Annotated

import typer

from kit.cli import complete
from kit.cli.arguments import TaskName, app, argument


@app.command()
def withdraw(entry: Annotated[str, argument("The id of an entry; `--history` lists them.", "ID")]) -> None:
    """Take an entry out of the ranking. A mark says so; the entry itself stays in the chain, and cannot come back.

    Example: kit withdraw 20261125-180214-7a5e21c0
    """
    from kit import recording, render
    from kit.board import Board

    mark, withdrawn = recording.withdraw(Board(), entry)
    render.say(
        f"Withdrawn: entry {withdrawn['id']} of {withdrawn['name']} in {withdrawn['task']}, by mark {mark['id']}."
    )


@app.command()
def rescore(task: TaskName) -> None:
    """Score kept predictions anew that were scored on other answers, or ranked by another metric.

    For when a task's truth was corrected. Each new entry names the one that it scores anew, which stays as it is.

    Example: kit rescore mnist
    """
    from kit import recording, render, tasks
    from kit.board import Board

    made = left = 0
    for entry, result in recording.rescore(tasks.find(task), Board()):
        if isinstance(result, str):
            left += 1
            render.say(f"not scored: entry {entry['id']} of {entry['name']}: {result}")
        else:
            made += 1
            render.say(f"{result['name']}: entry {entry['id']} is scored anew by {result['id']}")
    words = "1 entry was" if made == 1 else f"{made:,} entries were"
    rest = f"; {left:,} could not be" if left else "" if made else ": all are scored on the answers of today"
    render.say(f"{words} scored anew{rest}.")


@app.command()
def forget(
    name: Annotated[str, argument("A person's name, as the board shows it.", "NAME", complete.names)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take a person's name and notes off the board, in all tasks and for good. Scores stay, and `kit verify` agrees.

    Entries that were made before the kit sealed names by salted hashes keep the name: it is part of their seal.

    Example: kit forget "Ada Lovelace"
    """
    from kit import render
    from kit.board import Board

    if not yes:
        typer.confirm(f"Take the name {name} and its notes off the board for good?", abort=True)
    now, changed, left = Board().forget(name)
    if changed:
        render.say(f"{name} is {now} on the board now: {changed:,} entries and marks, whose notes are gone.")
    if left:
        render.say(f"{left:,} entries of an older version of the kit have the name in their seal, and keep it.")
