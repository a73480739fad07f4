"""Encoders of faces, of speech, and of both embeddings, to a vector of unit length.

Each wraps a loaded network and the card that says what to feed it. They hold no state
between calls and are shared by all requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from network.serving.card import CARD_FILE, Card, read_card
from network.serving.concat_fusion import ConcatFusion
from network.serving.inputs import FaceInput, VoiceInput
from network.serving.runtime import Runtime, load_runtime
from scoring.calibration import Calibration
from utils.arrays import EMBEDDING_SIZE, BoolArray, Float32Array, ImageArray, unit
from utils.beside import beside
from utils.errors import ModelError
from utils.media import Waveform
from utils.modality import Embedding, Modality
from utils.processors import PROCESSORS

log = logging.getLogger("duet.network")

# Faces given to the network at a time: they bound the memory, and more take little less time
_FACES_AT_ONCE = 3

# Two threads of one run take a quarter more of a processor than one. So a run has one, and
# several runs go on at once
_THREADS_OF_A_RUN = 1
_RUNS_AT_ONCE = PROCESSORS


class Encoder:
    """What the three encoders share: id, calibration and output of the card."""

    modality: Modality

    def __init__(self, card: Card, runtime: Runtime, cohort: Float32Array | None = None) -> None:
        """Take a loaded network and its card.

        `cohort` (n, 512) holds embeddings of strangers that scores are set against,
        where the calibration asks for them.
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
        """Calibration of the card. Raises ModelError when it has none."""
        return self.card.require_calibration(self.cohort)

    def _run(self, *inputs: Float32Array) -> Float32Array:
        """Run the network on n inputs and return (n, 512) of unit length.

        Raises ModelError when the outputs are not what the card says.
        """
        raw = self._runtime.run(*inputs)
        n = len(inputs[0])
        size = self.card.embedding_size
        if raw.shape[:1] != (n,) or raw.size != n * size:
            raise ModelError(
                f"The network {self.card.name} must give {size} numbers for each of {n}. Received:"
                f" shape={raw.shape}",
                "Check embedding_size and output in its card.",
            )
        if not np.isfinite(raw).all():
            raise ModelError(
                f"The network {self.card.name} gives numbers that are not finite.",
                "Check scale, mean and std in its card.",
            )
        # Zeros fill up shorter embeddings and change no cosine.
        vectors = np.zeros((n, EMBEDDING_SIZE), np.float32)
        vectors[:, :size] = unit(raw.reshape(n, size))
        return vectors


class FaceEncoder(Encoder):
    """Encoder of aligned faces."""

    modality = Modality.FACE

    def __init__(self, card: Card, runtime: Runtime, cohort: Float32Array | None = None) -> None:
        super().__init__(card, runtime, cohort)
        self._input = FaceInput.from_dict(card.input)
        self._input.check(runtime)

    def embed_each(self, faces: ImageArray, *, turned: BoolArray | None = None) -> Float32Array:
        """Embed each face by itself.

        `faces` (n, 112, 112, 3) uint8 RGB give (n, 512) float32 of unit length. n may
        be 0. Where the card asks for mirror images, the embedding of a face is the mean of
        both. With `turned` (n,), it is that of the mirror image where it is true, and of
        the face elsewhere.
        """
        if not len(faces):
            return np.zeros((0, EMBEDDING_SIZE), np.float32)
        if not self._input.mirror:
            return self._embed_views(faces)
        if turned is not None:
            views = faces.copy()
            views[turned] = faces[turned, :, ::-1]
            return self._embed_views(views)
        return unit(self._embed_views(faces) + self._embed_views(faces[:, :, ::-1]))

    def _embed_views(self, faces: ImageArray) -> Float32Array:
        """Embed each picture (n, 112, 112, 3) as it is. Threads share more than a few."""
        count = min(_RUNS_AT_ONCE, max(1, len(faces) // _FACES_AT_ONCE))
        own, *others = np.array_split(faces, count)
        with ExitStack() as stack:
            works = (partial(self._embed_in_batches, part) for part in others)
            rest = [stack.enter_context(beside(work)) for work in works]
            first = self._embed_in_batches(own)
            return np.concatenate([first, *(part.result() for part in rest)])

    def _embed_in_batches(self, faces: ImageArray) -> Float32Array:
        starts = range(0, len(faces), _FACES_AT_ONCE)
        batches = (faces[start : start + _FACES_AT_ONCE] for start in starts)
        return np.concatenate([self._run(self._input.prepare(batch)) for batch in batches])

    def embed(self, faces: ImageArray, weights: Float32Array) -> Embedding:
        """Embed the faces of one person as the weighted mean of their embeddings.

        Args:
            faces: (n, 112, 112, 3) uint8 RGB, one at least.
            weights: (n,) float32, 0 or more.

        Raises:
            ValueError: There is no face.
        """
        if not len(faces):
            raise ValueError("At least one face is needed. Received: 0 faces")
        weights = np.maximum(np.asarray(weights, np.float32), 1e-3)
        mean = (self.embed_each(faces) * weights[:, None]).sum(axis=0, keepdims=True)
        return Embedding(unit(mean)[0], Modality.FACE, self.encoder_id)


class VoiceEncoder(Encoder):
    """Encoder of speech."""

    modality = Modality.VOICE

    def __init__(self, card: Card, runtime: Runtime, cohort: Float32Array | None = None) -> None:
        super().__init__(card, runtime, cohort)
        self._input = VoiceInput.from_dict(card.input)
        self._input.check(runtime)
        self.frontend = self._input.frontend

    def embed(self, speech: Waveform) -> Embedding:
        """Embed a waveform that holds nothing but speech.

        With `time_reversal` the embedding is the mean of those of both directions.

        Raises:
            ValueError: The waveform has another sample rate than the card.
        """
        if speech.rate_hz != self.frontend.rate_hz:
            raise ValueError(
                f"The voice network takes {self.frontend.rate_hz} Hz. Received:"
                f" rate_hz={speech.rate_hz}"
            )
        vectors = self._run(self._input.prepare(speech.samples))
        # A single one is of unit length already.
        mean = vectors if len(vectors) == 1 else unit(vectors.sum(axis=0, keepdims=True))
        return Embedding(mean[0], Modality.VOICE, self.encoder_id)


class FusionEncoder(Encoder):
    """Encoder of a person from a face and a voice embedding."""

    modality = Modality.FUSED

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """Fuse embeddings of the same people, row by row.

        `face` and `voice`, (n, 512) float32 each, give (n, 512) of unit length. n may
        be 0. Raises ValueError unless both have n rows.
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
    """The three encoders that serve.

    `fusion` is trained, or the sum of both log-likelihood ratios.
    """

    face: FaceEncoder
    voice: VoiceEncoder
    fusion: FusionEncoder | ConcatFusion


def load_encoders(model_dir: Path) -> Encoders:
    """Load `face/`, `voice/` and `fusion/` below `model_dir`.

    A trained fusion was made for the vectors of one face and one voice network, and its
    card names them. For others, or without one, the sum of both log-likelihood ratios
    serves (`network.serving.concat_fusion`).

    Raises:
        ModelError: A model is missing, broken or cannot be used.
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
    """Load the face encoder in `folder`. Raises ModelError."""
    return FaceEncoder(*_load(folder))


def load_voice_encoder(folder: Path) -> VoiceEncoder:
    """Load the voice encoder in `folder`. Raises ModelError."""
    return VoiceEncoder(*_load(folder))


def joined_cohort(
    fuse: Callable[[Float32Array, Float32Array], Float32Array],
    face: Float32Array,
    voice: Float32Array,
) -> Float32Array:
    """Make the cohort of fused scores.

    Cohorts of faces and of voices, (n, 512) each, are joined row by row, as far as both
    go.
    """
    both = min(len(face), len(voice))
    return fuse(face[:both], voice[:both])


def _load(folder: Path) -> tuple[Card, Runtime, Float32Array | None]:
    card = read_card(folder)
    return (
        card,
        load_runtime(
            card.runtime,
            folder / card.file,
            card.input.get("output", ""),
            threads=_THREADS_OF_A_RUN,
        ),
        card.require_cohort(folder),
    )
