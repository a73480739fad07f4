"""From a live stream to stretches of speech: each ends at a pause, or before it is too long.

A stretch is handed over as soon as it has ended, and no sample is in two of them.
Samples are 16 kHz mono float32 in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from align.vad import WINDOW, WINDOW_S, SpeechProbabilities
from speech.listener import CERTAIN, PADDING, Level, Piece, raise_whole
from utils.arrays import RATE_HZ, Float32Array
from utils.media import SpeechSegment

ENTER_AND_LEAVE = ((0.3, 0.2), (0.4, 0.25), (0.5, 0.35), (0.75, 0.6))
"""Probabilities at which speech begins and ends, by the mode: 0 hears most, 3 least."""

# What is cut for its length is cut at the quietest window of this last share of it
_CUT_SHARE = 0.4
# 16-bit steps, the unit of `CutRule.var_threshold`
_STEPS = 32768.0
_LEAST_DB = -120.0


@dataclass(frozen=True)
class CutRule:
    """What is speech, and where it is cut. Fields as of `utils.config.LiveSettings`."""

    min_seg_duration: float
    silence_duration: float
    max_segment_duration: float
    rms_threshold: float
    var_threshold: float
    vad_mode: int


@dataclass(frozen=True)
class _Window:
    probability: float
    level_db: float
    is_speech: bool


class TurnCutter:
    """Cuts one stream, however it is cut into blocks."""

    def __init__(self, rule: CutRule, *, first_s: float = 0.0) -> None:
        """Begin a stream. `first_s` is the time of its first sample."""
        self._rule = rule
        self._level = Level()
        self._probabilities = SpeechProbabilities()
        self._is_speech = False
        # What is kept: samples, and a judgement of each full window, both from `_first` on
        self._first = round(first_s * RATE_HZ)
        self._samples = np.zeros(0, np.float32)
        self._windows: list[_Window] = []
        # Windows since `_first` at which the open stretch began, and at which it was last heard
        self._start: int | None = None
        self._stop = 0
        self._used = self._first

    @property
    def open_speech_s(self) -> float:
        """Seconds of speech in the stretch that is still open."""
        if self._start is None:
            return 0.0
        return WINDOW_S * sum(w.is_speech for w in self._windows[self._start :])

    @property
    def is_speaking(self) -> bool:
        """Whether the last window was speech."""
        return self._is_speech

    def accept(self, samples: Float32Array) -> list[Piece]:
        """Take the next samples (n,) and return the stretches that ended."""
        self._samples = np.concatenate([self._samples, samples])
        pieces: list[Piece] = []
        ready = (len(self._samples) - len(self._windows) * WINDOW) // WINDOW
        for _ in range(ready):
            start = len(self._windows) * WINDOW
            self._judge(self._samples[start : start + WINDOW])
            pieces += self._follow()
        self._forget()
        return pieces

    def finish(self) -> list[Piece]:
        """End the stretch that is open, also in mid-word, and return it."""
        missing = -(len(self._samples) - len(self._windows) * WINDOW) % WINDOW
        pieces = self.accept(np.zeros(missing, np.float32))
        if self._start is not None:
            pieces += self._end(len(self._samples) // WINDOW)
        self._start = None
        self._is_speech = False
        return pieces

    def peek(self) -> Piece | None:
        """Return the stretch that is open as it is so far."""
        if self._start is None:
            return None
        return self._make(self._start, self._stop, len(self._samples))

    def _judge(self, window: Float32Array) -> None:
        (probability,) = self._probabilities.accept(self._level.raise_quiet(window))
        power = float(np.mean(np.square(window)))
        level_db = 10 * np.log10(power) if power > 0 else _LEAST_DB
        variance = float(np.var(window * np.float32(_STEPS)))
        enter, leave = ENTER_AND_LEAVE[self._rule.vad_mode]
        self._is_speech = bool(
            probability >= (leave if self._is_speech else enter)
            and level_db >= self._rule.rms_threshold
            and variance >= self._rule.var_threshold
        )
        self._windows.append(_Window(float(probability), float(level_db), self._is_speech))

    def _follow(self) -> list[Piece]:
        """Extend, end or cut the open stretch after the newest window."""
        count = len(self._windows)
        if self._is_speech:
            self._start = count - 1 if self._start is None else self._start
            self._stop = count
        if self._start is None:
            return []
        if (count - self._stop) * WINDOW_S >= self._rule.silence_duration:
            return self._end(count)
        if (count - self._start) * WINDOW_S >= self._rule.max_segment_duration:
            return self._cut_at_quietest()
        return []

    def _end(self, last: int) -> list[Piece]:
        assert self._start is not None
        start = self._start
        self._start = None
        if not self._is_enough(start, self._stop):
            return []
        padded = self._stop * WINDOW + PADDING
        return [self._make(start, self._stop, min(padded, last * WINDOW), use=True)]

    def _cut_at_quietest(self) -> list[Piece]:
        assert self._start is not None
        start = self._start
        count = len(self._windows)
        first = count - max(1, round(_CUT_SHARE * (count - start)))
        levels = [window.level_db for window in self._windows[first:count]]
        cut = first + int(np.argmin(levels))
        self._start = cut if self._stop > cut else None
        if not self._is_enough(start, min(self._stop, cut)):
            return []
        return [self._make(start, min(self._stop, cut), cut * WINDOW, use=True)]

    def _is_enough(self, start: int, stop: int) -> bool:
        """Whether windows are speech for long, and one of them is so for certain."""
        heard = self._windows[start:stop]
        speech_s = WINDOW_S * sum(window.is_speech for window in heard)
        certain = max((window.probability for window in heard), default=0.0) >= CERTAIN
        return certain and speech_s >= self._rule.min_seg_duration

    def _make(self, start: int, stop: int, end: int, *, use: bool = False) -> Piece:
        """Make the piece of windows, up to the sample `end`, with padding before it."""
        begin = max(self._used - self._first, start * WINDOW - PADDING, 0)
        first_s = self._first / RATE_HZ
        segment = SpeechSegment(first_s + start * WINDOW_S, first_s + stop * WINDOW_S)
        if use:
            self._used = self._first + end
        return Piece(self._first + begin, raise_whole(self._samples[begin:end]), segment)

    def _forget(self) -> None:
        """Drop the windows before the open stretch and its padding."""
        keep = len(self._windows) if self._start is None else self._start
        windows = max(0, keep - PADDING // WINDOW - 1)
        self._windows = self._windows[windows:]
        self._samples = self._samples[windows * WINDOW :].copy()
        self._first += windows * WINDOW
        self._stop -= windows
        if self._start is not None:
            self._start -= windows
