"""Which face talks in each voice of a video.

Each turn is looked at where its voice speaks alone, in a few frames. A voice whose face
is never seen to talk is off screen, and is given no face. Where different faces talk in
one voice, each of them has a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from align.faces import FaceDetector
from align.picture_decoder import open_pictures_apart
from align.picture_stream import LOOK_FRAMES
from align.talking import Seen, find_talking
from recognition.agreement import Sample
from recognition.voices import Voices
from speech.diarise import Heard
from speech.speakers import LEAST_S
from speech.turns import Turn
from speech.voice_windows import find_runs
from utils.errors import MediaError
from utils.media import AlignedFace, Frame
from utils.right_of_way import CLIPS

FRAME_S = 0.2
"""Seconds from one frame of a look to the next."""

MOST_FACES = 6
"""Faces of a look that are embedded, the best ones."""

# Faces of a person from which more are not kept
_ENOUGH_FACES = 60

_WAIT_S = 2.0
_STEP_S = 0.1

Sight = Sample | Seen
"""The face that talks in a turn, or what is seen instead."""


@dataclass(frozen=True)
class Look:
    """Times in seconds at which a turn, by its place among the turns, is looked at."""

    turn: int
    times_s: tuple[float, ...]


class Watcher:
    """Finds the talking faces of videos. Shared by all threads."""

    def __init__(self, least_px: float) -> None:
        """`least_px`: narrower faces are left out."""
        self._detector = FaceDetector()
        self._least_px = least_px

    def watch(
        self, path: Path, filename: str | None, turns: Sequence[Turn], voices: Voices
    ) -> Iterator[tuple[int, Sight]]:
        """Look at the turns of a video, one after the other.

        A picture that cannot be decoded, or ends early, is as none.

        Yields:
            The place of a turn, and what is seen in it.
        """
        looks = plan_looks(turns)
        if not looks:
            return
        times = [look.times_s for look in looks]
        try:
            with open_pictures_apart(path, times, filename) as pictures:
                for look, frames in zip(looks, pictures, strict=False):
                    CLIPS.give(_WAIT_S)
                    yield look.turn, self._look(frames, voices)
        except MediaError:
            return

    def _look(self, frames: Sequence[Frame], voices: Voices) -> Sight:
        if not frames:
            return Seen.NOTHING
        sight = find_talking(self._detector, frames, self._least_px)
        if isinstance(sight, Seen):
            return sight
        faces = voices.embed_faces(_choose_best(sight))
        return faces if voices.is_one_face(faces) else Seen.SEVERAL


def _choose_best(faces: Sequence[AlignedFace]) -> list[AlignedFace]:
    return sorted(faces, key=lambda face: -face.quality.score)[:MOST_FACES]


def plan_looks(turns: Sequence[Turn]) -> list[Look]:
    """Plan when each turn is looked at: about the middle of what is said alone at once."""
    last_s = max((turn.end_s for turn in turns), default=0.0)
    speaking = np.zeros(round(last_s / _STEP_S) + 1, np.uint16)
    for turn in turns:
        speaking[_steps_of(turn)] += 1
    looks = []
    for place, turn in enumerate(turns):
        runs = find_runs(speaking[_steps_of(turn)] == 1)
        start, end = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
        if (end - start) * _STEP_S >= LEAST_S:
            first_s = _steps_of(turn).start * _STEP_S
            times_s = _choose_times(first_s + start * _STEP_S, first_s + end * _STEP_S)
            looks.append(Look(place, times_s))
    return sorted(looks, key=lambda look: look.times_s)


def _steps_of(turn: Turn) -> slice:
    return slice(round(max(0.0, turn.start_s) / _STEP_S), round(turn.end_s / _STEP_S))


def _choose_times(start_s: float, end_s: float) -> tuple[float, ...]:
    count = min(LOOK_FRAMES, round((end_s - start_s) / FRAME_S))
    first_s = (start_s + end_s - (count - 1) * FRAME_S) / 2
    return tuple(first_s + number * FRAME_S for number in range(count))


def add_faces(heard: Heard, sights: Mapping[int, Sight], voices: Voices) -> Heard:
    """Give each voice the face that talks in it, or divide it by the faces that do.

    A face of fewer turns than those in which somebody is seen and nobody's mouth moves
    counts as one who listens. Turns in which no face talks keep the voice. They have its
    face where there is one alone.
    """
    turns = list(heard.turns)
    faces: dict[int, Sample] = {}
    parts: dict[int, int] = {}
    seen: set[Turn] = set()
    number = max(heard.vectors, default=-1)
    for voice in heard.vectors:
        own = {n: sights[n] for n in sorted(sights) if turns[n].voice == voice}
        groups = _group_faces(own, voices)
        for places, face in groups:
            part = voice
            if len(groups) > 1:
                number += 1
                part = number
                parts[part] = voice
            faces[part] = face
            for place in places:
                turns[place] = replace(turns[place], voice=part)
                seen.add(turns[place])
    return replace(heard, turns=tuple(turns), faces=faces, parts=parts, seen=frozenset(seen))


def _group_faces(sights: Mapping[int, Sight], voices: Voices) -> list[tuple[list[int], Sample]]:
    """Group the talking faces of the turns of one voice by person."""
    groups: list[tuple[list[int], Sample]] = []
    for place, face in sights.items():
        if not isinstance(face, Sample):
            continue
        for number, (places, others) in enumerate(groups):
            if voices.are_one_person(others, face):
                groups[number] = ([*places, place], _join(others, face))
                break
        else:
            groups.append(([place], face))
    still = sum(sight is Seen.STILL for sight in sights.values())
    return [group for group in groups if len(group[0]) >= still]


def _join(one: Sample, other: Sample) -> Sample:
    """Join the faces of two turns, unless there are enough."""
    if len(one.vectors) >= _ENOUGH_FACES:
        return one
    return Sample(
        np.concatenate([one.vectors, other.vectors]),
        np.concatenate([one.weights, other.weights]),
    )
