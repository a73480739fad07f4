"""From a media file to frames and sound: the shell around the decoders.

The content says what a file is, never its name. No message of an error raised here
holds a path of the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from align.audience import Audience, Nobody
from align.coding import measure_coding
from align.completeness import measure_missing_s
from align.container import Demuxed, Track, demux, open_container
from align.film import Film
from align.limits import ReadLimits
from align.photo import read_photo
from align.sniff import MediaKind, describe, sniff_file
from align.sound import decode_sound
from align.video import decode_frames
from utils.beside import beside
from utils.clock import timed
from utils.errors import MediaCorruptError, MediaEmptyError, MediaNotFoundError, MediaTypeError
from utils.file_hash import hash_file
from utils.media import Clip, Frame, Waveform

__all__ = ["ReadLimits", "read_clip", "read_timed"]


def read_clip(path: Path, limits: ReadLimits, filename: str | None = None) -> Clip:
    """Read a video, sound file or photograph.

    Args:
        path: the file.
        limits: bounds on time, size and number of frames.
        filename: what the sender calls the file, for messages.

    Raises:
        MediaNotFoundError, MediaEmptyError: there is no file, or it is empty.
        MediaTypeError: it is in no format that is read.
        MediaCorruptError: nothing of it can be decoded.
        MediaTooLongError, MediaTooLargeError: it is beyond the limits.
    """
    return read_timed(path, limits, filename)[0]


def read_timed(
    path: Path,
    limits: ReadLimits,
    filename: str | None = None,
    audience: Audience | None = None,
) -> tuple[Clip, dict[str, float]]:
    """Read as `read_clip` does, and time it.

    `audience` is shown what is there of a video or sound before the rest is.

    Returns:
        The clip, and the milliseconds of "sound", for which the picture waits, and of
        "decode", which is the rest.
    """
    timings_ms = {"decode": 0.0, "sound": 0.0}
    with timed(timings_ms, "decode"):
        kind = identify_kind(path, filename or path.name)
        if kind.is_photo:
            clip = _read_photo(path, limits)
        else:
            audience = audience or Nobody()
            clip = _read_tracks(path, kind, limits, timings_ms=timings_ms, audience=audience)
    timings_ms["decode"] -= timings_ms["sound"]
    return clip, timings_ms


def _read_photo(path: Path, limits: ReadLimits) -> Clip:
    return Clip(
        frames=(read_photo(path, limits),),
        waveforms=(),
        duration_s=0.0,
        source_sha256=hash_file(path),
    )


def _read_tracks(
    path: Path,
    kind: MediaKind,
    limits: ReadLimits,
    *,
    timings_ms: dict[str, float],
    audience: Audience,
) -> Clip:
    with open_container(path, kind) as container:
        tracks = demux(container, limits)
        film = Film(limits.film_s, audience)
        with beside(partial(_decode_sounds, tracks, limits)) as decoding:

            @cache
            def hear() -> Clip:
                """Wait for the sounds, tell the audience, and make the clip without pictures."""
                with timed(timings_ms, "sound"):
                    sounds = decoding.result()
                audience.hear(tuple(waveform for waveform, _ in sounds))
                return _make_heard(path, kind, tracks, sounds)

            def is_enough(frames: tuple[Frame, ...]) -> bool:
                return audience.is_enough(replace(hear(), frames=frames, film=film.frames))

            frames = decode_frames(tracks.video, limits, film, audience, ask=is_enough, hear=hear)
            heard = hear()
    _refuse_empty(frames, heard.waveforms, tracks, kind)
    return replace(heard, frames=frames, film=film.frames)


def _make_heard(
    path: Path, kind: MediaKind, tracks: Demuxed, sounds: Sequence[tuple[Waveform, Track]]
) -> Clip:
    first_s = tracks.video.first_s or 0.0
    return Clip(
        frames=(),
        waveforms=tuple(waveform for waveform, _ in sounds),
        duration_s=tracks.duration_s,
        source_sha256=hash_file(path),
        missing_s=measure_missing_s(path, kind.demuxer, tracks),
        sound_starts_s=tuple((track.first_s or 0.0) - first_s for _, track in sounds),
        coding=measure_coding(tracks),
    )


def _decode_sounds(tracks: Demuxed, limits: ReadLimits) -> list[tuple[Waveform, Track]]:
    """Decode the sound tracks, the one to be heard first. Those that fail are left out."""
    sounds = [(decode_sound(track, limits), track) for track in (tracks.audio, *tracks.other_audio)]
    return [(sound, track) for sound, track in sounds if sound is not None]


def identify_kind(path: Path, name: str) -> MediaKind:
    """Tell the format of a file from its content.

    Args:
        path: the file.
        name: what the sender calls it, for messages.

    Raises:
        MediaNotFoundError, MediaEmptyError: there is no file, or it is empty.
        MediaTypeError: it is in no format that is read.
    """
    try:
        with path.open("rb") as file:
            kind, head = sniff_file(file)
    except (FileNotFoundError, IsADirectoryError):
        raise MediaNotFoundError(f"There is no such file. Received: {_quote(name)}.") from None
    if not head:
        raise MediaEmptyError(f"The file has no content (0 bytes). Received: {_quote(name)}.")
    if kind is None:
        raise MediaTypeError(
            "The content is not video, sound or a picture in a format that is read."
            f" Received: {describe(head)}, named {_quote(name)}."
        )
    return kind


def _refuse_empty(
    frames: tuple[Frame, ...], sounds: tuple[Waveform, ...], tracks: Demuxed, kind: MediaKind
) -> None:
    if frames or sounds:
        return
    if tracks.video.stream is None and tracks.audio.stream is None:
        raise MediaCorruptError(f"The {kind.name} file holds neither a picture nor a sound track.")
    if _is_encrypted(tracks):
        raise MediaCorruptError(
            f"The {kind.name} file is encrypted, so that nothing in it can be decoded.",
            "Send a file without copy protection.",
        )
    raise MediaCorruptError(
        f"Nothing in the {kind.name} file can be decoded: it is damaged or cut off."
    )


def _is_encrypted(tracks: Demuxed) -> bool:
    """Whether a track begins with a packet that takes a key to decode (ISO/IEC 23001-7)."""
    for track in (tracks.video, tracks.audio):
        for first in track.packets[:1]:
            if any(side.data_type == "encryption_info" for side in first.packet.iter_sidedata()):
                return True
    return False


def _quote(name: str) -> str:
    """Quote the last part of a name, printable and short."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return repr("".join(c if c.isprintable() else "?" for c in last)[:80])
