"""A grid of runs: baselines times seeds, one after the other here, or side by side on a Ray cluster."""

import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kit import code, render, tasks, workspace
from kit import run as running
from kit.board import Entry
from kit.errors import KitError, Stopped
from kit.settings import FLAGS, NOTHING, Settings, asks
from kit.task import Task

Result = tuple[Settings, Entry | Exception | None]


def numbers(seeds: str, seed: int | None) -> list[int]:
    """The seeds of "0,1,2"; or one seed where there is no list."""
    if not seeds:
        return [seed or 0]
    if seed is not None:
        raise KitError("Give --seed or --seeds, not both.")
    words = seeds.split(",")
    if not all(word.strip().isdecimal() and int(word) < 2**32 for word in words):
        raise KitError(f"--seeds {seeds}: whole numbers with commas between them are wanted, such as 0,1,2.")
    return list(dict.fromkeys(int(word) for word in words))


def jobs(
    task: str | None, name: str | None, every: bool, seeds: Sequence[int], resume: bool, options: dict[str, Any]
) -> list[Settings]:
    """Every run of the grid: of the baseline named, or of every one of the task or of all tasks, with each seed."""
    if every and name:
        raise KitError(f"Give either --all or the name of one baseline ({name}), not both.")
    if not every and task is None:
        raise KitError("Which task? Name one (`kit tasks` lists them), or give --all for every baseline of all tasks.")
    if resume:
        raise KitError("--resume goes on with one run: name its baseline, and leave --all, --seeds and --on out.")
    found = [tasks.find(task)] if task else tasks.every()
    wanted = [(one, each) for one in found for each in (tasks.baselines(one) if every else [name or one.baseline])]
    fitting = _fitting(wanted, options) if every else [options] * len(wanted)
    pairs = list(zip(wanted, fitting, strict=True))
    return [running.settings(one.name, each, seed, **fits) for seed in seeds for (one, each), fits in pairs]


def _fitting(baselines: Sequence[tuple[Task, str]], options: dict[str, Any]) -> list[dict[str, Any]]:
    """For each of many baselines those options that it reads; what none of them reads is refused."""
    given = {name for name in FLAGS if asks(options.get(name)) and (name, options[name]) not in NOTHING}
    reads = [code.of(task, name).reads() for task, name in baselines]
    if unread := [FLAGS[name] for name in given if not any(name in read for read in reads)]:
        raise KitError(f"None of these baselines reads {', '.join(sorted(unread))}. Leave it out.")
    for option in FLAGS:
        without = [name for (_, name), read in zip(baselines, reads, strict=True) if option not in read]
        if option in given and without:
            render.note(f"{FLAGS[option]} is left out for {', '.join(dict.fromkeys(without))}, which do not read it")
    return [{name: value for name, value in options.items() if name not in given - read} for read in reads]


def run(grid: Sequence[Settings], on: str, gpus: float, cpus: float) -> None:
    """Run them all and show each as it is done. What fails stops no other; it is told at the end, as an error."""
    if on:
        from kit import cluster

        results: Iterable[Result] = cluster.run(grid, on, gpus, cpus)
    else:
        results = _here(grid)
    failed = []
    for number, (job, result) in enumerate(results, 1):
        which = f"{job.task} {job.baseline}, seed {job.seed}"
        if isinstance(result, Exception):
            render.complain(result, which)
            failed.append(which)
        elif result:  # else it was to be tried only
            render.baseline_done(result, f"{number}/{len(grid)}" if len(grid) > 1 else "")
    if failed:
        raise KitError(f"{len(failed)} of {len(grid)} runs failed: {'; '.join(failed)}. The others are on the board.")


def _here(grid: Sequence[Settings]) -> Iterator[Result]:
    for job in grid:
        try:
            yield job, running.go(job)
        except Stopped:
            raise
        except KitError as error:
            yield job, error
        except Exception as error:
            explained = workspace.explained(error) if isinstance(error, OSError) else None
            if explained is None:
                traceback.print_exc()
            yield job, explained or error
