"""The network that tells a face with its surroundings from a picture of one.

Any ONNX network of this kind serves: images in, probabilities or logits out. The card says
how it is fed, and which output is the genuine one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from align.surroundings import SIZE_PX
from liveness.cards import CARD_FILE, read_card, read_name, read_threshold
from network.serving.inputs import FaceInput
from network.serving.runtime import OnnxRuntime, Runtime
from utils.arrays import Float32Array, ImageArray
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.whole_file import whole_file

WEIGHTS_FILE = "model.onnx"
_RESTORE = (
    "Restore best_model/, or add a network: cli.py models add screen-or-print (docs/models.md)."
)

# Sums of outputs that differ from 1 by more are those of logits
_SUM_ERROR = 1e-3


@dataclass(frozen=True)
class PictureModel:
    """A loaded network.

    Attributes:
        name: its name, with the version.
        threshold: probability from which a face is genuine.
        genuine: which output is the probability that a face is genuine.
        input: how images are fed to it.
        runtime: runs it.
    """

    name: str
    threshold: float
    genuine: int
    input: FaceInput
    runtime: Runtime

    def rate(self, images: Sequence[ImageArray]) -> float:
        """Rate images (80, 80, 3) of one clip: the mean probability that it is genuine."""
        outputs = self.runtime.run(self.input.prepare(np.stack(images)))
        return float(to_probabilities(outputs)[:, self.genuine].mean())


def to_probabilities(outputs: Float32Array) -> Float32Array:
    """Turn outputs (n, k) into probabilities: those of several logits by softmax.

    Raises:
        ModelError: they are none of a network of this kind.
    """
    outputs = outputs.reshape(len(outputs), -1)
    if not np.isfinite(outputs).all():
        raise ModelError("The network of screen_or_print gives outputs that are not finite.")
    is_share = bool((outputs >= 0).all() and (outputs <= 1 + _SUM_ERROR).all())
    sums = outputs.sum(axis=1)
    if is_share and (outputs.shape[1] == 1 or bool((np.abs(sums - 1) <= _SUM_ERROR).all())):
        return outputs
    if outputs.shape[1] == 1:
        return np.asarray(1 / (1 + np.exp(-outputs)), np.float32)
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def load_picture_model(folder: Path) -> PictureModel:
    """Load the network of a folder.

    Raises:
        ModelError: it is damaged, or not the one of its card.
    """
    try:
        card = read_card(folder, WEIGHTS_FILE)
        feed = FaceInput.from_dict(card["input"])
        runtime = OnnxRuntime(folder / WEIGHTS_FILE, threads=1)
        _try_on_noise(runtime, feed, card["genuine"])
        return PictureModel(
            name=read_name(card),
            threshold=read_threshold(card, least=0.0),
            genuine=card["genuine"],
            input=feed,
            runtime=runtime,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"The network of screen_or_print cannot be used: {error}.", _RESTORE
        ) from None


def _try_on_noise(runtime: Runtime, feed: FaceInput, genuine: object) -> None:
    """Raise ModelError unless the network rates pictures, by an output that it has."""
    feed.check(runtime)
    noise = np.random.default_rng(0).integers(0, 256, (3, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    try:
        raw = runtime.run(feed.prepare(noise))
    except Exception as error:  # onnxruntime has no public base class for its errors
        raise ModelError(
            f"The network must take pictures as its options say: {type(error).__name__}.",
            "See its input by cli.py models add screen-or-print --help.",
        ) from error
    count = to_probabilities(raw).shape[1]
    if type(genuine) is not int or not 0 <= genuine < count:
        raise ModelError(
            f"The genuine output of screen_or_print must be one of 0 to {count - 1}."
            f" Received: genuine={genuine}",
            _RESTORE,
        )


def write_card(folder: Path, card: Mapping[str, object]) -> None:
    """Write the card of the weights in a folder. Their hash is added."""
    whole = {**card, "file": WEIGHTS_FILE, "sha256": hash_file(folder / WEIGHTS_FILE)}
    with whole_file(folder / CARD_FILE) as draft:
        draft.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def add_picture_model(file: Path, folder: Path, card: Mapping[str, object]) -> PictureModel:
    """Make a folder of an ONNX file, once it has rated pictures of noise.

    Args:
        file: the network. It is copied.
        folder: new folder `liveness/screen_or_print` in a folder of models.
        card: `name`, `threshold`, `genuine` and `input`, as in `PictureModel`.

    Raises:
        ModelError: the network cannot be run on such pictures, or has no such output.
    """
    feed = FaceInput.from_dict(dict(cast(Mapping[str, Any], card["input"])))
    _try_on_noise(OnnxRuntime(file, threads=1), feed, card["genuine"])
    with whole_file(folder / WEIGHTS_FILE) as draft:
        shutil.copyfile(file, draft)
    write_card(folder, card)
    return load_picture_model(folder)
