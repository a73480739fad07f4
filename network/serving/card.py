"""The card beside a model's weights: what it is, what it is fed, how good it is.

A model is a folder `<model_dir>/<modality>/` with `card.json` and the weights it names.
Weights whose hash is not that of their card are never served.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scoring.calibration import Calibration
from utils.arrays import EMBEDDING_SIZE, Float32Array, unit
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.whole_file import whole_file

CARD_FILE = "card.json"
RUNTIMES = ("onnx", "keras")
SPEECH = "speech"
COHORT_FILE = "cohort.npy"
CALIBRATE = (
    "Make it: cli.py calibrate FOLDER --model-dir DIR, where DIR holds face/ and voice/ and"
    " FOLDER one folder of clips or photographs per person (docs/models.md)."
)
RESTORE = "Restore best_model/ from the repository, or train a model."


@dataclass(frozen=True)
class Card:
    """Contents of `card.json`.

    Attributes:
        name: First part of the encoder's id.
        modality: "face", "voice" or "fused", or "speech" for a network that writes.
        runtime: What serves the weights, "onnx" or "keras".
        file: Name of the file of the weights.
        sha256: Hash of that file.
        embedding_size: Length of an embedding, 1 to 512. Shorter embeddings are padded
            with zeros, which changes no cosine. 0 for "speech", which embeds nothing.
        input: What the network is fed, as `FaceInput` or `VoiceInput` of
            `network.serving.inputs` describe it. For a fusion: the ids of its encoders,
            `{"face": encoder_id, "voice": encoder_id}`. For speech: the front end, the
            `language` and the `signs` of the outputs from 2 on.
        calibration: What `Calibration.to_dict` returned. It may be missing while a model
            is being made, not when it serves.

    The other fields are for people.
    """

    name: str
    modality: str
    runtime: str
    file: str
    sha256: str
    embedding_size: int
    input: dict[str, Any]
    parameters: int | None = None
    multiply_adds: int | None = None
    source: str = ""
    terms: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise ModelError(
                f"A card's runtime must be one of {', '.join(RUNTIMES)}. Received:"
                f" runtime={self.runtime!r}"
            )
        embeds = self.modality != SPEECH
        if not embeds <= self.embedding_size <= embeds * EMBEDDING_SIZE:
            raise ModelError(
                f"An embedding must have 1 to {EMBEDDING_SIZE} numbers. Received:"
                f" embedding_size={self.embedding_size}"
            )
        if Path(self.file).name != self.file:
            raise ModelError(
                f"The weights must lie beside their card. Received: file={self.file!r}"
            )

    @property
    def encoder_id(self) -> str:
        """Name, hash of the weights, and which views are embedded too.

        Encoders with the same id make the same vectors.
        """
        mirror = "-mirror" if self.input.get("mirror") else ""
        reversal = "-reversal" if self.input.get("time_reversal") else ""
        return f"{self.name}-{self.sha256[:12]}{mirror}{reversal}"

    def require_calibration(self, cohort: Float32Array | None = None) -> Calibration:
        """Read the calibration, which sets scores against `cohort` (m, size).

        Raises:
            ModelError: The card has none, or one that cannot be used.
        """
        if self.calibration is None:
            raise ModelError(
                f"The {self.modality} model {self.name} has no calibration. Its scores mean nothing"
                " without one.",
                CALIBRATE,
            )
        try:
            return Calibration.from_dict(self.calibration, cohort)
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"The calibration of the {self.modality} model {self.name} cannot be used: {error}",
                CALIBRATE,
            ) from error

    def require_cohort(self, folder: Path) -> Float32Array | None:
        """Read the cohort beside the card: embeddings that scores are set against.

        Returns:
            (n, 512) float32 of unit length. None where the calibration has no cohort of
            its own.

        Raises:
            ModelError: The file is missing, or is not the one that the calibration was
                made with.
        """
        if self.calibration is None or "cohort_sha256" not in self.calibration:
            return None
        file = folder / COHORT_FILE
        if not file.is_file() or hash_file(file) != self.calibration["cohort_sha256"]:
            raise ModelError(
                f"The cohort {folder.name}/{COHORT_FILE} is missing or not the one of the card.",
                RESTORE,
            )
        cohort: Float32Array = np.load(file).astype(np.float32)
        return unit(cohort)


def read_card(folder: Path) -> Card:
    """Read `folder/card.json` and check the hash of the weights.

    Raises:
        ModelError: The card or the weights are missing, broken or do not belong together.
    """
    card = _parse(folder / CARD_FILE)
    weights = folder / card.file
    if not weights.is_file():
        raise ModelError(f"The weights {folder.name}/{card.file} are missing.", RESTORE)
    sha256 = hash_file(weights)
    if sha256 != card.sha256:
        raise ModelError(
            f"The weights {folder.name}/{card.file} are not those of their card. "
            f"Expected: sha256 {card.sha256[:12]}…, received: {sha256[:12]}…",
            RESTORE,
        )
    return card


def write_card(folder: Path, card: Card) -> None:
    """Write `card` as `folder/card.json`, replacing an older one in one step."""
    with whole_file(folder / CARD_FILE) as draft:
        draft.write_text(format_card(card), encoding="utf-8")


def format_card(card: Card) -> str:
    """Format `card` as the text of `card.json`."""
    return json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n"


def _parse(path: Path) -> Card:
    where = f"{path.parent.name}/{path.name}"
    try:
        data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Card(**data)
    except FileNotFoundError:
        raise ModelError(f"The model card {where} is missing.", RESTORE) from None
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"The model card {where} cannot be read: {type(error).__name__}."
        ) from error
