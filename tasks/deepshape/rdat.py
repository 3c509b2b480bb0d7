"""Read RDAT, the text format of RNA structure mapping experiments (Cordero et al., Bioinformatics 2012).

A file has a few header lines, then for every construct one line each of ANNOTATION_DATA (sequence and facts),
REACTIVITY and REACTIVITY_ERROR (one number for each position that SEQPOS lists). Whatever is not as it should be is an
error that names the file and the line: half a file must never pass for a smaller one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from kit.errors import SourceError
from kit.task import Array

_HEADER = {"RDAT_VERSION", "NAME", "SEQUENCE", "STRUCTURE", "COMMENT", "ANNOTATION", "OFFSET", "SEQPOS"}
_ROWS = ("ANNOTATION_DATA", "REACTIVITY", "REACTIVITY_ERROR")


@dataclass(frozen=True)
class Rdat:
    """One file of n constructs.

    header: facts that hold for all constructs, such as {"modifier": ["1M7"]}. annotations: the same for each construct.
    positions: (p,) the measured positions, counted from 1. reactivity, error: (n, p) float32, value and standard error.
    """

    header: dict[str, list[str]]
    annotations: list[dict[str, list[str]]]
    positions: Array
    reactivity: Array
    error: Array


def read(path: Path) -> Rdat:
    """Read an RDAT file of version 0.3x; SourceError with file and line where it is not whole and consistent."""
    return _Reader(path).read()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path, self.number = path, 0
        self.comments = ""
        self.header: dict[str, list[str]] = {}
        self.offset = 0
        self.positions: Array | None = None
        self.rows: dict[str, dict[int, object]] = {keyword: {} for keyword in _ROWS}

    def fail(self, problem: str) -> NoReturn:
        raise SourceError(
            f"{self.path.name}, line {self.number}: {problem} The file is damaged or not what its name says; "
            "nothing was prepared from it. Fetch it anew."
        )

    def lines(self) -> Iterator[tuple[str, str]]:
        """(keyword, rest) of each line that is not blank."""
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                for self.number, line in enumerate(file, start=1):
                    if not line.endswith("\n"):
                        self.fail("the file breaks off in the middle of a line.")
                    if text := line.strip():
                        keyword = text.split(None, 1)[0].partition(":")[0]
                        yield keyword, text[len(keyword) :]
        except UnicodeDecodeError as error:
            self.number += 1
            self.fail(f"not text ({error.reason}).")

    def read(self) -> Rdat:
        for keyword, rest in self.lines():
            if self.number == 1 and (keyword != "RDAT_VERSION" or not rest.strip().startswith("0.3")):
                self.fail("RDAT_VERSION 0.3x was expected.")
            if keyword in self.rows:
                self.row(keyword, rest)
            elif keyword in _HEADER:
                self.head(keyword, rest)
            else:
                self.fail(f"{keyword[:30]!r} is no keyword of RDAT.")
        return self.whole()

    def head(self, keyword: str, rest: str) -> None:
        if keyword == "COMMENT":
            self.comments += rest
            claimed = self.path.name.split("_")[1] if self.path.name.startswith("ETERNA_R") else ""
            if "from data" in rest and claimed not in rest:
                self.fail(f"it says that it comes {rest.strip()!r}, not from round {claimed}.")
        elif keyword == "ANNOTATION":
            self.header = _facts(rest)
        elif keyword == "OFFSET":
            self.offset = int(self.numbers([rest.strip()])[0])
        elif keyword == "SEQPOS":  # each position with its letter in front
            self.positions = self.numbers([word[1:] for word in rest.split()]).astype(int) - self.offset
            if not len(self.positions) or (np.diff(self.positions) != 1).any() or self.positions[0] < 1:
                self.fail("SEQPOS does not list positions one after the other.")

    def row(self, keyword: str, rest: str) -> None:
        index, _, content = rest[1:].partition("\t")
        if not index.strip().isdigit():
            self.fail(f"{keyword} without the number of its construct.")
        rows, place = self.rows[keyword], int(index)
        if place != len(rows) + 1:
            self.fail(f"{keyword}:{place} where number {len(rows) + 1} was expected.")
        if keyword == "ANNOTATION_DATA":
            rows[place] = facts = _facts(content)
            if set(facts.get("sequence", [""])[0]) - set("ACGU") or len(facts.get("sequence", [""])[0]) < 2:
                self.fail("a sequence of the letters A, C, G and U was expected.")
            return
        if self.positions is None:
            self.fail(f"{keyword} before SEQPOS.")
        values = self.numbers(content.split())
        if len(values) != len(self.positions):
            self.fail(f"{keyword} has {len(values)} numbers; SEQPOS lists {len(self.positions)} positions.")
        rows[place] = values

    def numbers(self, words: list[str]) -> Array:
        try:
            values = np.array(words, dtype=np.float64)
        except ValueError as error:
            self.fail(f"a number was expected: {error}.")
        if not np.isfinite(values).all():
            self.fail("a number is not finite.")
        return values

    def whole(self) -> Rdat:
        counts = {keyword: len(rows) for keyword, rows in self.rows.items()}
        if self.positions is None or len(set(counts.values())) != 1 or not counts["REACTIVITY"]:
            said = ", ".join(f"{count:,} lines of {keyword}" for keyword, count in counts.items())
            self.fail(f"the file ends here with {said}; it should have the same number of each.")
        return Rdat(
            self.header,
            list(self.rows["ANNOTATION_DATA"].values()),  # type: ignore[arg-type]
            self.positions,
            np.array(list(self.rows["REACTIVITY"].values()), np.float32),
            np.array(list(self.rows["REACTIVITY_ERROR"].values()), np.float32),
        )


def _facts(text: str) -> dict[str, list[str]]:
    """'modifier:1M7<tab>chemical:MgCl2:10mM' -> {"modifier": ["1M7"], "chemical": ["MgCl2:10mM"]}"""
    facts: dict[str, list[str]] = {}
    for part in text.strip().split("\t"):
        key, _, value = part.partition(":")
        facts.setdefault(key.strip(), []).append(value.strip())
    return facts
