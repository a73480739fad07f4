"""Voices of a recording: told apart, grouped, put together to turns, and named.

The network that tells voices apart is the real one. Vectors of voices are made up where
a test is about what is done with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from align.segmentation import FIELD, STEP_S, VOICES, segment_windows
from recognition.results import Decision, Match, Outcome
from speech.attribution import attribute
from speech.clusters import cluster, group_voices
from speech.diarise import Heard, join_channels
from speech.lines import Line
from speech.ports import Word
from speech.speakers import NOBODY, Diarisation, Speaker, to_speaker
from speech.transcripts import diarized_segment
from speech.turns import Turn, make_turns, mark_activity
from speech.voice_windows import (
    HOP,
    LocalVoice,
    VoiceWindow,
    VoiceWindows,
    cut_stretches,
    find_pauses,
    find_runs,
)
from tests.support.recordings import needs_recordings, read_talk, silence, syllables
from utils.arrays import RATE_HZ, BoolArray, Float32Array, Float64Array

FRAMES = 590
ANNA = Speaker("Anna", "anna", "named", 0.98)
STRANGER = Speaker("unknown 1", None, "unknown")


def vector(person: int, noise: int = 0) -> Float32Array:
    """A vector that is near the others of the person."""
    mean = np.zeros(512)
    mean[person] = 10.0
    made = mean + np.random.default_rng(noise).normal(0, 0.02, 512)
    return np.asarray(made / np.linalg.norm(made), np.float32)


def compare(vectors: Float32Array, seconds: Float64Array) -> Float64Array:
    """Ratios of +5 for one person and -5 for two."""
    assert len(vectors) == len(seconds)
    return np.asarray(10.0 * (vectors @ vectors.T) - 5.0, np.float64)


def active(*spans: tuple[float, float]) -> BoolArray:
    """Frames of a window in which a voice speaks, in seconds from its start."""
    frames = np.zeros(FRAMES, np.bool_)
    for start, end in spans:
        frames[round(start / STEP_S) : round(end / STEP_S)] = True
    return frames


def voice(person: int, *spans: tuple[float, float], clean_s: float = 3.0) -> LocalVoice:
    made = vector(person, round(clean_s * 10)) if clean_s >= 0.4 else None
    return LocalVoice(active(*spans), clean_s, made)


def window(first: int, *voices: LocalVoice) -> VoiceWindow:
    """A window of voices that the network takes for one speaker each."""
    several = [replace(voice, speaker=number) for number, voice in enumerate(voices)]
    return VoiceWindow(first, FRAMES, tuple(several))


def words(*times: tuple[float, float]) -> Line:
    made = tuple(Word(f" w{n}", start, end, 0.9) for n, (start, end) in enumerate(times))
    return Line(made, -0.2, 0.1, 1.0)


# ---- the network


@needs_recordings
def test_two_people_on_the_telephone_are_told_apart() -> None:
    """The reference: one from 10.57 to 14.70 s, the other from 14.49 to 17.92 s."""
    talk = read_talk("sample")[10 * RATE_HZ : 20 * RATE_HZ]
    (frames,) = segment_windows(talk[None])
    assert frames.shape == ((len(talk) - 991) // 270 + 1, VOICES)
    one = frames[round((12.5 - 10) / STEP_S)]
    other = frames[round((16.0 - 10) / STEP_S)]
    both = frames[round((14.6 - 10) / STEP_S)]
    assert one.sum() == other.sum() == 1
    assert (one != other).any()
    assert (both == (one | other)).all()
    quiet = np.float32(0.002) * talk
    together = segment_windows(np.stack([quiet, talk, silence(10)]))
    assert (together[0] == frames).mean() > 0.99
    assert (together[1] == frames).mean() > 0.99
    assert not together[2].any()


def test_silence_and_too_little_sound_have_no_voice() -> None:
    assert not segment_windows(silence(10)[None]).any()
    assert segment_windows(silence(0.05)[None]).shape == (1, 0, VOICES)


@needs_recordings
def test_windows_are_the_same_however_the_stream_is_cut() -> None:
    talk = read_talk("sample")[: 14 * RATE_HZ]

    def look(blocks: Sequence[Float32Array]) -> list[VoiceWindow]:
        looking = VoiceWindows(lambda speech: speech[:512].copy())
        windows: list[VoiceWindow] = []
        for block in blocks:
            windows += looking.accept(block)
        return windows + looking.finish()

    whole = look([talk])
    assert [w.first for w in whole] == [n * HOP // 270 for n in range(len(whole))]
    assert (whole[-1].first + whole[-1].frames) * STEP_S == pytest.approx(14.0, abs=0.08)
    for one, other in zip(whole, look(np.array_split(talk, 17)), strict=True):
        assert one.first == other.first
        for left, right in zip(one.voices, other.voices, strict=True):
            assert (left.active == right.active).all()


@needs_recordings
def test_speech_that_several_windows_hear_is_embedded_about_once() -> None:
    talk = read_talk("sample")[: 30 * RATE_HZ]
    embedded: list[float] = []

    def embed(speech: Float32Array) -> Float32Array:
        embedded.append(len(speech) / RATE_HZ)
        return np.full(512, len(embedded), np.float32)

    looking = VoiceWindows(embed)
    windows = [*looking.accept(talk), *looking.finish()]
    every = chain.from_iterable(one.voices for one in windows)
    voices = [voice for voice in every if voice.clean_s >= 0.4]
    alone_s = sum(min(voice.clean_s, 6.0) for voice in voices)
    assert sum(embedded) < 0.7 * alone_s
    assert max(embedded) <= 6.05
    # A vector counts again for the same speaker, whose speech is as long
    for number, seconds in enumerate(embedded, 1):
        same = [v.clean_s for v in voices if v.vector is None or v.vector[0] == number]
        assert same
        assert all(0.6 * min(length_s, 6.0) <= seconds for length_s in same)


def test_a_short_stream_has_one_window() -> None:
    looking = VoiceWindows(lambda speech: speech[:512])
    assert looking.accept(syllables(2.0)) == []
    assert len(looking.finish()) == 1
    assert VoiceWindows(lambda speech: speech).finish() == []


def test_runs_are_found() -> None:
    assert find_runs(np.array([1, 1, 0, 1], np.bool_)) == [(0, 2), (3, 4)]
    assert find_runs(np.zeros(0, np.bool_)) == []


# ---- groups


def test_clusters_are_joined_as_far_as_they_are_alike_or_as_many_as_asked() -> None:
    people = np.stack([vector(person, n) for n, person in enumerate([0, 1, 0, 1, 2])])
    ratios = compare(people, np.ones(5))
    assert cluster(ratios).tolist() == [0, 1, 0, 1, 2]
    assert len(set(cluster(ratios, count=2).tolist())) == 2
    assert len(set(cluster(ratios, count=4).tolist())) == 4


def test_voices_of_one_window_are_two_people_even_if_they_are_alike() -> None:
    side_by_side = [window(n * 148, voice(0, (0, 3)), voice(0, (4, 8))) for n in range(3)]
    groups = group_voices(side_by_side, compare)
    assert all(groups[n, 0] != groups[n, 1] for n in range(3))


def test_stretches_of_one_speaker_may_be_two_people() -> None:
    two = [voice(0, (0, 3)), voice(1, (4, 8)), voice(0, (8.5, 9.5))]
    groups = group_voices([VoiceWindow(0, FRAMES, tuple(two))], compare)
    assert groups[0, 0] == groups[0, 2] != groups[0, 1]
    alone = active((0, 9))
    silent = active()
    stretches = cut_stretches(active((0, 2), (2.1, 3), (4, 4.5), (6, 8)), alone, silent)
    spans = [(int(s.argmax() * STEP_S + 0.5), round(float(s.sum() * STEP_S), 1)) for s in stretches]
    assert spans == [(0, 2.9), (6, 2.0), (4, 0.5)]
    assert len(cut_stretches(active((0, 2), (4, 4.5)), alone, silent)) == 1


def test_a_pause_that_the_network_overhears_cuts_a_stretch() -> None:
    sound = np.concatenate([syllables(3), silence(0.3), syllables(3)])
    frames = segment_windows(sound[None]).shape[1]
    pauses = find_runs(find_pauses(sound, frames))
    assert len(pauses) == 1
    start, end = pauses[0]
    assert start * STEP_S + FIELD / 2 / RATE_HZ == pytest.approx(3.0, abs=0.1)
    assert (end - start) * STEP_S == pytest.approx(0.3, abs=0.1)
    throughout = np.ones(frames, np.bool_)
    silent = find_pauses(sound, frames)
    assert len(cut_stretches(throughout, throughout & ~silent, silent)) == 3
    noise = np.random.default_rng(0).normal(0, 0.01, len(sound)).astype(np.float32)
    assert not find_pauses(sound + noise, frames).any()


def test_groups_are_joined_by_all_that_was_heard_of_them() -> None:
    """One person in two rooms: single stretches are unlike, what they say together is not."""
    stretches = []
    for number in range(16):
        made = np.zeros(512)
        made[0] = 1.0
        made[1 + number % 2] = np.sqrt(0.18)
        made[3 + number] = np.sqrt(0.58)
        stretches.append(np.asarray(made / np.linalg.norm(made), np.float32))
    assert len(set(cluster(compare(np.stack(stretches), np.ones(16))).tolist())) == 2
    windows = [
        window(n * 1000, LocalVoice(active((0, 8)), 8.0, vector_))
        for n, vector_ in enumerate(stretches)
    ]
    assert len(set(group_voices(windows, compare).values())) == 1


def test_small_groups_join_one_that_is_near() -> None:
    near = np.asarray(0.6 * vector(0) + np.sqrt(1 - 0.6**2) * vector(5), np.float32)
    few = LocalVoice(active((0, 2)), 2.0, near)
    for seconds, count in ((few, 1), (replace(few, clean_s=20.0), 2)):
        windows = [window(n * 148, voice(0, (0, 8), clean_s=8.0)) for n in range(4)]
        groups = group_voices([*windows, window(2000, seconds)], compare)
        assert len(set(groups.values())) == count


def test_short_voices_join_the_nearest_group_and_make_none() -> None:
    windows = [
        window(0, voice(0, (0, 4)), voice(1, (5, 5.6), clean_s=0.6)),
        window(148, voice(0, (0, 1.5)), voice(1, (6, 9))),
    ]
    groups = group_voices(windows, compare)
    assert groups[0, 1] == groups[1, 1] != groups[0, 0]
    unlike = [window(0, voice(0, (0, 4))), window(148, voice(3, (6, 6.6), clean_s=0.6))]
    assert len(set(group_voices(unlike, compare).values())) == 2
    assert len(set(group_voices(unlike, compare, count=1).values())) == 1


def test_hours_are_grouped_in_blocks() -> None:
    windows = [window(n * 592, voice(n % 3, (0, 4))) for n in range(1300)]
    groups = group_voices(windows, compare)
    assert set(groups.values()) == {0, 1, 2}
    assert groups[1299, 0] == groups[0, 0]
    assert group_voices([], compare) == {}


# ---- turns


def test_windows_vote_and_short_pauses_belong_to_a_turn() -> None:
    windows = [
        window(0, voice(0, (0, 3), (3.2, 5)), voice(1, (4.5, 8))),
        window(148, voice(1, (2.0, 5.5)), voice(0, (0, 0.5), (0.7, 2.5), clean_s=1.5)),
    ]
    turns = make_turns(mark_activity(windows, group_voices(windows, compare)))
    one, other = turns
    assert (one.start_s, one.end_s) == pytest.approx((0.02, 5.02), abs=0.05)
    assert (other.start_s, other.end_s) == pytest.approx((4.52, 8.02), abs=0.05)
    assert one.overlap_s == pytest.approx(0.5, abs=0.05)
    assert one.clean_s == pytest.approx(4.3, abs=0.1)


def test_a_voice_without_a_vector_goes_by_what_other_windows_hear() -> None:
    windows = [
        window(0, voice(0, (0, FRAMES * STEP_S))),
        window(580, voice(0, (0, 0.3), clean_s=0.3), voice(1, (2, 6))),
    ]
    groups = group_voices(windows, compare)
    assert (1, 0) not in groups
    activity = mark_activity(windows, groups)
    beyond = activity[FRAMES : 580 + round(0.3 / STEP_S), groups[0, 0]]
    assert len(beyond) > 5
    assert beyond.all()


# ---- names


def test_a_decision_names_a_person_or_numbers_a_stranger() -> None:
    match = Match("anna", "Anna", score=0.7, probability=0.98)
    named = to_speaker(Decision(Outcome.ACCEPTED, "", match=match), 0)
    assert named == ANNA
    assert to_speaker(Decision(Outcome.UNKNOWN, ""), 2) == Speaker("unknown 2", None, "unknown")
    assert to_speaker(None, 3).outcome == "open"


def test_lines_are_cut_where_the_speaker_changes() -> None:
    turns = (Turn(0.0, 4.0, 0, 3.5, 0.5), Turn(3.5, 4.2, 1, 0.2, 0.5))
    diarisation = Diarisation(turns, {0: ANNA, 1: ANNA})
    line = words((0.1, 0.9), (1.0, 3.6), (3.9, 4.3), (6.0, 6.5))
    first, second = attribute([line], diarisation)
    assert (first.text, second.text) == ("w0 w1", "w2 w3")
    assert (first.outcome, second.outcome) == ("named", "inferred")
    assert not first.overlaps
    body = diarized_segment(1, second)
    assert body["id"] == "seg_0001"
    assert (body["speaker"], body["person_id"], body["probability"]) == ("Anna", "anna", 0.98)


def test_speech_at_the_same_time_is_marked() -> None:
    turns = (Turn(0.0, 4.0, 0, 3.0, 1.0), Turn(1.0, 2.0, 1, 0.0, 1.0))
    spoken = attribute([words((0.1, 4.0))], Diarisation(turns, {0: ANNA, 1: STRANGER}))
    assert [line.overlaps for line in spoken] == [True]


def test_words_without_any_voice_are_nobodys() -> None:
    (spoken,) = attribute([words((0.0, 1.0))], Diarisation((), {}))
    assert spoken.who == NOBODY
    assert diarized_segment(0, spoken)["outcome"] == "open"


def test_channels_keep_their_voices() -> None:
    heard = Heard((Turn(0.0, 1.0, 0, 1.0, 0.0),), {0: vector(0)})
    other = Heard((Turn(0.5, 2.0, 3, 1.5, 0.0),), {3: vector(1)})
    joined = join_channels([heard, other])
    assert [(t.voice, t.channel) for t in joined.turns] == [(0, 0), (1, 1)]
    assert joined.clean_s(1) == 1.5
    only = Diarisation(joined.turns, {0: ANNA, 1: STRANGER}).of_channel(1)
    assert [turn.voice for turn in only.turns] == [1]
