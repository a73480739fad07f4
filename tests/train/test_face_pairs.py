"""Pairs of one person in the batches of faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.face_crops import batches
from train.data.datasets import Listing
from train.face.batches import TeacherOptions
from train.face.pairs import PairOptions, PairPicker
from train.face.teacher import TeacherNetwork
from utils.arrays import unit

# Two people with three crops each, one with one, and a crop that bears a wrong name
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, -1, 1], np.int32)
TARGETS = np.array(
    [[1, 0.1], [1, 0], [1, -0.1], [0, 1], [0.1, 1], [0, 1], [1, 1], [1, 0], [0, -1]], np.float32
)
SIDES = np.array([0.0, 0.1, 1.5, 0.0, 1.0, 0.9, 1.0, 2.0, 2.0], np.float32)


def make_picker(**options: float) -> PairPicker:
    return PairPicker(LABELS, unit(TARGETS), SIDES, PairOptions(**options))


def test_both_of_a_pair_are_one_person_from_different_sides() -> None:
    rows = make_picker().rows(np.random.default_rng(1), 400).reshape(-1, 2)
    assert len(rows) == 110
    assert np.array_equal(LABELS[rows[:, 0]], LABELS[rows[:, 1]])
    assert set(rows.ravel()) == {0, 1, 2, 3, 4, 5}, "nobody's, a single one and a wrong one never"
    assert {tuple(row) for row in rows if row[0] < 3} == {(0, 2), (1, 2), (2, 0)}
    first = np.bincount(rows[:, 0], minlength=6)
    assert first[2] > first[0] + first[1], "from the side four times as often as from the front"


def test_targets_move_to_their_person() -> None:
    targets = make_picker(centre=0.5).targets
    assert targets == pytest.approx(unit(targets))
    assert np.all(np.abs(targets[:3, 1]) < np.abs(unit(TARGETS)[:3, 1]) + 1e-6)
    assert 0 < targets[0, 1] < unit(TARGETS)[0, 1]
    assert np.array_equal(targets[7:], unit(TARGETS)[7:]), "nobody's, and one unlike its person"
    assert make_picker(centre=0).targets == pytest.approx(unit(TARGETS))


def test_without_pairs_to_be_had_there_are_none() -> None:
    picker = PairPicker(LABELS[6:8], unit(TARGETS[6:8]), SIDES[6:8], PairOptions())
    assert len(picker.rows(np.random.default_rng(1), 100)) == 0


@pytest.mark.parametrize(
    "wrong", [{"share": 1.0}, {"share": -0.1}, {"centre": 1.1}, {"turned": 2}, {"weight": -1}]
)
def test_shares_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"Received: .*{next(iter(wrong))}="):
        PairOptions(**wrong)


def test_a_batch_begins_with_pairs(
    listing: Listing, tmp_path: Path, teacher: TeacherNetwork
) -> None:
    options = {"teacher": TeacherOptions((teacher,)), "batch_size": 10}
    source = batches(listing, tmp_path, pairs=PairOptions(share=0.6, turned=1), **options)
    batch = source.batch(3, 0.5)
    assert batch["image"].shape == (10, 112, 112, 3)
    assert np.array_equal(batch["label"][0:6:2], batch["label"][1:6:2])
    assert np.array_equal(source.batch(3, 0.5)["image"], batch["image"]), "again the same"
    assert not np.array_equal(source.batch(4, 0.5)["label"], batch["label"])
    # Those that are in no pair still come once in an epoch: 24 crops, 4 a batch
    single = np.concatenate([source.batch(step, 0.5)["label"][6:] for step in range(6)])
    assert np.array_equal(np.bincount(single), np.full(8, 3))


def test_pairs_need_targets(listing: Listing, tmp_path: Path, teacher: TeacherNetwork) -> None:
    with pytest.raises(ValueError, match="Received: view=None"):
        batches(listing, tmp_path, pairs=PairOptions())
    seen = TeacherOptions((teacher,), view="augmented")
    with pytest.raises(ValueError, match="Received: view='augmented'"):
        batches(listing, tmp_path, pairs=PairOptions(), teacher=seen)


@pytest.mark.tf
@pytest.mark.usefixtures("shallow_patchface")
def test_pairs_count_in_the_loss(listing: Listing, tmp_path: Path, teacher: TeacherNetwork) -> None:
    import tensorflow as tf

    from train.face.task import FaceOptions, FaceTask

    options = {"teacher": TeacherOptions((teacher,)), "resolutions": ((0.0, 48),)}
    losses = []
    for weight in (0.0, 3.0):
        source = batches(listing, tmp_path, pairs=PairOptions(weight=weight), **options)
        task = FaceTask(source, None, FaceOptions("patchface"))
        batch = {name: tf.constant(value) for name, value in source.batch(0, 0.0).items()}
        losses.append({name: float(part) for name, part in task.loss(batch, 0.0).items()})
    for weight, parts in zip((0.0, 3.0), losses, strict=True):
        others = parts["teacher"] + 40 * parts["relation"] + 0.02 * parts["margin_head"]
        assert parts["same_person"] > 0
        assert parts["loss"] == pytest.approx(others + weight * parts["same_person"], rel=1e-4)
