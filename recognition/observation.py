"""Observation: what was seen and heard in one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from liveness.judgement import Liveness
from utils.media import AlignedFace, FaceQuality, Hint, SpeechQuality, SpeechSegment
from utils.modality import PerModality


@dataclass(frozen=True)
class Observation:
    """What was seen and heard in one clip: a field of every result about it.

    Made once, by `recognition/probe.py`. Something new to observe is one field here
    and one line of `recognition/as_json.py`.

    Attributes:
        faces: aligned faces of the main person, best first. Empty without a face.
        face_quality: quality of those faces together; None without a face.
        people_in_view: how many people the picture shows.
        speech_segments: when somebody speaks, in seconds from the start of the clip.
        speech_quality: quality of the sound; None where there is no sound.
        duration_s: length of the clip in seconds, 0.0 for a photograph.
        hints: advice for the person in front of the camera.
        encoder_ids: encoders that the embeddings of the clip come from.
        timings_ms: time of each stage in milliseconds, and of all as `total`.
        liveness: whether somebody is there and talks; None where no check is on.
    """

    faces: tuple[AlignedFace, ...]
    face_quality: FaceQuality | None
    people_in_view: int
    speech_segments: tuple[SpeechSegment, ...]
    speech_quality: SpeechQuality | None
    duration_s: float
    hints: tuple[Hint, ...]
    encoder_ids: PerModality[str]
    timings_ms: Mapping[str, float]
    liveness: Liveness | None = None

    @property
    def speech_s(self) -> float:
        """Seconds of net speech. 0.0 without any."""
        return self.speech_quality.speech_s if self.speech_quality else 0.0
