"""What is kept of a voice of a live session: what it says alone, and not too much of it."""

from __future__ import annotations

import numpy as np

from speech.listener import Piece
from speech.live_speech import MOST_S, KeptSpeech, cut_alone
from speech.turns import Turn
from utils.arrays import RATE_HZ
from utils.media import SpeechSegment


def turn(start_s: float, end_s: float, voice: int) -> Turn:
    return Turn(start_s, end_s, voice, clean_s=end_s - start_s, overlap_s=0.0)


def test_what_two_voices_say_at_once_is_nobodys() -> None:
    seconds = np.repeat(np.arange(6, dtype=np.float32), RATE_HZ)
    piece = Piece(10 * RATE_HZ, seconds, SpeechSegment(10.0, 16.0))
    turns = [turn(9.0, 13.0, 0), turn(12.0, 15.0, 1), turn(15.0, 17.0, 0)]
    assert set(cut_alone(piece, turns, 0)) == {0, 1, 5}
    assert set(cut_alone(piece, turns, 1)) == {3, 4}
    assert len(cut_alone(piece, turns, 2)) == 0


def test_the_newest_seconds_of_a_voice_are_kept() -> None:
    kept = KeptSpeech()
    assert len(kept.samples) == 0
    for second in range(30):
        kept.add(np.full(RATE_HZ, second, np.float32))
    assert len(kept.samples) == MOST_S * RATE_HZ
    assert (kept.samples[0], kept.samples[-1]) == (10, 29)
    kept.add(np.zeros(round(2 * MOST_S * RATE_HZ), np.float32))
    assert len(kept.samples) == MOST_S * RATE_HZ
