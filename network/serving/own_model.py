"""Bring your own encoder: put a card beside an ONNX file, after the network was tried
with what the card says to feed it.

The network must declare an input that fits, and give finite embeddings of one size that
differ from input to input and do not depend on what else is in the batch.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from network.serving.card import CARD_FILE, Card, write_card
from network.serving.inputs import FaceInput, VoiceInput
from network.serving.runtime import OnnxRuntime
from utils.arrays import FACE_SIZE_PX, RATE_HZ, Float32Array
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.modality import Modality
from utils.whole_file import whole_file

WEIGHTS = "model.onnx"
ALIKE = 0.9999  # cosine above which two embeddings are the same
SPEECH_S = 2


def add_model(
    modality: Modality,
    file: Path,
    folder: Path,
    fed: Mapping[str, Any],
    name: str = "",
    terms: str = "",
) -> Card:
    """Copy `file` into the new model folder `folder` and write its card, without a
    calibration yet.

    Args:
        modality: face or voice.
        file: An ONNX file with its weights in it.
        folder: Must not hold a model.
        fed: What a card holds as `input`: see `FaceInput` and `VoiceInput`.
        name: First part of the encoder id; "" = that of the file.
        terms: What the weights may be used for, in words.

    Raises:
        ModelError: the folder is taken, or the network cannot be used as described.
    """
    if (folder / CARD_FILE).exists():
        raise ModelError(
            f"A new model needs a folder of its own. Received: {folder.name}, which holds one",
            "Choose another folder.",
        )
    name = re.sub(r"[^a-z0-9.]+", "-", (name or file.stem).lower()).strip("-.") or str(modality)
    runtime = OnnxRuntime(file, str(fed.get("output", "")))
    if len(runtime.output_names) > 1 and not fed.get("output"):
        raise ModelError(
            "The output that is the embedding must be named. Received: a network with"
            f" {', '.join(runtime.output_names)}",
            "Choose one: --output NAME",
        )
    fed = {
        **fed,
        "name": runtime.input_names[0],
        "output": fed.get("output") or runtime.output_names[0],
    }
    inputs: FaceInput | VoiceInput = (
        FaceInput.from_dict(fed) if modality == Modality.FACE else VoiceInput.from_dict(fed)
    )
    inputs.check(runtime)
    size = tried(inputs, runtime)
    card = Card(
        name,
        modality.value,
        "onnx",
        WEIGHTS,
        hash_file(file),
        size,
        inputs.to_dict(),
        source="Brought by the operator.",
        terms=terms or "Not stated.",
    )
    with whole_file(folder / WEIGHTS) as draft:
        shutil.copyfile(file, draft)
    write_card(folder, card)
    return card


def tried(inputs: FaceInput | VoiceInput, runtime: OnnxRuntime) -> int:
    """Run the network on made-up faces or sounds; returns the size of its embeddings.
    Raises ModelError.
    """
    fed = (
        [inputs.prepare(_pictures())]
        if isinstance(inputs, FaceInput)
        else [inputs.prepare(sound) for sound in _sounds()]
    )
    raw = np.concatenate([_run(runtime, batch) for batch in fed])
    if not np.isfinite(raw).all() or not np.linalg.norm(raw, axis=1).all():
        raise ModelError(
            "The network must give finite embeddings other than zero. Received: NaN, infinity or"
            " zeros",
            "Check scale, mean and std.",
        )
    # With time_reversal a sound gives two: compare the forward ones only
    rows = len(raw) if isinstance(inputs, FaceInput) else len(fed)
    distinct = raw[:: len(raw) // rows]
    if any(_alike(distinct[i : i + 1], distinct[j : j + 1]) for i in range(rows) for j in range(i)):
        raise ModelError(
            "The network gives the same embedding whatever it is fed.",
            "Check scale, mean, std and output.",
        )
    if not _alike(raw[:1], _run(runtime, fed[0][:1])):
        raise ModelError(
            "The embedding of one input changes with the others of its batch.",
            "Export the network in evaluation mode.",
        )
    return int(raw.shape[1])


def _run(runtime: OnnxRuntime, inputs: Float32Array) -> Float32Array:
    """Embeddings (n, d) of n inputs."""
    try:
        raw = runtime.run(inputs)
    except Exception as error:  # onnxruntime has no public base class for its errors
        raise ModelError(
            f"The network fails when it is fed the shape {inputs.shape}:"
            f" {str(error).splitlines()[0][:300]}",
            "Check layout, size and mels.",
        ) from error
    if raw.ndim < 2 or len(raw) != len(inputs) or raw.size != len(inputs) * max(raw.shape[1:]):
        raise ModelError(
            "The network must give one vector for each input: (n, d). Received: the shape"
            f" {raw.shape} for {len(inputs)}",
            "Choose the output that is the embedding: --output NAME",
        )
    return raw.reshape(len(raw), -1)


def _alike(a: Float32Array, b: Float32Array) -> bool:
    """Whether all rows of two (n, d) point the same way."""
    cosines = (a * b).sum(axis=1) / np.maximum(
        np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12
    )
    return bool((cosines > ALIKE).all())


def _pictures() -> np.ndarray:
    """Three different pictures (3, 112, 112, 3) uint8: noise, an edge across, an edge
    down.
    """
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, FACE_SIZE_PX, FACE_SIZE_PX, 3), dtype=np.uint8)
    pictures[1, : FACE_SIZE_PX // 2] = 220
    pictures[1, FACE_SIZE_PX // 2 :] = (30, 80, 160)
    pictures[2, :, : FACE_SIZE_PX // 2] = (200, 140, 110)
    pictures[2, :, FACE_SIZE_PX // 2 :] = 10
    return pictures


def _sounds() -> tuple[Float32Array, Float32Array]:
    """Noise, and a buzz with harmonics of 140 Hz, of two seconds and of three."""
    rng = np.random.default_rng(0)
    time_s = np.arange((SPEECH_S + 1) * RATE_HZ) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 20)) * (
        0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s)
    )
    return rng.normal(0, 0.1, SPEECH_S * RATE_HZ).astype(np.float32), (
        0.1 * np.asarray(buzz)
    ).astype(np.float32)
