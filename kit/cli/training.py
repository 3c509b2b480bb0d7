"""Commands that train, and that look at what was trained."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli import complete
from kit.cli.arguments import AsJson, Facts, OptionalTask, TaskName, app, argument

Spread = {"rich_help_panel": "Many runs"}


@app.command()
def baseline(
    task: OptionalTask = None,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A baseline; the task's default without it. With --resume, also a run's id.",
            autocompletion=complete.baselines,
            metavar="NAME",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Same seed, same machine, same score. 0 without it.")
    ] = None,
    device: Annotated[str, typer.Option(help="cuda, mps or cpu; auto takes the fastest there is.")] = "auto",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the baseline's own number.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="Train on the first so many rows only.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Of a network, instead of its own.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="Of a network, instead of its own.")] = None,
    compile_: Annotated[bool, typer.Option("--compile", help="Have torch compile the network first.")] = False,
    weights_from: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="RUN", help="Start from the weights of another run.", autocompletion=complete.runs
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the latest run that did not end.")] = False,
    no_submit: Annotated[
        bool, typer.Option("--no-submit", help="Write the predictions; nothing goes on the board.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Every baseline of the task, or of every task.", **Spread)
    ] = False,
    seeds: Annotated[str, typer.Option(metavar="0,1,2", help="Each baseline once with each seed.", **Spread)] = "",
    on: Annotated[
        str, typer.Option(metavar="ray[://HOST:PORT]", help="Send the runs to a Ray cluster.", **Spread)
    ] = "",
    gpus: Annotated[float, typer.Option(min=0, help="GPUs for each run on the cluster.", **Spread)] = 0,
    cpus: Annotated[float, typer.Option(min=0, help="Processors for each run on the cluster.", **Spread)] = 1,
) -> None:
    """Train a baseline, submit its predictions, show the board.

    Example: kit baseline mnist cnn --seed 1
    """
    from kit import grid, ranking, render, run, tasks

    settings = {
        "device": device,
        "epochs": epochs,
        "rows": rows,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "compile": compile_,
        "weights_from": weights_from,
        "submit": not no_submit,
    }
    if all_ or seeds or on or task is None:
        jobs = grid.jobs(task, name, all_, grid.numbers(seeds, seed), resume, settings)
        grid.run(jobs, on, gpus, cpus)
        found = [tasks.find(one) for one in dict.fromkeys(job.task for job in jobs)]
    else:
        found = [tasks.find(task)]
        entry = run.baseline(found[0].name, name, seed=seed, resume=resume, **settings)
        if entry:  # else nothing was submitted, or this is not the first of several processes
            render.baseline_done(entry)
            with render.optional(f"Entry {entry['id']} is on the board"):
                whole = ranking.read(found[0], "all", None)
                render.standing(entry["name"], ranking.standing(found[0], entry, whole))
                render.leaderboard(whole.first(ranking.TOP), made=entry)
        return
    for one in found if not no_submit else []:
        with render.optional("The runs are done"):
            render.leaderboard(ranking.read(one))
    if task is None:
        tasks.raise_problems()


@app.command()
def predict(
    task: TaskName,
    run: Annotated[str, argument("A run's id, or a baseline's name for its latest run.", "RUN", complete.runs)],
    out: Annotated[
        Path, typer.Option(help="The file to write: .npy, .npz, .csv, .csv.gz or .parquet.", metavar="FILE")
    ] = Path("predictions.npy"),
    device: Annotated[str, typer.Option(help="cuda, mps or cpu; auto takes the fastest there is.")] = "auto",
) -> None:
    """Predict the test rows with the weights of a run; nothing is trained or submitted.

    Example: kit predict mnist cnn --out preds.npy
    """
    from kit import prepare, render, tasks, writers
    from kit import run as running

    found = tasks.find(task)
    writers.ready(out)
    array, folder = running.predict(found.name, run, device)
    writers.write(out, array, prepare.spec(found))
    render.say(f"{out}: what {folder.name} predicts, shape {array.shape}. Submit it: kit submit {task} {out}")


@app.command("runs")
def runs_command(task: OptionalTask = None, form: AsJson = Facts.table) -> None:
    """List the runs of a task, or of all, with what they measured.

    Example: kit runs mnist
    """
    from kit import export, render, runs, tasks

    found = runs.every(tasks.find(task).name if task else None, damaged=True)
    known = [(record, *runs.progress(folder)) for folder, record in found]
    if form is Facts.json:
        export.write_json({"runs": [export.run_document(*one) for one in known]})
    else:
        render.run_table(known)


@app.command()
def watch(
    task: OptionalTask = None,
    port: Annotated[int, typer.Option(help="Where the browser finds it.", min=0, max=65535)] = 6006,
) -> None:
    """Start TensorBoard on the runs of a task, or of all.

    Example: kit watch mnist
    """
    from kit import runs, tasks

    runs.watch(tasks.find(task).name if task else None, port)
