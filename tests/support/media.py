"""Media files in every container and codec that the product reads.

Nobody was recorded for them. A person is a number: their drawn face
(`tests.support.drawn_faces`) and synthetic voice (`tests.support.media_sound`) are
always the same. `write_clip(tmp_path / "a.mp4", person=1)` writes a clip,
`write_photo(tmp_path / "a.jpg", person=1)` a photograph.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pillow_heif
import soundfile
from av.stream import Disposition
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
    "write_rare_sound",
    "write_sound",
    "write_tracks",
    "write_video",
]

MILLISECOND = Fraction(1, 1000)
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


_MOUTHS = (0, 0.3, 0.7, 1, 0.6, 0.2, 0.5, 0.1)
"""How far the mouth is open, every second frame."""

OWN_VOICE = -1


def scene(
    person: int | None = 0,
    size: tuple[int, int] = (640, 360),
    face_px: int = 260,
    at: tuple[float, float] = (0.5, 0.5),
    *,
    mouth: float = 0.0,
    turn: float = 0.0,
    light: float = 1.0,
    blur: float = 0.0,
    others: Sequence[tuple[int, tuple[float, float]]] = (),
) -> ImageArray:
    """Draw a textured wall with a person before it, (h, w, 3) uint8 RGB.

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
    image = _wall(size)
    first = [] if person is None else [(person, at)]
    for number, place in [*first, *others]:
        _paste(image, face(number, face_px, mouth, turn), place)
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    return np.clip(image.astype(np.float32) * light, 0, 255).astype(np.uint8)


def _wall(size: tuple[int, int]) -> ImageArray:
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    red = 150 + 20 * np.sin(columns / 37.0)
    green = 155 + 18 * np.cos(rows / 29.0)
    blue = 150 + 15 * np.sin((rows + columns) / 41.0)
    return np.stack([red, green, blue], -1).astype(np.uint8)


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
    """Draw frames of someone talking.

    The mouth opens and closes, the head moves a little. `look` goes to `scene`.
    """
    phases = []
    for i, mouth in enumerate(_MOUTHS):
        place = (0.5 + 0.01 * np.sin(i / 11), 0.5 + 0.01 * np.sin(i / 7))
        phases.append(scene(person, size, mouth=mouth, **{"at": place, **look}))
    return tuple(phases[i // 2 % len(phases)] for i in range(round(seconds * fps)))


def write_clip(
    path: Path,
    person: int | None = 0,
    seconds: float = 3.0,
    *,
    take: int = 0,
    voice: int | None = OWN_VOICE,
    **options: Any,
) -> Path:
    """Write a clip of `person` (None = empty room) talking in the voice of `voice`.

    No `voice` is no sound track. `options` with the names of `write_video`'s go there,
    the others (face_px, at, turn, light, blur, others, size, fps) to the pictures.
    """
    for_file = {name: options.pop(name) for name in _OF_THE_FILE if name in options}
    frames = talking_frames(person, seconds, **options)
    sound = None
    if voice is not None:
        speaker = (person or 0) if voice == OWN_VOICE else voice
        sound = speech(speaker, seconds, take=take)
    return write_video(path, frames, sound, options.get("fps", 25), **for_file)


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
    """Write frames (h, w, 3) uint8 RGB and mono sound at 48 kHz to a video file.

    Sides must be even for most codecs.

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
    codec = codec or CODECS[path.suffix][0]
    pipe = None if seekable else _Unseekable()
    kind = {".mkv": "matroska", ".mpg": "mpeg"}.get(path.suffix, path.suffix[1:])
    with av.open(pipe or str(path), "w", format=kind, options=options or {}) as container:
        quick = _QUICK.get(codec, {}) if codec_options is None else codec_options
        pictures: Any = container.add_stream(codec, rate=fps, options=dict(quick))
        pictures.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if keyframe_every:
            pictures.codec_context.gop_size = keyframe_every
        if stamps_ms is not None:
            pictures.codec_context.time_base = MILLISECOND
        if rotate_deg:
            pictures.set_display_rotation(rotate_deg)
        voice: Any = None
        if sound is not None:
            sound_codec = sound_codec or CODECS[path.suffix][1]
            voice = container.add_stream(sound_codec, rate=RATE_HZ, layout="mono")
        _encode_frames(container, pictures, frames, _times(fps, stamps_ms))
        if voice is not None:
            _encode_channels(container, voice, np.asarray(sound)[:, None])
    if pipe is not None:
        path.write_bytes(pipe.getvalue())
    return path


class _Unseekable(io.BytesIO):
    """A pipe: what is written stays."""

    seek = None  # type: ignore[assignment]
    tell = None  # type: ignore[assignment]


def _times(fps: int, stamps_ms: Sequence[int] | None) -> Iterator[tuple[int, Fraction]]:
    """Time of each frame, and the unit that it is in."""
    if stamps_ms is None:
        return ((number, Fraction(1, fps)) for number in itertools.count())
    return ((stamp_ms, MILLISECOND) for stamp_ms in stamps_ms)


def _encode_frames(
    container: Any,
    stream: Any,
    frames: Iterable[ImageArray],
    times: Iterable[tuple[int, Fraction]],
) -> None:
    for i, (image, time) in enumerate(zip(frames, times, strict=False)):
        if i == 0:
            stream.height, stream.width = image.shape[:2]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = time
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_sound(path: Path, samples: Samples, rate_hz: int = RATE_HZ) -> Path:
    """Write a sound file.

    wav, flac, mp3 and ogg (Vorbis) by libsndfile; m4a (AAC), opus, mka and webm by
    ffmpeg's libraries.
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
        stream = container.add_stream(codec, rate=RATE_HZ, layout="mono")
        _encode_channels(container, stream, samples[:, None])
    return path


def write_rare_sound(path: Path, samples: Samples, kind: str) -> Path:
    """Write a sound file: amr (telephones), aiff, or bw64 (broadcasters)."""
    if kind == "amr":
        with av.open(str(path), "w", format="amr") as container:
            stream = container.add_stream("libopencore_amrnb", rate=8000, layout="mono")
            _encode_channels(container, stream, samples[:, None])
    elif kind == "aiff":
        soundfile.write(path, samples, RATE_HZ, format="AIFF")
    else:
        soundfile.write(path, samples, RATE_HZ, format="RF64")
        path.write_bytes(b"BW64" + path.read_bytes()[4:])
    return path


def write_tracks(
    path: Path, tracks: Sequence[Samples], *, layout: str = "mono", default: int | None = None
) -> Path:
    """Write a sound file of several tracks at `RATE_HZ`, as mkv or m4a by its suffix.

    A track is (n,), or (n, channels) in the order of `layout`. The one with the number
    `default` has the default flag, or none.
    """
    kind, codec = {".mkv": ("matroska", "pcm_s16le"), ".m4a": ("mp4", "aac")}[path.suffix]
    with av.open(str(path), "w", format=kind) as container:
        streams = [container.add_stream(codec, rate=RATE_HZ, layout=layout) for _ in tracks]
        for number, stream in enumerate(streams):
            is_default = number == default
            stream.disposition = Disposition.default if is_default else Disposition(0)
        for samples, stream in zip(tracks, streams, strict=True):
            _encode_channels(container, stream, samples.reshape(len(samples), -1))
    return path


def _encode_channels(container: Any, stream: Any, samples: Samples) -> None:
    codec = stream.codec_context
    resampler = av.AudioResampler(
        format=codec.format,
        layout=codec.layout,
        rate=codec.sample_rate,
        frame_size=codec.frame_size or 1024,
    )
    interleaved = np.ascontiguousarray(samples.reshape(1, -1), np.float32)
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=codec.layout)
    frame.sample_rate = RATE_HZ
    frame.pts = 0
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def write_photo(
    path: Path, image: ImageArray | None = None, person: int = 0, orientation: int = 1
) -> Path:
    """Write a photograph (jpg, png, webp, heic or avif).

    `orientation` is the EXIF value that says how to turn it. The pixels are stored as
    they are given.
    """
    picture = Pillow.fromarray(scene(person, (480, 480), 380) if image is None else image)
    exif = picture.getexif()
    exif[0x0112] = orientation
    if path.suffix == ".heic":
        pillow_heif.from_pillow(picture).save(path, exif=exif.tobytes(), quality=95)
    else:
        picture.save(path, exif=exif)
    return path


def truncate(source: Path, path: Path, share: float) -> Path:
    """Copy the first `share` of the bytes of a file."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def text_as_video(path: Path) -> Path:
    """Write a text under the name of a video."""
    path.write_text("This is no video at all.\n" * 200, encoding="utf-8")
    return path
