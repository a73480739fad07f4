"""Banks of recordings and of their features, on files that the tests write themselves."""

from __future__ import annotations

import io
import itertools
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.support import media_sound
from tests.support.voice_batches import FILES, SECONDS, SPEAKERS, SPEC
from train.data.datasets import Listing, read_listing
from train.data.sounds import REMOVE_IT, as_float, decode_audio
from train.voice.banks import cached_waves, log_power, open_bank, write_bank
from train.voice.channels import render
from train.voice.prosody import change_speed
from train.voice.teacher import file_windows
from train.voice.variants import CHANNELS, Variant
from utils.errors import DatasetError


def test_waves_are_decoded_once_and_whole(speech: Listing, speech_cache: Path) -> None:
    bank = cached_waves(speech, speech_cache)
    assert len(bank) == SPEAKERS * FILES
    assert bank.data.dtype == np.int16
    assert (bank.lengths == round(SECONDS * 16000)).all()
    original, _ = soundfile.read(speech.root / speech.items[3].path, dtype="int16")
    assert np.array_equal(bank[3], original)
    stamp = next(speech_cache.rglob("waves.npy")).stat().st_mtime_ns
    cached_waves(speech, speech_cache)
    assert next(speech_cache.rglob("waves.npy")).stat().st_mtime_ns == stamp


def test_a_recording_that_was_replaced_is_heard_again(speech: Listing, tmp_path: Path) -> None:
    """Under the same name, in a folder and in an archive."""
    folder = tmp_path / "set"
    archive = tmp_path / "set.zip"
    shutil.copytree(speech.root, folder)
    file = speech.items[0].path
    for root in (folder, archive):
        heard = []
        for level in (0.1, 0.2):
            soundfile.write(folder / file, np.full(16000, level), 16000)
            if root == archive:
                with zipfile.ZipFile(archive, "w") as packed:
                    for item in speech.items:
                        packed.write(folder / item.path, item.path)
            heard.append(
                as_float(cached_waves(Listing(root, speech.items), tmp_path / "cache")[0])[0]
            )
        assert heard == pytest.approx([0.1, 0.2], abs=0.001)


def test_a_bank_gives_back_what_was_written(tmp_path: Path) -> None:
    rows = [np.arange(6, dtype=np.float16).reshape(3, 2), np.ones((1, 2), np.float16)]
    write_bank(tmp_path, "rows", iter(rows))
    bank = open_bank(tmp_path, "rows")
    assert all(np.array_equal(bank[i], rows[i]) for i in range(2))
    assert not list(tmp_path.glob("*.raw"))


def test_two_trainings_may_write_one_bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [np.full((3, 2), value, np.float32) for value in (1, 2)]

    def interrupted() -> Iterator[np.ndarray]:
        yield rows[0]
        assert not list(tmp_path.glob("rows.n*")), "nothing under its own name before it is whole"
        with monkeypatch.context() as other:
            other.setattr("os.getpid", lambda: 1)
            write_bank(tmp_path, "rows", iter(rows))
        yield rows[1]

    write_bank(tmp_path, "rows", interrupted())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["rows.npy", "rows.offsets.npy"]
    np.testing.assert_array_equal(open_bank(tmp_path, "rows")[1], rows[1])


def test_a_bank_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least one file"):
        write_bank(tmp_path, "rows", iter([]))


@pytest.mark.parametrize("samples", [5, 160, 1599])
def test_a_file_too_short_to_be_heard_is_named_and_leaves_nothing(
    tmp_path: Path, samples: int
) -> None:
    """Codecs and teachers would fail at it without a name."""
    for name, length in (("long", 16000), ("short", samples)):
        (tmp_path / "own" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "own" / name / "0.wav", np.full(length, 0.1, np.float32), 16000)
    with pytest.raises(DatasetError, match=r"at least 100 ms\. Received: short/0\.wav of"):
        cached_waves(read_listing(tmp_path / "own", "audio"), tmp_path / "cache")
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_the_shortest_file_that_is_taken_can_be_heard_in_every_way() -> None:
    samples = media_sound.speech(1, 0.1, rate_hz=16000)
    rooms = [np.eye(1, 400, dtype=np.float32)[0]]
    for speed, channel, seed in itertools.product((0.9, 1.0, 1.1), CHANNELS, range(8)):
        heard = render(
            samples,
            Variant(speed, channel),
            rooms=rooms,
            rate_hz=16000,
            rng=np.random.default_rng(seed),
        )
        assert len(log_power(heard, SPEC)) > 3, (speed, channel, seed)
        assert len(file_windows(change_speed(samples, speed))[0]) == 1


@pytest.mark.parametrize("content", [b"", b"no sound"])
def test_what_is_no_sound_is_named(content: bytes) -> None:
    with pytest.raises(
        DatasetError, match=r"Received: a/1\.wav \(.* a format that is known\)"
    ) as caught:
        decode_audio(content, 16_000, "a/1.wav")
    assert caught.value.hint == REMOVE_IT


def test_a_picture_among_sounds_is_named() -> None:
    picture = io.BytesIO()
    Image.new("RGB", (16, 16)).save(picture, "PNG")
    with pytest.raises(DatasetError, match=r"Received: a/1\.m4a \(no sound track\)"):
        decode_audio(picture.getvalue(), 16_000, "a/1.m4a")
