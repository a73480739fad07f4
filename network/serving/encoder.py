"""Encoders: from aligned faces, speech, or both embeddings, to a unit vector of 512
numbers.

Each wraps a loaded network and the card that says what to feed it. They hold no state
between calls and are shared by all requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from network.serving.card import CARD_FILE, Card, read_card
from network.serving.concat_fusion import ConcatFusion
from network.serving.inputs import FaceInput, VoiceInput
from network.serving.runtime import Runtime, load_runtime
from scoring.calibration import Calibration
from utils.arrays import EMBEDDING_SIZE, Float32Array, ImageArray, unit
from utils.errors import ModelError
from utils.media import Waveform
from utils.modality import Embedding, Modality

log = logging.getLogger("duet.network")


class Encoder:
    """What the three encoders share: id, calibration and output of the card."""

    modality: Modality

    def __init__(self, card: Card, runtime: Runtime, cohort: Float32Array | None = None) -> None:
        """`cohort` (n, 512): embeddings of strangers that scores are set against, where
        the calibration asks for them.
        """
        if card.modality != self.modality:
            raise ModelError(
                f"Expected the card of a {self.modality} model. Received:"
                f" modality={card.modality!r}"
            )
        self.card = card
        self.encoder_id = card.encoder_id
        self._runtime = runtime
        self.cohort = cohort

    @cached_property
    def calibration(self) -> Calibration:
        """Score calibration of the card. Raises ModelError when it has none."""
        return self.card.require_calibration(self.cohort)

    def _run(self, *inputs: Float32Array) -> Float32Array:
        """The network's embeddings of n inputs as (n, 512) of unit length. Raises
        ModelError when they are not what the card says.
        """
        raw = self._runtime.run(*inputs)
        n = len(inputs[0])
        size = self.card.embedding_size
        if raw.shape[:1] != (n,) or raw.size != n * size:
            raise ModelError(
                f"The network {self.card.name} must give {size} numbers for each of {n}. Received:"
                f" the shape {raw.shape}",
                "Check embedding_size and output in its card.",
            )
        if not np.isfinite(raw).all():
            raise ModelError(
                f"The network {self.card.name} gave numbers that are not finite.",
                "Check scale, mean and std in its card.",
            )
        return self._unit(raw.reshape(n, size))

    def _unit(self, vectors: Float32Array) -> Float32Array:
        """(n, embedding_size) → (n, 512) of unit length. Zeros fill up shorter
        embeddings and change no cosine.
        """
        vectors = unit(vectors)
        padded = np.zeros((len(vectors), EMBEDDING_SIZE), np.float32)
        padded[:, : vectors.shape[1]] = vectors
        return padded


class FaceEncoder(Encoder):
    """Aligned faces → face embedding."""

    modality = Modality.FACE

    def __init__(self, card: Card, runtime: Runtime, cohort: Float32Array | None = None) -> None:
        super().__init__(card, runtime, cohort)
        self._input = FaceInput.from_dict(card.input)
        self._input.check(runtime)

    def embed_each(self, faces: ImageArray) -> Float32Array:
        """(n, 112, 112, 3) uint8 RGB → (n, 512) float32 of unit length, a row a face. n
        may be 0.
        """
        if not len(faces):
            return np.zeros((0, EMBEDDING_SIZE), np.float32)
        if not self._input.mirror:
            return self._run(self._input.prepare(faces))
        of_each, of_mirrored = np.split(
            self._run(self._input.prepare(np.concatenate([faces, faces[:, :, ::-1]]))), 2
        )
        return self._unit(of_each + of_mirrored)

    def embed(self, faces: ImageArray, weights: Float32Array) -> Embedding:
        """(n, 112, 112, 3) uint8 RGB of one person and their weights (n,) ≥ 0 → the
        weighted mean of their embeddings, of unit length.
        """
        if not len(faces):
            raise ValueError("At least one face is needed. Received: 0 faces")
        weights = np.maximum(np.asarray(weights, np.float32), 1e-3)
        mean = (self.embed_each(faces) * weights[:, None]).sum(axis=0, keepdims=True)
        return Embedding(self._unit(mean)[0], Modality.FACE, self.encoder_id)


class VoiceEncoder(Encoder):
    """Speech → voice embedding."""

    modality = Modality.VOICE

    def __init__(self, card: Card, runtime: Runtime, cohort: Float32Array | None = None) -> None:
        super().__init__(card, runtime, cohort)
        self._input = VoiceInput.from_dict(card.input)
        self._input.check(runtime)
        self.frontend = self._input.frontend

    def embed(self, speech: Waveform) -> Embedding:
        """A waveform at the card's rate, speech only → embedding; with `time_reversal`
        the mean of those of both directions.
        """
        if speech.rate_hz != self.frontend.rate_hz:
            raise ValueError(
                f"The voice network takes {self.frontend.rate_hz} Hz. Received:"
                f" rate_hz={speech.rate_hz}"
            )
        vectors = self._run(self._input.prepare(speech.samples))
        vector = (
            vectors[0] if len(vectors) == 1 else self._unit(vectors.sum(axis=0, keepdims=True))[0]
        )
        return Embedding(vector, Modality.VOICE, self.encoder_id)


class FusionEncoder(Encoder):
    """Face and voice embedding → person embedding."""

    modality = Modality.FUSED

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """(n, 512) and (n, 512) of the same people, row by row → (n, 512) of unit
        length. n may be 0.
        """
        if len(face) != len(voice):
            raise ValueError(
                f"Faces and voices must come in pairs. Received: {len(face)} faces, {len(voice)}"
                " voices"
            )
        if not len(face):
            return np.zeros((0, EMBEDDING_SIZE), np.float32)
        return self._run(np.asarray(face, np.float32), np.asarray(voice, np.float32))


@dataclass(frozen=True)
class Encoders:
    """The three encoders that serve; `fusion` is trained, or the sum of both
    log-likelihood ratios.
    """

    face: FaceEncoder
    voice: VoiceEncoder
    fusion: FusionEncoder | ConcatFusion


def load_encoders(model_dir: Path) -> Encoders:
    """Load `face/`, `voice/` and `fusion/` below `model_dir`. Raises ModelError.

    A trained fusion was made for the vectors of one face and one voice network and its
    card names them. For others, or without one, the sum of both log-likelihood ratios
    serves (`network.serving.concat_fusion`).
    """
    face = load_face_encoder(model_dir / "face")
    voice = load_voice_encoder(model_dir / "voice")
    folder = model_dir / "fusion"
    made_for = read_card(folder).input if (folder / CARD_FILE).is_file() else None
    if made_for == {"face": face.encoder_id, "voice": voice.encoder_id}:
        fusion = FusionEncoder(*_load(folder))
        if face.cohort is not None and voice.cohort is not None:
            fusion.cohort = joined_cohort(fusion.fuse, face.cohort, voice.cohort)
        return Encoders(face, voice, fusion)
    why = (
        "There is no trained fusion"
        if made_for is None
        else "The trained fusion is of other encoders"
    )
    log.info(
        "%s: face (%s) and voice (%s) are combined by the sum of their log-likelihood ratios.",
        why,
        face.encoder_id,
        voice.encoder_id,
    )
    return Encoders(face, voice, ConcatFusion(face, voice))


def load_face_encoder(folder: Path) -> FaceEncoder:
    """The face encoder in `folder`."""
    return FaceEncoder(*_load(folder))


def load_voice_encoder(folder: Path) -> VoiceEncoder:
    """The voice encoder in `folder`."""
    return VoiceEncoder(*_load(folder))


def joined_cohort(
    fuse: Callable[[Float32Array, Float32Array], Float32Array],
    face: Float32Array,
    voice: Float32Array,
) -> Float32Array:
    """The cohort of fused scores: cohorts of faces and of voices (n, 512) joined row by
    row, as far as both go.
    """
    both = min(len(face), len(voice))
    return fuse(face[:both], voice[:both])


def _load(folder: Path) -> tuple[Card, Runtime, Float32Array | None]:
    card = read_card(folder)
    return (
        card,
        load_runtime(card.runtime, folder / card.file, card.input.get("output", "")),
        card.require_cohort(folder),
    )
