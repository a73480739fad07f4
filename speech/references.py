"""Recordings that show whose a voice is, for one request."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from align.sound_decoder import open_sound_apart
from recognition.voices import Voices
from speech.listener import Listener, Piece
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import NoBiometricError

LONGEST_S = 60.0
LEAST_S = 1.0
_MOST_S = 10.0


def hear_reference(path: Path, voices: Voices) -> Float32Array:
    """Embed the speech of a recording of one person, its first 10 s, as (512,).

    Raises MediaError, and NoBiometricError for less than a second of speech.
    """
    listener = Listener()
    pieces: list[Piece] = []
    with open_sound_apart(path, max_s=LONGEST_S) as sound:
        for block in sound.blocks:
            pieces += listener.accept(block)
        pieces += listener.finish()
    speech_s = sum(piece.segment.end_s - piece.segment.start_s for piece in pieces)
    if speech_s < LEAST_S:
        raise NoBiometricError(
            f"A reference must hold {LEAST_S:g} s of speech. Received: {speech_s:.1f} s",
            "2 to 10 s of one person who speaks are best.",
        )
    samples = np.concatenate([piece.samples for piece in pieces])
    return voices.embed(samples[: round(_MOST_S * RATE_HZ)])
