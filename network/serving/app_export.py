"""Export of a model for apps: TFLite for Android and iOS, ONNX for the browser.

The network takes one input at a time, of a free length for voices. Beside the file stands
a card that says what an app must feed it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
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

# Runs of each input, of which the fastest counts.
REPEATS = 5
# What ONNX files compute in 8 bits. A network that serves with convolutions in 8 bits has
# matrix products that cannot be.
ALL = ("Conv", "MatMul")
CONVOLUTIONS = ("Conv",)
Network = Callable[[Float32Array], Float32Array]
"""One prepared input (1, ...) to its embedding (1, d)."""


@dataclass(frozen=True)
class Exported:
    """An exported file, and how it compares with the network in float32.

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
        ModelError: The model cannot be read, or has no Keras weights where they are
            needed, or is too inexact in 8 bits.
    """
    card = read_card(model)
    name = f"{card.name}-int8" if int8 else card.name
    file = target / f"{name}.{kind}"
    with float_file(model, card) as plain:
        parts = ALL if plain == model / card.file else CONVOLUTIONS
        if int8 and kind == "tflite" and parts == CONVOLUTIONS:
            raise ModelError(
                f"As TFLite, {card.name} is too inexact in 8 bits.", "Export it without --int8."
            )
        with whole_file(file) as draft:
            if kind == "tflite":
                draft.write_bytes(_to_tflite(model, card, inputs if int8 else ()))
            else:
                _write_onnx(plain, draft, inputs if int8 else (), parts)
        network = load_runtime(card.runtime, plain, card.input.get("output", ""))
        exported = _compare(file, network.run, inputs)
    with whole_file(target / f"{file.name}.json") as draft:
        draft.write_text(_format_card(card, exported), encoding="utf-8")
    return exported


@contextmanager
def float_file(model: Path, card: Card) -> Iterator[Path]:
    """The file of a network in float32, while the context is open.

    It is the one that serves, unless that computes in 8 bits. Then it is made of the
    Keras weights. Raises ModelError where there are none.
    """
    # onnx takes a second to import.
    from network.serving.onnx_int8 import is_quantised

    file = model / card.file
    if card.runtime != "onnx" or not is_quantised(file):
        yield file
        return
    from network.serving.export import export_onnx

    network = _load_keras(model)
    with TemporaryDirectory() as folder:
        plain = Path(folder) / card.file
        export_onnx(network, plain)
        yield plain


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


def _load_keras(model: Path) -> Any:
    from network.backbones.registry import load_network

    weights = model / "model.keras"
    if not weights.is_file():
        raise ModelError(
            f"Another file is made of Keras weights. {model.name} has no model.keras.",
            "Export it as ONNX, if it does not serve in 8 bits.",
        )
    return load_network(weights)


def _to_tflite(model: Path, card: Card, inputs: Sequence[Float32Array]) -> bytes:
    """Convert the Keras weights, in 8 bits where `inputs` represent what will come."""
    from network.serving.tflite import to_tflite

    network = _load_keras(model)
    # Sizes that are free for training are fixed, but for the length of speech.
    side = FACE_SIZE_PX
    voice = card.modality == "voice"
    shape = (None, network.input_shape[-1]) if voice else (side, side, 3)
    return to_tflite(network, shape, inputs)


def _write_onnx(
    file: Path, draft: Path, inputs: Sequence[Float32Array], parts: Sequence[str]
) -> None:
    """Copy an ONNX file, in 8 bits where `inputs` represent what will come."""
    if not inputs:
        draft.write_bytes(file.read_bytes())
        return
    # onnxruntime's tools and onnx take a second to import.
    from network.serving.onnx_int8 import quantise_onnx

    quantise_onnx(file, draft, inputs, operations=parts)


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
