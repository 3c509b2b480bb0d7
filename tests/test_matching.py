"""Ids are found whatever their order; a dictionary is the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import matching

pa = pytest.importorskip("pyarrow")

WORD = st.text("ab\0é日", max_size=20)
KNOWN = st.lists(WORD.filter(lambda word: not word.endswith("\0")), min_size=1, max_size=30, unique=True)


def places(given_ids: list[str | None], known: list[str]) -> list[int]:
    return matching.places(
        pa.chunked_array([given_ids[:3], given_ids[3:]], pa.string()), matching.as_bytes(np.array(known))
    ).tolist()


@given(known=KNOWN, others=st.lists(WORD | st.none()), data=st.data())
def test_each_id_is_found_where_it_stands(known: list[str], others: list[str | None], data: st.DataObject) -> None:
    asked = data.draw(st.permutations([*known, *others]))
    at = {word: row for row, word in enumerate(known)}
    assert places(asked, known) == [-1 if word is None else at.get(word, -1) for word in asked]
    assert places(known, known) == list(range(len(known)))


def test_more_ids_than_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_CHUNK_BYTES", 7 * 8)
    known = [f"row {n}" for n in range(100)]
    order = np.random.default_rng(0).permutation(100)
    assert places([known[row] for row in order] + ["row"], known) == [*order.tolist(), -1]
    part = known[:50] + known[50:][::-1]
    assert places(part, known) == [*range(50), *range(99, 49, -1)]


def test_ids_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    true = matching._hash
    monkeypatch.setattr(matching, "_hash", lambda rows, seed: true(rows, seed) % 2 if seed == 0 else true(rows, seed))
    known = [f"row {n}" for n in range(50)]
    assert places(known[::-1], known) == list(range(49, -1, -1))


def test_an_id_that_is_known_twice_is_found_once() -> None:
    found = places(["b", "a", "c"], ["a", "b", "a"])
    assert found[0] == 1
    assert found[1] in (0, 2)
    assert found[2] == -1
