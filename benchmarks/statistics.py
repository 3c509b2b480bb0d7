"""Do the numbers hold? Coverage of intervals, false alarms of the paired test, missed ranks: by simulation.

Errors are normal, and alike within a group by the printed correlation; a row is right where its error is small enough
(accuracy), counts by its size (mae), or is added to the truth (pearson). Two names share half of the variance. Groups
have one row, five, or sizes that differ (geometric, five on average).

Close to continuous means 20 groups or more and 10 expected errors or more. There coverage should be 93 to 97 %;
elsewhere at least 93 %, for a proportion of few rows is discrete. False alarms and missed ranks: 6 % at most.
"+-" is the Monte-Carlo error, one standard error; a star marks what is off by more than two of them.

    python benchmarks/statistics.py [--quick] [--only intervals|tests|ranks]
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, norm
from scipy.stats import t as student

from kit import ranks, statistics
from kit.task import Array

GROUPS = (5, 10, 20, 50, 200, 1000)
SHARED = 0.5  # of the variance of two names' errors
BLOCK = 100  # trials on the same resamples
PEARSON = 0.8


@dataclass(frozen=True)
class Design:
    """How rows fall into groups, and how alike the rows of a group are."""

    sizes: str  # "one", "five", "unequal"
    correlation: float = 0.0

    def draw(self, n_groups: int, rng: np.random.Generator) -> Array:
        """(n_groups,) rows of each group."""
        if self.sizes == "unequal":
            return rng.geometric(0.2, n_groups)
        return np.full(n_groups, 1 if self.sizes == "one" else 5)


DESIGNS = (
    Design("one"),
    Design("five"),
    Design("five", 0.1),
    Design("five", 0.3),
    Design("unequal", 0.1),
    Design("unequal", 0.3),
)


@dataclass(frozen=True)
class Score:
    """A score: sums of each row from truth and errors (..., n_rows) -> k arrays, their value, and its true value."""

    name: str
    scale: str
    sums: Callable[[Array, Array], list[Array]]
    value: Callable[[Array], Array]
    true: float


def accuracy(p: float) -> Score:
    cut = np.float32(norm.ppf(p))
    return Score(f"accuracy {p:g}", "proportion", lambda _, e: [e < cut, np.ones_like(e)], mean, p)


def mean(totals: Array) -> Array:
    return totals[..., 0] / totals[..., 1]


def pearson(totals: Array) -> Array:
    x, y, xx, yy, xy, n = np.moveaxis(totals, -1, 0)
    spread = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 1e-9 * (n * n * xx * yy), np.clip((n * xy - x * y) / np.sqrt(spread), -1, 1), np.nan)


def moments(x: Array, error: Array) -> list[Array]:
    y = np.float32(PEARSON) * x + np.float32(math.sqrt(1 - PEARSON**2)) * error
    return [x, y, x * x, y * y, x * y, np.ones_like(x)]


SCORES = (
    accuracy(0.5),
    accuracy(0.9),
    accuracy(0.99),
    Score("mae", "positive", lambda _, e: [np.abs(e), np.ones_like(e)], mean, math.sqrt(2 / math.pi)),
    Score("pearson", "correlation", moments, pearson, PEARSON),
)


def normal(shape: tuple[int, ...], sizes: Array, correlation: float, rng: np.random.Generator) -> Array:
    """(*shape, n_rows) normal values, those of a group alike."""
    alone = rng.standard_normal((*shape, int(sizes.sum())), np.float32)
    if not correlation:
        return alone
    of_group = np.repeat(rng.standard_normal((*shape, len(sizes)), np.float32), sizes, axis=-1)
    return np.float32(math.sqrt(correlation)) * of_group + np.float32(math.sqrt(1 - correlation)) * alone


def blocks(
    score: Score, design: Design, n_groups: int, trials: int, names: int, seed: int
) -> Iterator[tuple[Array, Array]]:
    """Values (n, names) and replicates (n, names, n_resamples) of many trials, some at a time on the same resamples."""
    rng = np.random.default_rng([seed, n_groups, names])
    for block in range(0, trials, BLOCK):
        n = min(BLOCK, trials - block)
        sizes = design.draw(n_groups, rng)
        truth = normal((n, 1), sizes, design.correlation, rng)
        shared = normal((n, 1), sizes, design.correlation, rng)
        own = normal((n, names), sizes, design.correlation, rng)
        part = SHARED if names > 1 else 0.0
        error = np.float32(math.sqrt(part)) * shared + np.float32(math.sqrt(1 - part)) * own
        yield resampled(score.sums(truth, error), score.value, sizes, seed + block)


def resampled(rows: list[Array], value: Callable[[Array], Array], sizes: Array, seed: int) -> tuple[Array, Array]:
    """Rows (..., n_rows) of each sum -> values (...) and replicates (..., n_resamples), by whole groups."""
    starts = np.cumsum(sizes) - sizes
    shape = np.broadcast_shapes(*(row.shape for row in rows))
    by_group = [np.add.reduceat(np.broadcast_to(row, shape), starts, axis=-1, dtype=np.float64) for row in rows]
    drawn = statistics.counts(len(sizes), seed=seed).astype(np.float64).T
    totals = np.stack([sums @ drawn for sums in by_group], axis=-1)
    return value(np.stack([sums.sum(axis=-1) for sums in by_group], axis=-1)), value(totals)


def monte_carlo(share: float, n: int) -> float:
    """The standard error of a share of n trials, as it is when the share is 5 or 95 % or further from the end."""
    return math.sqrt(max(share * (1 - share), 0.05 * 0.95 / 2) / n)


Method = Callable[[float, Array, int, str], statistics.Interval]


def coverage(
    score: Score, design: Design, n_groups: int, trials: int, seed: int = 0, method: Method = statistics.interval
) -> tuple[float, float, float]:
    """Share of the trials with an interval in which it covers the true value; its mean width; Clopper-Pearson's."""
    covered, widths, exact = [], [], []
    for values, replicates in blocks(score, design, n_groups, trials, 1, seed):
        for value, drawn in zip(values[:, 0], replicates[:, 0], strict=True):
            found = method(float(value), drawn, n_groups, score.scale)
            if not math.isnan(found.low):
                covered.append(found.low <= score.true <= found.high)
                widths.append(found.high - found.low)
        if score.scale == "proportion" and design.sizes == "one":
            exact.append(clopper_pearson(np.round(values[:, 0] * n_groups), n_groups))
    return float(np.mean(covered)), float(np.mean(widths)), float(np.mean(exact)) if exact else math.nan


def clopper_pearson(right: Array, n: int) -> Array:
    """Widths of the exact intervals of a proportion of n rows that have nothing to do with each other."""
    low = np.where(right > 0, beta.ppf(0.025, right, n - right + 1), 0)
    return np.where(right < n, beta.ppf(0.975, right + 1, n - right), 1) - low


def false_alarms(score: Score, design: Design, n_groups: int, trials: int, seed: int = 0) -> float:
    """Share of the trials in which two names that are equally good are told apart."""
    told = []
    for values, replicates in blocks(score, design, n_groups, trials, 2, seed):
        for difference, drawn in zip(values[:, 0] - values[:, 1], replicates[:, 0] - replicates[:, 1], strict=True):
            told.append(statistics.compare(float(difference), drawn, n_groups).told_apart)
    return float(np.mean(told))


BOARDS = {"all equal": lambda n: np.zeros(n), "steps": lambda n: np.arange(n) * 0.0005}
BOARDS["far leader"] = lambda n: np.where(np.arange(n) == 0, 0.0, 0.09)


def missed_ranks(
    kind: str, names: int, design: Design, n_groups: int, boards: int, seed: int = 0, method: Callable | None = None
) -> tuple[float, float, float, bool]:
    """Share of boards on which a true rank is missed; mean widths of the ranges and of single-step Bonferroni's; and
    whether no range was ever wider than that. Accuracies, 0.9 where all are equal, the leader 0.99."""
    rng = np.random.default_rng([seed, names, n_groups])
    behind = BOARDS[kind](names)
    true = (0.99 if kind == "far leader" else 0.9) - behind
    cut = norm.ppf(true).astype(np.float32)[:, None]
    best, worst = 1 + (true > true[:, None]).sum(axis=1), names - (true < true[:, None]).sum(axis=1)
    missed, widths, wider = 0, [], False
    for board in range(boards):
        sizes = design.draw(n_groups, rng)
        shared, own = (normal((n,), sizes, design.correlation, rng) for n in (1, names))
        error = np.float32(math.sqrt(SHARED)) * shared + np.float32(math.sqrt(1 - SHARED)) * own
        values, replicates = resampled([error < cut, np.ones_like(error)], mean, sizes, seed + board // 25)
        found = (method or ranks.rank_ranges)(values, list(replicates), n_groups, True).ranks
        simple = bonferroni(values, replicates, n_groups)
        missed += bool(np.any((found[:, 0] > best) | (found[:, 1] < worst)))
        widths.append([np.mean(np.ptp(one, axis=1) + 1) for one in (found, simple)])
        wider |= bool(np.any((found[:, 0] < simple[:, 0]) | (found[:, 1] > simple[:, 1])))
    return missed / boards, *np.mean(widths, axis=0).tolist(), wider


def bonferroni(values: Array, replicates: Array, n_groups: int) -> Array:
    """(n, 2) ranges of ranks by t tests of all pairs, each at 5 % over the number of pairs."""
    n, n_resamples = replicates.shape
    covariance = np.cov(replicates, bias=True) * n_groups / (n_groups - 1)
    own = np.diag(covariance)
    error = np.sqrt(np.maximum(own[:, None] + own - 2 * covariance, 0))
    df = statistics.degrees(n_groups - 1, n_resamples)
    gap = values[:, None] - values
    ahead = (error > 1e-9) & (gap > error * student.isf(0.05 / n / (n - 1), df))
    return np.stack([1 + ahead.sum(axis=0), n - ahead.sum(axis=1)], axis=1)


def print_intervals(trials: int, groups: tuple[int, ...], designs: tuple[Design, ...]) -> bool:
    print(f"\nCoverage of the 95 % intervals in %, {trials:,} trials; mean width (Clopper-Pearson's)")
    good = True
    for design in designs:
        print(f"\n{described(design)}\n{'':15}" + "".join(f"{n:>16,}" for n in groups) + "  groups")
        for score in SCORES:
            cells = []
            for n_groups in groups:
                share, width, exact = coverage(score, design, n_groups, trials)
                low, high = 0.93, 0.97 if continuous(score, design, n_groups) else 1.0
                allowed = 2 * monte_carlo(share, trials)
                fine = low - allowed <= share <= high + allowed
                beside = f" ({exact:.2f})" if not math.isnan(exact) else ""
                cells.append(f"{100 * share:.1f}{' ' if fine else '*'}{width:.2f}{beside}")
                good &= fine
            print(f"{score.name:15}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    print(f"Monte-Carlo error of 95 %: +-{100 * monte_carlo(0.95, trials):.2f}")
    return good


def continuous(score: Score, design: Design, n_groups: int) -> bool:
    """Whether there are 20 groups and 10 expected errors or more."""
    rows = n_groups * (1 if design.sizes == "one" else 5)
    return n_groups >= 20 and (score.scale != "proportion" or rows * (1 - score.true) >= 10 - 1e-9)


def print_tests(trials: int, groups: tuple[int, ...], designs: tuple[Design, ...]) -> bool:
    print(f"\nFalse alarms of the paired test in %, {trials:,} trials")
    good = True
    for design in designs:
        print(f"\n{described(design)}\n{'':15}" + "".join(f"{n:>8,}" for n in groups) + "  groups")
        for score in SCORES:
            shares = [false_alarms(score, design, n_groups, trials) for n_groups in groups]
            fine = [share <= 0.06 + 2 * monte_carlo(share, trials) for share in shares]
            cells = (f"{100 * share:7.1f}{' ' if ok else '*'}" for share, ok in zip(shares, fine, strict=True))
            print(f"{score.name:15}" + "".join(cells), flush=True)
            good &= all(fine)
    print(f"Monte-Carlo error of 5 %: +-{100 * monte_carlo(0.05, trials):.2f}")
    return good


def print_ranks(boards: dict[int, int], groups: tuple[int, ...], designs: tuple[Design, ...]) -> bool:
    print("\nBoards on which a true rank is missed, accuracy near 0.9; mean width of the ranges (Bonferroni's)")
    good = True
    for design in designs:
        print(f"\n{described(design)}\n{'':24}" + "".join(f"{n:>21,}" for n in groups) + "  groups")
        for kind in BOARDS:
            for names, n in boards.items():
                cells = []
                for n_groups in groups:
                    share, width, simple, wider = missed_ranks(kind, names, design, n_groups, n)
                    fine = share <= 0.06 + 2 * monte_carlo(share, n) and not wider
                    cells.append(f"{100 * share:.1f}{' ' if fine else '*'} {width:.1f} ({simple:.1f})")
                    good &= fine
                error = f"+-{100 * monte_carlo(0.05, n):.1f}"
                print(f"{names:4} {kind:11}{error:>8}" + "".join(f"{cell:>21}" for cell in cells), flush=True)
    return good


def described(design: Design) -> str:
    sizes = {"one": "one row", "five": "five rows", "unequal": "rows that differ in number (five on average)"}
    return f"Groups of {sizes[design.sizes]}, within-group correlation {design.correlation:g}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage, false alarms and missed ranks, by simulation.")
    parser.add_argument("--quick", action="store_true", help="few trials of few designs: seconds")
    parser.add_argument("--only", choices=("intervals", "tests", "ranks"))
    options = parser.parse_args()
    if options.quick:
        trials, groups, designs = 200, (10, 50), (Design("one"), Design("five", 0.3))
        boards, rank_groups, rank_designs = {10: 50, 30: 20}, (200,), (Design("one"),)
    else:
        trials, groups, designs = 2000, GROUPS, DESIGNS
        boards, rank_groups, rank_designs = {10: 400, 30: 400, 100: 200}, (10, 20, 200, 1000), (DESIGNS[0], DESIGNS[3])
    good = True
    if options.only in (None, "intervals"):
        good &= print_intervals(trials, groups, designs)
    if options.only in (None, "tests"):
        good &= print_tests(trials, groups, designs)
    if options.only in (None, "ranks"):
        good &= print_ranks(boards, rank_groups, rank_designs)
    print("\nAll levels hold." if good else "\n* does not hold.")
    sys.exit(not good)


if __name__ == "__main__":
    main()
