"""The backbones that can be trained, exported and served, by name.

A backbone is one module of this folder with one function that builds the network. Enter
it in `BACKBONES`, and a configuration chooses it by name (`backbone = "patchface"`,
`train/configs/`). Training, evaluation, export, card and serving are the same for all:

- a face network takes pixels (n, h, w, 3) in [0, 255]
- a voice network takes log-mel features (n, frames, n_mels)
- a fusion network takes two embeddings (n, 512), face and voice

and each gives embeddings (n, size) float32 of unit length.

`SPEECH_NETWORKS` are those that write: from log-mel features (n, frames, n_mels) to
logarithms of the probabilities of signs (n, steps, outputs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from network.backbones.face_mobile import build_face_mobile
from network.backbones.face_mobilefacenet import build_mobilefacenet
from network.backbones.face_patch import build_face_patch
from network.backbones.fusion import build_fusion
from network.backbones.speech_deepspeech2 import build_deepspeech2
from network.backbones.voice_campplus import build_voice_campplus
from network.backbones.voice_ecapa import build_voice_ecapa
from network.backbones.voice_resnet import build_voice_resnet
from network.backbones.voice_separable import build_voice_separable
from utils.modality import Modality


@dataclass(frozen=True)
class Backbone:
    """What a backbone embeds, and the function that builds it, untrained."""

    modality: Modality
    build: Callable[..., keras.Model]


BACKBONES: dict[str, Backbone] = {
    "patchface": Backbone(Modality.FACE, build_face_patch),
    "mobileface": Backbone(Modality.FACE, build_face_mobile),
    "mobilefacenet": Backbone(Modality.FACE, build_mobilefacenet),
    "voice_separable": Backbone(Modality.VOICE, build_voice_separable),
    "ecapa_tdnn": Backbone(Modality.VOICE, build_voice_ecapa),
    "resnet34_thin": Backbone(Modality.VOICE, build_voice_resnet),
    "voice_campplus": Backbone(Modality.VOICE, build_voice_campplus),
    "fusion_gated": Backbone(Modality.FUSED, build_fusion),
}

SPEECH_NETWORKS: dict[str, Callable[..., keras.Model]] = {"deepspeech2": build_deepspeech2}


def build_speech_network(name: str, **options: Any) -> keras.Model:
    """Build an untrained network of `SPEECH_NETWORKS`.

    Raises:
        ValueError: There is no such network, or an option has an impossible value.
        TypeError: The network has no such option.
    """
    if name not in tuple(SPEECH_NETWORKS):
        raise ValueError(
            f"A speech network must be one of {', '.join(SPEECH_NETWORKS)}. Received:"
            f" backbone={name!r}"
        )
    return SPEECH_NETWORKS[name](**options)


def backbone_names(modality: Modality) -> tuple[str, ...]:
    """List the names of the backbones for a modality, in the order of the registry."""
    return tuple(name for name, entry in BACKBONES.items() if entry.modality is modality)


def build_backbone(name: str, modality: Modality, **options: Any) -> keras.Model:
    """Build an untrained network.

    Args:
        name: A name in `BACKBONES`.
        modality: What it must embed.
        options: Arguments of its builder.

    Raises:
        ValueError: There is no such backbone, or an option has an impossible value.
        TypeError: The backbone has no such option.
    """
    names = backbone_names(modality)
    if name not in names:
        raise ValueError(
            f"A backbone for the modality {modality} must be one of {', '.join(names)}."
            f" Received: backbone={name!r}"
        )
    return BACKBONES[name].build(**options)


def load_network(path: Path) -> keras.Model:
    """Load a network that Keras saved.

    Keras finds layers of our own once their modules are imported, which this module
    does for all backbones.

    Raises:
        OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile: The file holds no
            network, or one with layers that no backbone has.
    """
    return keras.saving.load_model(path, compile=False)
