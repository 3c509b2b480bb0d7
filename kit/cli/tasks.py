"""Commands about tasks and their data."""

from typing import Annotated

import typer

from kit.cli.arguments import TaskName, app


@app.command("tasks")
def tasks_command() -> None:
    """List the tasks.

    Example: kit tasks
    """
    from kit import render, tasks

    found = [tasks.find(name) for name in tasks.folders()]
    render.task_table([(task, list(tasks.baselines(task))) for task in found])


@app.command()
def info(task: TaskName) -> None:
    """Show a task's brief and its baselines.

    Example: kit info mnist
    """
    from kit import render, tasks

    found = tasks.find(task)
    render.task_info(found, tasks.baselines(found))


@app.command()
def data(
    task: TaskName,
    source: Annotated[
        str | None, typer.Option(help="Which data set, for a task that has several; it stays chosen.")
    ] = None,
) -> None:
    """Download and prepare a task's data, and show what it is.

    Example: kit data mnist
    """
    from kit import api, prepare, render, tasks

    loaded = api.load(task, source)
    render.data_summary(loaded, prepare.fingerprint(tasks.find(task)))
