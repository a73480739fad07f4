"""Whether a file holds all that it says it holds, or was cut off on its way.

Not every format says how long it is: mp4 and mov (for each track), flac, and the mkv or
webm of a program that goes back to its header do; wav and avi say how many bytes they
have. A browser's recording says nothing, nor do mpg, ogg, mp3 and aac: nothing is
claimed about those. Times are seconds.
"""

from __future__ import annotations

from pathlib import Path

from align.container import Demuxed, Track

_RIFF_KINDS = ("wav", "avi")
_RIFF_HEAD = 8
_RIFF_UNKNOWN = 0x7FFF0000
"""Sizes from here on are what programs write into the header before they know better
(0x7FFF0000, 0x80000000, 0xFFFFFFFF).
"""


def missing_s(path: Path, demuxer: str, tracks: Demuxed) -> float:
    """How much is missing at the end of what the file says it holds; of the track that
    lacks most. 0 = nothing, or it does not say.

    Args:
        path: the file.
        demuxer: name of the demuxer that read it (`align.sniff.MediaKind`).
        tracks: what was read. Where reading stopped at a limit before the end of the
            file, nothing is claimed.
    """
    if not tracks.to_the_end:
        return 0.0
    if demuxer in _RIFF_KINDS:
        return _missing_of_riff(path, tracks)
    each = [_missing_of_track(track) for track in (tracks.video, tracks.audio)]
    return (
        max(0.0, *each)
        if demuxer in ("mov", "flac")
        else _missing_of_all(tracks)
        if demuxer == "matroska"
        else 0.0
    )


def _missing_of_track(track: Track) -> float:
    return 0.0 if track.stated_end_s is None else track.stated_end_s - track.end_s


def _missing_of_all(tracks: Demuxed) -> float:
    """Of a file that states one length for all its tracks: subtitles that are not read
    may be what is so long.
    """
    return (
        max(0.0, tracks.stated_s - max(tracks.video.end_s, tracks.audio.end_s))
        if tracks.is_all_read
        else 0.0
    )


def _missing_of_riff(path: Path, tracks: Demuxed) -> float:
    """The bytes that lack of those stated in the header, in seconds at the rate of
    those that are there.
    """
    with path.open("rb") as file:
        stated = int.from_bytes(file.read(_RIFF_HEAD)[4:], "little")
    held = path.stat().st_size
    if stated >= _RIFF_UNKNOWN:
        return 0.0
    return max(0.0, stated + _RIFF_HEAD - held) / held * max(tracks.video.end_s, tracks.audio.end_s)
