"""The state of a training on disk: whole or not at all, checked when it is read, and never unpickled as code.

`last-<step>.pt` holds everything that going on needs; the one before it is kept too, should the newer one be damaged.
`best.pt` holds the weights alone. Both are what `torch.save` writes: a zip file with a checksum of each part.
"""

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from kit import render, workspace
from kit.errors import KitError

KEPT = 2  # so many of the newest states
State = dict[str, Any]


class Damaged(Exception):
    """A file that is not as it was written."""


def write(path: Path, state: State) -> bool:
    """Write a file that appears when it is whole and on disk; False, with a note, where it cannot be written."""
    try:
        with workspace.replacing(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch turns some failures to write into RuntimeError
        reason = getattr(error.__context__ or error, "strerror", None) or getattr(error, "strerror", None) or error
        render.note(f"{path.name} could not be saved: {reason}. What was saved before is still good; training goes on.")
        return False
    return True


def read(path: Path) -> State:
    """What `write` wrote; Damaged where one byte of it is different."""
    try:
        with zipfile.ZipFile(path) as parts:
            if (wrong := parts.testzip()) is not None:
                raise Damaged(f"{path}: the checksum of {wrong} is wrong")
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except UnpicklingError as error:  # torch's own advice, to load it all the same, is not for here
        raise Damaged(f"{path}: it holds more than plain values and tensors, which is never loaded") from error
    except (zipfile.BadZipFile, RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise Damaged(f"{path}: {error}") from error


def save(folder: Path, step: int, state: State, alone: bool = False) -> None:
    """Keep the state after a step, and the one before it; older ones go. alone: the one before it goes too."""
    if write(folder / f"last-{step:08d}.pt", state):
        for old in _steps(folder)[1 if alone else KEPT :]:
            old.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """A new training begins: what an older one left in its folder must not be taken for its own."""
    for old in _steps(folder):
        old.unlink(missing_ok=True)


def newest(folder: Path) -> State | None:
    """The newest state that is whole; damaged ones are named and passed over. None where there is none."""
    for path in _steps(folder):
        try:
            return read(path)
        except Damaged as problem:
            render.note(f"A damaged checkpoint is passed over. {problem}")
    return None


def weights(folder: Path) -> State:
    """The best weights of a training; KitError where there are none."""
    path = folder / "best.pt"
    if not path.is_file():
        raise KitError(f"There are no weights in {folder}: the training there kept none, or has not come that far.")
    try:
        return read(path)
    except Damaged as problem:
        raise KitError(f"The weights cannot be used. {problem}. Train again, or go on with --resume.") from problem


def _steps(folder: Path) -> list[Path]:
    """The states in a folder, the newest first."""
    return sorted(folder.glob("last-*.pt"), reverse=True)
