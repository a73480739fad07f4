"""How few bits a file spends on its picture and its sound, and how long each is.

It is counted in the packets, before anything is decoded. Times are seconds.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from align.container import Demuxed, Track
from utils.media import Coding

_EFFICIENT = "HE-AAC"
_LOUD = 0.9


def measure_coding(tracks: Demuxed) -> Coding:
    """Measure how a file is coded. What it does not have, or does not say, is 0."""
    picture = tracks.video
    sound = tracks.audio
    sizes = [timed.packet.size for timed in picture.packets]
    pixels = _count_pixels(picture)
    is_known = bool(pixels and sizes)
    return Coding(
        picture_s=_measure_length_s(picture) if tracks.to_the_end else 0.0,
        sound_s=_measure_length_s(sound) if tracks.to_the_end else 0.0,
        picture_bits=8 * sum(sizes) / len(sizes) / pixels if is_known else 0.0,
        key_bits=8 * max(sizes) / pixels if is_known else 0.0,
        sound_codec=_name_codec(sound),
        sound_kbit_s=_measure_kbit_s(sound),
    )


def _count_pixels(track: Track) -> int:
    if track.stream is None:
        return 0
    return int(track.stream.codec_context.width * track.stream.codec_context.height)


def _measure_length_s(track: Track) -> float:
    return 0.0 if track.first_s is None else track.end_s - track.first_s


def _name_codec(track: Track) -> str:
    """Name the codec of a sound. That of AAC for low rates is another one."""
    if track.stream is None:
        return ""
    context = track.stream.codec_context
    is_efficient = str(context.profile or "").startswith(_EFFICIENT)
    return "he-aac" if is_efficient else str(context.codec.canonical_name)


def _measure_kbit_s(track: Track) -> float:
    """Measure the rate of a sound where much is said.

    Silence takes little of some codecs, and in a call it is not sent at all.
    """
    packets = track.packets
    if len(packets) < 2:
        return 0.0
    sizes = sorted(timed.packet.size for timed in packets)
    step_s = median(after.time_s - before.time_s for before, after in pairwise(packets))
    return 8 * sizes[int(_LOUD * len(sizes))] / step_s / 1000 if step_s > 0 else 0.0
