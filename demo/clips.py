"""The clips of the first trial: drawn people who talk, written as files.

Faces and voices are numbers. These were chosen from the first 64 of each, as the shipped
networks find them least alike. A wider choice of drawn people is as alike as siblings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import soundfile
from PIL import Image as Pillow

from demo.scenes import scene, talking_frames
from demo.voices import RATE_HZ, speech
from utils.arrays import Float32Array, ImageArray

SECONDS = 5.0
_FPS = 25


@dataclass(frozen=True)
class DrawnPerson:
    """A person of the trial: a name, and the numbers of the face and of the voice."""

    name: str
    face: int
    voice: int


PEOPLE = (DrawnPerson("Ada", 12, 38), DrawnPerson("Ben", 33, 60), DrawnPerson("Cleo", 54, 62))
STRANGER = DrawnPerson("a stranger", 63, 26)


def write_video(path: Path, face: int, voice: int, *, take: int = 0) -> Path:
    """Write an mp4 file (H.264, AAC) of a face that talks in a voice.

    Another `take` is in a little less light, turned a little, and says other syllables.
    """
    look = {"light": 1.0 - 0.07 * take, "turn": 0.08 * take}
    frames = talking_frames(face, SECONDS, _FPS, **look)
    sound = speech(voice, SECONDS, take=take)
    with av.open(str(path), "w", format="mp4") as container:
        pictures: Any = container.add_stream("libx264", rate=_FPS, options={"preset": "veryfast"})
        pictures.pix_fmt = "yuv420p"
        pictures.height, pictures.width = frames[0].shape[:2]
        voices: Any = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        _encode_pictures(container, pictures, frames)
        _encode_sound(container, voices, sound)
    return path


def write_photo(path: Path, face: int) -> Path:
    """Write a photograph of a drawn person, as jpg or png by its name."""
    Pillow.fromarray(scene(face, light=0.95)).save(path)
    return path


def write_sound(path: Path, voice: int, *, take: int = 0) -> Path:
    """Write a sound file of a made voice, as wav or flac by its name."""
    soundfile.write(path, speech(voice, SECONDS, take=take), RATE_HZ)
    return path


def _encode_pictures(container: Any, stream: Any, frames: Sequence[ImageArray]) -> None:
    for number, image in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = number
        frame.time_base = Fraction(1, _FPS)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _encode_sound(container: Any, stream: Any, samples: Float32Array) -> None:
    codec = stream.codec_context
    resampler = av.AudioResampler(
        format=codec.format,
        layout=codec.layout,
        rate=codec.sample_rate,
        frame_size=codec.frame_size or 1024,
    )
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = RATE_HZ
    for ready in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(ready))
    container.mux(stream.encode(None))
