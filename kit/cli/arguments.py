"""The `kit` app and the arguments that several commands share, with what the shell completes them to."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Run machine-learning competitions: tasks, baselines, honest scores, a local leaderboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def complete_tasks(incomplete: str) -> list[str]:
    from kit import tasks

    return [name for name in tasks.folders() if name.startswith(incomplete)]


def complete_baselines(context: typer.Context, incomplete: str) -> list[str]:
    from kit import tasks

    task = context.params.get("task")
    names = tasks.baselines(tasks.find(task)) if task in tasks.folders() else []
    return [name for name in names if name.startswith(incomplete)]


TaskName = Annotated[
    str, typer.Argument(help="A task's name; `kit tasks` lists them.", autocompletion=complete_tasks, metavar="TASK")
]
OptionalTask = Annotated[
    str | None, typer.Argument(help="One task; all without it.", autocompletion=complete_tasks, metavar="TASK")
]
File = Annotated[Path, typer.Argument(help="Predictions: .npy, .npz, .csv, .csv.gz or .parquet.", metavar="FILE")]
