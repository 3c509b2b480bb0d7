"""Commands about tasks and their data."""

from typing import Annotated

import typer

from kit.cli import complete
from kit.cli.arguments import AsJson, Facts, TaskName, app


@app.command("tasks")
def tasks_command(form: AsJson = Facts.table) -> None:
    """List the tasks.

    Example: kit tasks
    """
    from kit import render, tasks

    found = [(task, tasks.baselines(task)) for task in tasks.every()]
    if form is Facts.json:
        from kit import export

        export.write_json({"tasks": [export.task_document(*one) for one in found]})
    else:
        render.task_table([(task, list(names)) for task, names in found])
    tasks.raise_problems()


@app.command()
def info(task: TaskName, form: AsJson = Facts.table) -> None:
    """Show a task's brief and its baselines.

    Example: kit info mnist
    """
    from kit import export, render, tasks

    found = tasks.find(task)
    if form is Facts.json:
        export.write_json(export.task_document(found, tasks.baselines(found)))
    else:
        render.task_info(found, tasks.baselines(found))


@app.command()
def data(
    task: TaskName,
    source: Annotated[
        str | None,
        typer.Option(
            help="Which data set, for a task that has several; it stays chosen.", autocompletion=complete.sources
        ),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Prepare it anew, and say whether the answers changed.")
    ] = False,
    form: AsJson = Facts.table,
) -> None:
    """Download and prepare a task's data, and show what it is.

    Example: kit data mnist
    """
    from kit import api, export, prepare, render, tasks

    found = tasks.find(task)
    before = prepare.refresh(found, source) if refresh else None
    loaded, fingerprint = api.load(task, source), prepare.fingerprint(found)
    if form is Facts.json:
        export.write_json(export.data_document(task, loaded, fingerprint))
    else:
        render.data_summary(loaded, fingerprint)
        if refresh:
            render.say(api.refreshed(found, before))
