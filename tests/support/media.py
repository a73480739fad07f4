"""Media files that the tests make for themselves, in every container and codec that the
product reads. Nobody was recorded for them.

A person is a number: their drawn face (`tests.support.drawn_faces`) and synthetic voice
(`tests.support.media_sound`) are always the same. The quickest way to a clip:
`write_clip(tmp_path / "a.mp4", person=1)`; to a photograph: `write_photo(tmp_path /
"a.jpg", person=1)`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import soundfile
from PIL import Image as Pillow

from tests.support.drawn_faces import face
from tests.support.media_sound import RATE_HZ, Samples, music, noise, silence, speech, tone
from utils.arrays import ImageArray

__all__ = [
    "CODECS",
    "RATE_HZ",
    "face",
    "music",
    "noise",
    "scene",
    "silence",
    "speech",
    "talking_frames",
    "text_as_video",
    "tone",
    "truncate",
    "write_clip",
    "write_photo",
    "write_sound",
    "write_video",
]

CODECS = {  # suffix → (video codec, sound codec)
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".webm": ("libvpx", "libopus"),
    ".mpg": ("mpeg1video", "mp2"),
    ".avi": ("mjpeg", "pcm_s16le"),
}
"""What a file of this suffix usually holds."""

_QUICK = {
    "libx264": {"preset": "ultrafast", "crf": "20"},
    "libx265": {"preset": "ultrafast", "crf": "22", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "2M"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}
_OF_THE_FILE = (
    "codec",
    "sound_codec",
    "rotate_deg",
    "keyframe_every",
    "stamps_ms",
    "seekable",
    "options",
    "codec_options",
)


def scene(
    person: int | None = 0,
    size: tuple[int, int] = (640, 360),
    face_px: int = 260,
    at: tuple[float, float] = (0.5, 0.5),
    mouth: float = 0.0,
    turn: float = 0.0,
    light: float = 1.0,
    blur: float = 0.0,
    others: Sequence[tuple[int, tuple[float, float]]] = (),
) -> ImageArray:
    """A picture (h, w, 3) uint8 RGB of a textured wall with a person in it.

    Args:
        person: number of the person, None for an empty room.
        size: (width, height) in pixels.
        face_px: side of the head-and-shoulders patch; the face itself is about half as
            wide.
        at: where its middle is, as shares of width and height.
        mouth, turn: see `tests.support.drawn_faces.face`.
        light: factor on all pixels (0.1 = dark).
        blur: standard deviation of a Gaussian blur, in pixels.
        others: more people, each with the place of the middle.
    """
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    wall = np.stack(
        [
            150 + 20 * np.sin(columns / 37.0),
            155 + 18 * np.cos(rows / 29.0),
            150 + 15 * np.sin((rows + columns) / 41.0),
        ],
        -1,
    )
    image = wall.astype(np.uint8)
    for number, place in [*([(person, at)] if person is not None else []), *others]:
        _paste(image, face(number, face_px, mouth, turn), place)
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    return np.clip(image.astype(np.float32) * light, 0, 255).astype(np.uint8)


def _paste(image: ImageArray, patch: ImageArray, at: tuple[float, float]) -> None:
    side = len(patch)
    top = round(at[1] * image.shape[0] - side / 2)
    left = round(at[0] * image.shape[1] - side / 2)
    y0 = max(0, top)
    x0 = max(0, left)
    y1 = min(image.shape[0], top + side)
    x1 = min(image.shape[1], left + side)
    if y1 > y0 and x1 > x0:
        image[y0:y1, x0:x1] = patch[y0 - top : y1 - top, x0 - left : x1 - left]


@lru_cache(maxsize=4)
def talking_frames(
    person: int | None = 0,
    seconds: float = 3.0,
    fps: int = 25,
    size: tuple[int, int] = (640, 360),
    **look: Any,
) -> tuple[ImageArray, ...]:
    """Frames of someone talking: the mouth opens and closes, the head moves a little.
    `look` goes to `scene`.
    """
    places = [(0.5 + 0.01 * np.sin(i / 11), 0.5 + 0.01 * np.sin(i / 7)) for i in range(8)]
    kinds = [
        scene(
            person, size, mouth=(0, 0.3, 0.7, 1, 0.6, 0.2, 0.5, 0.1)[i], **{"at": places[i], **look}
        )
        for i in range(8)
    ]
    return tuple(kinds[i // 2 % 8] for i in range(round(seconds * fps)))


def write_clip(
    path: Path,
    person: int | None = 0,
    seconds: float = 3.0,
    take: int = 0,
    voice: int | None = -1,
    **options: Any,
) -> Path:
    """A clip of `person` (None = empty room) talking in the voice of `voice` (-1 =
    their own, None = no sound track).

    `options` with the names of `write_video`'s go there, the others (face_px, at, turn,
    light, blur, others, size, fps) to the pictures.
    """
    for_file = {k: options.pop(k) for k in tuple(options) if k in _OF_THE_FILE}
    frames = talking_frames(person, seconds, **options)
    sound = (
        None
        if voice is None
        else speech((person or 0) if voice == -1 else voice, seconds, take=take)
    )
    return write_video(path, frames, sound, fps=options.get("fps", 25), **for_file)


def write_video(
    path: Path,
    frames: Iterable[ImageArray],
    sound: Samples | None = None,
    fps: int = 25,
    *,
    codec: str | None = None,
    sound_codec: str | None = None,
    rotate_deg: int = 0,
    keyframe_every: int | None = None,
    stamps_ms: Sequence[int] | None = None,
    seekable: bool = True,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> Path:
    """Write frames (h, w, 3) uint8 RGB and mono sound at 48 kHz to a video file. Sides
    must be even for most codecs.

    Args:
        path: the container follows the suffix.
        codec, sound_codec: ffmpeg's names; default by `CODECS`.
        rotate_deg: turn stated in the display matrix, counterclockwise, as a phone
            writes it; the frames are stored as they are given.
        keyframe_every: frames between keyframes.
        stamps_ms: time of each frame, for a variable frame rate.
        seekable: False writes as a browser's MediaRecorder does: the header is never
            gone back to, so it holds no duration.
        options: of the container, such as {"movflags": "faststart"}.
        codec_options: of the video codec, instead of the quick ones.
    """
    default_codec, default_sound_codec = CODECS[path.suffix]
    codec = codec or default_codec
    buffer = None if seekable else _Unseekable()
    kind = {".mkv": "matroska", ".mpg": "mpeg"}.get(path.suffix, path.suffix[1:])
    with av.open(buffer or str(path), "w", format=kind, options=options or {}) as container:
        quick = _QUICK.get(codec, {}) if codec_options is None else codec_options
        pictures: Any = container.add_stream(codec, rate=fps, options=dict(quick))
        pictures.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if keyframe_every:
            pictures.codec_context.gop_size = keyframe_every
        if stamps_ms is not None:
            pictures.codec_context.time_base = Fraction(1, 1000)
        if rotate_deg:
            pictures.set_display_rotation(rotate_deg)
        voice: Any = (
            None
            if sound is None
            else container.add_stream(
                sound_codec or default_sound_codec, rate=RATE_HZ, layout="mono"
            )
        )
        _encode_frames(container, pictures, frames, fps, stamps_ms)
        if voice is not None:
            _encode_sound(container, voice, np.asarray(sound))
    if buffer is not None:
        path.write_bytes(buffer.getvalue())
    return path


class _Unseekable(io.BytesIO):
    """A pipe: what is written stays."""

    seek = None  # type: ignore[assignment]
    tell = None  # type: ignore[assignment]


def _encode_frames(
    container: Any,
    stream: Any,
    frames: Iterable[ImageArray],
    fps: int,
    stamps_ms: Sequence[int] | None,
) -> None:
    for i, image in enumerate(frames):
        if i == 0:
            stream.height, stream.width = image.shape[:2]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = (
            (i, Fraction(1, fps)) if stamps_ms is None else (stamps_ms[i], Fraction(1, 1000))
        )
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _encode_sound(container: Any, stream: Any, samples: Samples) -> None:
    codec = stream.codec_context
    resampler = av.AudioResampler(
        format=codec.format, layout="mono", rate=RATE_HZ, frame_size=codec.frame_size or 1024
    )
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples[None], np.float32), format="fltp", layout="mono"
    )
    frame.sample_rate = RATE_HZ
    frame.pts = 0
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def write_sound(path: Path, samples: Samples, rate_hz: int = RATE_HZ) -> Path:
    """A sound file: wav, flac, mp3 and ogg (Vorbis) by libsndfile, m4a (AAC), opus and
    mka by ffmpeg's libraries.
    """
    if path.suffix in (".wav", ".flac", ".mp3", ".ogg"):
        soundfile.write(path, samples, rate_hz)
        return path
    kinds = {
        ".m4a": ("mp4", "aac"),
        ".opus": ("ogg", "libopus"),
        ".mka": ("matroska", "libopus"),
        ".webm": ("webm", "libopus"),
    }
    kind, codec = kinds[path.suffix]
    with av.open(str(path), "w", format=kind) as container:
        _encode_sound(container, container.add_stream(codec, rate=RATE_HZ, layout="mono"), samples)
    return path


def write_photo(
    path: Path, image: ImageArray | None = None, person: int = 0, orientation: int = 1
) -> Path:
    """A photograph (jpg, png or webp); `orientation` is the EXIF value that says how to
    turn it, the pixels are stored as given.
    """
    picture = Pillow.fromarray(scene(person, (480, 480), 380) if image is None else image)
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)
    return path


def truncate(source: Path, path: Path, share: float) -> Path:
    """A copy of the first `share` of the bytes of a file."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def text_as_video(path: Path) -> Path:
    """A text under the name of a video."""
    path.write_text("This is no video at all.\n" * 200, encoding="utf-8")
    return path
