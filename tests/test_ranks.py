"""Ranges of ranks: what is sure, what is not known, what they may not be narrower or wider than, and their level."""

import time
from pathlib import Path

import numpy as np
import pytest

import kit
from benchmarks import statistics as simulation
from kit import prepare, ranking, ranks, statistics, store, tasks, workspace
from kit.task import Array


def board(accuracies: Array, n_groups: int = 1000, seed: int = 0) -> tuple[Array, list[Array]]:
    """Values and replicates of names with these true accuracies, on groups of one row."""
    right = np.random.default_rng(seed).random((len(accuracies), n_groups)) < np.asarray(accuracies)[:, None]
    values, replicates = simulation.resampled([right, np.ones_like(right)], simulation.mean, np.ones(n_groups, int), 1)
    return values, list(replicates)


def spans(values: Array, replicates: list[Array | None], n_groups: int = 1000, higher: bool = True) -> list[list[int]]:
    found: list[list[int]] = ranks.rank_ranges(values, replicates, n_groups, higher).ranks.tolist()
    return found


def test_names_that_are_far_apart_have_one_rank_each() -> None:
    values, drawn = board(np.array([0.9, 0.5, 0.7, 0.3]))
    assert spans(values, drawn) == [[1, 1], [3, 3], [2, 2], [4, 4]]
    assert spans(values, drawn, higher=False) == [[4, 4], [2, 2], [3, 3], [1, 1]]
    assert spans(1 - values, [1 - each for each in drawn], higher=False) == [[1, 1], [3, 3], [2, 2], [4, 4]]


def test_equal_predictions_share_all_their_ranks() -> None:
    values, drawn = board(np.array([0.9, 0.5]))
    same = spans(values[[0, 0, 0, 1]], [drawn[0], drawn[0], drawn[0], drawn[1]])
    assert same == [[1, 3], [1, 3], [1, 3], [4, 4]]
    rounded = spans(values[[0, 0]] + [0, 1e-16], [drawn[0], drawn[0] + 1e-16])
    assert rounded == [[1, 2], [1, 2]]


def test_what_is_not_known_widens_the_others_and_what_is_undefined_comes_last() -> None:
    values, drawn = board(np.array([0.9, 0.5, 0.7]))
    assert spans(values, [drawn[0], None, drawn[2]]) == [[1, 2], [1, 3], [2, 3]]
    short = [drawn[0], drawn[1][:200], drawn[2]]  # of other resamples: no more known than a missing one
    assert spans(values, short) == [[1, 2], [1, 3], [2, 3]]
    undefined = np.array([*values, np.nan, np.nan])
    assert spans(undefined, [*drawn, None, drawn[0]]) == [[1, 1], [3, 3], [2, 2], [4, 5], [4, 5]]
    holes = drawn[0].copy()
    holes[:500] = np.nan
    assert spans(values, [holes, drawn[1], drawn[2]]) == [[1, 3], [2, 3], [1, 2]]


def test_where_there_are_no_ranges_every_rank_is_possible_and_it_says_why() -> None:
    values, drawn = board(np.array([0.9, 0.5]))
    few = ranks.rank_ranges(values, drawn, 4, True)
    assert (few.ranks.tolist(), few.bound) == ([[1, 2], [1, 2]], "none")
    assert few.why == "no intervals and no ranges: 4 groups, at least 5 are needed"
    alone = ranks.rank_ranges(values[:1], drawn[:1], 4, True)
    assert (alone.ranks.tolist(), alone.bound) == ([[1, 1]], "pairs")
    assert alone.why == "no interval: 4 groups, at least 5 are needed"
    missing = ranks.rank_ranges(values, [None, drawn[1]], 1000, True)
    assert (missing.ranks.tolist(), missing.bound) == ([[1, 2], [1, 2]], "none")
    assert "missing" in missing.why
    for n in (0, 1):
        alone = ranks.rank_ranges(values[:n], drawn[:n], 1000, True)
        assert (alone.ranks.tolist(), alone.why) == ([[1, 1]] * n, "")


def test_a_name_that_leads_by_a_row_or_two_is_not_surely_ahead() -> None:
    right = np.zeros((3, 50))
    right[:, :40] = 1
    right[1, 40:42] = 1
    right[2, 40:43] = 1
    values, drawn = simulation.resampled([right, np.ones_like(right)], simulation.mean, np.ones(50, int), 1)
    assert spans(values, list(drawn), 50) == [[1, 3]] * 3


@pytest.mark.parametrize("n_groups", [5, 12, 60, 1000])
@pytest.mark.parametrize("step", [0.0, 0.002, 0.02])
def test_the_bound_for_many_names_is_never_narrower(n_groups: int, step: float) -> None:
    values, drawn = board(0.95 - step * np.arange(40), n_groups, seed=3)
    fine = ranks.rank_ranges(values, drawn, n_groups, True)
    coarse = ranks.rank_ranges(values, drawn, n_groups, True, many=10)
    assert (fine.bound, coarse.bound) == ("pairs", "intervals")
    assert (coarse.ranks[:, 0] <= fine.ranks[:, 0]).all()
    assert (coarse.ranks[:, 1] >= fine.ranks[:, 1]).all()
    if step == 0.02 and n_groups == 1000:
        assert (np.ptp(coarse.ranks, axis=1) < 39).all()


@pytest.mark.parametrize("n_groups", [10, 20, 100, 1000])
def test_ranges_are_no_wider_than_those_of_bonferroni(n_groups: int) -> None:
    for seed, step in enumerate((0.0, 0.002, 0.02)):
        values, drawn = board(0.95 - step * np.arange(40), n_groups, seed)
        found = ranks.rank_ranges(values, drawn, n_groups, True).ranks
        simple = simulation.bonferroni(values, np.stack(drawn), n_groups)
        assert (found[:, 0] >= simple[:, 0]).all()
        assert (found[:, 1] <= simple[:, 1]).all()


def test_the_ranges_hold_the_ranks_themselves() -> None:
    values, drawn = board(np.linspace(0.5, 0.95, 30), 200)
    rank = 1 + (values > values[:, None]).sum(axis=1)
    found = np.array(spans(values, drawn, 200))
    assert (found[:, 0] <= rank).all()
    assert (rank <= found[:, 1]).all()


@pytest.mark.usefixtures("workspace")
def test_a_shorter_list_does_not_narrow_the_ranges_and_a_missing_file_widens_them() -> None:
    coin = tasks.find("coin")
    truth = np.nan_to_num(np.asarray(prepare.answers(coin).truth), nan=0.5)
    for name, share in [("ada", 0.1), ("bob", 0.2), ("cy", 0.5), ("dee", 0.9)]:
        chance = np.random.default_rng(len(name)).random(len(truth))
        kit.submit("coin", np.where(chance < share, 1 - truth, truth), name=name)
    whole = ranking.read(coin)
    assert (whole.bound, whole.why_none) == ("pairs", "")
    assert whole.rows[0]["range"][1] < 4
    first = ranking.read(coin, top=1)
    assert [row["range"] for row in first.rows] == [whole.rows[0]["range"]]
    assert first.names == 4
    store.sums_path(workspace.root() / Path(whole.rows[3]["file"])).unlink()
    widened = [row["range"] for row in ranking.read(coin).rows]
    assert widened[0] == (1, whole.rows[0]["range"][1] + 1)
    assert widened[3] == (1, 4)


def test_many_names_take_seconds() -> None:
    rng = np.random.default_rng(0)
    values = rng.random(10_000)
    drawn = list((values[:, None] + 0.01 * rng.standard_normal((10_000, 200))).astype(np.float32))
    start = time.process_time()
    found = ranks.rank_ranges(values, drawn, 1000, True)
    assert time.process_time() - start < 10
    assert found.bound == "intervals"
    assert np.ptp(found.ranks, axis=1).max() < 3_000


def test_the_simulation_finds_ranges_that_are_too_narrow() -> None:
    """Pairs tested at 5 % each, as if there were no other: on most boards of 100 equal names somebody is wronged."""

    def pairwise(values: Array, drawn: list[Array], n_groups: int, _higher: bool) -> ranks.RankRanges:
        behind = np.zeros((len(values), len(values)), bool)
        for one in range(len(values)):
            error = statistics.standard_error(np.stack(drawn) - drawn[one], n_groups)
            behind[one] = values - values[one] > 1.96 * error
        return ranks.RankRanges(np.stack([1 + behind.sum(1), len(values) - behind.sum(0)], axis=1), "pairs")

    alone = simulation.Design("one")
    boards = 12
    missed, *_ = simulation.missed_ranks("all equal", 100, alone, 200, boards, method=pairwise)
    ours, _, _, wider = simulation.missed_ranks("all equal", 100, alone, 200, boards)
    assert missed > 0.06 + 3 * simulation.monte_carlo(0.06, boards)
    assert ours <= 0.06 + 3 * simulation.monte_carlo(0.06, boards)
    assert not wider
