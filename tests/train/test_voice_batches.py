"""Batches of voice training and what the teacher is asked about them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support import media_sound
from tests.support.voice_batches import FILES, SPEAKERS, SPEC, labels_of, make_batches
from train.data.datasets import Item, Listing, read_listing
from train.known_keys import CONFIGS
from train.voice.augment import MelAugment
from train.voice.banks import Bank, cached_features
from train.voice.batches import VoiceBatches
from train.voice.sampling import SampleOptions, VoiceSources
from train.voice.targets import CropParts
from train.voice.variants import Variant, prosodies
from utils.errors import DatasetError

PLAIN = MelAugment(
    noise_chance=0,
    trim_chance=0,
    floor_db=(70, 70),
    band_chance=0,
    tilt_db=0,
    time_masks=0,
    band_masks=0,
)


@pytest.fixture(scope="module")
def batches(speech: Listing, speech_cache: Path) -> VoiceBatches:
    return make_batches(speech, speech_cache, None)


def test_nobody_babbles_behind_their_own_voice(
    speech: Listing, batches: VoiceBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    crop = VoiceBatches._crop

    def noted(self: Any, bank: Any, files: Any, frames: int, **options: Any) -> Any:
        drawn.append(int(files[0]))
        return crop(self, bank, files, frames, **options)

    monkeypatch.setattr(VoiceBatches, "_crop", noted)
    rng = np.random.default_rng(0)
    for speaker in range(SPEAKERS):
        drawn.clear()
        for _ in range(40):
            batches._babble(speaker, 50, rng)
        ids = speech.label_ids()
        assert {ids[number] for number in drawn} == set(range(SPEAKERS)) - {speaker}


def test_batches_have_the_stated_shapes(batches: VoiceBatches) -> None:
    batch = batches.batch(0, 0.0)
    assert batch["features"].shape[0] == len(batch["label"]) == 8
    assert batch["features"].shape[1] in SampleOptions().crop_frames
    assert batch["features"].shape[2] == SPEC.n_mels
    assert batch["features"].dtype == np.float32
    assert "target" not in batch


def test_a_batch_depends_on_its_number_alone(
    speech: Listing, speech_cache: Path, batches: VoiceBatches
) -> None:
    other = make_batches(speech, speech_cache, None)
    other.batch(3, 0.2)
    assert all(
        np.array_equal(batches.batch(7, 0.5)[key], other.batch(7, 0.5)[key])
        for key in ("features", "label")
    )
    assert not np.array_equal(batches.batch(7, 0.5)["label"], batches.batch(8, 0.5)["label"])


def test_views_are_variations_of_one_crop(speech: Listing, speech_cache: Path) -> None:
    """Each through a channel of its own. What is asked about is the crop in the clear."""
    banks = [cached_features(speech, speech_cache, Variant(1.0, "clean"), SPEC)]
    banks.append(cached_features(speech, speech_cache, Variant(1.0, "room"), SPEC))
    options = SampleOptions(batch_size=8, voice_chances=(1.0,), channel_chances=(0.5, 0.5))
    sources = VoiceSources(speech, [banks])
    batch = VoiceBatches(sources, options, PLAIN, SPEC, seed=2, clean=True, views=2).batch(0, 0.0)
    first, second = np.split(batch["features"], 2)
    assert first.shape == second.shape == batch["clean"].shape
    assert len(first) == 4
    labels, again = np.split(batch["label"], 2)
    np.testing.assert_array_equal(labels, again)
    unlike = np.abs(batch["features"] - np.tile(batch["clean"], (2, 1, 1))).max(axis=(1, 2))
    assert 0 < (unlike < 0.05).sum() < 8, "some views are clean, others are in a room"


def test_a_batch_is_a_multiple_of_its_views(speech: Listing, speech_cache: Path) -> None:
    banks = [[cached_features(speech, speech_cache, Variant(1.0, "clean"), SPEC)]]
    options = SampleOptions(batch_size=7, voice_chances=(1.0,), channel_chances=(1.0,))
    with pytest.raises(DatasetError, match=r"multiple of views\. Received: 7, 2"):
        VoiceBatches(VoiceSources(speech, banks), options, PLAIN, SPEC, seed=1, views=2)


def test_every_speaker_at_every_speed_is_drawn(batches: VoiceBatches) -> None:
    assert labels_of(batches, 12) == set(range(batches.classes)) == set(range(SPEAKERS * 2))


def test_crops_grow_with_progress(batches: VoiceBatches) -> None:
    early = np.mean([batches.batch(step, 0.0)["features"].shape[1] for step in range(20)])
    late = np.mean([batches.batch(step, 1.0)["features"].shape[1] for step in range(20)])
    assert late > early


def test_labels_belong_to_the_voice(speech: Listing, speech_cache: Path) -> None:
    """Without augmentation a crop must be found in the files of its label, at its speed."""
    banks = [
        [cached_features(speech, speech_cache, Variant(speed, "clean"), SPEC)]
        for speed in (1.0, 0.9)
    ]
    options = SampleOptions(
        batch_size=8,
        crop_frames=(40,),
        crop_start=(1.0,),
        crop_end=(1.0,),
        voice_chances=(1, 1),
        channel_chances=(1,),
    )
    sources = VoiceSources(speech, banks)
    batch = VoiceBatches(sources, options, PLAIN, SPEC, seed=2).batch(0, 0.0)
    for features, label in zip(batch["features"], batch["label"], strict=True):
        speed, speaker = divmod(int(label), SPEAKERS)
        files = [i for i, item in enumerate(speech.items) if item.label == f"person{speaker}"]
        assert min(distance(features, banks[speed][0][i]) for i in files) < 0.1


def distance(features: np.ndarray, rows: np.ndarray) -> float:
    """Smallest mean difference between `features` and any stretch of `rows`.

    Both are mean-normalised (the floor is out of play).
    """
    rows = rows.astype(np.float32)
    stretches = [
        rows[start : start + len(features)] for start in range(len(rows) - len(features) + 1)
    ]
    floors = [np.maximum(s, s.max() - SPEC.floor_db / 10 * np.log(10)) for s in stretches]
    return min(float(np.abs(s - s.mean(axis=0) - features).mean()) for s in floors)


@pytest.mark.parametrize(
    ("chances", "message"),
    [
        ({"voice_chances": (0.5, 0.25, 0.25)}, "each of the 2 voices"),
        ({"voice_chances": (1.0,)}, "each of the 2 voices"),
        ({"channel_chances": (1.0,)}, "each of the 2 channels"),
        ({"voice_chances": (0.0, 0.0)}, "let everybody be heard"),
        ({"voice_chances": (1.0, -0.5)}, "must not be negative"),
        ({"channel_chances": (0.0, 0.0, 1.0)}, "let everybody be heard"),
    ],
)
def test_chances_must_be_of_the_voices_and_channels_there_are(
    speech: Listing, speech_cache: Path, chances: dict[str, tuple[float, ...]], message: str
) -> None:
    bank = cached_features(speech, speech_cache, Variant(1.0, "clean"), SPEC)
    all_chances: dict[str, Any] = {
        "voice_chances": (0.5, 0.5),
        "channel_chances": (0.4, 0.3, 0.3),
    }
    options = SampleOptions(**all_chances | chances)
    with pytest.raises(DatasetError, match=message) as caught:
        sources = VoiceSources(speech, [[bank, bank], [bank]])
        VoiceBatches(sources, options, MelAugment(), SPEC, seed=1)
    assert re.search(r"\[sampling\]|chance above 0", caught.value.hint)


def test_the_shipped_chances_fit_the_shipped_voices(speech: Listing, speech_cache: Path) -> None:
    """They also fit a user's own speech.

    Every voice is everybody's in it, and every channel of the first voice too.
    """
    config = tomllib.loads((CONFIGS / "voice.toml").read_text(encoding="utf-8"))
    channels = len(config["data"]["channels"])
    extra = [
        len(config["data"].get("fluent_channels", [])),
        *[0] * (len(config["data"]["speeds"]) - 1),
    ]
    bank = cached_features(speech, speech_cache, Variant(1.0, "clean"), SPEC)
    people = [[bank] * (channels + more) for more in extra] + [[bank]] * len(
        config["data"].get("disguises", [])
    )
    again = len(prosodies(config["data"]))
    options = SampleOptions(**config["sampling"])
    sources = VoiceSources(speech, [*people, *[[bank]] * again], prosodies=again)
    made = VoiceBatches(sources, options, MelAugment(), SPEC, seed=1)
    assert made.classes == len(people) * SPEAKERS
    assert len(made.batch(0, 0.0)["label"]) == SampleOptions(**config["sampling"]).batch_size


def test_one_speaker_is_refused(speech: Listing, speech_cache: Path) -> None:
    one = Listing(speech.root, speech.items[:FILES])
    with pytest.raises(DatasetError, match="at least 2 speakers"):
        make_batches(one, speech_cache, None)


class Teacher:
    """Says of a crop in which voice it was and of which file it begins."""

    size = 2

    def of_crop(self, voice: int, parts: CropParts) -> np.ndarray:
        assert all(len(frames) and (np.diff(frames) > 0).all() for _, frames in parts)
        return np.array([voice, parts[0][0]], np.float32)


def test_the_teacher_is_asked_about_the_very_crop(speech: Listing, speech_cache: Path) -> None:
    made = make_batches(speech, speech_cache, Teacher())
    assert made.target_size == 2
    batch = made.batch(0, 0.0)
    for label, (voice, file) in zip(batch["label"], batch["target"], strict=True):
        assert divmod(int(label), SPEAKERS) == (voice, speech.label_ids()[int(file)])


class Listener:
    """A teacher that notes what each crop was cut from."""

    size = 1

    def __init__(self) -> None:
        self.heard: list[CropParts] = []

    def of_crop(self, voice: int, parts: CropParts) -> np.ndarray:
        self.heard.append(parts)
        return np.zeros(1, np.float32)


@pytest.fixture(scope="module")
def one_file_each(tmp_path_factory: pytest.TempPathFactory) -> tuple[Listing, list[list[Bank]]]:
    """Two people with a file of 6 s each, one with a file of 1.5 s, in two voices."""
    root = tmp_path_factory.mktemp("single")
    for person, seconds in enumerate((6.0, 6.0, 1.5)):
        (root / f"p{person}").mkdir()
        soundfile.write(
            root / f"p{person}" / "0.wav", media_sound.speech(person, seconds, rate_hz=16000), 16000
        )
    speech = read_listing(root, "audio")
    speech_cache = tmp_path_factory.mktemp("single_cache")
    return speech, [
        [cached_features(speech, speech_cache, Variant(speed, "clean"), SPEC)]
        for speed in (1.0, 0.9)
    ]


def test_prosodies_are_the_people_of_the_first_voice(speech: Listing, speech_cache: Path) -> None:
    banks = [
        [cached_features(speech, speech_cache, variant, SPEC)]
        for variant in (*map(clean, (1.0, 0.9)), *prosodies({"prosody": [1.25]}))
    ]
    options = SampleOptions(batch_size=8, voice_chances=(0, 0, 1), channel_chances=(1.0,))
    sources = VoiceSources(speech, banks, prosodies=1)
    made = VoiceBatches(sources, options, MelAugment(), SPEC, seed=1)
    assert made.classes == 2 * SPEAKERS
    assert labels_of(made, 10) == set(range(SPEAKERS))


def clean(speed: float) -> Variant:
    return Variant(speed, "clean")


@pytest.mark.parametrize("trim_chance", [0.0, 1.0])
@pytest.mark.parametrize("drawn", [6, 15])
def test_who_has_one_file_alone_is_drawn_from_disjoint_parts_of_it(
    one_file_each: tuple[Listing, list[list[Bank]]], trim_chance: float, drawn: int
) -> None:
    speech, banks = one_file_each
    frames = 100
    teacher = Listener()
    options = SampleOptions(
        drawn, (frames,), (1.0,), (1.0,), voice_chances=(1, 1), channel_chances=(1,)
    )
    augment = MelAugment(noise_chance=0, trim_chance=trim_chance)
    sources = VoiceSources(speech, banks, targets=teacher)
    made = VoiceBatches(sources, options, augment, SPEC, seed=3)
    for step in range(8):
        teacher.heard.clear()
        labels = made.batch(step, 0.0)["label"]
        for person in range(3):
            cut = [
                stretch(parts, banks[label // 3][0])
                for label, parts in zip(labels, teacher.heard, strict=True)
                if label % 3 == person
            ]
            room = min(len(cut), int(banks[0][0].lengths[person]) // frames)
            assert 1 <= room <= 6 or not cut
            seen = [times_cut(share, cut) for share in (np.arange(400) + 0.5) / 400]
            assert max(seen, default=0) <= int(np.ceil(len(cut) / max(room, 1)))


def times_cut(share: float, cut: Sequence[tuple[float, float]]) -> int:
    """How many of the stretches `cut` have this place of their file in them."""
    return sum(first < share < end for first, end in cut)


def stretch(parts: CropParts, bank: Bank) -> tuple[float, float]:
    """From where to where of their file a crop was cut, as shares of its length."""
    (number,) = {number for number, _ in parts}
    rows = np.concatenate([rows for _, rows in parts])
    return rows.min() / bank.lengths[number], (rows.max() + 1) / bank.lengths[number]


def test_speakers_outside_a_banks_groups_are_not_drawn_from_it(
    speech_cache: Path, speech: Listing
) -> None:
    items = tuple(
        Item(item.path, f"{'words' if item.label == 'person0' else 'talks'}/{item.label}")
        for item in speech.items
    )
    grouped = Listing(speech.root, items)
    whole = cached_features(grouped, speech_cache, Variant(1.0, "clean"), SPEC)
    part = cached_features(
        grouped, speech_cache, Variant(1.0, "clean", 1.1), SPEC, groups=["talks"]
    )
    named = [item.label.startswith("talks") for item in grouped.items]
    assert ((part.lengths > 0) == named).all()
    assert np.array_equal(part.lengths[named], whole.lengths[named])
    options = SampleOptions(batch_size=8, voice_chances=(0.1, 0.9), channel_chances=(1.0,))
    sources = VoiceSources(grouped, [[whole], [part]])
    made = VoiceBatches(sources, options, MelAugment(), SPEC, seed=1)
    assert made.classes == 2 * SPEAKERS - 1
    assert labels_of(made, 20) == set(range(2 * SPEAKERS - 1))


def test_groups_are_weighted(speech: Listing, speech_cache: Path) -> None:
    items = [
        Item(item.path, ("words/" if "0" in item.label else "talks/") + item.label)
        for item in speech.items
    ]
    batches = make_batches(
        Listing(speech.root, tuple(items)), speech_cache, None, group_weights={"words": 0.0}
    )
    talks = {
        number for number, speaker in enumerate(batches.speakers) if speaker.startswith("talks/")
    }
    assert {label % SPEAKERS for label in labels_of(batches, 10)} == talks
