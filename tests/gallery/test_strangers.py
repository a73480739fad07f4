"""Strangers in each kind of database: bounded, listed, hidden, joined, and gone in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from gallery.database.open import open_database
from gallery.records import strangers
from gallery.records.strangers import KeptValue, NewClip, StrangerClip
from gallery.records.visits import NewVisit
from gallery.store import Store
from gallery.tables import stranger_values as values
from gallery.transactions.base import Terms
from tests.support.gallery_parts import embedding
from utils.errors import InvalidRequestError, StrangerNotFoundError, ThumbnailNotFoundError
from utils.modality import Modality


@pytest.fixture
def kept(store_url: str) -> Iterator[Store]:
    store = Store(open_database(store_url), terms=Terms(stranger_days=10))
    yield store
    store.close()


def come_by(store: Store, person: int, take: int, stranger: int | None = None, **more: int) -> int:
    """Keep a clip of somebody, with a picture, and return the stranger's number."""
    value = KeptValue(embedding(Modality.FACE, person, take), 0.8)
    clip = StrangerClip(f"{person}-{take}", (value,), b"a picture")
    key = store.keep_stranger(NewClip(clip, stranger, tuple(more.values())))
    assert key is not None
    return key


def test_they_are_bounded_and_listed(kept: Store) -> None:
    first = come_by(kept, 1, 0)
    for take in range(1, 8):
        assert come_by(kept, 1, take, first) == first
    come_by(kept, 2, 0)
    page, total = kept.list_strangers(limit=1)
    assert (total, kept.count_strangers(), page[0].times) == (2, 2, 1)
    (stranger,) = kept.list_strangers(offset=1)[0]
    assert (stranger.times, stranger.clips) == (8, {"face": strangers.MOST_CLIPS})
    sources = [clip.source_sha256 for clip in kept.read_stranger_clips(stranger.stranger_id)]
    assert sources == [f"1-{take}" for take in range(3, 8)], "the latest ones, oldest first"
    assert kept.stranger_picture(stranger.stranger_id) == b"a picture"
    with pytest.raises(InvalidRequestError, match="Received"):
        kept.list_strangers(limit=0)


def test_two_who_are_one_are_joined(kept: Store) -> None:
    first = come_by(kept, 1, 0)
    second = come_by(kept, 2, 0)
    hidden = kept.list_strangers()[0][0]
    kept.hide_stranger(hidden.stranger_id)
    assert come_by(kept, 1, 1, first, same=second) == first
    (one,) = kept.list_strangers(hidden=True)[0]
    assert (one.number, one.times, one.clips) == (first, 3, {"face": 3})
    gone = kept.keep_stranger(NewClip(StrangerClip("x", ()), second))
    assert gone is None, "who is gone comes not back"


def test_a_stranger_who_is_gone_before_the_answer_is_noted_leaves_the_visit(kept: Store) -> None:
    store = Store(kept.database, terms=Terms(stranger_days=10, visit_days=10))
    stranger = come_by(store, 1, 0)
    store.delete_stranger(store.list_strangers()[0][0].stranger_id)
    asked = (NewVisit("identify", "unknown", stranger=stranger),)
    store.record_answer("identify", "unknown", person_id=None, named=(), visitors=asked)
    (visit,) = store.list_visits()
    assert (visit.stranger_id, visit.asked.outcome) == (None, "unknown")


def test_the_visits_of_a_stranger_are_of_the_person_who_is_enrolled(kept: Store) -> None:
    store = Store(kept.database, terms=Terms(stranger_days=10, visit_days=10))
    for name in ("anna", "ben"):
        store.create_person(name)
    stranger = come_by(store, 1, 0)
    for _ in range(3):
        store.keep_visit(NewVisit("identify", "unknown", stranger=stranger))
    of_anna, of_ben, _ = store.list_visits()
    store.correct_visit(of_anna.visit_id, "anna")
    store.correct_visit(of_ben.visit_id, "ben")
    assert store.finish_strangers(["1-0"], "anna") == 1
    visits = store.list_visits(person_id="anna")
    assert [visit.asked.person_id for visit in visits] == ["anna"] * 3
    assert [visit.actual_id for visit in visits] == [None, "ben", None]
    assert [visit.corrected_at is None for visit in visits] == [True, False, True]


def test_what_goes_for_a_clip_is_forgotten_also_where_others_came_meanwhile(
    kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = come_by(kept, 1, 0)
    for take in range(1, strangers.MOST_CLIPS):
        come_by(kept, 1, take, first)
    forgotten = list[set[bytes]]()
    forget = kept.database.forget

    def note(traces: set[bytes], **more: bool) -> bool:
        forgotten.append(set(traces))
        return forget(traces, **more)

    # The moment at which another process had not yet stored the last clip
    monkeypatch.setattr(strangers, "is_full", lambda *_: False)
    monkeypatch.setattr(kept.database, "forget", note)
    come_by(kept, 1, 9, first)
    assert b"1-0" in set.union(*forgotten)


def test_each_value_has_its_term(kept: Store) -> None:
    first = come_by(kept, 1, 0)
    come_by(kept, 1, 1, first)
    (stranger,) = kept.list_strangers()[0]
    old = datetime.now(UTC) - timedelta(days=10, hours=1)
    with kept.database.write() as connection:
        mine = values.c.source_sha256 == "1-0"
        connection.execute(update(values).where(mine).values(at=old))
    kept.forget_expired()
    assert kept.list_strangers()[0][0].clips == {"face": 1}
    kept.delete_stranger(stranger.stranger_id)
    assert kept.list_strangers() == ((), 0)
    for call in (kept.get_stranger, kept.delete_stranger, kept.stranger_picture):
        with pytest.raises(StrangerNotFoundError):
            call(stranger.stranger_id)
    voice = KeptValue(embedding(Modality.VOICE, 3), 0.8, 2.0)
    kept.keep_stranger(NewClip(StrangerClip("voice", (voice,))))
    with pytest.raises(ThumbnailNotFoundError):
        kept.stranger_picture(kept.list_strangers()[0][0].stranger_id)
    without = Store(kept.database)
    without.forget_expired()
    assert without.count_strangers() == 0, "without the setting none is left"
