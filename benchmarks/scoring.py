"""Checking and scoring against what a user would use instead: tables and ratios, all measured in this run.

1. A long csv of 1,070,000 rows (10,000 sequences x 107 positions, of which 68 are scored, three columns, MCRMSE), as
   whole processes: `kit submit` against bare pyarrow reading the file.
2. The same csv scored by `kit.score` (which gives intervals too) and by the usual pandas and scikit-learn grader, once
   as `pip install pandas scikit-learn` gives it and once with pyarrow beside it, which pandas 3 uses for text.
3. 1,000 bootstrap resamples of 10,000 rows, against scipy.stats.bootstrap.
4. Scoring npy files of 10^6 to 10^8 cells with MAE, against np.nansum over both arrays.

    python benchmarks/scoring.py [--quick]
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import Usage, alternately, kit, python, row

SEQUENCES, POSITIONS, SCORED, COLUMNS = 10_000, 107, 68, ("reactivity", "deg_Mg_pH10", "deg_Mg_50C")

TASK = f'''
"""10,000 sequences x {POSITIONS} positions, {SCORED} of them measured, three columns."""
from pathlib import Path
import numpy as np
from kit import Answers, Data, Spec, Task
from kit.metrics import mcrmse

HERE = Path(__file__).parent

def load():
    spec = Spec(np.load(HERE / "ids.npy"), {COLUMNS!r})
    return Data([0], [0], spec.ids, spec, source="simulated")

def answers():
    truth = np.load(HERE / "truth.npy")
    return Answers(truth, groups=np.repeat(np.arange({SEQUENCES}), {POSITIONS}))

task = Task("Long csv", (mcrmse,), "none", load, answers)
'''

READ = "import sys; from pyarrow import csv; csv.read_csv(sys.argv[1])"

SCORE_IMPORTS = "import sys, kit.api, pyarrow.csv\n"

SCORE = "print(kit.score('long', sys.argv[1]).scores)"

GRADER_IMPORTS = """
import sys
class NoArrow:  # as after `pip install pandas scikit-learn`, which brings no pyarrow
    def find_spec(name, *_):
        if name == "pyarrow":
            raise ModuleNotFoundError(name)
if sys.argv[1] == "alone":
    sys.meta_path.insert(0, NoArrow)
import numpy as np, pandas as pd
from sklearn.metrics import root_mean_squared_error
"""

GRADER = """
truth, guess = pd.read_csv(sys.argv[2]), pd.read_csv(sys.argv[3])
truth, guess = truth.sort_values("id").reset_index(drop=True), guess.sort_values("id").reset_index(drop=True)
assert (truth["id"] == guess["id"]).all()
scores = []
for column in truth.columns[1:]:
    known = truth[column].notna()
    scores.append(root_mean_squared_error(truth[column][known], guess[column][known]))
print(np.mean(scores))
"""


def write_csv(path: Path, ids: np.ndarray, values: np.ndarray) -> None:
    import pyarrow as pa
    from pyarrow import csv

    columns = {column: pa.array(values[:, n], from_pandas=True) for n, column in enumerate(COLUMNS)}
    csv.write_csv(pa.table({"id": pa.array(ids), **columns}), path)


def write_files(folder: Path) -> None:
    """The task and its submissions."""
    rng = np.random.default_rng(0)
    task = folder / "tasks" / "long"
    task.mkdir(parents=True)
    (task / "__init__.py").write_text(TASK)
    n = SEQUENCES * POSITIONS
    ids = np.array([f"id_{s:09x}_{p}" for s in rng.permutation(SEQUENCES * 50)[:SEQUENCES] for p in range(POSITIONS)])
    truth = rng.normal(0.4, 0.5, (n, 3)).astype(np.float32)
    truth[np.arange(n) % POSITIONS >= SCORED] = np.nan
    guess = rng.normal(0.4, 0.3, (n, 3)).astype(np.float32)
    np.save(task / "ids.npy", ids)
    np.save(task / "truth.npy", truth)
    np.save(folder / "guess.npy", guess)
    write_csv(folder / "truth.csv", ids, truth)
    write_csv(folder / "guess.csv", ids, guess)
    order = rng.permutation(n)
    write_csv(folder / "shuffled.csv", ids[order], guess[order])


def long_csv(folder: Path, runs: int) -> None:
    # in a process of its own: the peak memory that is told for a child starts at what its parent holds
    writer = multiprocessing.get_context("spawn").Process(target=write_files, args=(folder,))
    writer.start()
    writer.join()
    kit("data", "long", runs=1)
    n = SEQUENCES * POSITIONS
    size = (folder / "guess.csv").stat().st_size / 1e6
    print(f"1. {n:,} rows x 3 columns, csv of {size:.0f} MB; medians of {runs} runs")
    start = kit("tasks", runs=runs)
    row("kit tasks (what starting up takes)", start)
    read = python(READ, str(folder / "guess.csv"), runs=runs)
    row("pyarrow.csv.read_csv in a bare process", read)
    found: dict[str, Usage] = {}
    for name in ("guess.csv", "shuffled.csv", "guess.npy"):
        found[name] = kit("submit", "long", str(folder / name), "--name", name, runs=runs)
        row(f"kit submit {name}", found[name])
    limit = 1.5 * read.seconds + 1
    print(f"   csv: {found['guess.csv'].seconds:.2f} s; 1.5 x reading + 1 s is {limit:.2f} s")
    print(f"   shuffled: {found['shuffled.csv'].seconds:.2f} s; twice that limit is {2 * limit:.2f} s")
    print(f"   npy: {found['guess.npy'].seconds - start.seconds:.2f} s beyond starting up")
    import kit as library

    scores = library.leaderboard("long")[["name", "mcrmse"]]
    print(f"   scores: {', '.join(f'{name} {score!r}' for name, score in scores.itertuples(index=False))}\n")


def grader(folder: Path, runs: int) -> None:
    """The job of a grader, a shuffled csv in and a score out, by `kit.score` and by pandas and scikit-learn."""
    truth, shuffled = str(folder / "truth.csv"), str(folder / "shuffled.csv")
    scripts = {"kit.score": (SCORE_IMPORTS, SCORE, [shuffled])}
    for text in ("alone", "with pyarrow"):
        scripts[f"pandas and scikit-learn {text}"] = (GRADER_IMPORTS, GRADER, [text, truth, shuffled])
    commands = {}
    for name, (imports, job, arguments) in scripts.items():
        commands[name] = [sys.executable, "-c", imports + job, *arguments]
        commands[f"{name}, imports"] = [sys.executable, "-c", imports, *arguments]
    used = alternately(commands, runs)
    print(f"2. the same shuffled csv, scored but not submitted; medians of {runs} runs in turns")
    ours = used["kit.score"].seconds, used["kit.score"].seconds - used["kit.score, imports"].seconds
    for name in scripts:
        whole = used[name].seconds
        job_alone = whole - used[f"{name}, imports"].seconds
        times = f"{whole / ours[0]:.1f} and {job_alone / ours[1]:.1f} times kit.score"
        row(name, used[name], f"{job_alone:.2f} s after imports; {times}")
    print()


def bootstrap() -> None:
    import scipy.stats

    from kit import metrics, scoring, statistics
    from kit.prepare import complete
    from kit.task import Answers, Spec

    rng = np.random.default_rng(0)
    spec = Spec(np.arange(10_000), tuple("0123456789"), kind="class")
    truth = rng.integers(0, 10, 10_000)
    odds = (rng.random((10_000, 10)) + 3 * np.eye(10)[truth]).astype(np.float32)
    odds /= odds.sum(axis=1, keepdims=True)
    answers = complete(Answers(truth), spec, "benchmark")
    of = (metrics.accuracy, metrics.log_loss, metrics.macro_f1(10))
    answers.fingerprint  # noqa: B018 - known once a task is prepared
    print("3. 1,000 resamples of 10,000 rows")
    first = timed(lambda: scoring.score(of, odds, answers, spec))
    print(f"   three metrics, three parts, all of scoring: {first:.3f} s; again: ", end="")
    print(f"{min(timed(lambda: scoring.score(of, odds, answers, spec)) for _ in range(5)):.3f} s")

    x = rng.normal(size=10_000)
    y = x + rng.normal(size=10_000)

    def ours() -> None:
        sums = metrics.pearson.rows(x, y)
        statistics.interval(0.7, metrics.pearson.value(statistics.totals(sums, np.arange(10_000))))

    def theirs(**options: object) -> None:
        scipy.stats.bootstrap(
            (x, y), lambda a, b: scipy.stats.pearsonr(a, b).statistic, paired=True, n_resamples=1000, **options
        )

    statistics.counts.cache_clear()
    cold, warm = timed(ours), min(timed(ours) for _ in range(5))
    print(f"   pearson: kit {cold:.3f} s, with the resamples at hand {warm:.3f} s")
    for name, options in (("percentile", {"method": "percentile"}), ("default, BCa", {})):
        other = timed(lambda options=options: theirs(vectorized=False, **options))
        print(f"   scipy.stats.bootstrap ({name}): {other:.2f} s, {other / cold:.0f} and {other / warm:.0f} times ours")
    print()


def timed(job: object) -> float:
    start = time.perf_counter()
    job()  # type: ignore[operator]
    return time.perf_counter() - start


NPY = """
import sys, time
import numpy as np
from kit import metrics, predictions, scoring
from kit.task import Answers, Spec
rows, columns = int(sys.argv[2]), int(sys.argv[3])
spec = Spec(np.arange(rows), tuple(map(str, range(columns))))
truth = np.load(sys.argv[1] + "/truth.npy", mmap_mode="r")
answers = Answers(truth, np.arange(rows), np.arange(rows) % 3 == 0)
answers.__dict__["fingerprint"] = "0" * 64  # known once a task is prepared
guess = np.load(sys.argv[1] + "/guess.npy", mmap_mode="r")
plain, ours = [], []
for _ in range(3):
    t = time.perf_counter(); np.nansum(truth), np.nansum(guess); plain.append(time.perf_counter() - t)
    if rows * columns > 20_000_000: break
for _ in range(3):
    t = time.perf_counter(); scoring.score((metrics.mae,), guess, answers, spec); ours.append(time.perf_counter() - t)
print(min(plain), min(ours))
"""

MEMORY = NPY[: NPY.index("plain, ours")] + (
    "import tracemalloc\n"
    "tracemalloc.start()\n"
    "scoring.score((metrics.mae,), guess, answers, spec)\n"
    "print(tracemalloc.get_traced_memory()[1] / 1e6)\n"
)


def npy(folder: Path, largest: int) -> None:
    import subprocess

    print("4. scoring with MAE, 10,000 rows of ever more cells, float32 npy files")
    rng = np.random.default_rng(0)
    for cells in (size for size in (1_000_000, 10_000_000, 100_000_000) if size <= largest):
        rows, columns = 10_000, cells // 10_000
        for name in ("truth", "guess"):
            target = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (rows, columns))
            for start in range(0, rows, 1000):
                target[start : start + 1000] = rng.random((1000, columns), dtype=np.float32)
            if name == "truth":
                target[:, ::5] = np.nan
            target.flush()
        command = [sys.executable, "-c", NPY, str(folder), str(rows), str(columns)]
        plain, ours = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
        command[2] = MEMORY
        held = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"   {cells:>11,} cells: np.nansum of both {plain:.3f} s, scoring with 1,000 resamples {ours:.3f} s"
            f" ({ours / plain:.1f} times), {ours / cells * 1e9:.1f} ns a cell, at most {held:.0f} MB beside the files"
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="one run each, and no file of 10^8 cells")
    quick = options.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["KIT_WORKSPACE"], os.environ["KIT_CACHE"] = str(folder), str(folder / "cache")
        long_csv(folder, runs=1 if quick else 5)
        grader(folder, runs=1 if quick else 15)
        bootstrap()
        npy(folder, 10_000_000 if quick else 100_000_000)


if __name__ == "__main__":
    main()
