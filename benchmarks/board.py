"""The board as it grows: reading it with 100 and with 100,000 entries, and writing to it from many processes at once.

python benchmarks/board.py [--entries 100000]
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import kit, row

TASK = '''
"""10,000 rows of noise."""
import numpy as np
from kit import Answers, Data, Spec, Task
from kit.metrics import binary_accuracy, binary_crossentropy

def load():
    return Data([0], [0], np.arange(10_000), Spec(np.arange(10_000), ("p",), kind="probability"), source="simulated")

def answers():
    return Answers(np.random.default_rng(0).integers(0, 2, 10_000))

task = Task("Noise", (binary_accuracy, binary_crossentropy), "none", load, answers)
'''
NAMES = 1000


def submit(number: int) -> None:
    import kit

    kit.submit("noise", np.random.default_rng(number).random(10_000), name=f"name{number % NAMES}")


def grow(to: int) -> None:
    """Add entries up to that many, sealed and chained as `Board.append` does it, but in one transaction."""
    import sqlalchemy as sa

    from kit.board import Board, entries, head, seal

    board = Board()
    rows = list(board.all())
    pattern, rng = rows[-1], np.random.default_rng(1)
    new, previous = [], pattern["hash"]
    for number in range(len(rows) + 1, to + 1):
        score = float(rng.uniform(0.40, 0.45))
        changed = {"number": number, "id": f"{number:08d}", "previous": previous, "name": f"name{number % NAMES}"}
        entry = {**pattern, **changed, "score": score, "score_public": score, "score_private": score}
        entry["hash"] = previous = seal(entry)
        new.append(entry)
    with board._connect(write=True) as connection:
        for start in range(0, len(new), 10_000):
            connection.execute(sa.insert(entries), new[start : start + 10_000])
        connection.execute(sa.update(head).values(number=to, hash=previous))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--entries", type=int, default=100_000)
    many = options.parse_args().entries
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KIT_WORKSPACE"], os.environ["KIT_CACHE"] = folder, str(Path(folder) / "cache")
        (Path(folder) / "tasks" / "noise").mkdir(parents=True)
        (Path(folder) / "tasks" / "noise" / "__init__.py").write_text(TASK)
        kit("data", "noise", runs=1)
        row("kit --help", kit("--help", runs=7))
        row("kit leaderboard, no entries", kit("leaderboard", runs=7))
        start = time.perf_counter()
        with multiprocessing.get_context("spawn").Pool(16) as pool:
            pool.map(submit, range(100), chunksize=1)
        print(f"{'100 submissions of 10,000 rows, 16 processes':<44} {time.perf_counter() - start:8.2f} s")
        few = kit("leaderboard", "noise", runs=7)
        row("kit leaderboard noise, 100 entries", few)
        grow(many)
        full = kit("leaderboard", "noise", runs=7)
        row(f"kit leaderboard noise, {many:,} entries", full, f"{full.seconds / few.seconds:.2f} times 100 entries")
        row("  --private", kit("leaderboard", "noise", "--private", runs=3))
        row("  --format json", kit("leaderboard", "noise", "--format", "json", runs=3))
        size = sum(path.stat().st_size for path in (Path(folder) / "leaderboard").iterdir())
        print(f"database of {many:,} entries: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
