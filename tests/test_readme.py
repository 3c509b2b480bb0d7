"""What the README says exists: commands, options, make targets, files, fields."""

import os
import re
from pathlib import Path

import pytest

from tests.conftest import Kit

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "tasks").glob("*/README.md"))]
TEXT = (ROOT / "README.md").read_text()


def commands() -> set[tuple[str, ...]]:
    """(command, option, ...) for each `kit ...` that any page names; options alone in a row go with its command."""
    found = set()
    for line in "\n".join(page.read_text() for page in PAGES).splitlines():
        spans = [span.split() for span in re.findall(r"`([^`]+)`", line)]
        called = [
            span
            for span in spans
            if len(span) > 1 and span[0] == "kit" and span[1].islower() and span[1].isidentifier()
        ]
        loose = [span[0] for span in spans if span and span[0].startswith("--")]
        for span in called:
            options = [word for word in span if word.startswith("--")] + (loose if line.startswith("|") else [])
            found.add((span[1], *options))
    return found


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_every_command_and_option_exists(words: tuple[str, ...], kit_command: Kit) -> None:
    done = kit_command(words[0], "--help", env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    for option in words[1:]:
        assert re.search(rf"{option}\b", done.stdout), f"kit {words[0]} has no {option}"


def test_some_commands_were_found() -> None:
    assert {words[0] for words in commands()} >= {"tasks", "baseline", "submit", "leaderboard", "compare", "verify"}


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"`?make ([\w-]+)", TEXT))
    assert {"demo", "test"} <= named <= targets


def test_ci_runs_the_command_of_the_readme() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_module_is_on_the_map_and_every_name_on_the_map_is_a_module() -> None:
    block = TEXT.split("## Where things are")[1].split("```")[1]
    named = set(re.findall(r"\b(\w+\.py)\b", block)) - {"data.py"}
    assert named == {
        file.name for part in ("kit", "kit/cli", "kit/training") for file in (ROOT / part).glob("[!_]*.py")
    }


def measured_in_brief(brief: Path) -> dict[str, dict[str, str]]:
    """Each baseline's cells of the table "Baselines, measured", by the table's header."""
    table = brief.read_text().split("## Baselines, measured\n\n")[1].partition("\n\n")[0]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {row[0].strip("`"): dict(zip(head, row, strict=True)) for row in rows}


def measured_in_docstring(file: Path) -> dict[str, str]:
    """The figures behind "Measured:", such as {"accuracy": "0.9960", "seconds": "17.5", "seed": "0"}."""
    told = file.read_text().split('"""')[1].partition("Measured: ")[2].replace("\n", " ").partition(". ")[0]
    figures = re.findall(r"([a-z][a-z ]*) (\d+(?:\.\d+)?)(?=,| in )", told)
    return {**dict(figures), "seconds": "".join(re.findall(r"in (\d+\.\d) s", told))}


BASELINES = [
    pytest.param(brief, file, id=f"{brief.parent.name}.{file.stem}")
    for brief in PAGES[1:]
    for file in sorted((brief.parent / "baselines").glob("[!_]*.py"))
]


@pytest.mark.parametrize(("brief", "file"), BASELINES)
def test_a_baselines_figures_are_the_same_in_its_docstring_and_in_the_brief(brief: Path, file: Path) -> None:
    table = measured_in_brief(brief)
    row, told = table[file.stem], measured_in_docstring(file)
    main = list(row)[1]
    assert {main, "seconds", "seed"} <= set(told), f"{file} lacks a figure: {told}"
    for name in set(told) & set(row):
        assert told[name] == row[name], f"{file}: {name} {told[name]}, but {brief} says {row[name]!r}"


@pytest.mark.parametrize("brief", PAGES[1:], ids=lambda brief: brief.parent.name)
def test_the_brief_lists_every_baseline_and_no_other(brief: Path) -> None:
    assert set(measured_in_brief(brief)) == {file.stem for file in (brief.parent / "baselines").glob("[!_]*.py")}
