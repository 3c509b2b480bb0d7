"""Sentiment in English and Chinese: nothing but the text tells the label, and no text breaks a baseline."""

import importlib
import io
import re
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kit
from kit import prepare, tasks
from kit.errors import KitError, SourceError
from kit.task import Data, Spec
from kit.tasks.sentiment import data as english
from kit.tasks.sentiment import split

TASKS = ["sentiment", "sentiment_zh"]
BASELINES = [(task, name) for task in TASKS for name in tasks.baselines(tasks.find(task))]
HOSTILE = [
    "",
    " \t\n\r ",
    "\0\0 null \0",
    "👍🏽🎬 a 🍿 film 👨‍👩‍👧‍👦",
    "a wonderful film " * 6_000,  # 102,000 characters
    "x" * 100_000,  # one word
    "好" * 100_000,
    "!" * 100_000,
    "فيلم رائع جدا",  # right to left
    "\u202eelbirret\u202c",  # told to be
    "lone \ud800 and \udfff, swapped \udc00\ud83d",
    "e\u0301\u0327" * 200,  # marks that combine
    "\ufeff\u200b\ufffe\U0010ffff",
    "<script>alert(1)</script> '; drop table reviews; -- %s {0} \\x00",
]


LOADED: dict[str, Data] = {}


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> Data:
    monkeypatch.delenv("KIT_CACHE")  # the user's own cache, where data is fetched to once and not for every test
    try:
        return LOADED.get(name) or LOADED.setdefault(name, kit.load(name))
    except SourceError as error:
        pytest.skip(f"its data cannot be had here: {error}")


def bare(text: str) -> str:
    """Lower-cased, without punctuation: written anew here, so that it is no mirror of the task's own."""
    return " ".join("".join(sign for sign in text.lower() if sign.isalnum() or sign.isspace()).split())


def test_the_english_sentences_are_all_there_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("sentiment", monkeypatch)
    truth = np.asarray(prepare.answers(tasks.find("sentiment")).truth)
    assert len(data.x_train) + len(data.x_test) == 10_605
    assert len(data.x_test) / 10_605 == pytest.approx(0.2, abs=0.01)
    assert np.isnan(truth).sum() + (data.y_train == 0).sum() == 37
    assert np.abs(data.y_train).max() <= 4
    known = {"Effective but too tepid biopic": -0.6, "No surprises.": -0.625}
    for text, valence in known.items():
        [row] = np.flatnonzero(np.concatenate([data.x_train, data.x_test]) == text)
        side = data.y_train[row] if row < len(data.y_train) else truth[row - len(data.y_train)]
        assert side == pytest.approx(valence) or side == float(valence > 0)


def test_chinese_reviews_are_all_different_and_none_contradicts_another(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("sentiment_zh", monkeypatch)
    texts = [bare(text).replace(" ", "") for text in [*data.x_train, *data.x_test]]
    assert len(texts) == len(set(texts)) > 17_000
    assert set(np.unique(data.y_train)) == {-1, 1}
    assert all(texts)


@pytest.mark.parametrize("name", TASKS)
def test_no_sentence_is_on_both_sides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(name, monkeypatch)
    assert not {bare(text) for text in data.x_train} & {bare(text) for text in data.x_test}
    assert not {bare(t).replace(" ", "") for t in data.x_train} & {bare(t).replace(" ", "") for t in data.x_test}


@pytest.mark.parametrize("name", TASKS)
def test_no_test_text_is_nearly_a_training_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MinHash against the exact share of shingles in common, from a product of sparse tables."""
    from sklearn.feature_extraction.text import CountVectorizer

    data = load(name, monkeypatch)
    some = data.x_test[::10]
    both = CountVectorizer(analyzer=_shingles, binary=True, dtype=np.float32).fit_transform([*some, *data.x_train])
    test, train = both[: len(some)], both[len(some) :]
    n_train, n_test = train.sum(axis=1).A1, test.sum(axis=1).A1
    common = (test @ train.T).tocoo()
    share = common.data / (n_test[common.row] + n_train[common.col] - common.data)
    worst = share.argmax()
    assert share[worst] < 0.5, (some[common.row[worst]], data.x_train[common.col[worst]])


def _shingles(text: str) -> set[str]:
    text = split.normal(text)
    return {f"{text}   "[start : start + 4] for start in range(max(1, len(text)))}


@pytest.mark.parametrize("name", TASKS)
def test_row_numbers_and_ids_and_hashes_carry_no_label(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that see only where a row stands, or only a hash of it, do no better than chance."""
    import hashlib

    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier

    data = load(name, monkeypatch)
    truth = np.asarray(prepare.answers(tasks.find(name)).truth)
    scored = ~np.isnan(truth)
    place_train, place_test = np.linspace(0, 1, len(data.x_train)), np.linspace(0, 1, len(truth))
    hashes = [
        np.array([int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8 for text in texts])
        for texts in (data.x_train, data.x_test)
    ]
    by_id = np.asarray(data.spec.ids)
    pairs = {"row": (place_train, place_test), "id": (np.arange(len(data.x_train)), by_id), "hash": tuple(hashes)}
    for what, (train, test) in pairs.items():
        for model in (KNeighborsClassifier(25), RandomForestClassifier(50, max_depth=6, random_state=0)):
            guess = model.fit(train[:, None], data.y_train > 0).predict(test[:, None])
            accuracy = (guess == (truth > 0.5))[scored].mean()
            assert accuracy < 0.5 + 5 * 0.5 / np.sqrt(scored.sum()), (what, model)
    neighbours = truth[scored]  # a file sorted by label would have neighbours alike
    assert (neighbours[1:] == neighbours[:-1]).mean() == pytest.approx(0.5, abs=0.05)
    assert ((data.y_train > 0)[1:] == (data.y_train > 0)[:-1]).mean() == pytest.approx(0.5, abs=0.03)


def test_the_leak_test_would_find_the_published_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The raw file's own order gives the label away: the check above is one that can fail."""
    load("sentiment", monkeypatch)
    [archive] = english.fetch("sentiment", [english._ARCHIVE])
    raw = english.extract(archive, english._MEMBER, english._MEMBER_SHA256, english._MEMBER_LIMIT).decode()
    positive = np.array([float(line.split("\t")[1]) > 0 for line in raw.split("\r\n")])
    assert (positive[1:] == positive[:-1]).mean() > 0.9


@pytest.mark.parametrize(("task", "name"), BASELINES)
def test_no_text_breaks_a_baseline(task: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = load(task, monkeypatch).head(200)
    texts = np.array([*HOSTILE, *data.x_test[:20]], object)
    data = replace(data, x_test=texts, spec=Spec(np.arange(len(texts)), ("positive",), "probability"))
    module: Any = importlib.import_module(f"kit.tasks.{task}.baselines.{name}")
    for needed in {"vader": ["vaderSentiment"], "minilm": ["transformers", "safetensors", "tokenizers"]}.get(name, []):
        pytest.importorskip(needed)
    try:
        predictions = module.predict(data, kit.Run(seed=0, wanted_device="cpu", epochs=1, folder=tmp_path / "run"))
    except SourceError as error:
        pytest.skip(f"its weights cannot be had here: {error}")
    assert predictions.shape == (len(texts),)
    assert np.isfinite(predictions).all()
    assert ((predictions >= 0) & (predictions <= 1)).all()


@pytest.mark.parametrize(("name", "package"), [("minilm", "transformers"), ("vader", "vaderSentiment.vaderSentiment")])
def test_a_missing_package_is_named_with_how_to_get_it(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(importlib.import_module("sys").modules, package, None)  # type: ignore[arg-type]
    pytest.importorskip("safetensors")
    pytest.importorskip("tokenizers")
    module: Any = importlib.import_module(f"kit.tasks.sentiment.baselines.{name}")
    texts = np.array(["fine"], object)
    data = Data(texts, np.ones(1), texts, Spec(np.arange(1), ("positive",), "probability"), "made up")
    with pytest.raises(KitError, match=r"pip install 'competition-kit\[text\]'"):
        module.predict(data, kit.Run(folder=tmp_path))


def test_near_duplicates_are_found_through_each_other() -> None:
    one = "the quick brown fox jumps over the lazy dog by the river"
    other, third = f"{one} again", f"{one} again and again"
    texts = [split.normal(text) for text in (third, "something else entirely", one, other, "", one.upper() + "!")]
    group = split.near_duplicates(texts)
    assert group[0] == group[2] == group[3] == group[5]
    assert len(set(group[[0, 1, 4]].tolist())) == 3


def test_the_split_depends_on_the_texts_and_not_on_their_order() -> None:
    texts = [split.normal(f"sentence number {number * 7919} of many, {number}") for number in range(2_000)]
    alone = np.arange(len(texts))
    test = split.is_test(texts, alone)
    assert test.mean() == pytest.approx(split.TEST_SHARE, abs=0.03)
    back = split.is_test(texts[::-1], alone)
    assert np.array_equal(back[::-1], test)
    order = split.shuffled(texts)
    assert [texts[row] for row in order] == [texts[::-1][row] for row in split.shuffled(texts[::-1])]
    assert sorted(order.tolist()) == alone.tolist()
    assert split.is_test(texts[:4], np.array([0, 0, 0, 0])).tolist() in ([True] * 4, [False] * 4)


def archive(path: Path, **members: bytes | tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                tar.addfile(info)
    return path


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("wanted")
    info.type, info.linkname = kind, "/etc/hostname"
    return info


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"wanted": link(tarfile.SYMTYPE)}, "no ordinary file"),
        ({"wanted": link(tarfile.LNKTYPE)}, "no ordinary file"),
        ({"wanted": link(tarfile.FIFOTYPE)}, "no ordinary file"),
        ({"wanted": b"x" * 101}, "at most 100 bytes"),
        ({"../wanted": b"x"}, "does not hold wanted"),
        ({"wanted": b"other"}, "sha256"),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, members: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        english.extract(archive(tmp_path / "a.tar.gz", **members), "wanted", "0" * 64, 100)
    assert [path.name for path in tmp_path.rglob("*") if "workspace" not in path.parts] == ["a.tar.gz"]


def test_a_damaged_archive_is_refused_and_a_good_one_read(tmp_path: Path) -> None:
    import hashlib

    good = archive(tmp_path / "a.tar.gz", wanted=b"hello")
    assert english.extract(good, "wanted", hashlib.sha256(b"hello").hexdigest(), 5) == b"hello"
    for content in (b"no archive", good.read_bytes()[:40], b""):
        (tmp_path / "b.tar.gz").write_bytes(content)
        with pytest.raises(SourceError, match="does not hold wanted"):
            english.extract(tmp_path / "b.tar.gz", "wanted", "0" * 64, 100)


def test_batches_of_like_length_hold_every_row_once_and_little_padding() -> None:
    torch = pytest.importorskip("torch")
    from kit.training import Batches

    torch.manual_seed(0)
    lengths = torch.randint(1, 60, (5_003,))
    x = (torch.arange(60) < lengths[:, None]).long() * torch.arange(1, 5_004)[:, None]
    seen, cells = [], 0
    for inputs, rows in Batches([x, torch.arange(len(x))], 32, padding=0):
        assert (inputs[:, -1] != 0).any()
        assert torch.equal((inputs != 0).sum(dim=1), lengths[rows])
        seen += rows.tolist()
        cells += inputs.numel()
    assert sorted(seen) == list(range(len(x)))
    assert cells < 1.1 * lengths.sum()


def test_predictions_come_back_in_the_order_of_the_rows() -> None:
    torch = pytest.importorskip("torch")
    from kit import training

    class Sum(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any) -> Any:
            return x.sum(dim=1).float()

    x = torch.tril(torch.ones(300, 300, dtype=torch.long))[torch.randperm(300)]
    x[7] = 0  # a row of nothing but padding
    got = training.predict(Sum(), x, kit.Run(wanted_device="cpu"), batch_size=16, padding=0)
    assert torch.equal(got, x.sum(dim=1).float())


def test_words_are_words_and_chinese_characters() -> None:
    from kit.tasks.sentiment.baselines._words import PADDING, UNKNOWN, numbered, vocabulary, words

    assert words("Don't STOP: naïve, 3.5 stars!") == ["don't", "stop", ":", "naïve", ",", "3", ".", "5", "stars", "!"]
    assert words("很好ok。") == ["很", "好", "ok", "。"]
    known = vocabulary(["a b a", "a c b"])
    assert known == {"a": 2, "b": 3}
    rows = numbered(["b c a b", "", "a"], known, 3)
    assert rows.tolist() == [[3, UNKNOWN, 2], [UNKNOWN, PADDING, PADDING], [2, PADDING, PADDING]]


def test_the_briefs_name_what_is_forbidden() -> None:
    for name, words in {
        "sentiment": ["SST-2", "Rotten Tomatoes", "MIT"],
        "sentiment_zh": ["ChnSentiCorp", "MIT"],
    }.items():
        text = (tasks.find(name).folder / "README.md").read_text()
        assert all(re.search(word, text) for word in [*words, "forbidden"])
