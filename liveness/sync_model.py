"""The linear model of mouth and sound: how well they move together, at which lag.

Canonical correlation analysis (H. Hotelling, "Relations between two sets of variates",
Biometrika 28, 1936) finds a few weighted sums of mouth signals and of sound signals that
correlate most in people who talk. In a dub, they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liveness.cards import read_card, read_name, read_threshold
from liveness.sync_signals import Stretch
from utils.arrays import Float64Array
from utils.errors import ModelError

WEIGHTS_FILE = "model.npz"
LAGS_S = np.round(np.arange(-3, 4) * 0.04, 2)
"""Lags at which the sound is tried: cameras and codecs are seldom off by more."""

LAG_COST = 0.1
"""Correlation that a lag of a second costs. Small lags are likelier, and a dub fits best
anywhere."""

_ARRAYS = ("mouth", "sound", "weights")
_RESTORE = "Restore best_model/ from the repository, or run cli.py train sync."


@dataclass(frozen=True)
class SyncModel:
    """The weights of a model.

    Attributes:
        name: its name, with the version.
        mouth: (280, c) weights of the mouth signals.
        sound: (60, c) weights of the sound signals.
        weights: (c,) how much each of the c sums counts. They add up to 1.
        threshold: correlation from which mouth and sound belong together.
    """

    name: str
    mouth: Float64Array
    sound: Float64Array
    weights: Float64Array
    threshold: float

    def correlate(self, mouths: Float64Array, sounds: Float64Array) -> float:
        """Correlate signals (n, 280) and (n, 60). Returns a value in [-1, 1]."""
        one = _scale(mouths @ self.mouth)
        other = _scale(sounds @ self.sound)
        return float((one * other).mean(axis=0) @ self.weights)

    def find_lag(self, stretches: Sequence[Stretch]) -> tuple[float, float]:
        """Find the lag at which sound fits the mouth best, over all stretches together.

        Returns:
            The correlation in [-1, 1], less what the lag costs, and by how many seconds the
            sound comes late.
        """
        mouths = np.concatenate([one.mouths for one in stretches])
        lags = [float(lag_s) for lag_s in LAGS_S]
        scores = [
            self.correlate(mouths, _hear(stretches, lag_s)) - LAG_COST * abs(lag_s)
            for lag_s in lags
        ]
        best = int(np.argmax(scores))
        return scores[best], lags[best]


def _hear(stretches: Sequence[Stretch], lag_s: float) -> Float64Array:
    """Signals (n, 60) of the sound of all stretches, one after the other."""
    return np.concatenate([one.hear(lag_s) for one in stretches])


def _scale(signals: Float64Array) -> Float64Array:
    """Give each column mean 0 and deviation 1. A constant column becomes 0."""
    centred = signals - signals.mean(axis=0)
    deviation = centred.std(axis=0)
    return np.asarray(centred / np.where(deviation > 0, deviation, 1.0), np.float64)


def load_model(folder: Path) -> SyncModel:
    """Load the model of a folder.

    Raises:
        ModelError: it is damaged, or not the one of its card.
    """
    try:
        card = read_card(folder, WEIGHTS_FILE)
        with np.load(folder / WEIGHTS_FILE) as arrays:
            weights = {name: arrays[name].astype(np.float64) for name in _ARRAYS}
        return SyncModel(
            name=read_name(card), threshold=read_threshold(card, least=-1.0), **weights
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"The model of audio_visual_sync cannot be used: {error}.", _RESTORE
        ) from None
