"""Names on the board: readable, in one form, and not to be taken for another's."""

import threading
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kit
from kit import names, ranking, tasks
from kit.board import Board
from kit.errors import KitError
from kit.verify import verify


def submit(name: str, seed: int = 0, **facts: Any) -> dict[str, Any]:
    return kit.submit("coin", np.random.default_rng(seed).random(100), name=name, **facts)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\u00a0\u2003",
        "ada\u200b",
        "ada\u200d",
        "\ufeffada",
        "a\u00adda",
        "ada\u034f",
        "ada\ufe0f",
        "ada\U000e0041",
        "\u3164",
        "\u115f\u1160",
        "\uffa0",
        "\u2800",
        "\u202eada",
        "ada\u2066",
        "\u200fada",
        "ada\x1b[31m",
        "ada\0",
        "ada\x07",
        "\ud800",
        "ada\udc80",
        "\ue000",
        "\U000f0000",
        "\u0378",
        "\u0301",
        "\u0301ada",
        "a" + "\u0316" * 5,
        "x" * 65,
        "cnn *",
        "cnn ＊",
        "cnn*",
        "forgotten-12",
        "Forgotten-12",
    ],
)
def test_a_name_that_cannot_be_read_is_refused_before_anything_is_written(name: str, workspace: Path) -> None:
    with pytest.raises(KitError, match="cannot stand on the board") as caught:
        names.checked(name)
    assert str(caught.value).isprintable()
    with pytest.raises(KitError):
        submit(name or " ")
    assert not (workspace / "submissions").exists()


@pytest.mark.parametrize(
    "name", ["ada", "李小龍", "José", "Ольга", "محمد", "שרה", "สมชาย", "नेहा", "😀 team", "O'Brien-Smith (2)", "🇫🇷"]
)
def test_names_of_all_scripts_are_taken_as_they_are(name: str) -> None:
    assert names.checked(name) == unicodedata.normalize("NFC", name)


def test_a_name_has_one_form() -> None:
    first, second = submit("Jose\u0301"), submit(" José  ", 1)
    assert first["name"] == second["name"] == "José"
    assert submit("a\u3000 b\tc", 2)["name"] == "a b c"
    assert [row["entries"] for row in ranking.read(tasks.find("coin")).rows if row["name"] == "José"] == [2]


# fmt: off
LIKE = [
    ("ada", "аdа"), ("ada", "ADA"), ("ada", "Ada"), ("ada", "ａｄａ"), ("ada", "𝐚𝐝𝐚"), ("Ian", "lan"),
    ("bob0", "bobO"), ("bob1", "bobl"), ("bob1", "bobI"), ("paypal", "раураl"), ("ANNA", "ΑΝΝΑ"),
    ("anna", "ΑΝΝΑ"), ("BOBA", "ВОВА"), ("mia", "rnia"), ("will", "vvill"), ("x-y", "x–y"),
    ("O'Neil", "O’Neil"), ("straße", "STRASSE"), ("ﬁona", "fiona"), ("ⓐda", "ada"), ("a²", "a2"),
    ("team ١", "team 1"), ("ᴀᴅᴀ", "ada"), ("ꓮꓓꓮ", "ADA"), ("ᎪᎠᎪ", "ADA"), ("օօ", "oo"), ("ニ", "二"),
    ("ⅸ", "ix"), ("kit", "ĸit"), ("sιgma", "sigma"),
]
# fmt: on


@pytest.mark.parametrize(("one", "other"), LIKE)
def test_look_alikes_are_seen_whichever_comes_first(one: str, other: str) -> None:
    assert names.look_alike(one, ["someone", other]) == other
    assert names.look_alike(other, ["someone", one]) == one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada", "adam"),
        ("José", "Jose"),
        ("か", "が"),
        ("name1", "name10"),
        ("a b", "ab"),
        ("Ольга", "Олег"),
        ("नेहा", "नहा"),
        ("李", "季"),
    ],
)
def test_names_that_differ_to_the_eye_are_two(one: str, other: str) -> None:
    assert names.look_alike(one, [other]) is None


def test_a_look_alike_of_a_name_on_the_board_is_refused_and_the_name_is_shown(workspace: Path) -> None:
    submit("ada")
    for name in ("аdа", "Ada", "ＡＤＡ"):
        with pytest.raises(KitError, match="'ada'"):
            submit(name, 1)
    submit("ada", 2)
    assert len(list(workspace.rglob("submissions/coin/*"))) == 4
    assert [row["name"] for row in Board().all()] == ["ada", "ada"]


def test_two_look_alikes_at_once_cannot_both_get_in() -> None:
    submit("first")
    refused, start = [], threading.Barrier(8)

    def enter(name: str) -> None:
        start.wait()
        try:
            submit(name, 3)
        except KitError:
            refused.append(name)

    forms = ["eve", "Eve", "EVE", "еve", "evе", "ｅve", "eνe", "𝐞ve"]
    threads = [threading.Thread(target=enter, args=(form,)) for form in forms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert len(Board().names("coin")) == 2


@pytest.mark.parametrize("name", ["bias", "Bias", "bіas", "BIAS", "ｂias"])
def test_a_person_cannot_take_the_name_of_a_baseline(name: str, workspace: Path) -> None:
    with pytest.raises(KitError, match="bias is a baseline of coin"):
        submit(name)
    assert not (workspace / "submissions").exists()


def test_a_baseline_that_is_gone_still_has_its_name_on_the_board() -> None:
    submit("old", baseline=True)
    with pytest.raises(KitError, match="'old'"):
        submit("old", 1)


def test_a_person_who_was_named_like_a_baseline_is_another(workspace: Path) -> None:
    """Boards of older versions have such names: both stay, each ranks for itself, and each can be asked for."""
    coin = tasks.find("coin")
    person = submit("sam", 1)
    submit("sam", 2, baseline=True)
    submit("sam", 3, baseline=True)
    rows = ranking.read(coin).rows
    assert {(row["baseline"], row["entries"]) for row in rows} == {(False, 1), (True, 2)}
    assert ranking.read(coin).names == 2
    assert [row["id"] for row in ranking.history(coin, "sam")] == [person["id"]]
    assert len(ranking.history(coin, "sam *")) == 2
    mine, other, _ = ranking.compare(coin, "sam", "sam *")
    assert (mine["baseline"], other["baseline"]) == (False, True)
    for part in ("public", "private"):
        assert [row["moved"] is not None for row in ranking.read(coin, part).rows] == [True, True]
    assert verify() == (3, [])
