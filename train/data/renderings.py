"""Renderings of faces and voices under stated conditions, each with its quality.

A face is an aligned crop. Speech is found, and its quality is measured, as the service
does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from align.quality import assess_face
from align.speech import analyse_speech, assess_speech
from align.warp import TEMPLATE_XY
from network.serving.encoder import FaceEncoder, VoiceEncoder
from train.data import conditions
from train.data.conditions import VIEWS, NoiseBank
from train.data.crops import decode_crop
from train.data.embed import embed_crops, embed_waves
from train.data.sounds import decode_float
from utils.arrays import FACE_SIZE_PX, RATE_HZ, Float32Array, ImageArray
from utils.media import FaceDetection, SpeechAnalysis, SpeechSegment, Waveform

T = TypeVar("T")
# A crop counts as found for certain, upright and as large as it is.
_FOUND = FaceDetection(
    box_xyxy=np.array([0, 0, FACE_SIZE_PX, FACE_SIZE_PX], np.float32),
    landmarks_xy=TEMPLATE_XY,
    score=1.0,
)


@dataclass(frozen=True)
class Recipe:
    """How the files of a table are rendered.

    Attributes:
        conditions: Every file is rendered once under each of these.
        random: How many randomly degraded versions of each are added (condition
            "random").
        views: Frames of a clip that are simulated from one still. Their mean is taken.
        seed: Seed of all chance.
    """

    conditions: tuple[str, ...]
    random: int = 0
    views: int = VIEWS
    seed: int = 0

    @property
    def all_conditions(self) -> tuple[str, ...]:
        """Names of the conditions that the table will hold."""
        return (*self.conditions, "random") if self.random else self.conditions


@dataclass(frozen=True)
class VoiceOptions:
    """How the voices of a table are heard.

    Attributes:
        noises: Recordings that degrade the speech.
        min_speech_s: Least net speech that the service embeds, in seconds.
    """

    noises: NoiseBank
    min_speech_s: float


@dataclass(frozen=True)
class Rendering(Generic[T]):
    """A file under a condition.

    Attributes:
        code: Number of the condition.
        medium: What is embedded.
        quality: Score in [0, 1], as the service finds it.
        seconds: Seconds of speech, 0 without sound.
    """

    code: int
    medium: T
    quality: float
    seconds: float = 0.0

    @property
    def bare(self) -> Rendering[None]:
        """Its figures without the medium, which is large."""
        return Rendering(code=self.code, medium=None, quality=self.quality, seconds=self.seconds)


class Media(Protocol[T]):
    """Renders files of one kind and embeds the renderings."""

    def render(self, data: bytes, name: str, rng: np.random.Generator) -> Iterator[Rendering[T]]:
        """The file under each condition."""

    def embed(self, media: Sequence[T]) -> Float32Array:
        """(n, 512) embeddings of n renderings."""


@dataclass(frozen=True)
class Faces:
    encoder: FaceEncoder
    recipe: Recipe

    def render(
        self, data: bytes, name: str, rng: np.random.Generator
    ) -> Iterator[Rendering[ImageArray]]:
        face = decode_crop(data, name)
        for code, condition in enumerate(self.recipe.conditions):
            count = self.recipe.views if condition == "clean" else 1
            for view in conditions.views(face, rng, count):
                yield _as_face(code, conditions.degrade_face(view, condition, rng))
        for _ in range(self.recipe.random):
            yield _as_face(len(self.recipe.conditions), conditions.random_face(face, rng))

    def embed(self, media: Sequence[ImageArray]) -> Float32Array:
        return embed_crops(self.encoder, media)


def assess_crop(face: ImageArray) -> float:
    """The quality of an aligned crop (112, 112, 3), in [0, 1]."""
    return assess_face(face, _FOUND).score


def _as_face(code: int, face: ImageArray) -> Rendering[ImageArray]:
    return Rendering(code=code, medium=face, quality=assess_crop(face))


@dataclass(frozen=True)
class Voices:
    encoder: VoiceEncoder
    recipe: Recipe
    options: VoiceOptions

    def render(
        self, data: bytes, name: str, rng: np.random.Generator
    ) -> Iterator[Rendering[Float32Array]]:
        wave = decode_float(data, RATE_HZ, name)
        clean = self._analyse(wave)
        speech = _samples_of(clean)
        noises = self.options.noises
        for code, condition in enumerate(self.recipe.conditions):
            # Noise is there before the service looks for speech.
            if condition == "clean":
                heard = clean
            elif condition.endswith(" dB"):
                heard = self._analyse(conditions.degrade_voice(wave, condition, noises, rng))
            else:
                heard = as_speech(conditions.degrade_voice(speech, condition, noises, rng))
            if heard.speech is not None:
                yield _as_voice(code, heard)
        for _ in range(self.recipe.random if len(speech) else 0):
            heard = as_speech(conditions.random_voice(speech, noises, rng))
            yield _as_voice(len(self.recipe.conditions), heard)

    def embed(self, media: Sequence[Float32Array]) -> Float32Array:
        return embed_waves(self.encoder, media)

    def _analyse(self, wave: Float32Array) -> SpeechAnalysis:
        """The speech of a waveform, None where the service would not embed it."""
        return analyse_speech(Waveform(wave, RATE_HZ), self.options.min_speech_s)


def _samples_of(heard: SpeechAnalysis) -> Float32Array:
    return np.zeros(0, np.float32) if heard.speech is None else heard.speech.samples


def as_speech(wave: Float32Array) -> SpeechAnalysis:
    """A waveform that is speech from end to end."""
    whole = Waveform(wave, RATE_HZ)
    segments = (SpeechSegment(0.0, whole.duration_s),)
    return SpeechAnalysis(
        speech=whole if len(wave) else None,
        segments=segments,
        quality=assess_speech(whole, segments),
    )


def _as_voice(code: int, heard: SpeechAnalysis) -> Rendering[Float32Array]:
    samples = _samples_of(heard)
    return Rendering(
        code=code,
        medium=samples,
        quality=heard.quality.score,
        seconds=len(samples) / RATE_HZ,
    )
