"""The `kit` app and the arguments that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from kit.cli import complete

app = typer.Typer(
    help="Run machine-learning competitions: tasks, baselines, honest scores, a local leaderboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Form(StrEnum):
    """Of a board: for people, for programs, for spreadsheets, for a page."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


class Facts(StrEnum):
    """Of everything else that a command tells."""

    table = "table"
    json = "json"


def _version(asked: bool) -> None:
    if asked:
        from kit import __version__
        from kit.console import say

        say(f"kit {__version__}")
        raise typer.Exit


@app.callback()
def kit(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def argument(what: str, metavar: str, choices: Any = None) -> Any:
    return typer.Argument(help=what, metavar=metavar, autocompletion=choices)


TaskName = Annotated[str, argument("A task's name; `kit tasks` lists them.", "TASK", complete.tasks)]
OptionalTask = Annotated[str | None, argument("One task; all without it.", "TASK", complete.tasks)]
File = Annotated[Path, argument("Predictions: .npy, .npz, .csv, .csv.gz or .parquet.", "FILE")]
AsJson = Annotated[Facts, typer.Option("--format", help="json is stable, for programs to read.")]
