"""Which voice of the session is heard, where several speak in one stretch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery.records.groups import NewGroup
from gallery.records.sightings import Rules
from gallery.store import NewPerson
from recognition.recognizer import Recognizer
from speech.live_options import LiveOptions
from speech.live_voices import LiveVoices, Part
from speech.speakers import Speaker
from tests.support.filled_gallery import new_templates
from tests.support.gallery_parts import direction, make_recognizer

ALIKE = direction("voice", 1)


@pytest.fixture
def recognizer(tmp_path: Path) -> Iterator[Recognizer]:
    opened = make_recognizer(tmp_path)
    yield opened
    opened.close()


def test_voices_of_one_stretch_are_two_people(recognizer: Recognizer) -> None:
    """They are as alike as can be, as over a telephone, and yet speak beside each other."""
    voices = LiveVoices(recognizer.voices, LiveOptions())
    first, second = voices.hear([Part(ALIKE, 3.0), Part(ALIKE, 3.0)])
    assert first is not None
    assert second is not None
    assert first is not second
    assert {first.label.speaker.label, second.label.speaker.label} == {"unknown 1", "unknown 2"}
    again = voices.hear([Part(ALIKE, 3.0), Part(ALIKE, 3.0)])
    assert set(again) == {first, second}
    (alone,) = voices.hear([Part(ALIKE, 3.0)])
    assert alone in (first, second)


def test_each_voice_of_a_stretch_finds_its_own(recognizer: Recognizer) -> None:
    voices = LiveVoices(recognizer.voices, LiveOptions())
    (first,) = voices.hear([Part(direction("voice", 1), 3.0)])
    (second,) = voices.hear([Part(direction("voice", 2), 3.0)])
    heard = voices.hear([Part(direction("voice", 2), 2.0), Part(direction("voice", 1), 2.0)])
    assert heard == [second, first]


def test_a_short_piece_makes_no_voice(recognizer: Recognizer) -> None:
    voices = LiveVoices(recognizer.voices, LiveOptions())
    assert voices.hear([Part(ALIKE, 0.4)]) == [None]
    assert voices.hear([]) == []


def test_no_more_voices_than_the_options_allow(recognizer: Recognizer) -> None:
    voices = LiveVoices(recognizer.voices, LiveOptions(num_speakers=1))
    (first,) = voices.hear([Part(direction("voice", 1), 3.0)])
    assert voices.hear([Part(direction("voice", 2), 3.0)]) == [first]
    both = [Part(direction("voice", 1), 3.0), Part(direction("voice", 2), 3.0)]
    assert voices.hear(both) == [first, first]
    fresh = LiveVoices(recognizer.voices, LiveOptions(num_speakers=1))
    assert len(set(fresh.hear(both))) == 1


def test_a_voice_loses_the_name_of_somebody_who_is_deleted(recognizer: Recognizer) -> None:
    """A line after the deletion was acknowledged names nobody, and earlier lines are corrected."""
    store = recognizer.store
    for identity, name in ((1, "ann"), (2, "bob")):
        store.enroll(NewPerson(name), new_templates(identity))
    voices = LiveVoices(recognizer.voices, LiveOptions())
    ann, bob = (Part(direction("voice", identity), 3.0) for identity in (1, 2))
    (heard,) = voices.hear([ann])
    voices.hear([bob])
    assert heard is not None
    assert heard.label.speaker.person_id == "ann"
    store.delete_person("ann")
    assert voices.guess(ann.vector, 3.0).speaker.label == "unknown 1"
    assert voices.hear([ann]) == [heard]
    assert (heard.label.speaker.label, heard.label.speaker.outcome) == ("unknown 1", "unknown")
    assert voices.list_named() == {"bob"}


def test_a_name_that_was_told_goes_with_the_person(recognizer: Recognizer) -> None:
    store = recognizer.store
    voices = LiveVoices(recognizer.voices, LiveOptions())
    part = Part(direction("voice", 1), 3.0)
    (heard,) = voices.hear([part])
    assert heard is not None
    store.enroll(NewPerson("eve", "Eve"), new_templates(1))
    voices.tell(heard, Speaker("Eve", "eve", "named"))
    store.delete_person("eve")
    voices.hear([part])
    assert "Eve" not in heard.label.speaker.label


def test_a_watched_voice_is_told_as_soon_as_it_is_named(recognizer: Recognizer) -> None:
    store = recognizer.store
    for identity, name in ((1, "ann"), (2, "bob")):
        store.enroll(NewPerson(name), new_templates(identity))
    store.create_group(NewGroup("reported", watched=True))
    store.add_to_group("reported", "ann")
    store.rules = Rules(unknown=True)
    voices = LiveVoices(recognizer.voices, LiveOptions())
    for identity in (2, 1, 1):
        voices.hear([Part(direction("voice", identity), 3.0)])
    (seen,) = store.list_sightings()
    assert (seen.person_id, seen.group_id, seen.source) == ("ann", "reported", "live")
    voices.hear([Part(direction("voice", 9), 3.0)])
    voices.note(12.0)
    assert [one.person_id for one in store.list_sightings()] == ["ann", None]
