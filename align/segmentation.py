"""Who speaks when, within ten seconds, by up to three voices that may overlap.

The network is pyannote's segmentation 3.0 (https://huggingface.co/pyannote/segmentation-3.0,
MIT licence): A. Plaquet and H. Bredin, "Powerset multi-class cross entropy loss for
neural speaker diarization", Interspeech 2023. `train/voice/pyannet.py` makes the ONNX
file of public weights.

Samples are 16 kHz mono float32 in [-1, 1].
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from utils.arrays import RATE_HZ, BoolArray, Float32Array
from utils.config import ROOT
from utils.errors import ModelError
from utils.file_hash import hash_file

WINDOW_S = 10.0
"""Length of sound that the network was trained on."""
VOICES = 3
"""Number of voices that it tells apart in a window, two of them at once."""
STEP = 270
STEP_S = STEP / RATE_HZ
"""From one frame to the next: 16.9 ms."""
FIELD = 991
"""Samples that a frame is judged by: the fewest that give a frame."""

# Standard deviations: quieter windows are raised to the first, as if they had the second
# at least
_LEVEL = 0.05
_QUIETEST = 1e-4

# What each of the network's classes says of the three voices
_CLASSES = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.bool_
)
_WEIGHTS = ROOT / "best_model" / "segmentation" / "model.onnx"
_SHA256 = "45041420f5adc0693d56960f4e57d516211abb46f3705ad4801d93973f0ce3af"


def segment_windows(windows: Float32Array) -> BoolArray:
    """Tell the voices of several windows apart.

    Four windows together take a fourth less time each than one alone.

    Args:
        windows: sound (n, samples) of `WINDOW_S` at most.

    Returns:
        (n, frames, 3) whether each voice speaks. The voices of a window have no order, and
        those that never speak are False. Frame i is about the `FIELD` samples from
        `i * STEP` on. Sound below 62 ms has no frame.

    Raises ModelError.
    """
    if windows.shape[1] < FIELD:
        return np.zeros((len(windows), 0, VOICES), np.bool_)
    waveforms = np.stack([_raise_quiet(np.asarray(one, np.float32)) for one in windows])
    (scores,) = _load_network().run(None, {"waveform": waveforms[:, None]})
    return np.asarray(_CLASSES[scores.argmax(axis=2)])


def _raise_quiet(samples: Float32Array) -> Float32Array:
    """Raise a window that is quiet as a whole. The network hears the others at any level."""
    level = max(float(samples.std()), _QUIETEST)
    return samples * np.float32(max(1.0, _LEVEL / level))


@cache
def _load_network() -> Any:
    """Load the network in ONNX Runtime, once. Its `run` keeps no state."""
    import onnxruntime

    if not _WEIGHTS.is_file() or hash_file(_WEIGHTS) != _SHA256:
        raise ModelError(
            "The weights best_model/segmentation/model.onnx are missing, or not those that belong"
            " here.",
            "Restore best_model/ from the repository.",
        )
    options = onnxruntime.SessionOptions()
    # A window takes 30 ms, and other threads need the cores
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(_WEIGHTS), options, providers=["CPUExecutionProvider"])
