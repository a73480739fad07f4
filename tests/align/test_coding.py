"""How few bits a file spends, and how long its tracks are."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from align.coding import measure_coding
from align.container import demux, open_container
from align.decode import ReadLimits, identify_kind
from tests.support import media
from tests.support.media_sound import speech
from utils.media import Coding

GRAIN = np.random.default_rng(0).integers(90, 160, (4, 48, 80, 3), np.uint8)


def measure(path: Path) -> Coding:
    kind = identify_kind(path, path.name)
    with open_container(path, kind) as container:
        return measure_coding(demux(container, ReadLimits(max_frames=2)))


def write_video(path: Path, sound_s: float, **options: str) -> Path:
    frames = [GRAIN[i % 4] for i in range(24)]
    sound = speech(0, sound_s) if sound_s else None
    return media.write_video(path, frames, sound, 12, codec_options=options)


def leave_silence_out(source: Path, path: Path) -> Path:
    """Copy a sound without what lies between 0.5 and 2.5 s, as calls send it (DTX)."""
    with av.open(str(source)) as container, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(container.streams.audio[0])
        for packet in container.demux():
            if packet.size and not 0.5 < float(packet.pts * packet.time_base) < 2.5:
                packet.stream = stream
                copy.mux(packet)
    return path


def test_a_picture_of_few_bits_is_told_from_one_of_many(tmp_path: Path) -> None:
    fine = measure(write_video(tmp_path / "fine.mp4", 0.0, preset="ultrafast", crf="20"))
    poor = measure(write_video(tmp_path / "poor.mp4", 0.0, preset="ultrafast", crf="51"))
    assert fine.key_bits > 3 * poor.key_bits > 0
    assert fine.picture_bits > 10 * poor.picture_bits > 0


def test_the_lengths_are_those_of_each_track(tmp_path: Path) -> None:
    coding = measure(write_video(tmp_path / "a.mp4", 3.0))
    assert coding.picture_s == pytest.approx(2.0, abs=0.1)
    assert coding.sound_s == pytest.approx(3.0, abs=0.1)
    assert coding.sound_codec == "aac"
    assert measure(write_video(tmp_path / "mute.mp4", 0.0)).sound_s == 0.0


def test_the_rate_is_that_of_what_is_said(tmp_path: Path) -> None:
    said = speech(0, 3.0)
    quiet = np.concatenate([said, np.zeros_like(said)])
    rates = [
        measure(media.write_sound(tmp_path / f"{number}.opus", sound)).sound_kbit_s
        for number, sound in enumerate((said, quiet))
    ]
    assert rates[1] == pytest.approx(rates[0], rel=0.25)
    assert 20 < rates[0] < 200


def test_silence_that_is_not_sent_does_not_count(tmp_path: Path) -> None:
    whole = media.write_sound(tmp_path / "whole.mka", speech(0, 3.0))
    cut = leave_silence_out(whole, tmp_path / "cut.mka")
    rates = [measure(path).sound_kbit_s for path in (whole, cut)]
    assert rates[1] == pytest.approx(rates[0], rel=0.25)


def test_pcm_has_the_rate_of_its_samples(tmp_path: Path) -> None:
    coding = measure(media.write_tracks(tmp_path / "a.mkv", [speech(0, 1.0)]))
    assert coding.sound_kbit_s == pytest.approx(768, rel=0.02)
    assert coding.key_bits == coding.picture_bits == 0.0
