"""The values that travel between the layers: frozen dataclasses over numpy, no
behaviour beyond what a value needs.

Conventions: images are RGB uint8 (h, w, 3); boxes are `xyxy` and landmarks `xy` in
pixels of the frame they were found in; times are seconds from the start of the clip;
embeddings are float32 (512,) of unit length; scores are cosines in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]

EMBEDDING_SIZE = 512
FACE_SIZE_PX = 112
RATE_HZ = 16_000


class Modality(StrEnum):
    """What an embedding was made from; `fused` is made from both."""

    FACE = "face"
    VOICE = "voice"
    FUSED = "fused"


class Outcome(StrEnum):
    """The answer of an open-set identification for one modality."""

    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    NO_PROBE = "no_probe"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Waveform:
    """Mono sound: `samples` (n,) float32 in [-1, 1] at `rate_hz`."""

    samples: FloatArray
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True)
class Frame:
    """One upright video frame or photograph: `image` (h, w, 3) uint8 RGB, shown at
    `time_s`.
    """

    image: ImageArray
    time_s: float


@dataclass(frozen=True)
class Clip:
    """What was read of one media file. `frames` is empty for sound only; `waveform` is
    None without a sound track that can be decoded.

    `duration_s` is that of the whole file as far as it is known (0.0 for a photograph);
    `source_sha256` is the hash of the file's bytes; `missing_s` = how much of what the
    file says it holds is not there, at its end (0.0 where all is, or where it does not
    say).
    """

    frames: tuple[Frame, ...]
    waveform: Waveform | None
    duration_s: float
    source_sha256: str
    missing_s: float = 0.0


@dataclass(frozen=True)
class FaceDetection:
    """A face found in one frame: `box_xyxy` (4,) float32, detector `score` in [0, 1],
    `landmarks_xy` (5, 2) float32: the eye on the image's left, the other eye, nose,
    left and right corner of the mouth.
    """

    box_xyxy: FloatArray
    landmarks_xy: FloatArray
    score: float


@dataclass(frozen=True)
class FaceQuality:
    """Quality of one aligned face. `score` in [0, 1] sums it up and weights the face;
    the other fields say why.

    `size_px` = width of the face box in the source frame; `sharpness` in [0, 1] (0
    blurred); `yaw` in [-1, 1] from the landmarks (0 frontal); `roll_deg`; `brightness`
    = mean luminance in [0, 1]; `contrast` = its standard deviation.
    """

    size_px: float
    sharpness: float
    yaw: float
    roll_deg: float
    brightness: float
    contrast: float
    score: float


@dataclass(frozen=True)
class AlignedFace:
    """A face warped onto the five-point template: `image` (112, 112, 3) uint8 RGB."""

    image: ImageArray
    detection: FaceDetection
    time_s: float
    quality: FaceQuality


@dataclass(frozen=True)
class FaceAnalysis:
    """Faces of the main person, best first (empty when there is none), and how many
    people were in view.
    """

    faces: tuple[AlignedFace, ...]
    people_in_view: int
    frames_read: int
    quality: FaceQuality | None


@dataclass(frozen=True)
class SpeechSegment:
    """A stretch of speech, in seconds from the start of the waveform."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class SpeechQuality:
    """Quality of the sound. `speech_s` = net speech, `duration_s` = all that was read,
    `snr_db` = estimated speech-to-noise ratio, `clipping` = share of samples at full
    scale, `level_db` = RMS of the speech in dBFS, `score` in [0, 1] sums it up.
    """

    speech_s: float
    duration_s: float
    snr_db: float
    clipping: float
    level_db: float
    score: float


@dataclass(frozen=True)
class SpeechAnalysis:
    """The speech of a waveform, cut out and joined: `speech` is None when too little
    was heard to make an embedding.
    """

    speech: Waveform | None
    segments: tuple[SpeechSegment, ...]
    quality: SpeechQuality


@dataclass(frozen=True)
class Hint:
    """Advice for the person in front of the camera: a stable `code` and an English
    `text`.
    """

    code: str
    text: str


@dataclass(frozen=True)
class Capture:
    """All that the alignment layer makes of one media file, ready for the encoders."""

    faces: FaceAnalysis
    speech: SpeechAnalysis
    has_picture: bool
    has_sound: bool
    duration_s: float
    source_sha256: str
    hints: tuple[Hint, ...]
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class Embedding:
    """`vector` (512,) float32 of unit length, and which encoder made it. Vectors of two
    encoders are never compared.
    """

    vector: FloatArray
    modality: Modality
    encoder_id: str


@dataclass(frozen=True)
class Person:
    """A row of the gallery: `templates` counts the stored templates by modality.
    `consent` = what the person agreed to, in the operator's words; `enrolled_at` = of
    the first template; `last_seen_at` = of the last identification that accepted the
    person; `quality` = mean of the templates' by modality, in [0, 1]; `has_picture`: a
    thumbnail is kept.
    """

    person_id: str
    name: str
    created_at: datetime
    note: str = ""
    templates: dict[str, int] = field(default_factory=dict)
    consent: str = ""
    retention_days: int | None = None
    enrolled_at: datetime | None = None
    last_seen_at: datetime | None = None
    quality: dict[str, float] = field(default_factory=dict)
    has_picture: bool = False

    @property
    def expires_at(self) -> datetime | None:
        """When the person is to be forgotten: `retention_days` after the enrolment (of
        who never was: the creation); None = never.
        """
        return (
            None
            if self.retention_days is None
            else (self.enrolled_at or self.created_at) + timedelta(days=self.retention_days)
        )


@dataclass(frozen=True)
class Match:
    """A person of the gallery that a probe was compared with. `score` = cosine;
    `probability` = calibrated, at even prior odds; `strength` = what calibrations are
    fitted on (utils/calibration.py), None where only the answer is known.
    """

    person_id: str
    name: str
    score: float
    probability: float
    strength: float | None = None


@dataclass(frozen=True)
class Decision:
    """Open-set answer for one modality. `margin` = score − threshold of the best match;
    None where nothing was compared. `match` and `runner_up` are None unless the outcome
    is accepted: a stranger is not given the nearest name. `modality` says which score
    and threshold these are (a fused answer may rest on one modality); `extrapolated`:
    the threshold lies beyond the measured errors; `evidence`: the natural
    log-likelihood ratio of the best match less that of the threshold.
    """

    outcome: Outcome
    match: Match | None
    runner_up: Match | None
    threshold: float | None
    margin: float | None
    reason: str
    modality: Modality | None = None
    extrapolated: bool = False
    evidence: float | None = None


@dataclass(frozen=True)
class Verification:
    """1:1 answer for one modality: `outcome` is "same", "different" or "no_probe";
    without a probe the other fields are None.
    """

    outcome: str
    score: float | None
    threshold: float | None
    probability: float | None


@dataclass(frozen=True)
class Identification:
    """Who it is, by both modalities, by face alone and by voice alone, and everything
    that explains the answer. `scale_ids`: of the strengths (`Calibration.scale_id`), by
    modality.
    """

    fused: Decision
    face: Decision
    voice: Decision
    face_quality: FaceQuality | None
    speech_quality: SpeechQuality | None
    people_in_view: int
    hints: tuple[Hint, ...]
    people: int
    fpir: float
    encoder_ids: dict[str, str]
    timings_ms: dict[str, float]
    scale_ids: dict[str, str] = field(default_factory=dict)


class Role(StrEnum):
    """What the holder of an API key may do; web/roles.py has the routes of each."""

    ADMIN = "admin"
    KIOSK = "kiosk"
    AUDITOR = "auditor"
