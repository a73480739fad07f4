"""Export of a model for apps: TFLite for Android and iOS, ONNX for the browser.

The network takes one input at a time, of a free length for voices. Beside the file stands
a card that says what an app must feed it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from network.serving.card import Card, read_card
from network.serving.inputs import FaceInput, VoiceInput
from network.serving.preparation import describe_preparation
from network.serving.runtime import OnnxRuntime, load_runtime
from utils.arrays import FACE_SIZE_PX, Float32Array, unit
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.whole_file import whole_file

FORMATS = ("tflite", "onnx")
# Runs of each input, of which the fastest counts.
REPEATS = 5
Network = Callable[[Float32Array], Float32Array]
"""One prepared input (1, ...) to its embedding (1, d)."""


@dataclass(frozen=True)
class Exported:
    """An exported file, and how it compares with the network that serves.

    Attributes:
        file: The file.
        size_bytes: Its size.
        lowest_cosine: The lowest cosine of both embeddings of one input.
        largest_difference: The largest difference of their numbers.
        milliseconds: Time for one input on one thread, the fastest of the repeats.
    """

    file: Path
    size_bytes: int
    lowest_cosine: float
    largest_difference: float
    milliseconds: float


def export_for_app(
    model: Path, target: Path, kind: str, inputs: Sequence[Float32Array], *, int8: bool
) -> Exported:
    """Write a model as one file for an app, with its card beside it, and compare both.

    Args:
        model: Folder of a face or voice model.
        target: Folder for `<name>.<kind>` and `<name>.<kind>.json`.
        kind: "tflite" or "onnx".
        inputs: Prepared inputs (1, ...) to compare with, which represent what will come.
        int8: Quantise weights and activations to 8 bits by `inputs`.

    Raises:
        ModelError: The model cannot be read, or has no Keras weights for TFLite.
    """
    card = read_card(model)
    name = f"{card.name}-int8" if int8 else card.name
    file = target / f"{name}.{kind}"
    with whole_file(file) as draft:
        if kind == "tflite":
            draft.write_bytes(_to_tflite(model, card, inputs if int8 else ()))
        else:
            _write_onnx(model / card.file, draft, inputs if int8 else ())
    served = load_runtime(card.runtime, model / card.file, card.input.get("output", ""))
    exported = _compare(file, served.run, inputs)
    with whole_file(target / f"{file.name}.json") as draft:
        draft.write_text(_format_card(card, exported), encoding="utf-8")
    return exported


def read_input(card: Card) -> FaceInput | VoiceInput:
    """Read what prepares the inputs of a face or voice model. Raises ModelError."""
    if card.modality == "face":
        return FaceInput.from_dict(card.input)
    if card.modality == "voice":
        return VoiceInput.from_dict(card.input)
    raise ModelError(
        f"A face or voice model is exported for apps. Received: {card.modality}",
        "A fused embedding is made of both by the service.",
    )


def _to_tflite(model: Path, card: Card, inputs: Sequence[Float32Array]) -> bytes:
    """Convert the Keras weights, in 8 bits where `inputs` represent what will come."""
    from network.backbones.registry import load_network
    from network.serving.tflite import to_tflite

    weights = model / "model.keras"
    if not weights.is_file():
        raise ModelError(
            f"TFLite is made of Keras weights. {model.name} has no model.keras.",
            "Export it as ONNX.",
        )
    network = load_network(weights)
    # Sizes that are free for training are fixed, but for the length of speech.
    side = FACE_SIZE_PX
    voice = card.modality == "voice"
    shape = (None, network.input_shape[-1]) if voice else (side, side, 3)
    return to_tflite(network, shape, inputs)


def _write_onnx(file: Path, draft: Path, inputs: Sequence[Float32Array]) -> None:
    """Copy an ONNX file, in 8 bits where `inputs` represent what will come."""
    if not inputs:
        draft.write_bytes(file.read_bytes())
        return
    # onnxruntime's tools and onnx take a second to import.
    from network.serving.onnx_int8 import quantise_onnx

    quantise_onnx(file, draft, inputs)


def _compare(file: Path, served: Network, inputs: Sequence[Float32Array]) -> Exported:
    run = _open(file)
    made = unit(np.concatenate([run(one) for one in inputs]))
    expected = unit(np.concatenate([served(one) for one in inputs]))
    return Exported(
        file=file,
        size_bytes=file.stat().st_size,
        lowest_cosine=float((made * expected).sum(axis=1).min()),
        largest_difference=float(np.abs(made - expected).max()),
        milliseconds=min(_time_ms(run, one) for one in inputs[:REPEATS]),
    )


def _open(file: Path) -> Network:
    """Open an exported file on one thread."""
    if file.suffix == ".onnx":
        return OnnxRuntime(file, threads=1).run
    from network.serving.tflite import LiteRuntime

    return LiteRuntime(file).run


def _time_ms(run: Network, one: Float32Array) -> float:
    start = time.perf_counter()
    run(one)
    return (time.perf_counter() - start) * 1000


def _format_card(card: Card, exported: Exported) -> str:
    """The card of an exported file: what it is, what it is fed, and how it compares."""
    figures = asdict(exported) | {"file": exported.file.name}
    content: dict[str, Any] = {
        "name": card.name,
        "encoder_id": card.encoder_id,
        "sha256": hash_file(exported.file),
        **figures,
        "embedding_size": card.embedding_size,
        "input": card.input,
        "preparation": describe_preparation(read_input(card)),
        "source": card.source,
        "terms": card.terms,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
