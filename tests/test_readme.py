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


def test_every_measured_baseline_has_its_figures_in_its_docstring_and_brief() -> None:
    for brief in PAGES[1:]:
        for file in sorted((brief.parent / "baselines").glob("[!_]*.py")):
            docstring = file.read_text().split('"""')[1]
            told = re.search(r"Measured: .*\d|Not measured yet", docstring, flags=re.DOTALL)
            assert told, f"{file} does not say what it scored"
            assert f"`{file.stem}`" in brief.read_text() or f"| {file.stem} " in brief.read_text(), (
                f"{brief}: {file.stem}"
            )
