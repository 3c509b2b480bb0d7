"""What the shell completes a word to. It imports little, prints nothing, and never fails: then nothing is offered."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import typer


def _quietly(
    words: Callable[[dict[str, Any]], Iterator[str]],
) -> Callable[[typer.Context, str], list[str]]:
    """The words that begin as what was typed; only such as no shell reads anything into."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                found = [word for word in words(context.params) if word.startswith(incomplete)]
        except Exception:
            return []
        return [word for word in dict.fromkeys(found) if re.fullmatch(r"[\w+=./@%][\w+=./@%-]*", word)]

    return complete


@_quietly
def tasks(given: dict[str, Any]) -> Iterator[str]:
    from kit import tasks

    yield from tasks.folders()


@_quietly
def baselines(given: dict[str, Any]) -> Iterator[str]:
    yield from _baselines(given["task"])


def _baselines(task: str) -> Iterator[str]:
    from kit import tasks

    folder = tasks.folders()[task] / "baselines"
    yield from sorted(file.stem for file in folder.glob("[!_]*.py"))


@_quietly
def runs(given: dict[str, Any]) -> Iterator[str]:
    """The baselines that have runs, and the ids of runs, the newest first."""
    from kit import workspace

    made = sorted((file.parent.name for file in workspace.runs(given["task"]).glob("*/run.json")), reverse=True)
    yield from (name for name in _baselines(given["task"]) if any(f"-{name}-" in run for run in made))
    yield from made


@_quietly
def sources(given: dict[str, Any]) -> Iterator[str]:
    from kit import tasks

    yield from tasks.find(given["task"]).sources


@_quietly
def names(given: dict[str, Any]) -> Iterator[str]:
    from kit.board import Board

    yield from Board().names(given["task"])


@_quietly
def entrants(given: dict[str, Any]) -> Iterator[str]:
    """The names on a board, and the ids of entries, the newest first."""
    from kit.board import Board

    rows = list(Board().all(given["task"]))
    yield from sorted({row["name"] for row in rows})
    yield from (row["id"] for row in reversed(rows))
