"""Scorecards: parts, coverage, groups, chunks, and submissions of labels."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import metrics, predictions, prepare, scoring, statistics
from kit.metrics import Metric, WholeMetric
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


EVERY = (metrics.mae, metrics.mse, metrics.rmse, metrics.mcrmse, metrics.r2, metrics.pearson, metrics.spearman)
POOLED = tuple(map(metrics.pooled, EVERY))


@pytest.mark.parametrize("wild", ["public", "private"])
@pytest.mark.parametrize("n_wild", [1, None])
@pytest.mark.parametrize(("n_columns", "of"), [(1, EVERY), (3, EVERY), (3, POOLED)], ids=["one", "average", "pool"])
def test_what_is_predicted_for_one_part_touches_no_digit_of_the_other(
    wild: str, n_wild: int | None, n_columns: int, of: tuple[Metric | WholeMetric, ...]
) -> None:
    guess, answers, spec = make(6, n_columns=n_columns, groups=np.arange(200) % 30)
    inside = answers.public if wild == "public" else ~answers.public
    rows = np.flatnonzero(inside & ~np.isnan(answers.truth.reshape(200, -1)).any(axis=1))[:n_wild]
    huge = guess.copy()
    huge[rows] = np.where(np.arange(huge[rows].size).reshape(huge[rows].shape) % 3, 3e38, -1e30)
    before, after = (scoring.score(of, each, answers, spec) for each in (guess, huge))
    kept = {"public": "private", "private": "public"}[wild]
    for metric in of:
        assert after.scores[metric.name][kept] == before.scores[metric.name][kept]
        place = scoring.PARTS.index(kept)
        assert np.array_equal(after.replicates[metric.name][place], before.replicates[metric.name][place])
        assert value(after, metric.name) != value(before, metric.name)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
@pytest.mark.parametrize("apart", [0.0, 10.0, 1e6])
@pytest.mark.parametrize("sample", [50, 100_000])
def test_every_part_equals_the_oracle_on_its_rows(
    offset: float, apart: float, sample: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "_SAMPLE", sample)  # origins need not see every cell
    _, answers, spec = make(7, n=300, groups=np.arange(300) // 9)
    rng = np.random.default_rng(0)
    answers = prepare.complete(Answers(answers.truth + offset, answers.groups, answers.public), spec, "toy")
    guess = (np.nan_to_num(answers.truth) + rng.normal(size=300) + apart * answers.public).astype(np.float32)
    card = scoring.score((metrics.r2, metrics.pearson, metrics.spearman), guess, answers, spec)
    for part, rows in {"all": np.ones(300, bool), "public": answers.public, "private": ~answers.public}.items():
        rows = rows & ~np.isnan(answers.truth)
        x, y = answers.truth[rows].astype(np.float64), guess[rows].astype(np.float64)
        assert value(card, "pearson", part) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)
        assert value(card, "spearman", part) == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)
        assert value(card, "r2", part) == pytest.approx(
            1 - ((x - y) ** 2).sum() / ((x - x.mean()) ** 2).sum(), rel=1e-9
        )
        score = card.scores["pearson"][part]
        assert -1 <= score.low <= score.value <= score.high <= 1


def test_resamples_are_of_the_rows_of_each_part() -> None:
    guess, answers, spec = make(8, n=60, groups=np.arange(60) % 7)
    card = scoring.score((metrics.pearson, metrics.spearman), guess, answers, spec)
    counts = statistics.counts(7, seed=int(answers.fingerprint_v1[:8], 16))
    for place, rows in enumerate((np.ones(60, bool), answers.public, ~answers.public)):
        for number in range(20):
            times = counts[number][answers.groups] * (rows & ~np.isnan(answers.truth))
            x, y = np.repeat(answers.truth, times).astype(float), np.repeat(guess, times).astype(float)
            if len(x) > 2:
                found = [card.replicates[name][place, number] for name in ("pearson", "spearman")]
                expected = [np.corrcoef(x, y)[0, 1], scipy.stats.spearmanr(x, y).statistic]
                assert found == pytest.approx(expected, abs=1e-9)


def test_a_constant_truth_or_prediction_has_no_score() -> None:
    guess, answers, spec = make(9)
    of = (metrics.r2, metrics.pearson, metrics.spearman)
    flat = prepare.complete(Answers(np.full(200, 1e6 + 0.1)), spec, "toy")
    for card in (
        scoring.score(of, guess, flat, spec),
        scoring.score(of[1:], np.full(200, 0.1, np.float32), answers, spec),
    ):
        for parts in card.json().values():
            assert list(parts.values()) == [[None, None, None]] * 3
        assert all(np.isnan(values).all() for values in card.replicates.values())


@pytest.mark.parametrize("groups", [None, np.arange(200) % 20])
def test_metrics_that_are_all_no_sums(groups: Array | None) -> None:
    guess, answers, spec = make(10, groups=groups)
    card = scoring.score((metrics.spearman,), guess, answers, spec)
    beside = scoring.score(METRICS, guess, answers, spec)
    assert card.scores["spearman"] == beside.scores["spearman"]
    assert card.sums.shape == (len(card.units.group), 0)


@pytest.mark.parametrize("groups", [None, np.zeros(6, int), np.array([0, 0, 1, 1, 2, 2])])
@pytest.mark.parametrize("measured", [[0], [0, 1], [4], [0, 1, 2, 3, 4, 5]])
@pytest.mark.parametrize("public", [[], [0, 1], [0, 1, 2, 3, 4, 5]])
def test_a_part_with_little_or_nothing_to_score(groups: Array | None, measured: list[int], public: list[int]) -> None:
    spec = Spec(np.arange(6), ("a",))
    truth = np.full(6, np.nan)
    truth[measured] = 1.0
    answers = prepare.complete(Answers(truth, groups, np.isin(np.arange(6), public)), spec, "toy")
    card = scoring.score(EVERY, np.arange(6, dtype=np.float32), answers, spec)
    for part, rows in {"all": np.ones(6, bool), "public": answers.public, "private": ~answers.public}.items():
        scored = rows & ~np.isnan(truth)
        assert np.isnan(value(card, "mae", part)) == (not scored.any())
        assert card.n_groups[part] == len(np.unique(answers.groups[scored]))
        assert np.isnan(value(card, "spearman", part))  # truth has no spread


def test_a_task_of_one_row() -> None:
    spec = Spec(np.arange(1), ("a",))
    answers = prepare.complete(Answers(np.array([2.0])), spec, "toy")
    card = scoring.score(EVERY, np.array([3.0], np.float32), answers, spec)
    assert value(card, "mae") == 1.0
    assert np.isnan(value(card, "pearson"))


def test_a_card_says_which_definition_it_used() -> None:
    guess, answers, spec = make(11, n_columns=3, groups=np.arange(200) // 50)
    card = scoring.score((*EVERY[:2], metrics.pooled(metrics.rmse), *EVERY[3:]), guess, answers, spec)
    averaged = {"r2", "pearson", "spearman"}
    assert card.versions == {metric.name: 1 + (metric.name in averaged) for metric in EVERY}
    assert card.n_groups == {"all": 4, "public": 4, "private": 4}
    alone = scoring.score(EVERY, *make(11))
    assert set(alone.versions.values()) == {1}


def test_averaged_columns_are_resampled_together() -> None:
    guess, answers, spec = make(12, n_columns=3, groups=np.arange(200) % 25)
    of = (metrics.rmse, metrics.r2, metrics.pearson, metrics.spearman)
    card = scoring.score(of, guess, answers, spec)
    single = Spec(spec.ids, ("c",))
    columns = []
    for truth, column in zip(answers.truth.T, guess.T, strict=True):
        alone = Answers(np.ascontiguousarray(truth), answers.groups, answers.public)
        alone.__dict__["fingerprint_v1"] = answers.fingerprint_v1  # and so the same resamples
        columns.append(scoring.score(of, np.ascontiguousarray(column), alone, single))
    for metric in of:
        for part in scoring.PARTS:
            mean = np.mean([value(each, metric.name, part) for each in columns])
            assert value(card, metric.name, part) == pytest.approx(mean, abs=1e-12)
        mean = np.mean([each.replicates[metric.name] for each in columns], axis=0)
        assert np.allclose(card.replicates[metric.name], mean, rtol=0, atol=1e-9)


def test_metrics_of_ones_own_are_scored_as_before() -> None:
    guess, answers, spec = make(13, n_columns=2, groups=np.arange(200) % 10)
    rows = WholeMetric("rows", True, lambda t, p, w: w.sum(axis=-1))
    half = Metric("half", True, lambda t, p: np.nan_to_num(t), lambda sums: sums.sum(axis=-1) / 2)
    card = scoring.score((half, rows), guess, answers, spec)
    assert value(card, "half") == pytest.approx(np.nansum(answers.truth) / 2)
    assert [value(card, "rows", part) for part in scoring.PARTS] == [200, answers.public.sum(), (~answers.public).sum()]
    assert card.replicates["rows"][0].mean() == pytest.approx(200, rel=0.01)


def test_what_takes_long_is_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(scoring, "_PATIENCE", -1.0)
    monkeypatch.setattr(scoring, "_BLOCK", 2000)
    scoring.score(METRICS, *make(14))
    assert capsys.readouterr().err.count("spearman takes each resample afresh") == 1
    monkeypatch.setattr(scoring, "_PATIENCE", 60.0)
    scoring.score(METRICS, *make(14))
    assert capsys.readouterr().err == ""
