"""Eterna Cloud Lab: RNAs that players designed, probed with 1M7 at Stanford (Lee et al., PNAS 2014).

The files are those of EternaBench (Wayment-Steele et al., Nature Methods 2022). Round 1 (R69) is the test set.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit import render
from kit.sources import File, fetch
from kit.task import Array

from . import rdat
from .sequences import WIDTH, encode, nearest

_WEB = (
    "https://raw.githubusercontent.com/eternagame/EternaBench/3f68978c357f1158d681df59ee7a9d5b9bd2a4f2/"
    "data/ChemMappingPreprocessing/raw_rdats/"
)
FILES = [
    File(f"ETERNA_{name}.rdat", digest, url=f"{_WEB}ETERNA_{name}.rdat")
    for name, digest in {
        "R69_0000": "536a8bdc35a88eead46ada4d01dcb730d60fd2bdfd8ea3af777dc2d277df5e23",
        "R71_0000": "8bb10e331fa18381e0f3d9f24e60329877654d5aa12519c6705a23e353943d57",
        "R72_0000": "19670d7f096ec15541e8acb8329f1fde3ae88b41ba69c749789634fcf0d78bb9",
        "R73_0000": "378c9452c93fc933d7940a8da2cd7169dfcabc7a705ad107a37990952b3e7c19",
        "R74_0000": "035c7478c74da1cda8d24c995d6ac25c16ded4ebc2b44566cd56b4d58e4fcb05",
        "R75_0000": "3ff7e74f1f4cbbc4257ac39c54b40d381396fa98cde2f06254a08c0d8413a0b3",
        "R76_0000": "6265b96feaa0dbeae30522c230f4a90e85463edcff26c09278ed6b05e3643d37",
        "R87_0001": "bfad131686f400b50415776e266b599acf1a18cb9a02e98f0a70ce8e0f1e304a",
        "R89_0000": "a75933f79e8708ac2d54265b83439a6ec9260a76d5b60762769874376b38e25d",
        "R92_0000": "0321f832aa6d9145aa25e8c2a9832ab4206ba2797b11bfa0a7f37dc32e243863",
        "R94_0000": "25deca5df6918b84887578658651ceb7e889167567a1f563b461492d99305f12",
    }.items()
]
TEST = "R69"
_LEAST_SIGNAL = 1.0  # signal_to_noise
_UNSEEN = 28  # the last nucleotides: the primer sits there, and the file says 0 where nothing was measured
_NEAR = 0.2  # share of the nucleotides that differ


@dataclass(frozen=True)
class Round:
    """The constructs of one file that can be used. y, error: (n, 128), NaN where nothing was measured."""

    name: str
    sequences: list[str]
    projects: list[str]
    index: Array
    y: Array
    error: Array
    counts: dict[str, int]


def build() -> dict[str, Array]:
    """The arrays of `data.load` and `data.answers`, from the published files."""
    return assemble(fetch("deepshape", FILES))


def assemble(paths: list[Path]) -> dict[str, Array]:
    """Read all rounds, merge duplicates, drop what is too close to the test round, say what was dropped."""
    rounds = {found.name: found for found in map(read_round, paths)}
    test = rounds.pop(TEST)
    x_test = encode(test.sequences)
    sequences = [sequence for each in rounds.values() for sequence in each.sequences]
    projects = [project for each in rounds.values() for project in each.projects]
    y = np.concatenate([each.y for each in rounds.values()])
    error = np.concatenate([each.error for each in rounds.values()])
    came = np.repeat(np.arange(len(rounds)), [len(each.sequences) for each in rounds.values()])

    _, first, same = np.unique(sequences, return_index=True, return_inverse=True)
    y, error = merge(y, error, same, len(first))
    order = np.argsort(first)  # as in the files
    kept = first[order]
    x = encode([sequences[row] for row in kept])
    far = nearest(x, x_test) > _NEAR
    _say(rounds, test, came, kept, far)
    groups = np.unique([*projects, *test.projects], return_inverse=True)[1].astype(np.int32)
    return {
        "x_train": x[far],
        "y_train": np.clip(y[order][far], 0, 1),
        "error_train": error[order][far],
        "groups_train": groups[kept][far],
        "x_test": x_test,
        "y_test": np.clip(test.y, 0, 1),
        "groups_test": groups[len(projects) :],
        "ids_test": test.index,
    }


def read_round(path: Path) -> Round:
    """The constructs of one file that were probed with 1M7 alone and have enough signal."""
    found = rdat.read(path)
    conditions = [found.header | facts for facts in found.annotations]
    signal = np.array([_signal(facts) for facts in found.annotations])
    plain = np.array([facts.get("modifier") == ["1M7"] and not _ligand(facts) for facts in conditions])
    good = plain & (signal >= _LEAST_SIGNAL)
    rows = np.flatnonzero(good)
    sequences = [found.annotations[row]["sequence"][0] for row in rows]
    length = np.array([len(sequence) for sequence in sequences])[:, None]
    y, error = np.full((2, len(rows), WIDTH), np.nan, np.float32)
    y[:, found.positions - 1] = found.reactivity[rows]
    error[:, found.positions - 1] = found.error[rows]
    unseen = np.arange(WIDTH) >= length - _UNSEEN
    y[unseen] = error[unseen] = np.nan
    return Round(
        path.name.split("_")[1],
        sequences,
        [_project(found.annotations[row]) for row in rows],
        rows + 1,
        y,
        error,
        {"constructs": len(good), "not 1M7 alone": int((~plain).sum()), "weak signal": int((plain & ~good).sum())},
    )


def merge(y: Array, error: Array, same: Array, n: int) -> tuple[Array, Array]:
    """Rows with the same number in `same` become one: the mean of what was measured, weighted by 1 / error^2."""
    weight = np.where(np.isnan(y), 0, 1 / np.maximum(error, 0.01) ** 2)
    total, summed = np.zeros((2, n, y.shape[1]))
    np.add.at(total, same, weight)
    np.add.at(summed, same, weight * np.nan_to_num(y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (summed / total).astype(np.float32), np.where(total > 0, total**-0.5, np.nan).astype(np.float32)


def _signal(facts: dict[str, list[str]]) -> float:
    """signal_to_noise, such as "good:5.110"; "N/A:0.000" where there was none."""
    return float(facts.get("signal_to_noise", ["none:0"])[0].rpartition(":")[2])


def _ligand(facts: dict[str, list[str]]) -> bool:
    """Whether anything but the usual buffer was in the tube, such as FMN."""
    return any(not chemical.startswith(("MgCl2", "HEPES")) for chemical in facts.get("chemical", []))


def _project(facts: dict[str, list[str]]) -> str:
    named = [fact for fact in facts.get("MAPseq", []) if fact.startswith("project_name:")]
    return named[0].partition(":")[2] if named else ""


def _say(rounds: dict[str, Round], test: Round, came: Array, kept: Array, far: Array) -> None:
    """How many constructs each round had, how many are used, and what became of the rest."""
    for number, each in enumerate(rounds.values()):
        unique = came[kept] == number
        dropped = each.counts | {
            "merged with an equal one": len(each.sequences) - int(unique.sum()),
            "too close to a test construct": int((unique & ~far).sum()),
        }
        _line(each.name, dropped, int((unique & far).sum()), "training")
    _line(test.name, test.counts, len(test.sequences), "test")
    render.note(f"Training: {int(far.sum()):,} constructs; {int((~far).sum()):,} were too close to a test construct")


def _line(name: str, counts: dict[str, int], used: int, use: str) -> None:
    left_out = [f"{count:,} {why}" for why, count in counts.items() if count and why != "constructs"]
    render.note(
        f"{name}: {counts['constructs']:,} constructs, {used:,} for {use}; left out: {', '.join(left_out) or 'none'}"
    )
