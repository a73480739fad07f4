"""Small grey frames of a video, ten a second, and the mouth that is cut out of them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from align.aligner import Aligner
from align.decode import ReadLimits, read_clip
from align.decoders import Decoders
from align.film import thin_out
from tests.support import media
from utils.media import Clip, MouthFilm
from utils.settings.capture import CaptureSettings

FEW = CaptureSettings(max_frames=4)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.write_clip(tmp_path_factory.mktemp("film") / "a.mp4", person=1, keyframe_every=10)


def filmed(path: Path, film_s: float) -> Clip:
    return read_clip(path, ReadLimits.from_settings(FEW, film_s))


def times_s(clip: Clip) -> list[float]:
    return [frame.time_s for frame in clip.film]


def test_the_start_of_a_clip_is_filmed_beside_the_frames(clip: Path) -> None:
    without = filmed(clip, 0.0)
    film = filmed(clip, 2.0)
    assert without.film == ()
    assert times_s(film) == pytest.approx(np.arange(20) / 10, abs=0.041)
    assert [frame.time_s for frame in film.frames] == [f.time_s for f in without.frames]
    for one, other in zip(film.frames, without.frames, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_a_fast_answer_sees_less_of_a_clip(clip: Path) -> None:
    fast = ReadLimits.from_settings(CaptureSettings(max_frames=5, accuracy="fast"), 8.0)
    few = read_clip(clip, fast)
    whole = filmed(clip, 8.0)
    assert [frame.time_s for frame in few.frames] == [frame.time_s for frame in whole.frames]
    assert few.film[-1].time_s <= few.frames[-1].time_s < whole.film[-1].time_s
    assert times_s(few) == times_s(whole)[: len(few.film)]
    every = read_clip(clip, fast.of_whole_clip)
    assert (len(few.frames), len(every.frames)) == (4, 5)
    assert times_s(every) == times_s(whole)


@pytest.mark.parametrize(
    ("name", "codec", "pressed", "is_rough"),
    [
        ("hard.mp4", "libx264", {"crf": "40"}, True),
        ("hard.webm", "libvpx", {"crf": "60", "b": "50k"}, False),
    ],
)
def test_a_fast_answer_sees_the_edges_of_blocks(
    tmp_path: Path, name: str, codec: str, pressed: dict[str, str], *, is_rough: bool
) -> None:
    """Of H.264. VP8 drifts too far."""
    path = media.write_clip(
        tmp_path / name, person=1, seconds=2.0, codec=codec, codec_options=pressed
    )
    fast = ReadLimits.from_settings(CaptureSettings(max_frames=5, accuracy="fast"))
    there = read_clip(path, fast).frames[-1].image.astype(float)
    here = read_clip(path, ReadLimits.from_settings(FEW)).frames[-1].image.astype(float)
    difference = np.abs(there - here).mean()
    assert 0.5 < difference < 10 if is_rough else difference == 0


def test_a_film_is_the_picture_without_colour(clip: Path) -> None:
    film = filmed(clip, 3.0)
    frame = film.frames[1]
    grey = next(grey for grey in film.film if abs(grey.time_s - frame.time_s) < 0.05)
    assert grey.image.shape == frame.image.shape[:2]
    assert np.corrcoef(grey.image.ravel(), frame.image[..., 1].ravel())[0, 1] > 0.95


@pytest.mark.parametrize("width", [6, 7])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_rows_and_columns_are_left_out_of_a_copy(width: int, step: int) -> None:
    levels = np.arange(8 * 5, dtype=np.uint8).reshape(5, 8)[:, :width] + np.uint8(200)
    thin = thin_out(levels, step)
    np.testing.assert_array_equal(thin, levels[::step, ::step])
    assert not np.shares_memory(thin, levels)


@pytest.mark.parametrize("fps", [12, 15, 30])
def test_other_rates_are_filmed_as_often(tmp_path: Path, fps: int) -> None:
    path = media.write_clip(tmp_path / "a.mp4", seconds=1.0, fps=fps, size=(160, 96))
    assert len(filmed(path, 2.0).film) == 10


def test_large_and_turned_frames_are_small_and_upright(tmp_path: Path) -> None:
    frames = [np.full((720, 1440, 3), 90, np.uint8)] * 5
    frames[0][:, :300] = 200
    path = media.write_video(tmp_path / "a.mp4", frames, rotate_deg=90)
    grey = filmed(path, 1.0).film[0].image
    assert grey.shape == (720, 360)
    assert np.ptp(grey.mean(axis=1)) > 80
    assert np.ptp(grey.mean(axis=0)) < 5


def test_another_process_films_the_same(clip: Path) -> None:
    decoders = Decoders(FEW, 1, film_s=1.0)
    here = filmed(clip, 1.0)
    try:
        with decoders.read(clip, None) as (there, _timings_ms):
            assert times_s(there) == times_s(here)
            np.testing.assert_array_equal(there.film[-1].image, here.film[-1].image)
            assert there.sound_starts_s == here.sound_starts_s
            assert len(here.sound_starts_s) == len(here.waveforms) == 1
    finally:
        decoders.close()


def test_the_mouth_of_who_talks_is_cut_out_of_the_film(clip: Path) -> None:
    capture = Aligner(FEW, film_s=8.0).analyse(clip)
    film = capture.mouth_film
    assert film is not None
    assert film.mouths.shape == (len(film.times_s), 10, 14)
    assert len(film.times_s) > 20
    assert film.mouths.std(axis=0).max() > 5
    assert film.sound.duration_s == pytest.approx(3.0, abs=0.2)
    assert "mouth" in capture.timings_ms


def film_of(path: Path, clip: Clip) -> MouthFilm | None:
    """The film of a clip that was read before."""
    aligner = Aligner(FEW, lambda *_: nullcontext((clip, {"sound": 0.0})), film_s=8.0)
    return aligner.analyse(path).mouth_film


def test_the_sound_with_speech_belongs_to_the_mouth(clip: Path) -> None:
    """A recorder's first track may be that of a microphone that is off."""
    own = filmed(clip, 8.0)
    speech = own.waveforms[0]
    silence = replace(speech, samples=np.zeros_like(speech.samples))
    late = replace(
        own, waveforms=(silence, speech), sound_starts_s=(0.0, own.sound_starts_s[0] + 0.5)
    )
    alone, beside = (film_of(clip, read) for read in (own, late))
    assert alone is not None
    assert beside is not None
    np.testing.assert_array_equal(beside.sound.samples[:16000], alone.sound.samples[:16000])
    np.testing.assert_allclose(beside.times_s, alone.times_s - 0.5)


def test_without_a_face_or_sound_no_mouth_is_filmed(tmp_path: Path) -> None:
    aligner = Aligner(FEW, film_s=8.0)
    room = media.write_clip(tmp_path / "room.mp4", person=None, seconds=1.0, voice=1)
    silent = media.write_clip(tmp_path / "silent.mp4", person=1, seconds=1.0, voice=None)
    assert aligner.analyse(room).mouth_film is None
    assert aligner.analyse(silent).mouth_film is None
