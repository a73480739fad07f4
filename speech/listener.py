"""From a stream of sound to pieces of speech, with nothing else in them.

The voice activity network hears the sound as it is, and raised where it is quiet: it
misses speech whose peaks lie below a hundredth of full scale. The larger probability
counts, as raising distorts what begins softly. Samples are 16 kHz mono float32 in
[-1, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from align.vad import WINDOW, WINDOW_S, Segmenter, SpeechProbabilities
from utils.arrays import RATE_HZ, Float32Array
from utils.media import SpeechSegment

PADDING = round(0.2 * RATE_HZ)
"""Samples kept before and after the speech: soft beginnings and endings belong to it."""

# Shorter pauses are kept whole, also that before the first word, and what is said softly
# in them
_KEPT_PAUSE_S = 1.5
_KEPT_PAUSE = round(_KEPT_PAUSE_S * RATE_HZ)
# Sound before a segment that is remembered: a pause, and doubtful speech before it
_REMEMBERED = round(5.0 * RATE_HZ)

# Speech without a pause is cut at the next dip after the first of these, and anyway
# after the second
_CUT_AT_DIP_S = 18.0
_CUT_S = 27.0
_DIP = 0.5

CERTAIN = 0.9
"""Probability of speech that a window of each segment must reach.

What does not is a dog, a door or a laugh, unless certain speech is near. Measured on
recordings of noise: docs/speech.md.
"""

# Peaks below the first are raised to the second, by the third at most
_QUIET = 0.1
_RAISED = 0.3
_MOST_GAIN = 100.0
# How much of the peak is remembered from one window to the next: half in 2 s
_MEMORY = 0.5 ** (WINDOW_S / 2.0)


@dataclass(frozen=True)
class Piece:
    """Speech with a little before and after it.

    `start` counts samples of the stream. `segment` is the speech alone.
    """

    start: int
    samples: Float32Array
    segment: SpeechSegment

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE_HZ

    @property
    def start_s(self) -> float:
        """Time of the first sample."""
        return self.start / RATE_HZ


class Listener:
    """Finds the speech in one stream. No sample is in two pieces."""

    def __init__(self) -> None:
        self._level = Level()
        self._as_it_is = SpeechProbabilities()
        self._raised = SpeechProbabilities()
        self._segmenter = Segmenter()
        self._certain_end_s = -math.inf
        self._doubtful: SpeechSegment | None = None
        # Samples from `_first` on, and the probabilities of the windows from there
        self._samples = np.zeros(0, np.float32)
        self._first = 0
        self._rest = np.zeros(0, np.float32)
        self._judged: list[float] = []
        self._judged_before = 0
        self._used = 0

    def accept(self, samples: Float32Array) -> list[Piece]:
        """Take the next samples (n,) and return the pieces that ended."""
        pending = np.concatenate([self._rest, samples], dtype=np.float32)
        count = len(pending) // WINDOW * WINDOW
        self._rest = pending[count:].copy()
        return self._take(pending[:count])

    def finish(self) -> list[Piece]:
        """End the stream and return the pieces that were still open."""
        missing = -len(self._rest) % WINDOW
        pieces = self.accept(np.zeros(missing, np.float32))
        return pieces + self._cut(self._segmenter.finish())

    def _take(self, samples: Float32Array) -> list[Piece]:
        self._samples = np.concatenate([self._samples, samples])
        pieces: list[Piece] = []
        for probability in self._judge(samples):
            self._judged.append(float(probability))
            segments = self._segmenter.accept([probability])
            if self._must_cut(float(probability)):
                segments += self._segmenter.finish()
            pieces += self._cut(segments)
        self._forget()
        return pieces

    def _judge(self, samples: Float32Array) -> Float32Array:
        """Probability of speech for each window of samples (n,)."""
        raised = self._raised.accept(self._level.raise_quiet(samples))
        return np.maximum(self._as_it_is.accept(samples), raised)

    def _must_cut(self, probability: float) -> bool:
        open_s = self._segmenter.open_s
        return open_s >= _CUT_S or (open_s >= _CUT_AT_DIP_S and probability < _DIP)

    def _cut(self, segments: list[SpeechSegment]) -> list[Piece]:
        pieces: list[Piece] = []
        for segment in segments:
            if self._is_certain(segment):
                pieces.append(self._cut_one(self._with_doubtful(segment)))
                self._certain_end_s = segment.end_s
            elif segment.start_s - self._certain_end_s <= _KEPT_PAUSE_S:
                pieces.append(self._cut_one(segment))
            else:
                self._doubtful = segment
        return pieces

    def _with_doubtful(self, segment: SpeechSegment) -> SpeechSegment:
        """Put doubtful speech shortly before a segment in front of it."""
        before = self._doubtful
        self._doubtful = None
        if before is None or segment.start_s - before.end_s > _KEPT_PAUSE_S:
            return segment
        return SpeechSegment(before.start_s, segment.end_s)

    def _cut_one(self, segment: SpeechSegment) -> Piece:
        end_of_all = self._first + len(self._samples)
        start = round(segment.start_s * RATE_HZ) - PADDING
        if start - self._used <= _KEPT_PAUSE:
            start = self._used
        start = max(start, self._first)
        end = min(end_of_all, round(segment.end_s * RATE_HZ) + PADDING)
        self._used = end
        samples = self._samples[start - self._first : end - self._first].copy()
        return Piece(start=start, samples=samples, segment=segment)

    def _is_certain(self, segment: SpeechSegment) -> bool:
        first = round(segment.start_s / WINDOW_S) - self._judged_before
        last = round(segment.end_s / WINDOW_S) - self._judged_before
        return max(self._judged[max(0, first) : last], default=0.0) >= CERTAIN

    def _forget(self) -> None:
        """Drop what lies long before the open segment."""
        open_windows = round(self._segmenter.open_s / WINDOW_S)
        before = _REMEMBERED // WINDOW
        windows = max(0, len(self._judged) - open_windows - before - 1)
        self._judged = self._judged[windows:]
        self._judged_before += windows
        self._samples = self._samples[windows * WINDOW :]
        self._first += windows * WINDOW


def raise_whole(samples: Float32Array) -> Float32Array:
    """Raise samples (n,) that are quiet throughout, all by the same gain."""
    return samples * np.float32(_gain(float(np.abs(samples).max(initial=0.0))))


def _gain(peak: float) -> float:
    return 1.0 if peak >= _QUIET else min(_MOST_GAIN, _RAISED / max(peak, 1e-9))


class Level:
    """Raises quiet sound by a gain that follows the peaks of the last seconds.

    Speech that begins softly is raised unevenly: enough to be found, not to be heard.
    """

    def __init__(self) -> None:
        self._peak = 0.0

    def raise_quiet(self, samples: Float32Array) -> Float32Array:
        """Raise samples (n,), of whole windows."""
        if not len(samples):
            return samples
        windows = samples.reshape(-1, WINDOW)
        peaks = np.abs(windows).max(axis=1)
        gains = np.array([_gain(self._follow(float(peak))) for peak in peaks], np.float32)
        raised = windows * gains[:, None]
        return np.asarray(np.clip(raised, -1.0, 1.0).reshape(-1), np.float32)

    def _follow(self, peak: float) -> float:
        self._peak = max(peak, self._peak * _MEMORY)
        return self._peak
