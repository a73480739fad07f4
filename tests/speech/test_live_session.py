"""A live session without a socket: turns, names, corrections, and its end.

Voice activity and the network that tells voices apart are real. The engine writes a word
for each half second, and the voice encoder goes by pitch.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognition.recognizer import Recognizer
from speech.events import EVENTS, Event
from speech.live_options import LiveOptions, change_options, options_of, read_rate
from speech.ports import Passage
from speech.session import LiveSession
from tests.support.gallery_parts import StubEncoders, recognizer_of
from tests.support.live import PitchVoice, blocks, pcm16
from tests.support.recordings import (
    WordyEngine,
    needs_recordings,
    read_english,
    silence,
    syllables,
    tiny_english,
)
from utils.arrays import RATE_HZ, Float32Array
from utils.config import Settings
from utils.errors import ConfigError, InvalidRequestError, NoBiometricError
from utils.settings.live import LiveSettings

START = 1_800_000_000.0


class Clock:
    """A clock that a test sets."""

    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def recognizer(tmp_path: Path) -> Iterator[Recognizer]:
    """An empty gallery, with an encoder that goes by pitch."""
    settings = Settings.of(data_dir=tmp_path)
    encoders = dataclasses.replace(StubEncoders(), voice=PitchVoice())
    opened = recognizer_of(settings, encoders)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(recognizer: Recognizer, clock: Clock) -> LiveSession:
    return LiveSession(WordyEngine(), recognizer.voices, LiveOptions(), clock=clock)


def play(session: LiveSession, clock: Clock, *sounds: Float32Array) -> list[Event]:
    """Play sounds at real time."""
    events: list[Event] = []
    for block in blocks(np.concatenate(sounds)):
        clock.now += len(block) / 2 / RATE_HZ
        events += session.accept(block)
    return events


def turns_of(*people: int) -> list[Float32Array]:
    """Each of these speaks for 3 s, and pauses for one."""
    sounds: list[Float32Array] = []
    for person in people:
        sounds += [syllables(3, person), silence(1)]
    return sounds


def register(session: LiveSession, clock: Clock, number: int, person: int) -> None:
    session.start_registration(number)
    play(session, clock, syllables(4, person))
    session.complete_registration(number)


def of_type(events: list[Event], kind: str) -> list[Any]:
    return [event for event in events if event.type == kind]


def test_turns_end_at_pauses_and_have_names(session: LiveSession, clock: Clock) -> None:
    """Two registered and a stranger. The people of the sound are 5, 6 and 2."""
    register(session, clock, 0, person=5)
    register(session, clock, 1, person=6)
    session.start()
    began = clock.now
    events = play(session, clock, silence(1), *turns_of(5, 6))
    events += play(session, clock, *turns_of(2, 5))
    turns = of_type(events, "transcription")
    assert [turn.speaker_id for turn in turns] == [0, 1, -1, 0]
    assert [turn.speaker for turn in turns] == ["speaker 1", "speaker 2", "unknown 1", "speaker 1"]
    assert [turn.turn_id for turn in turns] == [1, 2, 3, 4]
    assert [turn.turn_id for turn in of_type(events, "turn_started")] == [1, 2, 3, 4]
    assert turns[0].start_s == pytest.approx(1.0, abs=0.4)
    assert turns[1].start_s == pytest.approx(5.0, abs=0.4)
    stamp = np.datetime64(turns[1].timestamp.removesuffix("Z"))
    since_s = (stamp - np.datetime64(int(began * 1000), "ms")) / np.timedelta64(1, "s")
    assert since_s == pytest.approx(turns[1].start_s, abs=0.1)
    (ended,) = session.finish()
    assert ended.to_json() == {
        "type": "transcription_ended",
        "reason": "complete",
        "turns": 4,
        "duration_s": 17.0,
        "lag_s": 0.0,
    }
    assert session.finish() == []


def test_each_sample_is_decoded_once(
    session: LiveSession, clock: Clock, recognizer: Recognizer
) -> None:
    engine = WordyEngine()
    session = LiveSession(engine, recognizer.voices, LiveOptions(), clock=clock)
    session.start()
    talk = syllables(31)
    events = play(session, clock, talk, silence(1))
    spoken = np.concatenate(engine.windows)
    assert len(engine.windows) >= 3
    assert len(talk) - 0.5 * RATE_HZ < len(spoken) < len(talk) + 0.5 * RATE_HZ
    assert max(map(len, engine.windows)) <= 12.3 * RATE_HZ
    turns = of_type(events, "transcription")
    assert all(one.end_s <= two.start_s + 0.01 for one, two in itertools.pairwise(turns))


def test_the_end_arrives_in_mid_word(session: LiveSession, clock: Clock) -> None:
    session.start()
    play(session, clock, syllables(2))
    events = session.finish()
    assert [event.type for event in events] == ["transcription", "transcription_ended"]
    assert events[0].to_json()["text"].startswith("w0 w1 w2")


def test_silence_and_a_pause_write_nothing(session: LiveSession, clock: Clock) -> None:
    session.start()
    assert play(session, clock, silence(20)) == []
    assert session.peek() == []


def test_partials_are_of_the_open_turn(session: LiveSession, clock: Clock) -> None:
    session.start()
    play(session, clock, syllables(2))
    (partial,) = session.peek()
    assert partial.to_json()["text"].startswith("w0 w1")
    (turn, *_) = of_type(play(session, clock, syllables(1), silence(1)), "transcription")
    assert turn.turn_id == partial.to_json()["turn_id"]
    assert session.peek() == []


class DoubtfulEngine(WordyEngine):
    """Is not sure of what it writes, as of the first word of a sentence alone."""

    def transcribe(self, speech: Float32Array, **options: Any) -> Passage:
        """Write words."""
        return dataclasses.replace(super().transcribe(speech, **options), mean_log_probability=-0.9)


def test_a_first_word_counts_with_what_follows_soon(recognizer: Recognizer, clock: Clock) -> None:
    session = LiveSession(DoubtfulEngine(), recognizer.voices, LiveOptions(), clock=clock)
    session.start()
    first = [syllables(0.7, 5), silence(0.9), syllables(2, 5), silence(1)]
    alone = [syllables(0.7, 5), silence(3), syllables(2, 5), silence(1)]
    one, two = of_type(play(session, clock, *first, *alone), "transcription")
    assert one.start_s == pytest.approx(0.0, abs=0.3)
    assert two.start_s == pytest.approx(8.3, abs=0.4)
    play(session, clock, syllables(0.7, 5), silence(0.6))
    session.mark_gap(20.0)
    (three,) = of_type(play(session, clock, syllables(2, 5), silence(1)), "transcription")
    assert three.start_s == pytest.approx(32.6, abs=0.4)


def test_lag_is_how_long_sound_waited(session: LiveSession, clock: Clock) -> None:
    session.start()
    play(session, clock, syllables(2))
    events = session.accept(pcm16(silence(1)), arrived_at=clock.now - 3.0)
    assert of_type(events, "transcription")[0].lag_s == pytest.approx(3.0)


def test_a_stranger_is_told_who_he_is(session: LiveSession, clock: Clock) -> None:
    session.start()
    events = play(session, clock, *turns_of(2, 6))
    first, second = of_type(events, "transcription")
    assert (first.speaker, second.speaker) == ("unknown 1", "unknown 2")
    (relabel,) = session.tell(second.turn_id, "Bob")
    assert relabel.to_json()["turns"] == {str(second.turn_id): 1}
    assert relabel.to_json()["speaker"] == "Bob"
    (third,) = of_type(play(session, clock, syllables(3, 6), silence(1)), "transcription")
    assert (third.speaker, third.revision) == ("Bob", 0)
    with pytest.raises(InvalidRequestError, match="turn of this session"):
        session.tell(99, "Bob")


def test_a_short_turn_makes_no_new_name(session: LiveSession, clock: Clock) -> None:
    register(session, clock, 0, person=5)
    session.start()
    (short,) = of_type(play(session, clock, syllables(0.6, 2), silence(1)), "transcription")
    assert (short.speaker, short.outcome) == ("unknown", "open")
    play(session, clock, syllables(3, 5), silence(1))
    (short,) = of_type(play(session, clock, syllables(0.6, 5), silence(1)), "transcription")
    assert (short.speaker, short.outcome) == ("speaker 1", "inferred")


def test_a_gap_is_marked_and_numbers_are_kept(session: LiveSession, clock: Clock) -> None:
    session.start()
    play(session, clock, *turns_of(5), syllables(1.5, 5))
    clock.now += 20
    events = session.mark_gap(20.0)
    assert [event.type for event in events] == ["transcription", "gap"]
    assert events[1].to_json()["start_s"] == pytest.approx(5.5, abs=0.1)
    (turn,) = of_type(play(session, clock, syllables(3, 5), silence(1)), "transcription")
    assert (turn.turn_id, turn.speaker) == (3, "unknown 1")
    assert turn.start_s == pytest.approx(25.5, abs=0.4)


def test_registration_needs_a_second_of_speech(session: LiveSession, clock: Clock) -> None:
    with pytest.raises(InvalidRequestError, match="was not started"):
        session.complete_registration(0)
    session.start_registration(0)
    play(session, clock, silence(3), syllables(0.5))
    with pytest.raises(NoBiometricError, match="needs 1 s of speech"):
        session.complete_registration(0)
    play(session, clock, syllables(3))
    assert session.complete_registration(0)[0].to_json()["speaker"] == "speaker 1"
    with pytest.raises(InvalidRequestError, match="different names"):
        session.start_registration(1, "speaker 1")


def test_a_refused_name_leaves_the_registration_as_it_is(
    session: LiveSession, clock: Clock
) -> None:
    register(session, clock, 0, person=5)
    session.start_registration(1, "Bob")
    with pytest.raises(InvalidRequestError, match="different names"):
        session.start_registration(2, "speaker 1")
    play(session, clock, syllables(3, 2))
    assert session.complete_registration(1)[0].to_json()["speaker"] == "Bob"


def test_a_refused_name_loses_no_words(session: LiveSession, clock: Clock) -> None:
    register(session, clock, 0, person=5)
    session.start()
    play(session, clock, syllables(3))
    with pytest.raises(InvalidRequestError, match="different names"):
        session.start_registration(1, "speaker 1")
    assert session.finish()[0].to_json()["type"] == "transcription"


def test_sound_before_the_start_is_passed_over_and_told_once(
    session: LiveSession, clock: Clock
) -> None:
    (notice,) = play(session, clock, syllables(2))
    assert notice.to_json()["code"] == "sound_passed_over"
    with pytest.raises(InvalidRequestError, match="whole samples"):
        session.accept(b"odd")


def test_other_rates_are_resampled(session: LiveSession, clock: Clock) -> None:
    session.state_rate(8000)
    session.start()
    eight = syllables(3)[::2]
    events = session.accept(pcm16(eight)) + session.finish()
    assert session.heard_s == pytest.approx(3.0, abs=0.1)
    assert of_type(events, "transcription")[0].text.startswith("w0 w1 w2 w3")


def turns_with(recognizer: Recognizer, clock: Clock, sound: Float32Array, **sent: Any) -> list[Any]:
    """Turns of a sound under these options, two speakers being registered."""
    session = LiveSession(WordyEngine(), recognizer.voices, LiveOptions(), clock=clock)
    register(session, clock, 0, person=5)
    register(session, clock, 1, person=6)
    session.start(change_options(LiveOptions(), sent))
    return of_type([*play(session, clock, sound), *session.finish()], "transcription")


def test_times_of_day_are_those_of_the_date(recognizer: Recognizer, clock: Clock) -> None:
    """The clock that measures pauses may count from any moment."""
    session = LiveSession(
        WordyEngine(), recognizer.voices, LiveOptions(), clock=clock, date=lambda: 1e9
    )
    session.start()
    events = [*play(session, clock, syllables(2)), *session.finish()]
    (turn,) = of_type(events, "transcription")
    assert turn.timestamp.startswith("2001-09-09T01:46:")


def test_every_option_has_an_effect(recognizer: Recognizer, clock: Clock) -> None:
    def run(sound: Float32Array, **sent: Any) -> list[Any]:
        return turns_with(recognizer, clock, sound, **sent)

    pause = np.concatenate([syllables(2), silence(0.8), syllables(2)])
    assert [len(run(pause, silence_duration=s)) for s in (0.4, 1.5)] == [2, 1]
    assert len(run(pause, min_seg_duration=4.0)) == 0
    assert len(run(syllables(9), max_segment_duration=3.0)) >= 3
    assert len(run(pause, rms_threshold=-1.0)) == 0
    assert len(run(pause, var_threshold=1e9)) == 0
    faint = syllables(4) + np.random.default_rng(1).normal(0, 0.12, 4 * RATE_HZ).astype(np.float32)
    most, least = (run(faint, vad_mode=mode) for mode in (0, 3))
    assert sum(t.end_s - t.start_s for t in most) > sum(t.end_s - t.start_s for t in least)
    three = np.concatenate(turns_of(2, 8, 4))
    assert len({turn.speaker for turn in run(three)}) == 3
    assert len({turn.speaker for turn in run(three, num_speakers=1)}) == 1
    known = syllables(3, 5)
    assert run(known, similarity_threshold=0.5)[0].speaker_id == 0
    assert run(known, names="gallery")[0].speaker_id == -1
    assert run(known, language="ko")[0].language == "ko"


def test_options_are_checked() -> None:
    for sent, rule in (
        ({"vad_mode": 4}, "a whole number from 0 to 3"),
        ({"vad_mode": True}, "a whole number"),
        ({"silence_duration": float("nan")}, "a number from 0.2 to 5"),
        ({"silence_duration": 10**400}, "a number from 0.2 to 5"),
        ({"vad_mode": -(10**400)}, "a whole number from 0 to 3"),
        ({"names": "nobody"}, "one of all, registered, gallery"),
        ({"partials": 1}, "true or false"),
        ({"language": 5}, "a short text"),
        ({"colour": "red"}, "no such option"),
    ):
        with pytest.raises(InvalidRequestError, match=rule):
            change_options(LiveOptions(), sent)
    for rate in (100, "16000", True, 1e9):
        with pytest.raises(InvalidRequestError, match="sample_rate"):
            read_rate(rate)
    assert options_of(LiveSettings()) == LiveOptions()
    with pytest.raises(ConfigError, match="LIVE_NAMES"):
        LiveSettings(live_names="nobody")


def test_types_of_events_are_unique() -> None:
    assert len({event.type for event in EVENTS}) == len(EVENTS)


@needs_recordings
def test_the_real_engine_writes_read_english(
    recognizer: Recognizer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = tiny_english()
    encode = engine._whisper.encode
    frames: list[int] = []

    def note(features: Float32Array) -> Any:
        frames.append(features.shape[-1])
        return encode(features)

    monkeypatch.setattr(engine._whisper, "encode", note)
    session = LiveSession(engine, recognizer.voices, LiveOptions(language="en"), clock=clock)
    session.start()
    events = play(session, clock, read_english("LJ001-0001")) + session.finish()
    text = " ".join(turn.text for turn in of_type(events, "transcription"))
    assert "the only sense with which we are at present concerned" in text
    assert set(frames) == {1500}, "half of the 30 s that a recording is filled up to"
