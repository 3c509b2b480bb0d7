"""Commands that check and submit predictions, and that read the board."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli import complete
from kit.cli.arguments import AsJson, Facts, File, Form, OptionalTask, TaskName, app, argument
from kit.errors import KitError, PredictionError

Name = Annotated[
    str | None, typer.Option(help="Who submits; your login name without it.", autocompletion=complete.names)
]


@app.command()
def check(task: TaskName, file: File, form: AsJson = Facts.table) -> None:
    """Check a file of predictions without scoring or keeping it.

    Example: kit check mnist preds.npy
    """
    from kit import api, render

    try:
        array = api.check(task, file)
    except PredictionError as refused:
        if form is Facts.json:
            from kit import export

            export.write_json(export.check_document(task, file, None, refused.faults))
        raise
    if form is Facts.json:
        from kit import export

        export.write_json(export.check_document(task, file, array))
    else:
        render.say(f"{file.name} is a valid submission for {task}: {len(array):,} rows, shape {array.shape}.")


@app.command()
def submit(
    task: TaskName,
    file: File,
    name: Name = None,
    note: Annotated[str, typer.Option(help="A remark to keep with the entry.")] = "",
    receipt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a receipt, for `kit verify --receipt FILE`.")
    ] = None,
    form: AsJson = Facts.table,
) -> None:
    """Check, score and record a file of predictions, and show the board.

    Example: kit submit mnist preds.npy --name ada --note "bigger net"
    """
    from kit import api, ranking, render, tasks

    if receipt:
        from kit import receipts

        receipts.check_place(receipt)
    entry = api.submit(task, file, name=name, note=note)
    with render.optional(f"Entry {entry['id']} is on the board, receipt {entry['hash'][:16]}"):
        if receipt:
            receipts.write_receipt(receipt, entry)
        if form is Facts.table:
            render.entry(entry)
        found = tasks.find(task)
        if form is Facts.json:
            from kit import export

            export.write_json(export.submit_document(entry, ranking.standing(found, entry)))
        else:
            whole = ranking.read(found, "all", None)
            render.standing(entry["name"], ranking.standing(found, entry, whole))
            render.leaderboard(whole.first(ranking.TOP), made=entry)


@app.command()
def leaderboard(
    task: OptionalTask = None,
    form: Annotated[Form, typer.Option("--format", help="json is stable, for programs to read.")] = Form.table,
    public: Annotated[bool, typer.Option("--public", help="Rank by the public rows only.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Rank by the private rows only.")] = False,
    top: Annotated[int, typer.Option(min=0, help="How many names to show; 0 shows all.")] = 100,
    history: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="All entries of one name, in order.", autocompletion=complete.names),
    ] = None,
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
        found = tasks.find(task)
        made = ranking.history(found, history)
        if form is Form.table:
            render.history(made, part)
        else:
            from kit import export

            export.history(found.name, history, made, part, form.value)
        return
    boards = ranking.read_all(task, part, top or None)
    if html is not None:
        from kit import page

        page.write(html, boards)
        render.say(f"Wrote {html}")
    elif form is Form.table:
        render.leaderboards(boards)
    else:
        from kit import export

        export.leaderboards(boards, form.value)
    if task is None:
        tasks.raise_problems()


@app.command()
def compare(
    task: TaskName,
    a: Annotated[str, argument("A name (its best entry counts) or the id of an entry.", "A", complete.entrants)],
    b: Annotated[str, argument("Another one.", "B", complete.entrants)],
    form: AsJson = Facts.table,
) -> None:
    """Tell which of two entries is better, or that they cannot be told apart.

    Example: kit compare mnist cnn mlp
    """
    from kit import export, ranking, render, tasks

    found = tasks.find(task)
    one, other, comparisons = ranking.compare(found, a, b)
    first = found.metrics[0]
    verdict = ranking.verdict(a, b, first, comparisons[first.name])
    if form is Facts.json:
        export.write_json(export.comparison_document(one, other, comparisons, verdict))
    else:
        render.comparison(one, other, comparisons)
        render.prose(verdict)


@app.command()
def verify(
    task: OptionalTask = None,
    receipt: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Also check that the entry of this receipt is there, unchanged."),
    ] = None,
    form: AsJson = Facts.table,
) -> None:
    """Check that nothing on the board was changed: the hash chain, every file, every score.

    Whatever follows from the files and the answers is derived, and compared.
    Who submitted, when, with which note, seed, device, seconds, version and
    commit, that an entry was taken away, or that all of it was made up: whoever
    owns the board can change that and make the chain anew. Receipts that others
    keep show it. `kit submit --receipt FILE` writes one.

    Example: kit verify mnist
    """
    from kit import export, receipts, render, tasks
    from kit.verify import report

    found = report(task, [receipts.read_receipt(path) for path in receipt or ()])
    if form is Facts.json:
        export.write_json(found.document())
    for warning in found.warnings:
        render.note(warning)
    if found.faults:
        raise KitError(found.complaint())
    if form is Facts.table:
        render.say(found.words())
    tasks.raise_problems(task)
