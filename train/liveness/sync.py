"""Fit the linear model of mouth and sound: canonical correlation with strong ridges.

A mouth is as likely its mirror image. The levels of all pixels have one scale, and so
have their changes. The ridges are what makes a model of one studio hold for other
cameras: of the sound above all (docs/liveness.md). So do copies of the mouths that are cut
a little elsewhere, as landmarks of another camera would do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
from scipy.linalg import eigh

from align.mouth_film import MOUTH_PX
from liveness.cards import CARD_FILE
from liveness.sync_model import WEIGHTS_FILE, SyncModel
from liveness.sync_signals import measure_mouths
from train.liveness.words import Talk
from utils.arrays import Float32Array, Float64Array
from utils.file_hash import hash_file
from utils.whole_file import whole_files

NAME = "audio-visual-sync-3"
THRESHOLD = 0.205
"""Correlation that 95 % of joined words reach, and clips of other cameras too."""

COMPONENTS = 5
MOUTH_RIDGE = 1.0
SOUND_RIDGE = 3.0
"""Ridges, as multiples of the mean variance."""

COPIES = 2
"""Copies of each talk in which the mouth is cut a little elsewhere."""

# Deviations of the cut: its stretch and slant, and its place in pixels of the mouth
_STRETCH = 0.05
_PLACE_PX = 0.5
_SEED = 0

_TERMS = "Learned from research data: docs/liveness.md. Check its terms before commercial use."


def fit(talks: Sequence[Talk], threshold: float = THRESHOLD) -> SyncModel:
    """Fit the model to people who talk."""
    mouths = np.concatenate(list(_see(talks)))
    sounds = np.concatenate(list(_hear(talks)))
    mouth_scale = _even_out(mouths.std(axis=0))
    sound_scale = sounds.std(axis=0)
    seen = np.concatenate([mouths, _mirror(mouths)]) / mouth_scale
    heard = np.concatenate([sounds, sounds]) / sound_scale
    within_seen = _covary(seen, seen, MOUTH_RIDGE)
    within_heard = _covary(heard, heard, SOUND_RIDGE)
    across = _covary(seen, heard)
    common = across @ np.linalg.solve(within_heard, across.T)
    values, vectors = eigh((common + common.T) / 2, within_seen)
    best = np.argsort(-values)[:COMPONENTS]
    mouth = vectors[:, best]
    sound = np.linalg.solve(within_heard, across.T @ mouth)
    weights = np.sqrt(np.clip(values[best], 0.0, 1.0))
    return SyncModel(
        name=NAME,
        mouth=_to_stored(mouth / mouth_scale[:, None]),
        sound=_to_stored(sound / sound_scale[:, None]),
        weights=_to_stored(weights / weights.sum()),
        threshold=threshold,
    )


def publish(model: SyncModel, folder: Path, metrics: dict[str, float], data: str) -> None:
    """Write the weights of a model and its card, which says what it was fitted to."""
    with whole_files(folder / WEIGHTS_FILE, folder / CARD_FILE) as (weights, card):
        np.savez(weights, **{name: getattr(model, name).astype(np.float32) for name in _ARRAYS})
        text = {
            "name": model.name,
            "threshold": model.threshold,
            "file": WEIGHTS_FILE,
            "sha256": hash_file(weights),
            "parameters": sum(getattr(model, name).size for name in _ARRAYS),
            "training": {"data": data, "method": "canonical correlation, no network"},
            "metrics": metrics,
            "terms": _TERMS,
        }
        card.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")


_ARRAYS = ("mouth", "sound", "weights")


def _see(talks: Sequence[Talk]) -> Iterator[Float64Array]:
    """Signals of the mouths of each talk, then of its copies."""
    rng = np.random.default_rng(_SEED)
    for talk in talks:
        yield talk.whole.mouths
        for _ in range(COPIES):
            yield measure_mouths(_cut_elsewhere(talk.film.mouths, rng), talk.film.times_s)


def _hear(talks: Sequence[Talk]) -> Iterator[Float64Array]:
    """Signals of the sound of each talk, as often as its mouths are seen."""
    for talk in talks:
        yield from repeat(talk.whole.hear(), 1 + COPIES)


def _cut_elsewhere(mouths: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Cut mouths (n, 10, 14) a little elsewhere, all of them by one affine map."""
    width, height = MOUTH_PX
    centre = np.array([width - 1, height - 1]) / 2
    stretch = np.eye(2) + rng.normal(0, _STRETCH, (2, 2))
    place = centre - stretch @ centre + rng.normal(0, _PLACE_PX, 2)
    matrix = np.column_stack([stretch, place])
    moved = [
        cv2.warpAffine(mouth, matrix, MOUTH_PX, borderMode=cv2.BORDER_REPLICATE) for mouth in mouths
    ]
    return np.stack(moved).astype(np.float32)


def _even_out(deviations: Float64Array) -> Float64Array:
    """One scale for all levels, and one for all changes."""
    levels, changes = np.split(deviations, 2)
    each = (np.full_like(levels, levels.mean()), np.full_like(changes, changes.mean()))
    return np.concatenate(each)


def _mirror(mouths: Float64Array) -> Float64Array:
    width, height = MOUTH_PX
    pictures = mouths.reshape(len(mouths), 2, height, width)
    return pictures[..., ::-1].reshape(mouths.shape)


def _covary(one: Float64Array, other: Float64Array, ridge: float = 0.0) -> Float64Array:
    """Covariance of two sets of signals of mean 0, with a ridge on its diagonal."""
    covariance = one.T @ other / len(one)
    if ridge:
        covariance += ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return np.asarray(covariance, np.float64)


def _to_stored(values: Float64Array) -> Float64Array:
    """Round to what a file holds, so that a fitted model is the one that is loaded."""
    return np.asarray(values, np.float32).astype(np.float64)
