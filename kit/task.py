"""What a competition is made of: Task, Data, Spec, Answers, and the Run that a baseline is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kit.errors import KitError

if TYPE_CHECKING:
    from kit.metrics import Metric

Array = np.ndarray[Any, Any]
Kind = Literal["class", "probability", "value"]
Start = Literal["new", "resume", "load"]
OPTIONS = ("device", "epochs", "batch_size", "learning_rate", "compile", "weights_from")  # of a Run, for a baseline
PARTS = ("all", "public", "private")  # of the test rows
PUBLIC_SHARE = 0.3


@dataclass(frozen=True)
class Spec:
    """What a submission must look like. It is public: checking a submission needs no truth, so it can leak none.

    ids: (n_rows,) the test rows' ids, unique, in the order of the test inputs; whole numbers or text (also as UTF-8).
    columns: one name a value column; for kind "class" the class names, in label order.
    kind: "class": one label a row, or one probability a class, each row adding up to 1;
        "probability": every cell within [0, 1]; "value": any finite number.
    required: bool, the shape of the predictions; cells that must be finite. None means all of them.
    cell: header of a csv with one line a cell, such as ("id_position", "reactivity"). None: no such format.
    """

    ids: Array
    columns: tuple[str, ...]
    kind: Kind = "value"
    required: Array | None = None
    cell: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", np.asarray(self.ids))
        object.__setattr__(self, "columns", tuple(self.columns))
        if self.ids.ndim != 1 or self.ids.dtype.kind not in "iuUS":
            raise KitError(f"Spec.ids must be one row of whole numbers or text, not {self.ids.dtype} {self.ids.shape}.")
        object.__setattr__(self, "ids", self.ids.astype(self.ids.dtype.newbyteorder("="), copy=False))
        if "id" in self.columns:
            raise KitError("Spec.columns may not hold 'id': that is the column of the ids.")
        if self.required is not None and np.shape(self.required) != self.shape:
            raise KitError(f"Spec.required has shape {np.shape(self.required)}; the predictions have {self.shape}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of full predictions: (n_rows,) for one column, else (n_rows, n_columns)."""
        return (len(self.ids),) if len(self.columns) == 1 else (len(self.ids), len(self.columns))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Every shape a submission may have: labels first where the kind allows them."""
        return ((len(self.ids),), self.shape) if self.kind == "class" else (self.shape,)


@dataclass(frozen=True)
class Data:
    """What a competitor may see of a task: training inputs and labels, test inputs, the Spec. No test labels.

    x_train, y_train: n_train rows each; x_test: one row for each of `spec.ids`, in that order.
    source: where the data came from, in words; shown wherever scores are.
    groups: (n_train,) whole numbers; rows that belong together (one RNA project, one patient) share one. None: none do.
    """

    x_train: Any
    y_train: Any
    x_test: Any
    spec: Spec
    source: str
    groups: Array | None = None

    def head(self, n: int) -> Data:
        """The same task with the first `n` training rows; the test rows stay, so that the result can be submitted."""
        if not 1 <= n <= len(self.x_train):
            raise KitError(f"--rows {n:,}: there are {len(self.x_train):,} training rows; give 1 to as many.")
        return replace(
            self,
            x_train=self.x_train[:n],
            y_train=self.y_train[:n],
            groups=None if self.groups is None else self.groups[:n],
        )


@dataclass(frozen=True)
class Answers:
    """The truth of the test rows, in the order of `spec.ids`.

    truth: the shape of the predictions ((n_rows,) class indices for kind "class"); NaN where nothing was measured.
    groups: (n_rows,) whole numbers; rows that belong together are resampled together. None: every row stands alone.
    public: (n_rows,) bool; None takes about 30 %, fixed by a hash of each row's id (`public_rows`).
    ids: (n_rows,) those of the Spec, which fills them in; where they are given, their order is checked.
    """

    truth: Array
    groups: Array | None = None
    public: Array | None = None
    ids: Array | None = None

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of truth, public, groups and ids: entries scored on different answers are never ranked together.

        Text ids count as UTF-8 and whole numbers as 64 bits, so that it does not matter how they are held in memory.
        """
        digest = hashlib.sha256(b"answers 2\0")
        for part in (self.truth, self.public, self.groups, _as_hashed(self.ids)):
            array = np.zeros(0, np.int8) if part is None else np.asarray(part)
            array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
            digest.update(f"{array.dtype.str}{array.shape}\0".encode())
            digest.update(array.data if array.size else b"")
        return digest.hexdigest()

    @cached_property
    def fingerprint_v1(self) -> str:
        """The fingerprint before ids were part of it, by which older entries know their answers; it seeds resamples."""
        digest = hashlib.sha256()
        for part in (self.truth, self.public, self.groups):
            array = np.ascontiguousarray(np.zeros(0, np.int8) if part is None else part)
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.data if array.size else b"")
        return digest.hexdigest()


def _as_hashed(ids: Array | None) -> Array | None:
    """Ids in the one form in which they are hashed."""
    if ids is None or (ids.dtype == np.uint64 and len(ids) and ids.max() > np.iinfo(np.int64).max):
        return ids
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64)
    text = np.char.encode(ids, "utf-8") if ids.dtype.kind == "U" else ids
    return np.frombuffer(b"\0".join(text.tolist()), np.uint8)


def public_rows(ids: Array, share: float = PUBLIC_SHARE) -> Array:
    """(n_rows,) bool: the public rows, chosen by sha256 of each id: neither row order nor a seed can move them."""
    limit = int(share * 2**64)
    heads = (hashlib.sha256(str(row).encode()).digest()[:8] for row in ids.tolist())
    return np.fromiter((int.from_bytes(head, "big") < limit for head in heads), bool, len(ids))


@dataclass(frozen=True)
class Task:
    """A competition: a folder in `tasks/` whose `__init__.py` holds `task = Task(...)`. The folder's name is its name.

    metrics: the first one ranks. baseline: the default one. name and folder are filled in by the finder.
    load: () -> Data. answers: () -> Answers. Both take a name of `sources` where there are any.
    sources: names of data sets that the task can be played on, the best first; the next one is taken where the files of
        the first cannot be had. Scores on different ones are never ranked together.
    """

    title: str
    metrics: Sequence[Metric]
    baseline: str
    load: Callable[..., Data]
    answers: Callable[..., Answers]
    sources: tuple[str, ...] = ()
    name: str = ""
    folder: Path = field(default=Path())


@dataclass(frozen=True)
class Run:
    """What a baseline is told about the run it is part of.

    epochs, batch_size, learning_rate: None leaves them to the baseline. compile: have torch compile the network.
    folder: where its logs and weights go. name: of the run, for people. wanted_device: "auto", "cuda", "mps" or "cpu",
    as the user gave it; baselines ask for `device`.
    start: "new"; "resume" goes on from what is in the folder; "load" takes the weights there and trains nothing.
    weights_from: the folder of another run, whose weights are the first ones here.

    It notes which of its options are read (`read`): a record claims no others.
    """

    seed: int = 0
    wanted_device: str = "auto"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    compile: bool = False
    folder: Path = field(default=Path("runs"))
    name: str = ""
    start: Start = "new"
    weights_from: Path | None = None
    _claimed: dict[Path, int] = field(default_factory=dict, repr=False, compare=False)
    _read: set[str] = field(default_factory=set, repr=False, compare=False)

    def __getattribute__(self, name: str) -> Any:
        if name in OPTIONS:
            object.__getattribute__(self, "_read").add(name)
        return object.__getattribute__(self, name)

    @cached_property
    def device(self) -> str:
        """The device to compute on; looked for when first asked, since that needs torch and not every baseline does."""
        from kit.training import choose_device

        return choose_device(self.wanted_device)

    @property
    def used_device(self) -> str:
        """The device that the baseline, or a part of the run, asked for; "cpu" if none did."""
        return self.device if "device" in self._read else "cpu"

    @property
    def read(self) -> frozenset[str]:
        """Those of `OPTIONS` that were read so far, by this run or a part of it."""
        return frozenset(self._read)

    def part(self, name: str) -> Run:
        """A part of this run with a folder of its own, for a baseline that trains several networks."""
        own = {key: value for key, value in vars(self).items() if key != "device"}  # a look at `vars` reads no option
        weights_from = own["weights_from"] and own["weights_from"] / name
        return Run(
            **{**own, "folder": self.folder / name, "name": f"{self.name}, {name}", "weights_from": weights_from}
        )

    def claim(self) -> Path:
        """The folder for one training: the run's own, and one inside it for each further training."""
        number = self._claimed.get(self.folder, 0)
        self._claimed[self.folder] = number + 1
        return self.folder / f"training-{number + 1}" if number else self.folder
