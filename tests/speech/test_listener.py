"""Pieces of speech in a stream: found whatever the level, cut where they are long."""

from __future__ import annotations

import numpy as np
import pytest

from align.vad import WINDOW, WINDOW_S
from speech.listener import Listener, Piece
from tests.support import media_sound
from tests.support.recordings import silence, syllables
from utils.arrays import RATE_HZ, Float32Array


def listen(samples: Float32Array, block: int = RATE_HZ) -> list[Piece]:
    listener = Listener()
    pieces = []
    for start in range(0, len(samples), block):
        pieces += listener.accept(samples[start : start + block])
    return pieces + listener.finish()


def test_speech_between_pauses_is_cut_out() -> None:
    sound = np.concatenate([silence(3), syllables(3), silence(3), syllables(2), silence(1)])
    pieces = listen(sound)
    assert pieces[0].start_s == pytest.approx(3.0, abs=0.4)
    assert pieces[-1].start_s + pieces[-1].duration_s == pytest.approx(11.0, abs=0.5)
    covered_s = sum(piece.duration_s for piece in pieces)
    assert 4.0 < covered_s < 6.2
    for piece in pieces:
        end = piece.start + len(piece.samples)
        np.testing.assert_array_equal(piece.samples, sound[piece.start : end])


@pytest.mark.parametrize("block", [100, 4096, 10**6])
def test_blocks_make_no_difference(block: int) -> None:
    sound = np.concatenate([silence(0.5), syllables(2), silence(1), syllables(1)])
    whole = [(p.start, len(p.samples)) for p in listen(sound)]
    assert [(p.start, len(p.samples)) for p in listen(sound, block)] == whole


def test_speech_without_a_pause_is_cut_and_no_sample_comes_twice() -> None:
    pieces = listen(syllables(65))
    assert max(piece.duration_s for piece in pieces) < 28
    ends = [piece.start + len(piece.samples) for piece in pieces]
    assert all(end <= piece.start for end, piece in zip(ends, pieces[1:], strict=False))
    assert sum(piece.duration_s for piece in pieces) > 60


def test_a_short_pause_is_kept_and_a_long_one_is_not() -> None:
    """An engine leaves out what follows a pause that was cut short."""
    sound = np.concatenate([syllables(2), silence(0.7), syllables(2), silence(3), syllables(2)])
    first, second, third = listen(sound)
    assert second.start == first.start + len(first.samples)
    assert third.start > second.start + len(second.samples) + 2 * RATE_HZ


def test_quiet_speech_is_found() -> None:
    loud = listen(np.concatenate([silence(3), syllables(3), silence(1)]))
    quiet = listen(np.concatenate([silence(3), syllables(3, level=0.005), silence(1)]))
    assert quiet[0].start_s == pytest.approx(loud[0].start_s, abs=0.15)


@pytest.mark.parametrize(
    "sound",
    [
        silence(20),
        media_sound.noise(10, 0.001, rate_hz=RATE_HZ),
        media_sound.noise(10, 0.0316, rate_hz=RATE_HZ),
        media_sound.tone(10, 50.0, rate_hz=RATE_HZ),
        media_sound.music(10, rate_hz=RATE_HZ),
        np.zeros(0, np.float32),
    ],
    ids=["zeros", "noise -60 dB", "noise -30 dB", "hum", "music", "nothing"],
)
def test_what_is_no_speech_gives_no_piece(sound: Float32Array) -> None:
    assert listen(sound) == []


def test_a_long_silence_is_not_held_in_memory() -> None:
    listener = Listener()
    for _ in range(120):
        assert listener.accept(silence(1)) == []
    held = [len(v) for v in vars(listener).values() if isinstance(v, np.ndarray | list)]
    assert max(held) < 6 * RATE_HZ


def test_doubtful_speech_counts_near_certain_speech_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A soft first sentence belongs to the second, and a sneeze to nobody."""
    windows = round(1.0 / WINDOW_S)
    no, perhaps, surely = ([value] * windows for value in (0.0, 0.7, 0.95))
    cases: tuple[tuple[list[float], list[float]], ...] = (
        (no * 3 + perhaps + no + surely + no * 3, [3.0]),
        (no * 3 + surely + no + perhaps + no * 3, [3.0, 4.0]),
        (no * 3 + perhaps + no * 3 + surely + no * 3, [7.0]),
        (no * 3 + perhaps + no * 3, []),
    )
    for probabilities, starts in cases:
        judged = np.array(probabilities, np.float32)
        listener = Listener()
        monkeypatch.setattr(listener, "_judge", lambda _, judged=judged: judged)
        pieces = listener.accept(np.zeros(len(judged) * WINDOW, np.float32))
        assert [p.start_s for p in pieces] == pytest.approx(starts, abs=0.35)
