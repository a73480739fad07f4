"""Packing pieces into windows, and the times of words back again."""

from __future__ import annotations

import numpy as np
import pytest

from speech.listener import Piece
from speech.ports import Word
from speech.windows import Packer, Window
from utils.arrays import RATE_HZ
from utils.media import SpeechSegment


def piece(start_s: float, seconds: float) -> Piece:
    samples = np.full(round(seconds * RATE_HZ), start_s, np.float32)
    segment = SpeechSegment(start_s, start_s + seconds)
    return Piece(round(start_s * RATE_HZ), samples, segment)


def word(start_s: float, end_s: float) -> Word:
    return Word(" a", start_s, end_s, probability=1.0)


def test_as_many_pieces_as_fit_make_a_window() -> None:
    packer = Packer()
    pieces = [piece(start_s, 9.0) for start_s in (0, 20, 40, 60)]
    windows = packer.accept(pieces)
    assert [len(window.pieces) for window in windows] == [3]
    assert len(windows[0].samples) == 27 * RATE_HZ
    assert [len(window.pieces) for window in packer.finish()] == [1]
    assert packer.finish() == []


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (0.5, 1.0, (10.5, 11.0)),
        (2.2, 2.6, (50.2, 50.6)),
        # Over the seam: its last part decides, and the word stays in its piece
        (1.8, 2.05, (11.8, 12.0)),
        (1.5, 2.2, (50.0, 50.2)),
        (1.9, 2.4, (50.0, 50.4)),
        # Beyond the end, as engines sometimes put the last word
        (4.8, 5.6, (52.8, 53.0)),
    ],
)
def test_words_go_back_to_their_place(
    start_s: float, end_s: float, expected: tuple[float, float]
) -> None:
    window = Window((piece(10, 2), piece(50, 3)))
    placed = window.place(word(start_s, end_s))
    assert (placed.start_s, placed.end_s) == pytest.approx(expected)


def test_quiet_pieces_are_raised_by_one_gain() -> None:
    """Engines stop at a piece that is much quieter than the one before it."""
    soft = Piece(0, np.full(RATE_HZ, 0.02, np.float32), SpeechSegment(0.0, 1.0))
    softer = Piece(RATE_HZ, np.full(RATE_HZ, 0.005, np.float32), SpeechSegment(1.0, 2.0))
    samples = Window((soft, softer)).samples
    assert samples[0] == pytest.approx(0.3)
    assert samples[0] / samples[-1] == pytest.approx(4.0)
    loud = Piece(0, np.full(RATE_HZ, 0.5, np.float32), SpeechSegment(0.0, 1.0))
    np.testing.assert_array_equal(Window((loud, softer)).samples[-1:], softer.samples[-1:])
