"""What the teacher says of a crop, and how it is asked.

It says it of the crop's files and of its own stretch, and whitened.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import media_sound
from train.data.datasets import Item, Listing
from train.voice.banks import Bank
from train.voice.targets import TeacherFiles, TeacherTargets, Windows, load_targets
from train.voice.teacher import (
    STEP_FRAMES,
    WINDOW_FRAMES,
    embed_bank,
    file_windows,
    save_windows,
    speech_frames,
    window_starts,
)
from train.voice.variants import Variant, prosodies, voices
from utils.errors import DatasetError

SPEAKERS = 4
FILES = 3
SIZE = 8


@pytest.fixture
def listing() -> Listing:
    return Listing(
        Path("nowhere"),
        tuple(
            Item(f"{s}/{f}.wav", f"set/{s}")
            for s, f in itertools.product(range(SPEAKERS), range(FILES))
        ),
    )


def targets_of(listing: Listing, files: Sequence[Path | None], **options: Any) -> TeacherTargets:
    return load_targets(TeacherFiles(files, **options), listing)


def write_windows(file: Path, seed: int = 0, silent: int | None = None) -> Path:
    """Two windows a file, frames 0-160 and 100-260, but none for the file `silent`."""
    rng = np.random.default_rng(seed)
    count = [0 if number == silent else 2 for number in range(SPEAKERS * FILES)]
    vectors = rng.normal(size=(sum(count), SIZE)) + 5.0  # far from centred, as a ReLU's output is
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    spans = np.array([[0, 160], [100, 260]] * (sum(count) // 2), np.int32)
    np.savez(
        file,
        windows=vectors.astype(np.float16),
        spans=spans,
        offsets=np.concatenate([[0], np.cumsum(count)]),
    )
    return file


def test_frames_count_for_the_windows_that_cover_them() -> None:
    vectors = np.eye(2, 4, dtype=np.float16)
    heard = Windows(vectors, np.array([[0, 160], [100, 260]], np.int32), np.array([0, 0, 2]))
    assert not heard.of_file(0).any()
    np.testing.assert_array_equal(heard.of_file(1), [1, 1, 0, 0])
    np.testing.assert_array_equal(heard.of_frames(1, np.arange(90, 130)), [40, 30, 0, 0])
    np.testing.assert_array_equal(
        heard.of_frames(1, np.array([5, 99, 100, 200, 259, 400])), [3, 3, 0, 0]
    )


def test_targets_are_centred_unit_vectors(listing: Listing, tmp_path: Path) -> None:
    targets = targets_of(listing, [write_windows(tmp_path / "a.npz")], crop_share=0.0)
    rows = np.stack(
        [targets.of_crop(0, [(number, np.arange(100))]) for number in range(len(listing.items))]
    )
    assert targets.size == SIZE
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3)
    assert np.abs(rows.mean(axis=0)).max() < 0.5


def test_the_teachers_windows_are_found_whatever_a_frame_is(
    listing: Listing, tmp_path: Path
) -> None:
    """They are counted in frames of 10 ms.

    Of 12.5 ms there are fewer in the same stretch.
    """
    file = write_windows(tmp_path / "a.npz")
    usual, longer = (
        targets_of(listing, [file], crop_share=1.0, hop_ms=hop_ms) for hop_ms in (10.0, 12.5)
    )
    for first, last in ((0, 90), (100, 150), (160, 250)):
        crops = (
            usual.of_crop(0, [(5, np.arange(first, last))]),
            longer.of_crop(0, [(5, np.arange(first * 4 // 5, last * 4 // 5))]),
        )
        np.testing.assert_allclose(*crops, atol=0.02)


def test_each_group_of_speakers_is_centred_by_itself(tmp_path: Path) -> None:
    count = 2
    speakers = 200
    labels = [f"{'street' if s % 2 else 'studio'}/{s}" for s in range(speakers)]
    listing = Listing(
        Path("nowhere"),
        tuple(
            Item(f"{label}/{f}.wav", label) for label, f in itertools.product(labels, range(count))
        ),
    )
    rng = np.random.default_rng(0)
    street = np.repeat([label.startswith("street") for label in labels], count)
    vectors = rng.normal(size=(len(street), SIZE)) + np.where(street[:, None], 3.0, -3.0) * np.eye(
        1, SIZE
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    spans = np.array([[0, 100]] * len(vectors), np.int32)
    np.savez(
        tmp_path / "a.npz",
        windows=vectors.astype(np.float16),
        spans=spans,
        offsets=np.arange(len(vectors) + 1),
    )
    targets = targets_of(listing, [tmp_path / "a.npz"], crop_share=0.0)
    rows = np.stack(
        [targets.of_crop(0, [(number, np.arange(100))]) for number in range(len(street))]
    )
    between = abs(rows[street].mean(axis=0) - rows[~street].mean(axis=0)).max()
    assert between < 0.4
    one_group = Listing(
        Path("nowhere"),
        tuple(Item(item.path, "all/" + item.label.replace("/", "_")) for item in listing.items),
    )
    together = targets_of(one_group, [tmp_path / "a.npz"], crop_share=0.0)
    rows = np.stack(
        [together.of_crop(0, [(number, np.arange(100))]) for number in range(len(street))]
    )
    assert abs(rows[street].mean(axis=0) - rows[~street].mean(axis=0)).max() > 1.0


def test_the_crop_share_moves_the_target_to_its_own_stretch(
    listing: Listing, tmp_path: Path
) -> None:
    file = write_windows(tmp_path / "a.npz")
    whole, mixed, own = (
        targets_of(listing, [file], crop_share=share).of_crop(0, [(5, np.arange(0, 90))])
        for share in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(mixed, (whole + own) / np.linalg.norm(whole + own), atol=1e-3)
    assert own @ whole < 0.99
    other = targets_of(listing, [file], crop_share=1.0).of_crop(0, [(5, np.arange(170, 260))])
    assert own @ other < 0.99, "different windows, different targets"


def test_a_crop_of_two_files_is_taught_both(listing: Listing, tmp_path: Path) -> None:
    targets = targets_of(listing, [write_windows(tmp_path / "a.npz")], crop_share=0.0)
    one, two = (targets.of_crop(0, [(number, np.arange(50))]) for number in (0, 1))
    both = targets.of_crop(0, [(0, np.arange(50)), (1, np.arange(50))])
    np.testing.assert_allclose(both, (one + two) / np.linalg.norm(one + two), atol=1e-3)


def test_what_the_teacher_did_not_hear_has_no_target(listing: Listing, tmp_path: Path) -> None:
    files = [
        write_windows(tmp_path / "a.npz"),
        write_windows(tmp_path / "b.npz", 1, silent=2),
        tmp_path / "none.npz",
    ]
    targets = targets_of(listing, files)
    assert not targets.of_crop(1, [(2, np.arange(50))]).any()
    assert np.linalg.norm(targets.of_crop(1, [(3, np.arange(50))])) == pytest.approx(1, abs=1e-3)
    assert not targets.of_crop(2, [(3, np.arange(50))]).any()


@pytest.mark.parametrize(
    ("kept", "starts"),
    [(10, [0]), (300, [0]), (340, [0]), (400, [0, 100]), (500, [0, 200]), (600, [0, 200, 300])],
)
def test_windows_cover_the_file(kept: int, starts: list[int]) -> None:
    assert window_starts(kept) == starts
    assert max(0, kept - WINDOW_FRAMES) - starts[-1] < STEP_FRAMES // 4


def test_the_teacher_hears_speech_without_its_pauses() -> None:
    speech = media_sound.noise(1.0, rate_hz=16000)
    pause = np.zeros(16000, np.float32)
    frames = speech_frames(np.concatenate([pause, speech, pause, speech]))
    assert 200 <= len(frames) <= 240
    assert frames[0] >= 85
    assert not np.isin(np.arange(215, 285), frames).any()
    stretches, spans = file_windows(np.concatenate([pause, *[speech] * 3, pause, *[speech] * 3]))
    assert len(stretches) == len(spans) == 3
    assert {len(stretch) for stretch in stretches} == {WINDOW_FRAMES * 160}
    assert spans[0][0] == frames[0]
    assert spans[-1][1] > 700


def test_the_teacher_hears_a_short_word_several_times() -> None:
    (stretch,), spans = file_windows(media_sound.noise(0.4, rate_hz=16000))
    np.testing.assert_array_equal(spans, [[0, 40]])
    assert len(stretch) == 16000
    np.testing.assert_array_equal(stretch[:6400], stretch[6400:12800])


def test_only_the_files_that_are_heard_get_windows() -> None:
    samples = np.concatenate(
        [(media_sound.speech(p, 5.0, rate_hz=16000) * 20000).astype(np.int16) for p in range(3)]
    )
    bank = Bank(samples, np.arange(4) * 80000)
    result = embed_bank(
        bank,
        [True, False, True],
        Variant(0.9, "clean", 1.1),
        embed=lambda stretch: stretch[:5],
        size=5,
    )
    counts = np.diff(result["offsets"])
    assert counts[1] == 0
    assert counts[0] == counts[2] > 1
    assert len(result["windows"]) == len(result["spans"]) == counts.sum()
    assert result["spans"].max() <= 5.0 / 0.9 * 100


def test_a_voice_that_nobody_speaks_has_no_windows_of_the_teachers_length(
    listing: Listing, tmp_path: Path
) -> None:
    count = len(listing.items)
    bank = Bank(np.zeros(count * 16000, np.int16), np.arange(count + 1) * 16000)
    result = embed_bank(
        bank,
        [False] * count,
        Variant(1.0, "clean", 0.9),
        embed=lambda stretch: stretch[:SIZE],
        size=SIZE,
    )
    assert result["windows"].shape == (0, SIZE)
    save_windows(tmp_path / "nobody.npz", result)
    targets = targets_of(listing, [write_windows(tmp_path / "a.npz"), tmp_path / "nobody.npz"])
    assert not targets.of_crop(1, [(0, np.arange(50))]).any()


def test_without_windows_of_the_first_voice_there_is_no_target(
    listing: Listing, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="must have heard the first voice") as caught:
        targets_of(listing, [tmp_path / "none.npz", write_windows(tmp_path / "b.npz")])
    assert "--no-teacher" in caught.value.hint


def test_nothing_is_left_of_windows_that_cannot_be_written(tmp_path: Path) -> None:
    class Torn:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise OSError("no space left")

    torn: Any = Torn()
    with pytest.raises(OSError, match="no space"):
        save_windows(
            tmp_path / "teacher.npz",
            {"windows": np.zeros((0, SIZE)), "spans": np.zeros((0, 2)), "offsets": torn},
        )
    assert not list(tmp_path.iterdir())


def test_voices_of_a_configuration() -> None:
    variants = voices({"speeds": [1.0, 0.9], "disguises": [[0.85, 1.08]], "fluent": ["talks"]})
    assert [(variant.voice, tuple(groups)) for variant, groups in variants] == [
        ("s100", ()),
        ("s090", ()),
        ("s085f108", ("talks",)),
    ]


def test_prosodies_of_a_configuration() -> None:
    assert [(one.name, one.speed) for one in prosodies({"prosody": [0.8, 1.25]})] == [
        ("p080_clean", 0.8),
        ("p125_clean", 1.25),
    ]
    assert prosodies({}) == []


def test_another_prosody_is_taught_what_the_teacher_said_of_the_same_words(
    listing: Listing, tmp_path: Path
) -> None:
    targets = targets_of(
        listing, [write_windows(tmp_path / "a.npz")], crop_share=1.0, prosodies=[0.5]
    )
    target = targets.of_crop(0, [(5, np.arange(0, 90))])
    np.testing.assert_allclose(targets.of_crop(1, [(5, np.arange(0, 180))]), target, atol=2e-3)
    assert target @ targets.of_crop(1, [(5, np.arange(400, 500))]) < 0.99
