"""Media files in every container and codec that the product reads.

Nobody was recorded for them. A person is a number: their drawn face
(`demo.faces`) and synthetic voice (`demo.voices`) are
always the same. `write_clip(tmp_path / "a.mp4", person=1)` writes a clip,
`write_photo(tmp_path / "a.jpg", person=1)` a photograph.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import soundfile
from av.stream import Disposition
from PIL import Image as Pillow

from demo.faces import face
from demo.scenes import scene, talking_frames
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


OWN_VOICE = -1


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

    wav, flac, mp3 and ogg (Vorbis) by libsndfile; m4a and aac, opus, mka and webm by
    ffmpeg's libraries.
    """
    if path.suffix in (".wav", ".flac", ".mp3", ".ogg"):
        soundfile.write(path, samples, rate_hz)
        return path
    kinds = {
        ".m4a": ("mp4", "aac"),
        ".aac": ("adts", "aac"),
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
