"""The files of one entry, kept under `submissions/<task>/`: predictions (.npy) and row sums (.sums.npz).

A shared board keeps a copy of both, so that every machine that reads it can compare and verify.
"""

import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from kit import archive, sharing, workspace
from kit.errors import KitError
from kit.statistics import RESAMPLES
from kit.task import Array

if TYPE_CHECKING:
    from kit.board import Board, Entry
    from kit.scoring import Scorecard

_HASH = re.compile("[0-9a-f]{64}")
_REPLICATES = 10 * 3 * 8 * RESAMPLES  # bytes that the values of one metric may take


def write_predictions(file: BinaryIO, array: Array) -> str:
    """Write predictions in the precision they are kept in, chunk by chunk; the sha256 of what was written."""
    from kit import predictions

    digest = hashlib.sha256()
    header = io.BytesIO()
    kept = predictions.canonical(array[:1]).dtype
    described = {"descr": np.lib.format.dtype_to_descr(kept), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, described)
    pieces = (predictions.canonical(array[rows]).tobytes() for rows in predictions.chunks(array))
    for piece in chain([header.getvalue()], pieces):
        file.write(piece)
        digest.update(piece)
    return digest.hexdigest()


def sums_arrays(card: "Scorecard") -> dict[str, Array]:
    """What comparing needs, without the truth: sums by unit, and every metric's values on the resamples.

    sums (n_units, k) with each sum's metric, each unit's group and part; one (3, n_resamples) array a metric.
    """
    widths = [of.stop - of.start for of in card.columns.values()]
    of_sums = {"metric": np.repeat(list(card.columns), widths), "group": card.units.group, "public": card.units.public}
    replicates = {f"replicates.{metric}": values for metric, values in card.replicates.items()}
    return {"sums": card.sums, **of_sums, **replicates}


def write_sums(file: BinaryIO, card: "Scorecard") -> None:
    """Write the arrays of `sums_arrays`."""
    np.savez_compressed(file, allow_pickle=False, **sums_arrays(card))


def read_replicates(path: Path, metric: str) -> Array | None:
    """(3, n_resamples) values of a metric over all, public and private rows; None where the file does not have them."""
    try:
        [found] = archive.read(path, [f"replicates.{metric}"], _REPLICATES).values()
    except KitError:
        return None
    whole = found.dtype == np.float64 and found.ndim == 2 and len(found) == 3 and not np.isinf(found).any()
    return found if whole else None


def read_n_groups(path: Path) -> dict[str, int]:
    """Part -> how many groups its replicates were drawn from; empty where the file does not have them."""
    try:
        group, public = archive.read(path, ["group", "public"], _REPLICATES).values()
    except KitError:
        return {}
    if group.ndim != 1 or group.shape != public.shape or public.dtype != bool:
        return {}
    inside = {"all": np.ones(len(group), bool), "public": public, "private": ~public}
    return {part: _count(group[of_part]) for part, of_part in inside.items()}


def _count(group: Array) -> int:
    """How many different numbers there are; np.unique imports masked arrays first, and takes longer."""
    return int(np.count_nonzero(np.diff(np.sort(group)))) + 1 if len(group) else 0


def sums_path(file: Path) -> Path:
    """Where the row sums of a file of predictions are kept."""
    return file.with_suffix(".sums.npz")


def local(entry: "Entry", sums: bool = False, board: "Board | None" = None) -> Path | None:
    """A file here with an entry's predictions, or its row sums, exactly as they were submitted; None: there is none.

    The workspace's own file where it is whole, else a copy of that in the board's database, kept in the cache.
    """
    file, wanted = workspace.root() / entry["file"], entry["sums_sha256" if sums else "file_sha256"]
    if not entry["file"] or not _HASH.fullmatch(wanted):
        return None
    kept = sums_path(file) if sums else file
    if _is_whole(kept, wanted):
        return kept
    copied = workspace.cache() / "entries" / f"{wanted}{'.sums.npz' if sums else '.npy'}"
    return copied if _is_whole(copied, wanted) else _fetched(wanted, copied, board)


def _is_whole(path: Path, sha256: str) -> bool:
    with suppress(OSError, ValueError):
        return path.is_file() and workspace.sha256(path) == sha256
    return False


def _fetched(wanted: str, path: Path, board: "Board | None") -> Path | None:
    from kit.board import Board

    board = board or Board()
    if not board.address.shared:
        return None
    digest = hashlib.sha256()
    try:
        with workspace.replacing(path) as file:
            for part in board.parts(wanted):
                file.write(part)
                digest.update(part)
            if digest.hexdigest() != wanted:
                raise _NotKept
    except (_NotKept, OSError):  # a cache that cannot be written is no reason to show nothing at all
        return None
    return path


class _NotKept(Exception):
    """The board's database does not have a file, or has another under its hash."""


@contextmanager
def incoming(task: str, entry_id: str) -> Iterator[Path]:
    """A folder beside the kept files for all that a submission writes until it is kept; gone when the block ends."""
    place = workspace.submissions(task)
    new = [folder for folder in (place, place.parent) if not folder.exists()]
    folder = _drafts(place, entry_id)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for made in new:  # nothing is left of a submission that was refused
            with suppress(OSError):
                made.rmdir()


def _drafts(place: Path, entry_id: str) -> Path:
    import tempfile

    for again in (True, True, False):  # a refused submission may take the folder away in between
        sharing.make_folder(place)
        try:
            return Path(tempfile.mkdtemp(prefix=f".{entry_id[:40]}-", suffix=".part", dir=place))
        except FileNotFoundError:
            if not again:
                raise
    raise AssertionError


def keep(drafts: Path, task: str, entry_id: str, free: bool) -> Path:
    """Give the drafts `predictions.npy` and its sums their place among the kept files; never in place of another.

    free: where there is a file of that name already, take the next free one (a run that was killed after it had kept
    its files comes back with the same id), instead of refusing.
    """
    names = (f"{entry_id}-{again}" if again else entry_id for again in range(1000 if free else 1))
    for name in names:
        path = workspace.submissions(task) / f"{name}.npy"
        try:
            place(drafts / "predictions.npy", path)
        except FileExistsError:
            continue
        try:
            place(sums_path(drafts / "predictions.npy"), sums_path(path))
        except BaseException as error:
            path.unlink()
            if isinstance(error, FileExistsError):
                continue
            raise
        _to_disk(path.parent)
        return path
    raise KitError(f"There are files of the id {entry_id} in {workspace.submissions(task)} already. Give another id.")


def place(draft: Path, path: Path) -> None:
    """Put a finished file at a path where nothing is yet; FileExistsError where something is."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, or another one
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            with workspace.replacing(path) as file, draft.open("rb") as source:
                shutil.copyfileobj(source, file)
        except BaseException:
            path.unlink()
            raise
    sharing.open_file(path)


def remove(file: Path) -> None:
    """Take away the files of a submission that did not become an entry."""
    for path in (file, sums_path(file)):
        path.unlink(missing_ok=True)


def _to_disk(folder: Path) -> None:
    """Bring the names of new files to disk, where the system has a call for that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
