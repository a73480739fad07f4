"""Clips in the memory that two processes share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from align.film import MOST_SIDE_PX
from align.film import RATE_HZ as FILM_HZ
from align.handover import Sender, needed_bytes, take_over
from align.limits import ReadLimits
from utils.arrays import RATE_HZ
from utils.media import Clip, Coding, Frame, GreyFrame, Waveform


def make_largest(limits: ReadLimits) -> Clip:
    """Make a clip with all that `limits` allow. No two of its arrays are alike."""
    count = int(limits.read_s * RATE_HZ)
    side = limits.max_side_px
    film_side = (MOST_SIDE_PX, MOST_SIDE_PX)
    return Clip(
        tuple(
            Frame(np.full((side, side, 3), n, np.uint8), float(n)) for n in range(limits.max_frames)
        ),
        tuple(
            Waveform(np.full(count, n / 8, np.float32), RATE_HZ) for n in range(limits.max_sounds)
        ),
        limits.read_s,
        "",
        film=tuple(
            GreyFrame(np.full(film_side, n, np.uint8), n / FILM_HZ)
            for n in range(int(limits.film_s * FILM_HZ) + 1)
        ),
        sound_starts_s=(0.0,) * limits.max_sounds,
        coding=Coding(picture_s=5.0, sound_s=4.9, key_bits=0.6, sound_codec="aac"),
    )


def test_the_largest_clip_has_room() -> None:
    # With frames of as many pixels as a photograph nothing is left over
    limits = ReadLimits(max_frames=15, film_s=1.0)
    clip = make_largest(limits)
    memory = memoryview(bytearray(needed_bytes(limits)))
    sender = Sender(memory, lambda _: None)
    sender.hear(clip.waveforms)
    seen = tuple(sender.see(frame) for frame in clip.frames)
    there = take_over(sender.finish(replace(clip, frames=seen)), memory)
    assert there.coding == clip.coding
    for one, other in zip(there.waveforms, clip.waveforms, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
    for ours, theirs in zip(clip.frames + clip.film, there.frames + there.film, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)


def test_a_frame_that_is_written_where_there_is_room_is_not_copied() -> None:
    memory = memoryview(bytearray(1000))
    sender = Sender(memory, lambda _: None)
    room = sender.room((8, 8))
    frames = [sender.film(GreyFrame(image, 0.0)) for image in (room, np.ones((8, 8), np.uint8))]
    room[:] = 7
    np.testing.assert_array_equal(frames[0].image, room)
    (first, second) = sender.finish(Clip((), (), 0.0, "", film=tuple(frames)))["film"]
    assert second["start"] - first["start"] == room.nbytes


def test_film_that_stays_is_told_where_a_group_is_decoded_anew() -> None:
    news: list[dict[str, Any]] = []
    sender = Sender(memoryview(bytearray(100_000)), news.append)
    frames = [GreyFrame(np.full((8, 8), n, np.uint8), n / FILM_HZ) for n in range(4)]
    for frame in frames[:3]:  # the last one is of the group that is decoded anew
        sender.film(frame)
    sender.forget(0, 1)
    for frame in frames[2:]:
        sender.film(frame)
    sender.see(Frame(np.zeros((8, 8, 3), np.uint8), 1.0))
    sender.forget(1, 3)
    assert [one.get("forget") for one in news] == [0, None, 1]
    assert [one["time_s"] for one in news[1]["film"]] == [frame.time_s for frame in frames]
    assert [news[0]["filmed"], news[2]["filmed"]] == [0, 3]
