"""The folder in which a task's Spec and Answers are kept: written whole, opened whole, memory-mapped."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit import workspace
from kit.errors import KitError, first_line
from kit.task import Answers, Array, Data, Spec


class Damaged(KitError):
    """What was prepared cannot be used; it can be prepared anew."""


@dataclass(frozen=True)
class Prepared:
    """What was prepared of a task: its answers are complete, truth is float32; source says where the data came from."""

    folder: Path
    spec: Spec
    answers: Answers
    source: str

    @property
    def fingerprints(self) -> tuple[str, str]:
        """Of the answers, as it was known when they were prepared; and the one by which older entries know them."""
        return self.answers.fingerprint, self.answers.fingerprint_v1


def write(place: Path, data: Data, full: Answers, anew: bool) -> None:
    """Write all files beside the place, then move them there together; what was there goes if damaged, or `anew`."""
    spec = data.spec
    assert full.groups is not None
    assert full.public is not None
    arrays = {"truth": full.truth, "groups": full.groups, "public": full.public, "ids": _compact(spec.ids)}
    if spec.required is not None:
        arrays["required"] = np.asarray(spec.required)
    facts = {
        "answers": full.fingerprint,
        "answers_v1": full.fingerprint_v1,
        "source": data.source,
        "columns": spec.columns,
        "kind": spec.kind,
        "cell": spec.cell,
        "arrays": {name: [array.dtype.str, array.shape] for name, array in arrays.items()},
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.parent / f".{place.name}-{os.urandom(4).hex()}"
    old = draft.with_name(draft.name + "-old")
    draft.mkdir()  # as the umask says, so that others of a group may read it
    try:
        for name, array in arrays.items():
            with workspace.replacing(draft / f"{name}.npy") as file:
                np.save(file, array, allow_pickle=False)
        with workspace.replacing(draft / "facts.json") as file:
            file.write(json.dumps(facts).encode())
        if not anew and _is_whole(place):  # another process was first, with the same result
            return
        with suppress(FileNotFoundError):
            place.rename(old)
        try:
            draft.rename(place)
        except OSError:
            if not _is_whole(place):
                raise
    finally:
        for leftover in (draft, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_whole(place: Path) -> bool:
    try:
        return open_(place) is not None
    except KitError:
        return False


def _compact(ids: Array) -> Array:
    """Text as UTF-8 bytes: a quarter of the memory, and no conversion when a table's ids are matched with them."""
    return np.char.encode(ids, "utf-8") if ids.dtype.kind == "U" else ids


def open_(place: Path) -> Prepared | None:
    """What a folder holds; None where it is not there, KitError where it is damaged."""
    if not place.is_dir():
        return None
    try:
        facts = json.loads((place / "facts.json").read_text(encoding="utf-8"))
        arrays = {name: workspace.mapped(place / f"{name}.npy") for name in facts["arrays"]}
        for name, array in arrays.items():
            if [array.dtype.str, list(array.shape)] != facts["arrays"][name]:
                raise ValueError(f"{name}.npy has another shape")
        spec = Spec(
            ids=arrays["ids"],
            columns=tuple(facts["columns"]),
            kind=facts["kind"],
            required=arrays.get("required"),
            cell=tuple(facts["cell"]) if facts["cell"] else None,
        )
        found = Answers(arrays["truth"], arrays["groups"], arrays["public"], spec.ids)
        # known since it was prepared; `kit verify` computes them afresh
        found.__dict__["fingerprint"], found.__dict__["fingerprint_v1"] = (
            str(facts["answers"]),
            str(facts["answers_v1"]),
        )
        return Prepared(place, spec, found, str(facts["source"]))
    except PermissionError as error:
        raise KitError(
            f"{error.filename} may not be read. Ask its owner, or set KIT_CACHE to a folder of yours."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, KitError) as error:
        task = place.parent.name
        raise Damaged(
            f"The answers prepared in {place} are damaged: {first_line(error)}. `kit data {task} --refresh` prepares "
            "them anew."
        ) from error
