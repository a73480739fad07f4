"""What is read, seen and heard in a clip: frozen dataclasses over numpy, without
behaviour beyond what a value needs.

Images are RGB uint8 (h, w, 3). Boxes are `xyxy` and landmarks `xy`, in pixels of the
frame they were found in. Times are seconds from the start of the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

from utils.arrays import Float32Array, ImageArray


@dataclass(frozen=True)
class Waveform:
    """Mono sound: `samples` (n,) float32 in [-1, 1] at `rate_hz`."""

    samples: Float32Array
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

    box_xyxy: Float32Array
    landmarks_xy: Float32Array
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
