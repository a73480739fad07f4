"""Who speaks when in a recording: the windows of `speech.voice_windows` put together. Pure.

Each moment is seen by several windows. As many voices speak in it as the windows hear on
average, and they are those that most windows hear (H. Bredin, "pyannote.audio 2.1
speaker diarization pipeline", Interspeech 2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from align.segmentation import FIELD, STEP_S
from speech.voice_windows import LocalVoice, VoiceWindow, bridge, find_runs
from utils.arrays import RATE_HZ, BoolArray, IndexArray

_FIRST_S = (FIELD / 2) / RATE_HZ - STEP_S / 2
# A voice that pauses for less goes on
_PAUSE_S = 0.3

VoteArray = npt.NDArray[np.uint8]
Groups = Mapping[tuple[int, int], int]
"""The group of a voice, by numbers of window and of voice."""


@dataclass(frozen=True)
class Turn:
    """One voice speaks, with pauses below 0.3 s.

    Attributes:
        start_s: seconds from the start of the recording.
        end_s: likewise.
        voice: number of the group that speaks.
        clean_s: seconds in which it speaks alone.
        overlap_s: seconds in which another one speaks as well.
        channel: where it is heard, from 0, if each channel was heard by itself.
    """

    start_s: float
    end_s: float
    voice: int
    clean_s: float
    overlap_s: float
    channel: int = 0


def mark_activity(windows: Sequence[VoiceWindow], groups: Groups) -> BoolArray:
    """Say of each frame of the recording which groups speak: (frames, groups)."""
    frames = max((w.first + w.frames for w in windows), default=0)
    votes = np.zeros((frames, max(groups.values(), default=-1) + 1), np.uint8)
    looks = np.zeros(frames, np.uint8)
    heard = np.zeros(frames, np.uint8)
    for number, window in enumerate(windows):
        rows = slice(window.first, window.first + window.frames)
        looks[rows] += 1
        for place, voice in enumerate(window.voices):
            heard[rows] += voice.active
            if (number, place) in groups:
                votes[rows, groups[number, place]] += voice.active
    _add_short(votes, windows, groups)
    count = np.rint(heard / np.maximum(looks, 1)).astype(np.intp)
    return _choose(votes, count)


def _add_short(votes: VoteArray, windows: Sequence[VoiceWindow], groups: Groups) -> None:
    """Give voices too short for a vector to the group that other windows hear there."""
    certain = votes.copy()
    for number, window in enumerate(windows):
        rows = slice(window.first, window.first + window.frames)
        for place, voice in enumerate(window.voices):
            if (number, place) in groups:
                continue
            shared = certain[rows][voice.active].sum(axis=0, dtype=np.int64)
            shared[_groups_beside(number, voice, window, groups)] = 0
            if shared.any():
                votes[rows, shared.argmax()] += voice.active


def _groups_beside(
    number: int, voice: LocalVoice, window: VoiceWindow, groups: Groups
) -> list[int]:
    """Groups of the other speakers of a window."""
    return [
        groups[number, place]
        for place, other in enumerate(window.voices)
        if other.speaker != voice.speaker and (number, place) in groups
    ]


def _choose(votes: VoteArray, count: IndexArray) -> BoolArray:
    """Mark the `count` (frames,) groups of the most votes (frames, groups), two at most."""
    active = np.zeros(votes.shape, np.bool_)
    left = votes.copy()
    for rank in range(min(2, votes.shape[1])):
        best = left.argmax(axis=1)
        rows = np.flatnonzero((count > rank) & (left[np.arange(len(left)), best] > 0))
        active[rows, best[rows]] = True
        left[rows, best[rows]] = 0
    return active


def make_turns(activity: BoolArray) -> list[Turn]:
    """Cut the activity (frames, groups) into turns, in the order in which they begin."""
    together = activity.sum(axis=1) > 1
    pause = round(_PAUSE_S / STEP_S)
    turns: list[Turn] = []
    for voice in range(activity.shape[1]):
        for start, end in bridge(find_runs(activity[:, voice]), pause):
            overlap = int(np.count_nonzero(together[start:end] & activity[start:end, voice]))
            clean = int(np.count_nonzero(activity[start:end, voice])) - overlap
            turns.append(
                Turn(
                    start_s=_FIRST_S + start * STEP_S,
                    end_s=_FIRST_S + end * STEP_S,
                    voice=voice,
                    clean_s=clean * STEP_S,
                    overlap_s=overlap * STEP_S,
                )
            )
    return sorted(turns, key=lambda turn: (turn.start_s, turn.voice))
