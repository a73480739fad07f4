"""A speaker who registers in a live session. Samples are 16 kHz mono float32."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from speech.listener import Listener, raise_whole
from speech.speakers import LEAST_S
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import NoBiometricError

_MOST_S = 60.0


@dataclass
class Registration:
    """The sound in which a speaker registers.

    Attributes:
        speaker_id: number of the speaker, from 0.
        name: the name that lines will have.
    """

    speaker_id: int
    name: str
    _sound: list[Float32Array] = field(default_factory=list)

    def accept(self, samples: Float32Array) -> None:
        """Keep the next samples (n,), a minute in all at most."""
        if sum(map(len, self._sound)) < _MOST_S * RATE_HZ:
            self._sound.append(samples)

    def find_speech(self) -> tuple[Float32Array, float]:
        """Find the speech (n,) so far, and its seconds. Raises NoBiometricError for too little."""
        speech, speech_s = find_speech(np.concatenate([np.zeros(0, np.float32), *self._sound]))
        if speech_s < LEAST_S:
            raise NoBiometricError(
                f"A registration needs {LEAST_S:g} s of speech. Received: {speech_s:.1f} s",
                "Speak for 3 to 5 seconds, then complete the registration again.",
            )
        return speech, speech_s


def find_speech(samples: Float32Array) -> tuple[Float32Array, float]:
    """Find the speech in the sound (n,) of a registration, and how many seconds it has."""
    listener = Listener()
    pieces = [*listener.accept(samples), *listener.finish()]
    seconds = sum(piece.segment.end_s - piece.segment.start_s for piece in pieces)
    speech = [np.zeros(0, np.float32), *(piece.samples for piece in pieces)]
    return raise_whole(np.concatenate(speech)), seconds
