"""Scorecards: parts, coverage, groups, chunks, and submissions of labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import metrics, predictions, prepare, scoring, statistics
from kit.scoring import Scorecard
from kit.task import Answers, Array, Spec

METRICS = (metrics.mae, metrics.rmse, metrics.pearson, metrics.spearman)


def make(seed: int, n: int = 200, n_columns: int = 1, **answers: Array) -> tuple[Array, Answers, Spec]:
    rng = np.random.default_rng(seed)
    spec = Spec(np.arange(n), tuple(f"c{number}" for number in range(n_columns)))
    truth = rng.normal(size=spec.shape)
    truth[rng.random(truth.shape) < 0.2] = np.nan
    guess = np.nan_to_num(truth) + rng.normal(size=truth.shape)
    return guess.astype(np.float32), prepare.complete(Answers(truth, **answers), spec, "toy"), spec


def value(card: Scorecard, metric: str, part: str = "all") -> float:
    return card.scores[metric][part].value


def test_parts_are_scored_on_their_own_rows() -> None:
    guess, answers, spec = make(0)
    card = scoring.score(METRICS, guess, answers, spec)
    for part, rows in {"all": slice(None), "public": answers.public, "private": ~answers.public}.items():
        error = np.abs(answers.truth[rows].astype(float) - guess[rows])
        assert value(card, "mae", part) == pytest.approx(np.nanmean(error), abs=1e-12)
        assert card.coverage[part] == pytest.approx(1 - np.isnan(answers.truth[rows]).mean())
        score = card.scores["mae"][part]
        assert score.low < score.value < score.high


def test_resamples_are_drawn_once() -> None:
    statistics.counts.cache_clear()
    scoring.score(METRICS, *make(0))
    scoring.score(METRICS, *make(0))
    assert statistics.counts.cache_info().misses == 1


def test_the_public_part_has_the_wider_interval() -> None:
    card = scoring.score(METRICS, *make(1, n=3000))
    widths = {part: card.scores["rmse"][part].high - card.scores["rmse"][part].low for part in scoring.PARTS}
    assert widths["public"] > widths["private"] > widths["all"]
    assert widths["public"] / widths["all"] == pytest.approx(np.sqrt(1 / 0.3), rel=0.2)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), cells=st.integers(1, 300))
def test_chunks_of_any_size_give_the_same_scores(seed: int, cells: int) -> None:
    guess, answers, spec = make(seed, n=50, n_columns=3, groups=np.arange(50) // 7)
    whole = scoring.score((metrics.mcrmse, metrics.mae), guess, answers, spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "_CHUNK_CELLS", cells)
        parts = scoring.score((metrics.mcrmse, metrics.mae), guess, answers, spec)
    assert np.allclose(parts.sums, whole.sums, rtol=1e-14)
    assert value(parts, "mcrmse") == pytest.approx(value(whole, "mcrmse"), rel=1e-14)


def test_groups_are_resampled_whole() -> None:
    groups = np.repeat(np.arange(40), 25)
    guess, answers, spec = make(2, n=1000, groups=groups)
    shift = np.random.default_rng(0).normal(size=40)[groups].astype(np.float32) * 3
    by_group = scoring.score(METRICS, guess + shift, answers, spec)
    by_row = scoring.score(METRICS, guess + shift, prepare.complete(Answers(answers.truth), spec, "toy"), spec)
    for metric in ("mae", "spearman"):
        assert value(by_group, metric) == pytest.approx(value(by_row, metric), abs=1e-12)
        wide, narrow = by_group.scores[metric]["all"], by_row.scores[metric]["all"]
        assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_very_many_rows_are_resampled_in_blocks_with_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    guess, answers, spec = make(3, n=10_000)
    rows = scoring.score((metrics.mae,), guess, answers, spec).scores["mae"]["all"]
    monkeypatch.setattr(scoring, "MAX_GROUPS", 1000)
    card = scoring.score((metrics.mae,), guess, answers, spec)
    blocks = card.scores["mae"]["all"]
    assert 1900 < len(card.sums) <= 2000  # public and private rows of 1,000 blocks
    assert blocks.value == pytest.approx(rows.value, rel=1e-12)
    assert blocks.high - blocks.low == pytest.approx(rows.high - rows.low, rel=0.15)


def test_replicates_are_paired_across_submissions() -> None:
    guess, answers, spec = make(4)
    a = scoring.score(METRICS, guess, answers, spec).replicates
    b = scoring.score(METRICS, guess * 2, answers, spec).replicates
    # doubling the predictions changes no correlation, on any resample of the rows
    assert np.allclose(a["pearson"], b["pearson"], atol=1e-12)
    assert np.allclose(a["spearman"], b["spearman"], atol=1e-12)
    assert not np.allclose(a["mae"], b["mae"])


def test_labels_have_no_log_loss_but_the_rest() -> None:
    spec = Spec(np.arange(100), ("a", "b", "c"), kind="class")
    truth = np.random.default_rng(0).integers(0, 3, 100)
    answers = prepare.complete(Answers(truth), spec, "toy")
    of = (metrics.accuracy, metrics.log_loss, metrics.macro_f1(3))
    card = scoring.score(of, predictions.read(truth, spec), answers, spec)
    assert list(card.scores) == ["accuracy", "macro_f1"]
    assert value(card, "macro_f1") == 1.0


def test_cells_that_need_no_prediction_count_nowhere() -> None:
    required = np.ones((50, 4), bool)
    required[:, 3] = False
    spec = Spec(np.arange(50), tuple("abcd"), required=required)
    truth = np.where(required, 1.0, np.nan)
    truth[:10] = np.nan
    answers = prepare.complete(Answers(truth), spec, "toy")
    guess = np.where(required, 1.5, np.nan).astype(np.float32)
    card = scoring.score((metrics.mae,), predictions.read(guess, spec), answers, spec)
    assert value(card, "mae") == pytest.approx(0.5)
    assert card.coverage["all"] == pytest.approx(0.8)
