"""Blended faces.

What they are made of, how turned views are bent and aligned, and their way into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.face_crops import batches, crop
from train.data.datasets import Listing, read_listing
from train.face.batches import UNKNOWN, TeacherOptions
from train.face.blend import Blender, lopsidedness, thumbnails, turn
from train.face.blend_cache import SHARD, BlendSource, cached_blends, make_blender
from train.face.teacher import Teacher, TeacherNetwork

pytestmark = pytest.mark.slow


def crops(number: int) -> np.ndarray:
    return np.stack([crop(seed) for seed in range(number)])


def make(images: np.ndarray, weights: Sequence[float] = (), seed: int = 1) -> Blender:
    """A blender that wants all crops equally, or as `weights` say."""
    wanted = np.array(weights or np.ones(len(images)), np.float32)
    return Blender(images, thumbnails(images), wanted, seed=seed)


def test_a_face_depends_on_seed_and_number_alone() -> None:
    one, other = (make(crops(20), seed=1) for _ in range(2))
    one.face(3)
    assert np.array_equal(one.face(7), other.face(7))
    assert not np.array_equal(one.face(7), one.face(8))
    assert not np.array_equal(one.face(7), make(crops(20), seed=2).face(7))
    assert one.face(7).shape == (112, 112, 3)
    assert one.face(7).dtype == np.uint8


def test_crops_of_no_weight_are_not_used() -> None:
    images = np.stack([np.full((112, 112, 3), value, np.uint8) for value in (40, 60, 200)])
    faces = np.stack([make(images, (1.0, 1.0, 0.0)).face(number) for number in range(60)])
    assert faces.max() <= 61
    assert {40, 60} <= set(np.unique(faces))


def test_a_partner_is_another_crop_and_looks_alike() -> None:
    """The mirror image is taken that has the light on the same side.

    One crop has a light left half, the other a light right half.
    """
    left = np.zeros((112, 112, 3), np.uint8)
    left[:, :56] = 200
    right = np.ascontiguousarray(left[:, ::-1])
    right[:4] = 90  # not the mirror image to the pixel
    blender = make(np.stack([left, right]))
    partner = blender._partner(0, np.random.default_rng(0))
    assert np.array_equal(partner, right[:, ::-1])


def test_a_turned_face_keeps_its_eyes_in_line_and_comes_closer_together() -> None:
    face = np.full((112, 112, 3), 30, np.uint8)
    for x, y in ((38, 52), (74, 52)):
        cv2.circle(face, (x, y), 4, (255, 255, 255), -1)
    assert np.abs(turn(face, 0.0).astype(int) - face).mean() < 1, "no turn, no change"
    for degrees in (-45, 45):
        view = turn(face, degrees)
        count, _, boxes, centres = cv2.connectedComponentsWithStats(
            (view[..., 0] > 140).astype(np.uint8)
        )
        assert count == 3
        order = np.argsort(centres[1:, 0])
        eyes = centres[1:][order]
        widths = boxes[1:, cv2.CC_STAT_WIDTH][order]
        assert eyes[1, 0] - eyes[0, 0] < 30, "36 px before"
        assert abs(eyes[1, 1] - eyes[0, 1]) < 2
        far = 0 if degrees < 0 else 1
        assert widths[far] < widths[1 - far], "the eye that turns away grows narrow"


def test_blends_are_made_once_and_can_grow(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork
) -> None:
    source = BlendSource(listing, tmp_path / "cache", (teacher,), 1)
    images, vectors = cached_blends(source, 1)
    assert (len(images), vectors.shape) == (SHARD, (SHARD, 6))
    shown = np.stack([images[row] for row in (0, SHARD - 1)])
    assert np.allclose(vectors[[0, SHARD - 1]], Teacher([teacher]).embed(shown), atol=2e-3)
    faces = source.images_file(0)
    written = faces.stat().st_mtime_ns
    source.teacher_file(0, teacher).unlink()  # as a kill between the two files would leave it
    again, same = cached_blends(source, SHARD)
    assert faces.stat().st_mtime_ns == written, "another teacher describes the same faces"
    assert np.array_equal(again[SHARD - 1], images[SHARD - 1])
    assert np.array_equal(same, vectors)
    once = replace(source, mirror=False)
    described = Teacher([teacher], mirror=False).embed(shown)
    assert np.allclose(cached_blends(once, 1)[1][[0, SHARD - 1]], described, atol=2e-3)


def test_blends_fill_their_share_of_a_batch(
    listing: Listing,
    tmp_path: Path,
    teacher: TeacherNetwork,
) -> None:
    options = TeacherOptions((teacher,), blends=SHARD, blend_share=0.3)
    source = batches(listing, tmp_path, teacher=options)
    batch = source.batch(5, 0.0)
    assert (batch["label"][7:] == UNKNOWN).all()
    assert (batch["label"][:7] >= 0).all()
    _, expected = cached_blends(BlendSource(listing, tmp_path / "cache", (teacher,), 1), SHARD)
    assert all((target == expected).all(axis=1).any() for target in batch["teacher"][7:])
    seen = np.concatenate(
        [source._in_turn(source._pools[1], step, 3) for step in range(SHARD // 3)]
    )
    assert len(set(seen.tolist())) == len(seen), "each once in an epoch"


@pytest.mark.parametrize(
    "wrong", [{"blends": 10, "view": "augmented"}, {"blends": -1}, {"blend_share": 1.0}]
)
def test_impossible_blends_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="blend"):
        TeacherOptions((TeacherNetwork(Path("teacher")),), **wrong)  # type: ignore[arg-type]


def test_a_face_that_looks_aside_is_lopsided() -> None:
    even = np.concatenate([crops(2)[:, :, :56], crops(2)[:, :, 55::-1]], axis=2)
    small = thumbnails(np.concatenate([even, crops(2)]))
    straight = lopsidedness(small)
    assert straight[:2].max() < 0.05 < straight[2:].min()
    assert np.allclose(straight, lopsidedness(small[:, :, ::-1]), atol=1e-6)


@pytest.mark.tf
@pytest.mark.usefixtures("shallow_patchface")
def test_nobodys_faces_have_no_part_in_the_margin_loss(
    listing: Listing,
    tmp_path: Path,
    teacher: TeacherNetwork,
) -> None:
    import tensorflow as tf

    from train.face.task import FaceOptions, FaceTask

    source = batches(
        listing, tmp_path, teacher=TeacherOptions((teacher,), blends=1), resolutions=((0.0, 48),)
    )
    task = FaceTask(source, None, FaceOptions("patchface"))
    batch = {name: tf.constant(value) for name, value in source.batch(0, 0.0).items()}
    parts = task.loss(batch, tf.constant(0.0))
    embeddings = task.network(tf.cast(batch["image"], tf.float32), training=True)
    assert batch["label"].numpy().tolist()[5:] == [UNKNOWN] * 5
    alone = task.heads[0].loss(embeddings[:5], batch["label"][:5], 0.0)
    assert float(parts["margin_head"]) == pytest.approx(float(alone), rel=1e-4)
    everyone = task.heads[1].loss(embeddings, batch["teacher"])
    assert float(parts["teacher"]) == pytest.approx(float(everyone), rel=1e-4)


@pytest.mark.tf
@pytest.mark.usefixtures("shallow_patchface")
def test_a_warm_start_fits_the_projection_to_the_teacher(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork
) -> None:
    import tensorflow as tf

    from train.face.task import FaceOptions, FaceTask
    from train.loop.losses import FACE_LOSSES

    source = batches(
        listing, tmp_path, teacher=TeacherOptions((teacher,)), resolutions=((0.0, 48),)
    )
    task = FaceTask(source, None, FaceOptions("patchface", replace(FACE_LOSSES, margin_head=0.0)))
    assert task.classifier is None, "nothing has to tell the people apart"
    batch = {name: tf.constant(value) for name, value in source.batch(40, 0.0).items()}
    before = task.loss(batch, tf.constant(0.0))
    assert set(before) == {"loss", "teacher", "relation"}
    views = source.batch(40, 0.0)["image"]

    def teacher_loss() -> float:
        return float(task.heads[0].loss(tf.constant(task.embed(views)), batch["teacher"]))

    unfitted = teacher_loss()
    task.fit_projection()
    assert teacher_loss() < 0.7 * unfitted


@pytest.mark.tf
@pytest.mark.usefixtures("shallow_patchface")
def test_layers_that_are_held_keep_weights_and_statistics(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork
) -> None:
    import tensorflow as tf

    from train.face.task import FaceOptions, FaceTask

    source = batches(
        listing, tmp_path, teacher=TeacherOptions((teacher,)), resolutions=((0.0, 48),)
    )
    task = FaceTask(source, None, FaceOptions("patchface", held_before="stage4"))
    learning = {variable.path.split("/")[0] for variable in task.network.trainable_variables}
    assert {name.split("_")[0] for name in learning} == {"stage4", "last", "global", "embedding"}
    before = {variable.path: variable.numpy() for variable in task.network.variables}
    batch = {name: tf.constant(value) for name, value in source.batch(0, 0.0).items()}
    with tf.GradientTape() as tape:
        loss = task.loss(batch, tf.constant(0.0))["loss"]
    assert None not in tape.gradient(loss, [v.value for v in task.network.trainable_variables])
    moved = {v.path for v in task.network.variables if np.any(v.numpy() != before[v.path])}
    assert moved, "what learns normalises by its batch"
    assert {path.split("/")[0] for path in moved} <= learning
    with pytest.raises(ValueError, match=r"name of a layer\. Received: held_before='stage9'"):
        FaceTask(source, None, FaceOptions("patchface", held_before="stage9"))


@pytest.mark.tf
@pytest.mark.usefixtures("shallow_patchface")
def test_what_is_published_has_the_emphasis_of_its_teacher(
    listing: Listing,
    tmp_path: Path,
    teacher: TeacherNetwork,
) -> None:
    from train.face.emphasis import DENSE, emphasis
    from train.face.task import FaceOptions, FaceTask

    source = batches(listing, tmp_path, teacher=TeacherOptions((teacher,)))
    task = FaceTask(source, None, FaceOptions("patchface", teacher_emphasis=0.8))
    before = task.network.get_layer(DENSE).get_weights()[0]
    projection = task.heads[1].kernel.numpy()
    task.finalise_weights()
    # Of a normalisation that has learned nothing yet
    expected = before / np.sqrt(1 + 1e-3) @ emphasis(projection, 0.8)
    np.testing.assert_allclose(task.network.get_layer(DENSE).get_weights()[0], expected, atol=1e-5)
    with pytest.raises(ValueError, match="teacher_emphasis"):
        FaceOptions("patchface", teacher_emphasis=-1.0)


def test_side_blends_are_made_of_lopsided_crops_only(
    tmp_path: Path, teacher: TeacherNetwork
) -> None:
    for number in range(20):
        image = np.full((112, 112, 3), 80, np.uint8)
        # Red on the left; three crops have an uneven share of it
        image[:, : 30 if number < 3 else 56, 0] = 240
        image[:, 56:, 0] = 80 if number < 3 else 240
        image[number, :, 1] = 90  # no two are equal
        file = tmp_path / "faces" / f"person{number}" / "1.png"
        file.parent.mkdir(parents=True)
        cv2.imwrite(str(file), image[..., ::-1])
    people = read_listing(tmp_path / "faces")
    blender = make_blender(BlendSource(people, tmp_path / "cache", (teacher,), 1, sides=True))
    red = np.stack([blender.face(number)[56, :, 0] for number in range(40)])
    assert (red == 80).any(axis=1).all(), "each has a part without red"
    everyone = make_blender(BlendSource(people, tmp_path / "cache", (teacher,), 1))
    assert not all((everyone.face(number)[56, :, 0] == 80).any() for number in range(40))
