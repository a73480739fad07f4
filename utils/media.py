"""What is read, seen and heard in a clip: frozen dataclasses over numpy.

They have no behaviour beyond what a value needs. Images are RGB uint8 (h, w, 3). Boxes
are `xyxy` and landmarks `xy`, in pixels of their frame. Times are seconds from the start
of the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.arrays import Float32Array, Float64Array, GreyArray, ImageArray


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
    """One upright video frame or photograph.

    `image` (h, w, 3) is uint8 RGB. It is shown at `time_s`.
    """

    image: ImageArray
    time_s: float


@dataclass(frozen=True)
class GreyFrame:
    """One upright video frame, small and without colour.

    `image` (h, w) is uint8. It is shown at `time_s`.
    """

    image: GreyArray
    time_s: float


@dataclass(frozen=True)
class Coding:
    """How few bits a file spends, and how long its tracks are. 0 where it does not say.

    - `picture_s`, `sound_s`: length of the picture and of the sound.
    - `picture_bits`: of a pixel of a frame on average, and `key_bits` of the largest frame.
    - `sound_codec`: name of the codec, and `sound_kbit_s` its rate where much is said.
    """

    picture_s: float = 0.0
    sound_s: float = 0.0
    picture_bits: float = 0.0
    key_bits: float = 0.0
    sound_codec: str = ""
    sound_kbit_s: float = 0.0


@dataclass(frozen=True)
class Clip:
    """What is read of one media file.

    `frames` is empty for sound alone. `waveforms` has one for each sound track that can
    be decoded, first the one that is to be heard. `duration_s` is that of the whole file
    as far as it is known, and 0.0 for a photograph. `source_sha256` is the hash of the
    file's bytes. `missing_s` is how much of what the file says it holds is missing at
    its end, and 0.0 where it does not say. `film` is the start of the video, ten small
    grey frames a second, where it is asked for. `sound_starts_s` are when
    the sounds begin, from the start of the picture. `coding` says how few bits there are.
    """

    frames: tuple[Frame, ...]
    waveforms: tuple[Waveform, ...]
    duration_s: float
    source_sha256: str
    missing_s: float = 0.0
    film: tuple[GreyFrame, ...] = ()
    sound_starts_s: tuple[float, ...] = ()
    coding: Coding = Coding()

    @property
    def waveform(self) -> Waveform | None:
        """The sound that is to be heard. None without one."""
        return self.waveforms[0] if self.waveforms else None


@dataclass(frozen=True)
class FaceDetection:
    """A face in one frame.

    `box_xyxy` (4,) and `landmarks_xy` (5, 2) are float32. The landmarks are the eye on
    the image's left, the other eye, nose, left and right corner of the mouth. `score` in
    [0, 1] says how sure the detector is.
    """

    box_xyxy: Float32Array
    landmarks_xy: Float32Array
    score: float

    @property
    def width_px(self) -> float:
        """Width of the box."""
        return float(self.box_xyxy[2] - self.box_xyxy[0])

    @property
    def area_px(self) -> float:
        """Area of the box, in square pixels."""
        return self.width_px * float(self.box_xyxy[3] - self.box_xyxy[1])

    @property
    def centre_xy(self) -> Float32Array:
        """Centre of the box (2,)."""
        return np.asarray((self.box_xyxy[:2] + self.box_xyxy[2:]) / 2, np.float32)


@dataclass(frozen=True)
class FaceQuality:
    """Quality of one aligned face.

    `score` in [0, 1] sums it up and weights the face. The other fields say why:

    - `size_px`: width of the face box in the source frame.
    - `sharpness`: in [0, 1], 0 is blurred.
    - `yaw`: in [-1, 1] from the landmarks, 0 is frontal.
    - `roll_deg`: tilt of the line of the eyes.
    - `brightness`: mean luminance in [0, 1].
    - `contrast`: standard deviation of the luminance.
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
class OtherFace:
    """Faces of somebody beside the main person, best first.

    `is_together` says that both are seen in one frame. Otherwise they come in turn.
    """

    faces: tuple[AlignedFace, ...]
    is_together: bool


@dataclass(frozen=True)
class FaceAnalysis:
    """Faces of the main person, best first, and how many people are in view.

    `quality` is None when there is no face. `others` are the other people.
    """

    faces: tuple[AlignedFace, ...]
    people_in_view: int
    frames_read: int
    quality: FaceQuality | None
    others: tuple[OtherFace, ...] = ()


@dataclass(frozen=True)
class SpeechSegment:
    """A stretch of speech, in seconds from the start of the waveform."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class SpeechQuality:
    """Quality of the sound.

    `score` in [0, 1] sums it up. The other fields say why:

    - `speech_s`: net speech.
    - `duration_s`: all that was read.
    - `snr_db`: estimated ratio of speech to noise.
    - `clipping`: share of samples at full scale.
    - `level_db`: RMS of the speech in dBFS.
    """

    speech_s: float
    duration_s: float
    snr_db: float
    clipping: float
    level_db: float
    score: float


@dataclass(frozen=True)
class Channel:
    """What the way from the mouth to the file did to speech: rooms, telephones, amplifiers.

    - `treble_db`: power of the treble against that of a telephone band (`align.treble`).
    - `gathering`: how much levels gather below the highest, 1 or more (`align.cut_off`).
    - `decay_db_s`: the fastest decay that is heard, negative (`align.echo`).
    """

    treble_db: float
    gathering: float
    decay_db_s: float


@dataclass(frozen=True)
class SpeechAnalysis:
    """The speech of a waveform, cut out and joined.

    `speech` is None when there is too little for an embedding. `channel` is None where it
    was not measured.
    """

    speech: Waveform | None
    segments: tuple[SpeechSegment, ...]
    quality: SpeechQuality
    channel: Channel | None = None


@dataclass(frozen=True)
class MouthFilm:
    """The mouth of the main person about ten times a second, and the sound under it.

    - `mouths` (n, 10, 14) float32 are grey levels in [0, 255], in order of time.
    - `times_s` (n,) float64 counts from the start of the sound.
    - `sound` is the one with speech, in that time and before.
    """

    mouths: Float32Array
    times_s: Float64Array
    sound: Waveform


COMPRESSED_PICTURE = "compressed_picture"
"""Code of the hint that a picture shows little of a face."""
SPOILT_VOICE_CODES = frozenset({"compressed_sound", "echo", "narrow_band", "noisy"})
"""Codes of the hints that a codec, a room, a telephone or noise changes how a voice sounds."""


@dataclass(frozen=True)
class Hint:
    """Advice for the person in front of the camera.

    The `code` is stable. The `text` is English.
    """

    code: str
    text: str


@dataclass(frozen=True)
class Capture:
    """All that the alignment layer makes of one media file, ready for the encoders.

    `surroundings` are the main person with what is around, (80, 80, 3) uint8 RGB, in a
    few frames.
    """

    face_analysis: FaceAnalysis
    speech_analysis: SpeechAnalysis
    has_picture: bool
    has_sound: bool
    duration_s: float
    source_sha256: str
    hints: tuple[Hint, ...]
    timings_ms: dict[str, float]
    mouth_film: MouthFilm | None = None
    surroundings: tuple[ImageArray, ...] = ()

    @property
    def is_compressed(self) -> bool:
        """Whether the picture is compressed so much that it shows little of a face."""
        return any(hint.code == COMPRESSED_PICTURE for hint in self.hints)

    @property
    def is_voice_spoilt(self) -> bool:
        """Whether a codec, a telephone, a room or noise changes how the voice sounds."""
        return any(hint.code in SPOILT_VOICE_CODES for hint in self.hints)
