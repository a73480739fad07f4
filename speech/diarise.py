"""Voices of a recording told apart, and named by the gallery.

`Diariser` listens beside the engine that writes the words. At the end it knows the turns,
and `name_voices` says whose voices they are. A voice, and the face that talks in it
(`speech.talkers`), are named by the open-set decision that clips are decided by, pooled
over all that is said alone. Strangers are numbered among themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gallery.search.memory import Snapshot
from recognition.agreement import Sample
from recognition.results import Decision
from recognition.sides import Side
from recognition.visitors import HeardPerson
from recognition.voices import Voices
from speech.clusters import group_voices
from speech.speakers import LEAST_S, Diarisation, Speaker, heard_of, to_speaker
from speech.turns import Groups, Turn, make_turns, mark_activity
from speech.voice_windows import VoiceWindow, VoiceWindows
from utils.arrays import Float32Array, unit


@dataclass(frozen=True)
class Heard:
    """The voices of one recording, or of one channel of it, before they are named.

    Attributes:
        turns: who speaks when.
        vectors: (512,) what each voice says alone, pooled, by its number.
        faces: the face that talks in a voice, by its number, where there is one.
        parts: numbers of parts of a voice in which different faces talk, with the number
            of the whole.
        seen: turns in which that face is seen to talk.
    """

    turns: tuple[Turn, ...]
    vectors: Mapping[int, Float32Array]
    faces: Mapping[int, Sample] = field(default_factory=dict)
    parts: Mapping[int, int] = field(default_factory=dict)
    seen: frozenset[Turn] = frozenset()

    def whole(self, voice: int) -> int:
        """Number of the voice that a number is, or is a part of."""
        return self.parts.get(voice, voice)

    def clean_s(self, voice: int) -> float:
        """Seconds in which a voice speaks alone, all of its parts."""
        whole = self.whole(voice)
        return sum(turn.clean_s for turn in self.turns if self.whole(turn.voice) == whole)


@dataclass(frozen=True)
class Naming:
    """How the voices of a recording are named.

    Attributes:
        voices: what knows voices.
        among: the people who may be named; None = all of the gallery.
        count: how many people speak; None = it is found.
        by_face: the talking face of a video names them, too.
    """

    voices: Voices
    among: Snapshot | None = None
    count: int | None = None
    by_face: bool = True


class Diariser:
    """Tells the voices of one recording apart, however it is cut into blocks."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._looking = VoiceWindows(naming.voices.embed)
        self._windows: list[VoiceWindow] = []

    def accept(self, samples: Float32Array) -> None:
        """Take the next samples (n,), 16 kHz mono."""
        self._windows += self._looking.accept(samples)

    def finish(self) -> Heard:
        """End the recording and tell its voices apart."""
        self._windows += self._looking.finish()
        groups = group_voices(self._windows, self._naming.voices.compare, count=self._naming.count)
        turns = make_turns(mark_activity(self._windows, groups))
        return Heard(tuple(turns), pool_vectors(self._windows, groups))


def name_voices(heard: Heard, naming: Naming) -> Diarisation:
    """Name the voices of a recording, in the order in which they begin to speak.

    Whom it names is noted in the audit. Raises EncoderMismatchError,
    StoreUnavailableError.
    """
    speakers: dict[int, Speaker] = {}
    numbers: dict[int, int] = {}
    for voice in dict.fromkeys(turn.voice for turn in heard.turns):
        decision = _decide(heard, voice, naming)
        number = 0
        if decision is None or decision.match is None:
            number = numbers.setdefault(heard.whole(voice), len(numbers) + 1)
        speakers[voice] = to_speaker(decision, number)
    strangers = len(numbers)
    named = {one.person_id: one for one in speakers.values() if one.person_id}
    for speaker in named.values():
        naming.voices.sight("transcribe", heard_of(speaker))
    if strangers and naming.among is None:  # else others may be known
        naming.voices.sight("transcribe", HeardPerson())
    naming.voices.note(named, strangers)
    return Diarisation(heard.turns, speakers, heard.seen)


def _decide(heard: Heard, voice: int, naming: Naming) -> Decision | None:
    """Decide whose a voice is. None: there is too little of it, and no face."""
    clean_s = heard.clean_s(voice)
    side = None
    if clean_s >= LEAST_S:
        side = Side(heard.vectors[heard.whole(voice)], speech_s=clean_s)
    face = heard.faces.get(voice)
    if side is None and face is None:
        return None
    return naming.voices.decide(side, naming.among, face)


def join_channels(channels: Sequence[Heard]) -> Heard:
    """Join the voices of several channels, each of which keeps its own."""
    turns: list[Turn] = []
    vectors: dict[int, Float32Array] = {}
    for channel, heard in enumerate(channels):
        numbers = {voice: len(vectors) + place for place, voice in enumerate(heard.vectors)}
        vectors |= {numbers[voice]: vector for voice, vector in heard.vectors.items()}
        turns += [replace(turn, voice=numbers[turn.voice], channel=channel) for turn in heard.turns]
    return Heard(tuple(sorted(turns, key=lambda turn: turn.start_s)), vectors)


def pool_vectors(windows: Sequence[VoiceWindow], groups: Groups) -> dict[int, Float32Array]:
    """Pool what each group says alone: means of vectors, weighted by seconds, (512,)."""
    sums: dict[int, Float32Array] = {}
    for (number, place), group in groups.items():
        voice = windows[number].voices[place]
        assert voice.vector is not None
        part = voice.vector * np.float32(voice.clean_s)
        sums[group] = sums[group] + part if group in sums else part
    return {group: unit(total[None])[0] for group, total in sums.items()}
