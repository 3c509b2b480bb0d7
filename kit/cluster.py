"""Runs on a Ray cluster: workers train, this process alone submits, so that the board is written in one place.

A worker needs the kit installed; a task of one's own is sent along. Ray runs a job again when its worker is lost, and
since a job's id is given out here, before it is sent, its result counts once.
"""

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kit import prepare, provenance, render, runs, tasks, workspace
from kit import run as running
from kit.board import Entry
from kit.errors import KitError
from kit.runs import Record
from kit.settings import Settings

RETRIES = 5  # of a job whose worker was lost

Files = dict[str, bytes]  # content by path


def run(
    grid: Sequence[Settings], on: str, gpus: float, cpus: float
) -> Iterator[tuple[Settings, Entry | Exception | None]]:
    """Each run's entry, or what went wrong, as they come. on: "ray" finds or starts a cluster, or its address."""
    ray = _connect(on)
    # a process a job: the next one finds no task of the one before, nor its memory on the GPU
    work = ray.remote(num_gpus=gpus, num_cpus=cpus, max_retries=RETRIES, max_calls=1)(_work)
    render.note(f"{len(grid)} runs on {on}: {len(ray.nodes())} nodes, {ray.cluster_resources().get('CPU', 0):g} CPUs")
    waiting: dict[Any, tuple[Path, Record]] = {}
    try:
        for settings in grid:
            job = asdict(settings), prepare.chosen_source(tasks.find(settings.task)), *_luggage(settings)
            folder, record = runs.create(settings, state="sent")
            waiting[work.remote(*job)] = folder, record
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            folder, record = waiting.pop(done)
            yield record.settings, _received(ray, done, folder, record)
    finally:
        for left, (folder, record) in waiting.items():  # the user stopped it
            ray.cancel(left, force=True)
            runs.write(folder, replace(record, state="stopped", since=None))
        ray.shutdown()


def _connect(on: str) -> Any:
    kind, _, _ = on.partition("://")
    if kind != "ray":
        raise KitError(f"--on {on}: ray, or the address of a Ray cluster such as ray://host:10001, is wanted.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise KitError("Ray is not installed here: pip install 'competition-kit[ray]'") from error
    try:
        ray.init(address=on if on != "ray" else None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise KitError(f"The Ray cluster at {on} cannot be reached: {error}") from error
    return ray


def _received(ray: Any, done: Any, folder: Path, record: Record) -> Entry | Exception | None:
    """Take in one run's result: its files, its submission, its record."""
    try:
        made = ray.get(done)
        here = prepare.fingerprint(tasks.find(record.settings.task))
        if made["answers"] != here:
            raise KitError(f"The worker's data is not what is here ({made['answers'][:16]}, {here[:16]}).")
        _unpack(made["files"], folder)
        record = replace(record, trained_on=made["trained_on"], machine=made["trained"].machine)
        entry = running.submit(folder, record, made["trained"])
    except Exception as error:
        cause = getattr(error, "cause", None) or error  # Ray wraps what a job raised
        runs.write(folder, replace(record, state="failed", since=None, error=str(cause)))
        return cause
    facts = {"metric": entry["metric"], "score": entry["score"]} if entry else {}
    seconds = round(made["trained"].seconds, 2)
    runs.write(folder, replace(record, state="finished", since=None, seconds=seconds, **facts))
    return entry


def _luggage(settings: Settings) -> tuple[Files, Files]:
    """What a worker may lack: a task of the workspace's own, and the weights to start from."""
    task = tasks.find(settings.task)
    own = (workspace.root() / "tasks") in task.folder.parents
    weights = settings.weights()
    return (_packed(task.folder, "*") if own else {}), (_packed(weights, "best.pt") if weights else {})


def _work(settings: dict[str, Any], source: str | None, task: Files, weights: Files) -> dict[str, Any]:
    """On a worker: train in a workspace that is gone afterwards, and send everything home."""
    wanted = Settings(**settings)
    with tempfile.TemporaryDirectory(prefix="kit-") as place:
        os.environ["KIT_WORKSPACE"] = place
        _unpack(task, Path(place) / "tasks" / wanted.task)
        if wanted.weights_from:
            _unpack(weights, workspace.root() / "runs" / wanted.weights_from)
        folder = workspace.runs(wanted.task) / "run"
        data = running.load(wanted, source)
        return {
            "trained_on": provenance.of(wanted, data),
            "trained": running.train(wanted, folder, data),
            "answers": prepare.fingerprint(tasks.find(wanted.task)),
            "files": _packed(folder, "*", but="last-*.pt") if folder.is_dir() else {},
        }


def _packed(folder: Path, pattern: str, but: str = "*.pyc") -> Files:
    files = [file for file in folder.rglob(pattern) if file.is_file() and not file.match(but)]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def _unpack(files: Files, folder: Path) -> None:
    """Write files where they belong; a path that leads elsewhere is refused."""
    for name, content in files.items():
        target = (folder / name).resolve()
        if folder.resolve() not in target.parents:
            raise KitError(f"A file named {name!r} does not belong in {folder}.")
        with workspace.replacing(target) as file:
            file.write(content)
