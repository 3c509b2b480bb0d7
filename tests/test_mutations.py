"""A few of the mutations of benchmarks/mutations.py, the same each time: the tests that they name can fail."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_what_is_made_wrong_is_noticed() -> None:
    command = [sys.executable, "benchmarks/mutations.py", "--sample", "6"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 killed" in done.stdout


def test_every_mutation_still_has_something_to_change() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from mutations import MUTATIONS  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    gone = [mutation for mutation in MUTATIONS if mutation.old not in (ROOT / mutation.file).read_text()]
    assert not gone
    unknown = [
        mutation.test
        for mutation in MUTATIONS
        if f"def {mutation.test.split('::')[1].partition('[')[0]}"
        not in (ROOT / mutation.test.split("::")[0]).read_text()
    ]
    assert not unknown
