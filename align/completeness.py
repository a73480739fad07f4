"""Whether a file holds all that it says it holds, or was cut off on its way.

Not every format says how long it is:

- mp4 and mov do, for each track, and so does flac.
- mkv and webm do when their program goes back to the header at the end. The recording
  of a browser does not.
- wav and avi say how many bytes they have.
- mpg, ogg, mp3 and aac say nothing: nothing is claimed about them.

Times are seconds.
"""

from __future__ import annotations

from pathlib import Path

from align.container import Demuxed, Track

_RIFF_KINDS = ("wav", "avi")
_RIFF_HEAD = 8

# Sizes from here on are what programs write into the header before they know better:
# 0x7FFF0000, 0x80000000 and 0xFFFFFFFF
_RIFF_UNKNOWN = 0x7FFF0000


def measure_missing_s(path: Path, demuxer: str, tracks: Demuxed) -> float:
    """Compare what was read with what the file says it holds.

    Args:
        path: the file.
        demuxer: name of the demuxer that read it (`align.sniff.MediaKind`).
        tracks: what was read.

    Returns:
        How much is missing at the end of the track that lacks most. It is 0 where
        nothing is, where the file does not say, and where a limit stopped the reading.
    """
    if not tracks.to_the_end:
        return 0.0
    if demuxer in _RIFF_KINDS:
        return _missing_of_riff(path, tracks)
    if demuxer in ("mov", "flac"):
        return max(0.0, _missing_of_track(tracks.video), _missing_of_track(tracks.audio))
    if demuxer == "matroska":
        return _missing_of_all(tracks)
    return 0.0


def _missing_of_track(track: Track) -> float:
    return 0.0 if track.stated_end_s is None else track.stated_end_s - track.end_s


def _missing_of_all(tracks: Demuxed) -> float:
    """Compare the ends of a file that states one length for all its tracks.

    Where a track is not read, such as subtitles, that may be the long one.
    """
    if not tracks.is_all_read:
        return 0.0
    return max(0.0, tracks.stated_s - tracks.end_s)


def _missing_of_riff(path: Path, tracks: Demuxed) -> float:
    """Turn the missing bytes into seconds, at the rate of those that are there."""
    with path.open("rb") as file:
        stated = int.from_bytes(file.read(_RIFF_HEAD)[4:], "little")
    if stated >= _RIFF_UNKNOWN:
        return 0.0
    size = path.stat().st_size
    return max(0.0, stated + _RIFF_HEAD - size) / size * tracks.end_s
