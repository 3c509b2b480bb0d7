"""The `kit` command. Each command is a few lines over the library, which it imports when it runs."""

import errno
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kit.errors import KitError

app = typer.Typer(
    help="Run machine-learning competitions: tasks, baselines, honest scores, a local leaderboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class Form(StrEnum):
    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


def _tasks(incomplete: str) -> list[str]:
    from kit import tasks

    return [name for name in tasks.folders() if name.startswith(incomplete)]


def _baselines(context: typer.Context, incomplete: str) -> list[str]:
    from kit import tasks

    task = context.params.get("task")
    names = tasks.baselines(tasks.find(task)) if task in tasks.folders() else []
    return [name for name in names if name.startswith(incomplete)]


TaskName = Annotated[
    str, typer.Argument(help="A task's name; `kit tasks` lists them.", autocompletion=_tasks, metavar="TASK")
]
OptionalTask = Annotated[
    str | None, typer.Argument(help="One task; all without it.", autocompletion=_tasks, metavar="TASK")
]
File = Annotated[Path, typer.Argument(help="Predictions: .npy, .npz, .csv, .csv.gz or .parquet.", metavar="FILE")]


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


Spread = {"rich_help_panel": "Many runs"}


@app.command()
def baseline(
    task: OptionalTask = None,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A baseline; the task's default without it. With --resume, also a run's id.",
            autocompletion=_baselines,
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
        str | None, typer.Option("--from", metavar="RUN", help="Start from the weights of another run.")
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
        entry = run.baseline(task, name, seed=seed, resume=resume, **settings)
        if entry:  # else nothing was submitted, or this is not the first of several processes
            render.baseline_done(entry)
    for one in found if not no_submit else []:
        render.leaderboard(ranking.read(one), "table")


@app.command()
def predict(
    task: TaskName,
    run: Annotated[str, typer.Argument(help="A run's id, or a baseline's name for its latest run.", metavar="RUN")],
    out: Annotated[Path, typer.Option(help="The file to write.", metavar="FILE")] = Path("predictions.npy"),
    device: Annotated[str, typer.Option(help="cuda, mps or cpu; auto takes the fastest there is.")] = "auto",
) -> None:
    """Predict the test rows with the weights of a run; nothing is trained or submitted.

    Example: kit predict mnist cnn --out preds.npy
    """
    from kit import render
    from kit import run as running

    array, folder = running.predict(task, run, device)
    running.save(out, array)
    render.say(f"{out}: what {folder.name} predicts, shape {array.shape}. Submit it: kit submit {task} {out}")


@app.command("runs")
def runs_command(task: OptionalTask = None) -> None:
    """List the runs of a task, or of all, with what they measured.

    Example: kit runs mnist
    """
    from kit import render, runs, tasks

    found = runs.every(tasks.find(task).name if task else None)
    render.run_table([(record, *runs.progress(folder)) for folder, record in found])


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


def _shown() -> None:
    """Run a command until all that it says is out; BrokenPipeError where nobody reads on, which typer and rich hide."""
    try:
        app()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        sys.stdout.flush()
        raise


def main() -> None:
    """The entry point: a KitError is the user's to mend and costs no traceback; everything else keeps its own."""
    try:
        _shown()
    except KitError as error:
        from kit import render

        render.complain(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `kit leaderboard | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        from kit import render

        render.complain(KitError(f"The disk is full, so {error.filename or 'a file'} could not be written. Make room."))
        sys.exit(1)


if __name__ == "__main__":
    main()
