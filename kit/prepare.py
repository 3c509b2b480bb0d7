"""The Spec and the Answers of a task, prepared once and kept in the cache, so that judging takes an instant.

They are kept as plain .npy files and memory-mapped. The folder's name carries a hash of the task's own code: change the
task and they are prepared anew, under another fingerprint where the answers differ.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from kit import workspace
from kit.errors import KitError, SourceError, did_you_mean
from kit.predictions import canonical
from kit.task import Answers, Array, Data, Spec, Task, public_rows


def folder(task: Task) -> Path:
    """Where the prepared Spec and Answers of this task, with its code as it stands, are kept."""
    digest = hashlib.sha256()
    for file in sorted(task.folder.glob("*.py")):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    parts = ("prepared", digest.hexdigest()[:12], *filter(None, [chosen_source(task)]))
    return workspace.cache() / task.name / "-".join(parts)


def chosen_source(task: Task) -> str | None:
    """Which of a task's sources is in use: what was prepared stays chosen. None where nothing was."""
    note = _note(task)
    kept = note.read_text().strip() if note.is_file() else None
    return kept if kept in task.sources else None


def _note(task: Task) -> Path:
    return workspace.cache() / task.name / "source"


def load(task: Task, source: str | None = None) -> Data:
    """The task's data, prepared for judging; from `source`, else the one in use, else the first that can be had."""
    if not task.sources:
        if source is not None:
            raise KitError(f"{task.name} has one source of data only; leave --source out.")
        data = task.load()
    else:
        data = _load_from(task, source or chosen_source(task))
    prepared(task, data)
    return data


def _load_from(task: Task, source: str | None) -> Data:
    if source is not None and source not in task.sources:
        raise KitError(f"{task.name} has no source {source!r}. {did_you_mean(source, task.sources)}")
    candidates = [source] if source else list(task.sources)
    for candidate in candidates:
        try:
            data = task.load(candidate)
        except SourceError as problem:
            if candidate == candidates[-1]:
                raise
            from kit import render

            render.note(f"{problem}\nUsing the source {candidates[candidates.index(candidate) + 1]!r} instead.")
            continue
        with workspace.replacing(_note(task)) as file:
            file.write(candidate.encode())
        return data
    raise AssertionError("a task's sources are never empty here")


def spec(task: Task) -> Spec:
    return _read_spec(prepared(task))


def answers(task: Task) -> Answers:
    """The answers, complete: public and groups are never None here, truth is float32."""
    place = prepared(task)
    loaded = {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in ("truth", "groups", "public")}
    found = Answers(**loaded)
    found.__dict__["fingerprint"] = fingerprint(task)  # known since it was prepared; `kit verify` computes it afresh
    return found


def fingerprint(task: Task) -> str:
    return str(_facts(prepared(task))["answers"])


def fingerprints(task: Task) -> tuple[str, str]:
    """(fingerprint, that of older versions of the kit) of the answers in use."""
    return fingerprint(task), fingerprint(task)


def source(task: Task) -> str:
    """Where the task's data came from, in words."""
    return str(_facts(prepared(task))["source"])


def prepared(task: Task, data: Data | None = None) -> Path:
    """The folder with the prepared Spec and Answers; prepares them first where need be."""
    place = folder(task)
    if not (place / "facts.json").is_file():
        data = data or load(task)
        if not (place := folder(task)).is_dir():  # loading may have chosen a source
            _prepare(task, data, place)
    return place


def _facts(place: Path) -> dict[str, object]:
    return dict(json.loads((place / "facts.json").read_text()))


def _prepare(task: Task, data: Data, place: Path) -> None:
    given = task.answers(chosen_source(task)) if task.sources else task.answers()
    full = complete(given, data.spec, task.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".prepared-", dir=place.parent))
    try:
        for name in ("truth", "groups", "public"):
            np.save(draft / f"{name}.npy", getattr(full, name))
        np.save(draft / "ids.npy", _compact(data.spec.ids))
        if data.spec.required is not None:
            np.save(draft / "required.npy", data.spec.required)
        facts = {
            "answers": full.fingerprint,
            "source": data.source,
            "columns": data.spec.columns,
            "kind": data.spec.kind,
            "cell": data.spec.cell,
        }
        (draft / "facts.json").write_text(json.dumps(facts))
        os.replace(draft, place)
    except OSError:
        if not (place / "facts.json").is_file():  # else another process was first, with the same result
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _compact(ids: Array) -> Array:
    """Text as UTF-8 bytes: a quarter of the memory, and no conversion when a table's ids are matched with them."""
    return np.char.encode(ids, "utf-8") if ids.dtype.kind == "U" else ids


def _read_spec(place: Path) -> Spec:
    facts = _facts(place)
    required = place / "required.npy"
    return Spec(
        ids=np.load(place / "ids.npy", mmap_mode="r"),
        columns=tuple(facts["columns"]),  # type: ignore[arg-type]
        kind=facts["kind"],  # type: ignore[arg-type]
        required=np.load(required, mmap_mode="r") if required.is_file() else None,
        cell=tuple(facts["cell"]) if facts["cell"] else None,  # type: ignore[arg-type]
    )


def complete(given: Answers, spec: Spec, name: str) -> Answers:
    """Check an organiser's answers against the Spec, and fill in groups and public rows."""
    truth = canonical(np.asarray(given.truth, dtype=np.float32))
    wanted = spec.shapes[0]
    faults = []
    if truth.shape != wanted:
        faults.append(f"the truth has shape {truth.shape}; {wanted} is wanted.")
    if np.isinf(truth).any():
        faults.append("the truth holds infinite values; use NaN where nothing was measured.")
    if len(np.unique(spec.ids)) != len(spec.ids):
        faults.append("the ids of the Spec are not unique.")
    if truth.shape == wanted and spec.required is not None and (~np.isnan(truth) & ~spec.required).any():
        faults.append("cells were measured that the Spec does not require; nobody could be held to predict them.")
    for part in ("groups", "public"):
        if (array := getattr(given, part)) is not None and np.shape(array) != (len(spec.ids),):
            faults.append(f"{part} has shape {np.shape(array)}; {(len(spec.ids),)} is wanted.")
    if faults:
        raise KitError(f"The answers of task {name} do not fit its Spec: {' '.join(faults)}")
    public = public_rows(spec.ids) if given.public is None else np.asarray(given.public, bool)
    return replace(given, truth=truth, groups=_numbered(given.groups, len(spec.ids)), public=public)


def _numbered(groups: Array | None, n_rows: int) -> Array:
    if groups is None:
        return np.arange(n_rows, dtype=np.int32)
    return np.unique(groups, return_inverse=True)[1].astype(np.int32)
