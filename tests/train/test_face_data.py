"""Face crops on their way into training: cache, teacher, augmentation, batches, held-out pairs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import helper

from bench.training import VARIANTS, configuration
from network.serving.card import read_card, write_card
from network.serving.inputs import FaceInput
from tests.support.face_crops import batches, crop, write_network
from train.data.datasets import Listing, hold_out, read_listing
from train.data.protocols import Trials
from train.face.augment import AugmentOptions, augment
from train.face.batches import UNKNOWN, TeacherOptions, resize
from train.face.cache import cached_images, save_array
from train.face.dev import FacePairs, held_out_pairs
from train.face.teacher import (
    Teacher,
    TeacherNetwork,
    cached_teacher,
    cached_views,
    read_networks,
    teacher_tag,
)
from utils.arrays import unit
from utils.errors import DatasetError

EVERYTHING = AugmentOptions(
    misaligned=1.0, shrunk=1.0, coded=1.0, blurred=1.0, lit=1.0, tinted=1.0, covered=1.0, grey=1.0
)


def test_images_are_decoded_once_in_rgb(listing: Listing, tmp_path: Path) -> None:
    images = cached_images(listing, tmp_path / "cache")
    place = [item.path for item in listing.items].index("person2/7.png")
    assert images.shape == (24, 112, 112, 3)
    assert np.array_equal(images[place], crop(7))
    made = next((tmp_path / "cache").rglob("images.npy")).stat().st_mtime_ns
    assert np.array_equal(cached_images(listing, tmp_path / "cache"), images)
    assert next((tmp_path / "cache").rglob("images.npy")).stat().st_mtime_ns == made, (
        "the second time nothing is decoded"
    )
    (listing.root / "person2/7.png").write_bytes((listing.root / "person0/0.png").read_bytes())
    assert np.array_equal(cached_images(listing, tmp_path / "cache")[place], crop(0)), (
        "a file that changed is decoded again"
    )


@pytest.mark.parametrize(
    "content", [b"no image", cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()]
)
def test_only_aligned_crops_are_taken(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "faces" / "ann" / "1.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"112 × 112 px\. Received: ann/1\.png"):
        cached_images(read_listing(tmp_path / "faces"), tmp_path / "cache")
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()], (
        "nothing half written"
    )


def test_nothing_is_left_of_an_array_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(file: Path, _: np.ndarray) -> None:
        file.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "save", torn)
    with pytest.raises(OSError, match="no space"):
        save_array(tmp_path / "teacher.npy", np.zeros(1))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def carded(tmp_path: Path) -> TeacherNetwork:
    """A face network with a card of its own.

    It gives the mean of each colour on the left and on the right half of a picture of 56 px,
    (n, h, w, bgr).
    """
    nodes = [
        helper.make_node("Transpose", ["x"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["halves"], kernel_shape=[56, 28], strides=[56, 28]
        ),
        helper.make_node("Flatten", ["halves"], ["out"]),
    ]
    fed = FaceInput(
        mean=(127.5, 100.0, 90.0), std=(128.0, 64.0, 32.0), size_px=56, channels="bgr", mirror=True
    )
    write_network(tmp_path / "carded", ["n", 56, 56, 3], nodes, fed)
    return TeacherNetwork(tmp_path / "carded")


def test_a_teacher_is_fed_as_its_card_says(
    listing: Listing, tmp_path: Path, carded: TeacherNetwork
) -> None:
    images = np.stack([crop(number) for number in range(3)])
    pixels = (
        images[..., ::-1].reshape((3, 56, 2, 2, 28, 2, 3)).mean(axis=(1, 2, 4, 5))
        - [127.5, 100.0, 90.0]
    ) / [128.0, 64.0, 32.0]
    expected = pixels.transpose(0, 2, 1).reshape(3, 6)  # colour by colour
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    once = Teacher([carded], mirror=False)
    assert np.allclose(once.embed(images), expected, atol=0.02), "whatever its card says of mirrors"
    both = Teacher([carded]).embed(images)
    sides = unit(once.embed(images) + once.embed(images[:, :, ::-1]))
    assert np.allclose(both, sides, atol=1e-5)
    source = batches(listing, tmp_path, teacher=TeacherOptions((carded,)))
    assert source.batch(0, 0.0)["teacher"].shape == (10, 6)


def test_cosines_of_several_networks_are_weighted(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork, carded: TeacherNetwork
) -> None:
    images = np.stack([crop(number) for number in range(4)])
    first, second = (Teacher([network]).embed(images) for network in (teacher, carded))
    heavy = dataclasses.replace(carded, weight=3.0)
    joint = Teacher([teacher, heavy]).embed(images)
    assert joint.shape == (4, 12)
    assert np.allclose(joint @ joint.T, first @ first.T / 4 + second @ second.T * 3 / 4, atol=1e-5)
    cached = cached_teacher(listing, tmp_path / "cache", (teacher, heavy))
    place = [item.path for item in listing.items].index("person0/2.png")
    assert np.allclose(cached[place], joint[2], atol=2e-3)
    with pytest.raises(ValueError, match=r"positive\. Received: weight=0"):
        TeacherNetwork(carded.path, weight=0)


def test_the_caches_name_says_whose_embeddings_they_are(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork, carded: TeacherNetwork
) -> None:
    """A card that feeds its network otherwise makes other embeddings."""
    cached_teacher(listing, tmp_path / "cache", (teacher, carded))
    cached_teacher(listing, tmp_path / "cache", (carded,), mirror=False)
    names = {file.name for file in (tmp_path / "cache").glob("*/teacher-*.npy")}
    assert len(names) == 3
    card = read_card(carded.path)
    write_card(
        carded.path, dataclasses.replace(card, terms="MIT", input={**card.input, "mirror": False})
    )
    teacher_tag.cache_clear()
    assert f"teacher-{teacher_tag(carded.path)}.npy" in names, "these change nothing"
    write_card(carded.path, dataclasses.replace(card, input={**card.input, "scale": 0.5}))
    teacher_tag.cache_clear()
    assert f"teacher-{teacher_tag(carded.path)}.npy" not in names


@pytest.mark.parametrize("view", ["cached", "augmented"])
def test_a_teacher_that_is_not_there(listing: Listing, tmp_path: Path, view: str) -> None:
    (tmp_path / "empty").mkdir()
    options = TeacherOptions((TeacherNetwork(tmp_path / "empty"),), view=view)
    with pytest.raises(DatasetError, match=r"empty/card\.json is missing") as caught:
        batches(listing, tmp_path, teacher=options)
    assert "--no-teacher" in caught.value.hint
    assert str(tmp_path) not in caught.value.message


def test_faces_without_names_are_described_by_the_teacher_alone(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork
) -> None:
    (tmp_path / "more" / "nobody").mkdir(parents=True)
    for number in (60, 61, 62):
        cv2.imwrite(str(tmp_path / f"more/nobody/{number}.png"), crop(number)[..., ::-1])
    more = (read_listing(tmp_path / "more"),)
    options = TeacherOptions((teacher,), mirror=False)
    source = batches(
        listing, tmp_path, batch_size=27, teacher=options, unlabelled=more, augmentation=None
    )
    batch = source.batch(0, 0.0)
    nobody = batch["label"] == UNKNOWN
    assert nobody.sum() == 3, "each face once in an epoch"
    once = Teacher([teacher], mirror=False)
    described = once.embed(np.stack([crop(number) for number in (60, 61, 62)]))
    assert np.allclose(np.sort(batch["teacher"][nobody], 0), np.sort(described, 0), atol=2e-3)
    alone = batches(listing, tmp_path, batch_size=27, unlabelled=more)
    assert (alone.batch(0, 0.0)["label"] != UNKNOWN).all(), "labels alone teach nothing of them"


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_the_benchmark_trains_can_be_trained(variant: str) -> None:
    config = configuration("face", variant, 64)
    networks = read_networks(config["teacher"]["networks"])
    assert TeacherOptions(**config["teacher"] | {"networks": networks}).networks == networks
    assert config["data"]["resolutions"] == [[0.0, 64]]
    assert ("augment" in config) == (variant != "plain")


def test_teacher_sees_crop_and_mirror_image(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork
) -> None:
    images = cached_images(listing, tmp_path / "cache")
    file = tmp_path / "views.npy"
    pairs = cached_views(file, images, teacher.path, mirror=True)
    assert pairs.shape == (24, 2, 6)
    assert np.allclose(np.linalg.norm(pairs.astype(np.float32), axis=2), 1, atol=2e-3)
    assert np.allclose(pairs[:, 0, 0::2], pairs[:, 1, 1::2], atol=0.05), (
        "left and right halves change places"
    )
    assert not np.allclose(pairs[:, 0], pairs[:, 1], atol=0.05)
    written = file.stat().st_mtime_ns
    assert np.array_equal(cached_views(file, images, teacher.path, mirror=True), pairs)
    assert file.stat().st_mtime_ns == written, "the second time nothing is embedded"


def test_augmentation_is_a_function_of_the_seed() -> None:
    image = crop(1)
    for size in (64, 80, 112):
        views = [
            augment(image, np.random.default_rng(seed), EVERYTHING, size) for seed in (3, 3, 4)
        ]
        assert views[0].shape == (size, size, 3)
        assert views[0].dtype == np.uint8
        assert np.array_equal(views[0], views[1])
        assert not np.array_equal(views[0], views[2])
    assert np.array_equal(image, crop(1)), "the source stays as it is"


def test_without_disturbances_only_the_size_changes() -> None:
    off = AugmentOptions(
        misaligned=0, shrunk=0, coded=0, blurred=0, lit=0, tinted=0, covered=0, grey=0
    )
    rng = np.random.default_rng(0)
    assert np.array_equal(augment(crop(1), rng, off, 112), crop(1))
    small = augment(crop(1), rng, off, 56).astype(int)
    assert np.abs(small - resize(crop(1)[None], 56)[0]).mean() < 1


@pytest.mark.parametrize(
    "name", ["misaligned", "shrunk", "coded", "blurred", "lit", "tinted", "covered", "grey"]
)
def test_each_disturbance_changes_the_picture_but_not_beyond_recognition(name: str) -> None:
    names = ("misaligned", "shrunk", "coded", "blurred", "lit", "tinted", "covered", "grey")
    options = AugmentOptions(**{other: float(other == name) for other in names})
    changed = [augment(crop(seed), np.random.default_rng(seed), options, 112) for seed in range(20)]
    difference = [np.abs(view.astype(int) - crop(seed)).mean() for seed, view in enumerate(changed)]
    assert np.median(difference) > 0.2
    assert np.median(difference) < 60


def test_batch_depends_on_seed_and_step_alone(listing: Listing, tmp_path: Path) -> None:
    one = batches(listing, tmp_path)
    other = batches(listing, tmp_path)
    one.batch(0, 0.0)
    for step in (7, 3):
        for name, value in one.batch(step, 0.0).items():
            assert np.array_equal(value, other.batch(step, 0.0)[name])
    different = batches(listing, tmp_path, seed=2)
    assert not np.array_equal(different.batch(3, 0.0)["label"], one.batch(3, 0.0)["label"])


def test_every_crop_once_in_an_epoch(listing: Listing, tmp_path: Path) -> None:
    source = batches(listing, tmp_path, batch_size=8)
    labels = np.concatenate([source.batch(step, 0.0)["label"] for step in (0, 1, 2)])
    assert np.array_equal(np.bincount(labels), np.full(8, 3))


def test_resolution_grows_with_progress(listing: Listing, tmp_path: Path) -> None:
    source = batches(listing, tmp_path, resolutions=((0.0, 64), (0.5, 112)))
    assert source.batch(0, 0.49)["image"].shape == (10, 64, 64, 3)
    assert source.batch(0, 0.5)["image"].shape == (10, 112, 112, 3)


def test_cached_targets_do_not_know_the_view(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork
) -> None:
    source = batches(listing, tmp_path, teacher=TeacherOptions((teacher,)))
    expected = cached_teacher(listing, tmp_path / "cache", (teacher,))
    targets = source.batch(2, 0.0)["teacher"]
    assert source.teacher_size == 6
    for target in targets:
        assert any(np.array_equal(target, row) for row in expected)


def test_targets_of_the_augmented_view(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork
) -> None:
    source = batches(
        listing,
        tmp_path,
        teacher=TeacherOptions((teacher,), view="augmented"),
        resolutions=((0.0, 64), (0.5, 112)),
    )
    batch = source.batch(2, 1.0)
    assert source.teacher_size == 6
    assert np.allclose(batch["teacher"], Teacher([teacher]).embed(batch["image"]), atol=1e-6)
    assert source.batch(2, 0.0)["image"].shape[1] == 64
    assert np.allclose(source.batch(2, 0.0)["teacher"], batch["teacher"]), (
        "the teacher sees the full resolution"
    )
    with pytest.raises(ValueError, match="view"):
        TeacherOptions((teacher,), view="sideways")


def test_hold_out_keeps_people_apart(listing: Listing) -> None:
    rest, held = hold_out(listing, 0.1, seed=1)
    assert not set(rest.labels) & set(held.labels)
    assert len(held.labels) == 5
    assert len(rest.items) + len(held.items) == 24
    with pytest.raises(DatasetError, match="at least 7 identities"):
        hold_out(Listing(listing.root, listing.items[:9]), 0.1, seed=1)
    with pytest.raises(DatasetError, match=r"left to train on\. Received: held_out=1"):
        hold_out(listing, 1.0, seed=1)


def test_held_out_pairs_are_within_and_across_people(listing: Listing, tmp_path: Path) -> None:
    pairs = held_out_pairs(listing, tmp_path / "cache", seed=1)
    trials = pairs.lists["held_out_accuracy"]
    same = [
        a.split("/")[0] == b.split("/")[0] for a, b in zip(trials.left, trials.right, strict=True)
    ]
    assert np.array_equal(trials.labels == 1, same)
    assert sum(same) * 2 == len(same) == 48


def test_accuracy_of_a_perfect_and_of_a_blind_embedding() -> None:
    images = np.stack([crop(number // 2) for number in range(40)])
    places = {str(number): number for number in range(40)}
    left = [str(number) for number in range(0, 40, 2)] * 2
    right = [str(number + 1) for number in range(0, 40, 2)] + [
        str((number + 3) % 40) for number in range(0, 40, 2)
    ]
    labels = np.repeat([1, 0], 20)
    folds = np.arange(40) % 5
    pairs = FacePairs(images, places, {"toy": Trials(labels, tuple(left), tuple(right), folds)})
    pixels = pairs.accuracies(
        lambda x: x.reshape(len(x), -1).astype(np.float32) - 127, 112, mirror=True
    )
    assert pixels == {"toy": 1.0}
    blind = pairs.accuracies(lambda x: np.ones((len(x), 4), np.float32), 112, mirror=False)
    assert blind["toy"] == pytest.approx(0.5, abs=0.15)
