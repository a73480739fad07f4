"""People near a probe are read by texts that are prepared for lists of some lengths."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import text

from gallery.database.open import open_database
from gallery.records import feed, prepared
from gallery.store import NewPerson, Store
from tests.support.templates import templates
from utils.modality import SINGLE, Modality

ENCODERS = {m: f"{m}-1" for m in SINGLE}


@pytest.mark.parametrize("count", [1, 3, 4, 5, 11])
def test_a_list_of_any_length_gives_everybody_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(prepared, "_ROUNDED_UP", 4)
    for number in range(12):
        store.enroll(NewPerson(f"p{number}"), templates(number))
    with store.database.read() as connection:
        keys = sorted(feed.read_people(connection))[:count]
        pieces, refs = feed.read_named(connection, store.codec, ENCODERS, [*keys, 10**6])
    (piece,) = pieces
    assert [piece[m].owners.tolist() for m in SINGLE] == [keys, keys]
    assert [refs[key].person_id for key in keys] == [f"p{number}" for number in range(count)]


def test_few_texts_are_prepared(store: Store) -> None:
    """Lists of nearly one length, as of every search, have one."""
    prepared._prepare.cache_clear()
    with store.database.read() as connection:
        for count in range(1, 65):
            feed.read_named(connection, store.codec, ENCODERS, range(1, count + 1))
    assert prepared._prepare.cache_info().currsize == 1


@pytest.mark.parametrize("column", ["person_id", "name"])
def test_whoever_has_bytes_for_a_text_is_found_under_what_is_left(
    sqlite_url: str, column: str
) -> None:
    """SQLite stores bytes in any column. They cannot be written into an answer."""
    store = Store(open_database(sqlite_url))
    for number in range(2):
        store.enroll(NewPerson(f"p{number}"), templates(number))
    with store.database.write() as connection:
        connection.execute(text(f"UPDATE people SET {column} = x'61ff' WHERE person_id = 'p0'"))
    with store.database.read() as connection:
        keys = sorted(feed.read_people(connection))
        pieces, refs = feed.read_named(connection, store.codec, ENCODERS, keys)
    store.database.close()
    assert getattr(refs[keys[0]], column) == "a\N{REPLACEMENT CHARACTER}"
    owners = [piece[Modality.FACE].owners for piece in pieces]
    assert np.concatenate(owners).tolist() == keys
