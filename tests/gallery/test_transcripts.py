"""Kept transcripts: stored, read with the present names, exported, and deleted with a person."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from gallery.database.open import open_database
from gallery.encryption import rotation
from gallery.encryption.sealing import PlainText, Sealer
from gallery.results import KeptTurn, NewTranscript, SpokenTurn
from gallery.store import Store
from gallery.tables import transcript_turns, transcripts
from gallery.transactions.base import Terms
from tests.support.gallery_parts import open_gallery
from tests.support.remains import present_in
from utils.errors import InvalidRequestError, TranscriptNotFoundError

WORDS = {"word": "secretly", "start": 0.2, "end": 0.6, "probability": 0.9}
TALK = NewTranscript(
    title="annas talk.wav",
    language="en",
    duration_s=7.5,
    turns=(
        SpokenTurn(
            0.0,
            2.0,
            "Anna says this secretly",
            (WORDS,),
            person_id="anna",
            outcome="named",
            decided_by="face",
        ),
        SpokenTurn(2.0, 4.5, "A stranger answers", speaker="unknown 1"),
        SpokenTurn(4.5, 7.0, "And Ben is here, too", person_id="ben", outcome="inferred"),
        SpokenTurn(7.0, 7.5, "Gone", person_id="nobody", speaker="Nobody", outcome="named"),
    ),
)


@pytest.fixture
def people(store: Store) -> Store:
    """A store with Anna and Ben."""
    store.create_person("anna", "Anna")
    store.create_person("ben", "Ben")
    return store


def actions(store: Store) -> list[str]:
    return [event.action for event in store.events(limit=10)]


def test_a_transcript_is_read_with_the_present_names(people: Store) -> None:
    kept = people.keep_transcript(TALK)
    people.update_person("ben", name="Benjamin")
    read = people.read_transcript(kept)
    assert (read.title, read.language, read.duration_s) == ("annas talk.wav", "en", 7.5)
    assert [turn.speaker for turn in read.turns] == ["Anna", "unknown 1", "Benjamin", ""]
    assert [turn.person_id for turn in read.turns] == ["anna", None, "ben", None]
    assert read.turns[0] == KeptTurn(
        **{**asdict(TALK.turns[0]), "words": (WORDS,), "speaker": "Anna"}
    )
    assert {"read_transcript", "keep_transcript"} < set(actions(people))


def test_one_of_an_earlier_release_does_not_say_what_named(people: Store) -> None:
    kept = people.keep_transcript(TALK)
    words = json.dumps({"turn": "t", "text": "Anna says this", "words": []}).encode()
    with people.database.write() as connection:
        row = connection.execute(select(transcript_turns).where(transcript_turns.c.position == 0))
        turn_id = row.one().turn_id
        connection.execute(
            update(transcript_turns)
            .where(transcript_turns.c.turn_id == turn_id)
            .values(data=people.codec.seal(words, turn_id))
        )
    turn = people.read_transcript(kept).turns[0]
    assert (turn.text, turn.decided_by) == ("Anna says this", None)


def test_they_are_listed_newest_first_and_deleted(people: Store) -> None:
    first, second = (people.keep_transcript(TALK) for _ in range(2))
    page = people.list_transcripts(limit=1)
    assert (page.total, [one.transcript_id for one in page.transcripts]) == (2, [second])
    assert people.list_transcripts(offset=1).transcripts[0].transcript_id == first
    people.delete_transcript(second)
    assert people.list_transcripts().total == 1
    assert actions(people)[0] == "delete_transcript"
    for call in (people.read_transcript, people.delete_transcript):
        with pytest.raises(TranscriptNotFoundError, match="Received"):
            call(second)
    with pytest.raises(InvalidRequestError):
        people.list_transcripts(limit=0)


def test_a_person_is_exported_with_what_they_say(people: Store) -> None:
    kept = people.keep_transcript(TALK)
    (turn,) = people.export_person("anna")["transcripts"]
    assert turn["transcript_id"] == kept
    assert (turn["text"], turn["words"]) == ("Anna says this secretly", [WORDS])
    assert (turn["start_s"], turn["end_s"], turn["decided_by"]) == (0.0, 2.0, "face")
    assert people.export_person("ben")["transcripts"][0]["text"] == "And Ben is here, too"


def test_turns_are_deleted_with_their_person(people: Store) -> None:
    kept = people.keep_transcript(TALK)
    people.delete_person("anna")
    read = people.read_transcript(kept)
    assert read.title == ""
    assert read.turns[0] == KeptTurn(0.0, 2.0, "", speaker="deleted person", outcome="deleted")
    assert [turn.text for turn in read.turns[1:]] == [turn.text for turn in TALK.turns[1:]]
    assert "deleted" not in [turn.outcome for turn in read.turns[1:]]


def test_merged_entries_say_what_both_said(people: Store) -> None:
    kept = people.keep_transcript(TALK)
    people.merge_people("anna", "ben")
    read = people.read_transcript(kept)
    assert [turn.person_id for turn in read.turns] == ["anna", None, "anna", None]
    assert read.turns[2].text == "And Ben is here, too"
    assert read.title == "annas talk.wav"


def test_their_term_ends_them_as_that_of_people_does(store_url: str) -> None:
    store = Store(open_database(store_url), terms=Terms(transcript_days=30))
    old, new = (store.keep_transcript(TALK) for _ in range(2))
    set_created(store, old, datetime.now(UTC) - timedelta(days=31))
    store.forget_expired_when_due()
    assert [one.transcript_id for one in store.list_transcripts().transcripts] == [new]
    assert [event.outcome for event in store.events(action="delete_transcript")] == ["expired"]
    set_created(store, new, datetime.now(UTC) - timedelta(days=29.9))
    store.forget_expired()
    assert store.list_transcripts().total == 1
    assert 0 < store._look_at - time.time() < 0.2 * 86_400, "its time comes within the day"
    store.close()


def test_without_a_term_they_stay(store: Store) -> None:
    kept = store.keep_transcript(TALK)
    set_created(store, kept, datetime(2001, 1, 1, tzinfo=UTC))
    store.forget_expired()
    assert store.list_transcripts().total == 1


def set_created(store: Store, transcript_id: str, at: datetime) -> None:
    mine = transcripts.c.transcript_id == transcript_id
    with store.database.write() as connection:
        connection.execute(update(transcripts).where(mine).values(created_at=at))


@pytest.mark.slow
def test_nothing_is_left_in_the_bytes(tmp_path: Path) -> None:
    store = open_gallery(tmp_path)
    for number in range(40):
        store.create_person(f"p{number}")
    store.create_person("anna", "Anna")
    store.create_person("ben", "Ben")
    for _ in range(20):
        other = store.keep_transcript(TALK)
    wanted = [b"Anna says this secretly", b"annas talk.wav"]
    assert present_in(tmp_path, *wanted) == wanted
    store.delete_person("anna")
    assert present_in(tmp_path, *wanted) == []
    assert present_in(tmp_path, b"And Ben is here")
    store.delete_transcript(other)
    store.delete_person("ben")
    assert present_in(tmp_path, b"And Ben is here") == []
    store.close()


def test_they_are_sealed_and_rotate_with_the_key(tmp_path: Path) -> None:
    keys = [Sealer(bytes([number]) * 32) for number in (1, 2)]
    store = open_gallery(tmp_path, codec=keys[0])
    store.create_person("anna", "Anna")
    kept = [store.keep_transcript(TALK) for _ in range(2)]
    store.create_person("ben", "Ben")
    store.keep_transcript(TALK)
    store.delete_person("ben")
    assert present_in(tmp_path, b"Anna says", b"annas talk", b"secretly") == []
    rotation.rotate(store.database, keys[1], [keys[0]])
    store.close()
    store = open_gallery(tmp_path, codec=keys[1])
    assert store.read_transcript(kept[0]).turns[0].text == "Anna says this secretly"
    assert store.read_transcript(kept[1]).title == "annas talk.wav"
    rotation.rotate(store.database, PlainText(), [keys[1]])
    store.close()
    assert present_in(tmp_path, b"Anna says this")
