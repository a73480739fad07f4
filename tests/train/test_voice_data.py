"""Banks, batches, teacher targets and trials of voice training, on files that the tests
write themselves.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from network.frontends.log_mel import FrontendSpec
from tests.support import media_sound
from train.configuration import CONFIGS
from train.data.datasets import Item, Listing, read_listing
from train.data.sounds import as_float
from train.voice.augment import MelAugment
from train.voice.banks import (
    Bank,
    cached_features,
    cached_waves,
    log_power,
    open_bank,
    write_bank,
)
from train.voice.batches import VoiceBatches
from train.voice.channels import render
from train.voice.dev import VoiceTrials
from train.voice.prosody import change_speed
from train.voice.sampling import SampleOptions, VoiceSources
from train.voice.targets import CropParts, Targets
from train.voice.teacher import file_windows
from train.voice.variants import CHANNELS, Variant, prosodies
from utils.errors import DatasetError

SPEC = FrontendSpec(n_mels=16)
SPEAKERS = 3
FILES = 2
SECONDS = 1.2


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Listing:
    root = tmp_path_factory.mktemp("speech")
    for person, take in itertools.product(range(SPEAKERS), range(FILES)):
        folder = root / f"person{person}"
        folder.mkdir(exist_ok=True)
        soundfile.write(
            folder / f"{take}.wav",
            media_sound.speech(person, SECONDS, take=take, rate_hz=16000),
            16000,
        )
    return read_listing(root, "audio")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def batches(listing: Listing, cache: Path) -> VoiceBatches:
    return make_batches(listing, cache, None)


def make_batches(
    listing: Listing, cache: Path, targets: Targets | None, **options: Any
) -> VoiceBatches:
    banks = [
        [cached_features(listing, cache, Variant(speed, "clean"), SPEC)] for speed in (1.0, 0.9)
    ]
    chosen = SampleOptions(
        batch_size=8, voice_chances=(0.5, 0.5), channel_chances=(1.0,), **options
    )
    sources = VoiceSources(listing, banks, targets=targets)
    return VoiceBatches(sources, chosen, MelAugment(), SPEC, seed=1)


def test_waves_are_decoded_once_and_whole(listing: Listing, cache: Path) -> None:
    bank = cached_waves(listing, cache)
    assert len(bank) == SPEAKERS * FILES
    assert bank.data.dtype == np.int16
    assert (bank.lengths == round(SECONDS * 16000)).all()
    original, _ = soundfile.read(listing.root / listing.items[3].path, dtype="int16")
    assert np.array_equal(bank[3], original)
    stamp = next(cache.rglob("waves.npy")).stat().st_mtime_ns
    cached_waves(listing, cache)
    assert next(cache.rglob("waves.npy")).stat().st_mtime_ns == stamp


def test_a_recording_that_was_replaced_is_heard_again(listing: Listing, tmp_path: Path) -> None:
    """Under the same name, in a folder and in an archive."""
    folder = tmp_path / "set"
    archive = tmp_path / "set.zip"
    shutil.copytree(listing.root, folder)
    file = listing.items[0].path
    for root in (folder, archive):
        heard = []
        for level in (0.1, 0.2):
            soundfile.write(folder / file, np.full(16000, level), 16000)
            if root == archive:
                with zipfile.ZipFile(archive, "w") as packed:
                    for item in listing.items:
                        packed.write(folder / item.path, item.path)
            heard.append(
                as_float(cached_waves(Listing(root, listing.items), tmp_path / "cache")[0])[0]
            )
        assert heard == pytest.approx([0.1, 0.2], abs=0.001)


def test_nobody_babbles_behind_their_own_voice(
    listing: Listing, batches: VoiceBatches, monkeypatch: pytest.MonkeyPatch
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
        ids = listing.label_ids()
        assert {ids[number] for number in drawn} == set(range(SPEAKERS)) - {speaker}


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


def test_batches_have_the_stated_shapes(batches: VoiceBatches) -> None:
    batch = batches.batch(0, 0.0)
    assert batch["features"].shape[0] == len(batch["label"]) == 8
    assert batch["features"].shape[1] in SampleOptions().crop_frames
    assert batch["features"].shape[2] == SPEC.n_mels
    assert batch["features"].dtype == np.float32
    assert "target" not in batch


def test_a_batch_depends_on_its_number_alone(
    listing: Listing, cache: Path, batches: VoiceBatches
) -> None:
    other = make_batches(listing, cache, None)
    other.batch(3, 0.2)
    assert all(
        np.array_equal(batches.batch(7, 0.5)[key], other.batch(7, 0.5)[key])
        for key in ("features", "label")
    )
    assert not np.array_equal(batches.batch(7, 0.5)["label"], batches.batch(8, 0.5)["label"])


def test_every_speaker_at_every_speed_is_drawn(batches: VoiceBatches) -> None:
    seen = {int(label) for step in range(12) for label in batches.batch(step, 0.0)["label"]}
    assert seen == set(range(batches.classes)) == set(range(SPEAKERS * 2))


def test_crops_grow_with_progress(batches: VoiceBatches) -> None:
    early = np.mean([batches.batch(step, 0.0)["features"].shape[1] for step in range(20)])
    late = np.mean([batches.batch(step, 1.0)["features"].shape[1] for step in range(20)])
    assert late > early


def test_labels_belong_to_the_voice(listing: Listing, cache: Path) -> None:
    """Without augmentation a crop of one file must be found in the files of its label,
    at its speed.
    """
    banks = [
        [cached_features(listing, cache, Variant(speed, "clean"), SPEC)] for speed in (1.0, 0.9)
    ]
    options = SampleOptions(
        batch_size=8,
        crop_frames=(40,),
        crop_start=(1.0,),
        crop_end=(1.0,),
        voice_chances=(1, 1),
        channel_chances=(1,),
    )
    plain = MelAugment(
        noise_chance=0,
        trim_chance=0,
        floor_db=(70, 70),
        band_chance=0,
        tilt_db=0,
        time_masks=0,
        band_masks=0,
    )
    sources = VoiceSources(listing, banks)
    batch = VoiceBatches(sources, options, plain, SPEC, seed=2).batch(0, 0.0)
    for features, label in zip(batch["features"], batch["label"], strict=True):
        speed, speaker = divmod(int(label), SPEAKERS)
        files = [i for i, item in enumerate(listing.items) if item.label == f"person{speaker}"]
        assert min(distance(features, banks[speed][0][i]) for i in files) < 0.1


def distance(features: np.ndarray, rows: np.ndarray) -> float:
    """Smallest mean difference between `features` and any stretch of `rows`, both
    mean-normalised (the floor is out of play).
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
    listing: Listing, cache: Path, chances: dict[str, tuple[float, ...]], message: str
) -> None:
    bank = cached_features(listing, cache, Variant(1.0, "clean"), SPEC)
    all_chances: dict[str, Any] = {
        "voice_chances": (0.5, 0.5),
        "channel_chances": (0.4, 0.3, 0.3),
    }
    options = SampleOptions(**all_chances | chances)
    with pytest.raises(DatasetError, match=message) as caught:
        sources = VoiceSources(listing, [[bank, bank], [bank]])
        VoiceBatches(sources, options, MelAugment(), SPEC, seed=1)
    assert re.search(r"\[sampling\]|chance above 0", caught.value.hint)


def test_the_shipped_chances_fit_the_shipped_voices(listing: Listing, cache: Path) -> None:
    """Also for a user's own speech, in which every voice is everybody's and every
    channel of the first voice too.
    """
    config = tomllib.loads((CONFIGS / "voice.toml").read_text(encoding="utf-8"))
    channels = len(config["data"]["channels"])
    extra = [
        len(config["data"].get("fluent_channels", [])),
        *[0] * (len(config["data"]["speeds"]) - 1),
    ]
    bank = cached_features(listing, cache, Variant(1.0, "clean"), SPEC)
    people = [[bank] * (channels + more) for more in extra] + [[bank]] * len(
        config["data"].get("disguises", [])
    )
    again = len(prosodies(config["data"]))
    options = SampleOptions(**config["sampling"])
    sources = VoiceSources(listing, [*people, *[[bank]] * again], prosodies=again)
    made = VoiceBatches(sources, options, MelAugment(), SPEC, seed=1)
    assert made.classes == len(people) * SPEAKERS
    assert len(made.batch(0, 0.0)["label"]) == SampleOptions(**config["sampling"]).batch_size


def test_one_speaker_is_refused(listing: Listing, cache: Path) -> None:
    one = Listing(listing.root, listing.items[:FILES])
    with pytest.raises(DatasetError, match="at least 2 speakers"):
        make_batches(one, cache, None)


class Teacher:
    """Says of a crop in which voice it was and of which file it begins."""

    size = 2

    def of_crop(self, voice: int, parts: CropParts) -> np.ndarray:
        assert all(len(frames) and (np.diff(frames) > 0).all() for _, frames in parts)
        return np.array([voice, parts[0][0]], np.float32)


def test_the_teacher_is_asked_about_the_very_crop(listing: Listing, cache: Path) -> None:
    made = make_batches(listing, cache, Teacher())
    assert made.target_size == 2
    batch = made.batch(0, 0.0)
    for label, (voice, file) in zip(batch["label"], batch["target"], strict=True):
        assert divmod(int(label), SPEAKERS) == (voice, listing.label_ids()[int(file)])


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
    listing = read_listing(root, "audio")
    cache = tmp_path_factory.mktemp("single_cache")
    return listing, [
        [cached_features(listing, cache, Variant(speed, "clean"), SPEC)] for speed in (1.0, 0.9)
    ]


def test_prosodies_are_the_people_of_the_first_voice(listing: Listing, cache: Path) -> None:
    banks = [
        [cached_features(listing, cache, variant, SPEC)]
        for variant in (*map(clean, (1.0, 0.9)), *prosodies({"prosody": [1.25]}))
    ]
    options = SampleOptions(batch_size=8, voice_chances=(0, 0, 1), channel_chances=(1.0,))
    sources = VoiceSources(listing, banks, prosodies=1)
    made = VoiceBatches(sources, options, MelAugment(), SPEC, seed=1)
    assert made.classes == 2 * SPEAKERS
    assert {int(label) for step in range(10) for label in made.batch(step, 0.0)["label"]} == set(
        range(SPEAKERS)
    )


def clean(speed: float) -> Variant:
    return Variant(speed, "clean")


@pytest.mark.parametrize("trim_chance", [0.0, 1.0])
@pytest.mark.parametrize("drawn", [6, 15])
def test_who_has_one_file_alone_is_drawn_from_disjoint_parts_of_it(
    one_file_each: tuple[Listing, list[list[Bank]]], trim_chance: float, drawn: int
) -> None:
    listing, banks = one_file_each
    frames = 100
    teacher = Listener()
    options = SampleOptions(
        drawn, (frames,), (1.0,), (1.0,), voice_chances=(1, 1), channel_chances=(1,)
    )
    augment = MelAugment(noise_chance=0, trim_chance=trim_chance)
    sources = VoiceSources(listing, banks, targets=teacher)
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
            seen = [
                sum(first < middle < end for first, end in cut)
                for middle in (np.arange(400) + 0.5) / 400
            ]
            assert max(seen, default=0) <= int(np.ceil(len(cut) / max(room, 1)))


def stretch(parts: CropParts, bank: Bank) -> tuple[float, float]:
    """From where to where of their file a crop was cut, as shares of its length."""
    (number,), rows = {number for number, _ in parts}, np.concatenate([rows for _, rows in parts])
    return rows.min() / bank.lengths[number], (rows.max() + 1) / bank.lengths[number]


def test_speakers_outside_a_banks_groups_are_not_drawn_from_it(
    cache: Path, listing: Listing
) -> None:
    items = tuple(
        Item(item.path, f"{'words' if item.label == 'person0' else 'talks'}/{item.label}")
        for item in listing.items
    )
    grouped = Listing(listing.root, items)
    whole = cached_features(grouped, cache, Variant(1.0, "clean"), SPEC)
    part = cached_features(grouped, cache, Variant(1.0, "clean", 1.1), SPEC, groups=["talks"])
    named = [item.label.startswith("talks") for item in grouped.items]
    assert ((part.lengths > 0) == named).all()
    assert np.array_equal(part.lengths[named], whole.lengths[named])
    options = SampleOptions(batch_size=8, voice_chances=(0.1, 0.9), channel_chances=(1.0,))
    sources = VoiceSources(grouped, [[whole], [part]])
    made = VoiceBatches(sources, options, MelAugment(), SPEC, seed=1)
    assert made.classes == 2 * SPEAKERS - 1
    seen = {int(label) for step in range(20) for label in made.batch(step, 0.0)["label"]}
    assert seen == set(range(2 * SPEAKERS - 1))


@pytest.fixture(scope="module")
def trials(listing: Listing, cache: Path) -> VoiceTrials:
    from train.voice.dev import held_out_trials

    return held_out_trials(listing, cache, SPEC, seed=0)


def test_perfect_and_useless_embeddings(trials: VoiceTrials) -> None:
    numbers = iter(np.repeat(np.eye(SPEAKERS, dtype=np.float32), FILES, axis=0))
    perfect = trials.equal_error_rates(
        lambda x: np.stack([next(numbers) for _ in x]), step_frames=200
    )
    assert perfect == {"held_out": 0.0}
    same = trials.equal_error_rates(lambda x: np.ones((len(x), 1), np.float32))
    assert same["held_out"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [(None, SPEC.frames(19200)), (1.0, SPEC.frames(16000)), (9.0, SPEC.frames(19200))],
)
def test_trials_can_be_cut_to_a_duration(
    trials: VoiceTrials, seconds: float | None, frames: int
) -> None:
    seen = []

    def embed(features: np.ndarray) -> np.ndarray:
        seen.append(features.shape)
        return np.zeros((len(features), 1), np.float32)

    trials.embeddings(embed, seconds=seconds)
    assert {shape[1:] for shape in seen} == {(frames, SPEC.n_mels)}


def test_published_lists_must_name_known_files(
    listing: Listing, cache: Path, tmp_path: Path
) -> None:
    from train.voice.dev import published_trials

    file = tmp_path / "list.txt"
    file.write_text(
        "1 person0/0.wav person0/1.wav\n0 person0/0.wav person9/0.wav\n", encoding="utf-8"
    )
    with pytest.raises(DatasetError, match="person9"):
        published_trials(listing, {"list": file}, cache, SPEC)


def test_groups_are_weighted(listing: Listing, cache: Path) -> None:
    items = [
        Item(item.path, ("words/" if "0" in item.label else "talks/") + item.label)
        for item in listing.items
    ]
    batches = make_batches(
        Listing(listing.root, tuple(items)), cache, None, group_weights={"words": 0.0}
    )
    talks = {
        number for number, speaker in enumerate(batches.speakers) if speaker.startswith("talks/")
    }
    assert {
        int(label) % SPEAKERS for step in range(10) for label in batches.batch(step, 0.0)["label"]
    } == talks
