"""What a voice of a live session says alone, kept in memory until the session ends.

It serves to enrol the person, and nothing else. Samples are 16 kHz mono float32 (n,).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence

import numpy as np

from align.speech import analyse_speech
from speech.listener import Piece
from speech.turns import Turn
from utils.arrays import RATE_HZ, Float32Array
from utils.media import Capture, FaceAnalysis, Waveform

MOST_S = 20.0
"""Seconds of one voice that are kept. The oldest go first."""
ENROLLED_S = 3.0
"""Least seconds of a voice that enrol a person."""


class KeptSpeech:
    """The newest speech of one voice."""

    def __init__(self) -> None:
        self._parts: deque[Float32Array] = deque()
        self._count = 0

    @property
    def samples(self) -> Float32Array:
        """All that is kept, (n,)."""
        return np.concatenate([np.zeros(0, np.float32), *self._parts])

    def add(self, samples: Float32Array) -> None:
        """Keep more, and let go of what is older than the newest `MOST_S`."""
        self._parts.append(samples[-round(MOST_S * RATE_HZ) :])
        self._count += len(self._parts[-1])
        while self._count > MOST_S * RATE_HZ:
            self._count -= len(self._parts.popleft())


def cut_alone(piece: Piece, turns: Sequence[Turn], voice: int) -> Float32Array:
    """Cut what a voice says in a piece while no other voice speaks, (n,)."""
    is_alone = np.zeros(len(piece.samples), np.bool_)
    for is_own in (True, False):
        for turn in turns:
            if (turn.voice == voice) is is_own:
                is_alone[_samples_of(piece, turn)] = is_own
    return piece.samples[is_alone]


def _samples_of(piece: Piece, turn: Turn) -> slice:
    first = round((turn.start_s - piece.start_s) * RATE_HZ)
    return slice(max(0, first), max(0, round((turn.end_s - piece.start_s) * RATE_HZ)))


def capture_speech(samples: Float32Array) -> Capture:
    """Make a capture of a voice alone from what was kept of it, (n,)."""
    return Capture(
        face_analysis=FaceAnalysis(faces=(), people_in_view=0, frames_read=0, quality=None),
        speech_analysis=analyse_speech(Waveform(samples, RATE_HZ), ENROLLED_S / 2),
        has_picture=False,
        has_sound=True,
        duration_s=len(samples) / RATE_HZ,
        source_sha256=hashlib.sha256(samples.tobytes()).hexdigest(),
        hints=(),
        timings_ms={},
    )
