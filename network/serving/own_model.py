"""Bring your own encoder: a card beside an ONNX file, once the network has been tested.

The network must declare an input that fits what the card says. It must give finite
embeddings of one size that differ from input to input and do not depend on what else is
in the batch.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from network.serving.card import CARD_FILE, Card, write_card
from network.serving.inputs import FaceInput, VoiceInput
from network.serving.runtime import OnnxRuntime
from utils.arrays import FACE_SIZE_PX, RATE_HZ, Float32Array, ImageArray, unit
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.modality import Modality
from utils.whole_file import whole_file

WEIGHTS = "model.onnx"
# Cosine above which two embeddings are the same.
ALIKE = 0.9999
SPEECH_S = 2


def add_model(
    modality: Modality,
    file: Path,
    folder: Path,
    inputs: Mapping[str, Any],
    *,
    name: str = "",
    terms: str = "",
) -> Card:
    """Copy an ONNX file into a new model folder and write its card.

    The card has no calibration yet.

    Args:
        modality: Face or voice.
        file: An ONNX file with its weights in it.
        folder: The folder, which must not hold a model.
        inputs: What a card holds as `input`: see `FaceInput` and `VoiceInput`.
        name: First part of the encoder id. Empty: that of the file.
        terms: What the weights may be used for, in words.

    Raises:
        ModelError: The folder is taken, or the network cannot be used as described.
    """
    if (folder / CARD_FILE).exists():
        raise ModelError(
            f"The folder {folder.name} holds a model already. A new one needs its own.",
            "Choose another folder.",
        )
    runtime = OnnxRuntime(file, str(inputs.get("output", "")))
    prepared = _describe_input(modality, inputs, runtime)
    card = Card(
        name=_encoder_name(name or file.stem) or modality.value,
        modality=modality.value,
        runtime="onnx",
        file=WEIGHTS,
        sha256=hash_file(file),
        embedding_size=probe_network(prepared, runtime),
        input=prepared.to_dict(),
        source="Brought by the operator.",
        terms=terms or "Not stated.",
    )
    with whole_file(folder / WEIGHTS) as draft:
        shutil.copyfile(file, draft)
    write_card(folder, card)
    return card


def _encoder_name(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")


def _describe_input(
    modality: Modality, inputs: Mapping[str, Any], runtime: OnnxRuntime
) -> FaceInput | VoiceInput:
    """Complete `inputs` by what the network declares, and check it. Raises ModelError."""
    output = inputs.get("output")
    if len(runtime.output_names) > 1 and not output:
        raise ModelError(
            "A network with several outputs needs the name of the one that is the embedding."
            f" Received: {', '.join(runtime.output_names)}",
            "Choose one: --output NAME",
        )
    values = {
        **inputs,
        "name": runtime.input_names[0],
        "output": output or runtime.output_names[0],
    }
    kind = FaceInput if modality is Modality.FACE else VoiceInput
    prepared = kind.from_dict(values)
    prepared.check(runtime)
    return prepared


def probe_network(inputs: FaceInput | VoiceInput, runtime: OnnxRuntime) -> int:
    """Run the network on made-up faces or sounds and return the size of its embeddings.

    Raises:
        ModelError: The embeddings are not finite, are zero, are all alike, or depend on
            the others of the batch.
    """
    batches = _made_up_batches(inputs)
    embeddings = np.concatenate([_run(runtime, batch) for batch in batches])
    if not np.isfinite(embeddings).all() or not np.linalg.norm(embeddings, axis=1).all():
        raise ModelError(
            "The network gives embeddings with NaN, infinity or nothing but zeros.",
            "Check scale, mean and std.",
        )
    # With `time_reversal` a sound gives two: only the forward ones are compared.
    both_ways = isinstance(inputs, VoiceInput) and inputs.time_reversal
    if any(_are_alike(*pair) for pair in combinations(embeddings[:: 1 + both_ways], 2)):
        raise ModelError(
            "The network gives the same embedding whatever it is fed.",
            "Check scale, mean, std and output.",
        )
    if not _are_alike(embeddings[0], _run(runtime, batches[0][:1])[0]):
        raise ModelError(
            "The embedding of one input changes with the others of its batch.",
            "Export the network in evaluation mode.",
        )
    return int(embeddings.shape[1])


def _run(runtime: OnnxRuntime, inputs: Float32Array) -> Float32Array:
    """Run the network on n inputs and return the embeddings (n, d)."""
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
            "The network must give one vector for each input: (n, d). Received:"
            f" {raw.shape} for {len(inputs)}",
            "Choose the output that is the embedding: --output NAME",
        )
    return raw.reshape(len(raw), -1)


def _are_alike(first: Float32Array, second: Float32Array) -> bool:
    return bool(unit(first) @ unit(second) > ALIKE)


def _made_up_batches(inputs: FaceInput | VoiceInput) -> list[Float32Array]:
    if isinstance(inputs, FaceInput):
        return [inputs.prepare(made_up_pictures())]
    return [inputs.prepare(sound) for sound in made_up_sounds()]


def made_up_pictures() -> ImageArray:
    """Draw (3, 112, 112, 3) uint8: noise, an edge across, an edge down."""
    rng = np.random.default_rng(0)
    middle = FACE_SIZE_PX // 2
    pictures = rng.integers(0, 256, (3, FACE_SIZE_PX, FACE_SIZE_PX, 3), dtype=np.uint8)
    pictures[1, :middle] = 220
    pictures[1, middle:] = (30, 80, 160)
    pictures[2, :, :middle] = (200, 140, 110)
    pictures[2, :, middle:] = 10
    return pictures


def made_up_sounds() -> list[Float32Array]:
    """Make two seconds of noise, and three of a buzz with harmonics of 140 Hz.

    16 kHz mono float32 in [-1, 1], (n,) each.
    """
    noise = np.random.default_rng(0).normal(0, 0.1, SPEECH_S * RATE_HZ)
    time_s = np.arange((SPEECH_S + 1) * RATE_HZ) / RATE_HZ
    harmonics = [np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 20)]
    buzz = 0.1 * np.sum(harmonics, axis=0) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))
    return [noise.astype(np.float32), buzz.astype(np.float32)]
