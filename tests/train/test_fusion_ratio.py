"""How much lower the fused EER is than that of the better modality."""

from __future__ import annotations

import numpy as np

from train.data.tables import Table
from train.fusion.choice import weigh
from train.measure.fusion_ratio import Ratio, measure_ratio, ratio_table
from utils.arrays import unit
from utils.modality import PerModality


def test_the_ratio_of_known_errors() -> None:
    """By face one of ten is on the wrong side, by voice two, fused one of twenty."""
    rng = np.random.default_rng(0)
    people = rng.integers(40, size=(4000, 2))
    people[:2000, 1] = people[:2000, 0]
    labels = (people[:, 0] == people[:, 1]).astype(np.int64)

    def scores(share: float) -> np.ndarray:
        wrong = rng.random(len(labels)) < share
        return np.where(wrong, 1 - labels, labels) + 0.1 * rng.random(len(labels))

    made = PerModality(fused=scores(0.05), face=scores(0.1), voice=scores(0.2))
    ratio = measure_ratio(made, labels, people)
    assert 0.35 < ratio.value < 0.65
    assert ratio.low < ratio.value < ratio.high
    clear = PerModality(fused=scores(0.0), face=scores(0.0), voice=scores(0.2))
    assert str(measure_ratio(clear, labels, people)) == "the better one makes no error"
    assert str(Ratio(0.5, 0.25, 1.0)) == "0.50 (0.25 to 1.00)"


def test_pseudo_people_under_every_condition() -> None:
    """People whose faces and voices resemble each other are told apart better by both."""
    rng = np.random.default_rng(1)

    def table(conditions: tuple[str, ...]) -> Table:
        person = np.repeat(np.arange(24), 3 * len(conditions))
        common = rng.normal(size=512)
        centres = rng.normal(size=(24, 512)) + common
        vectors = centres[person] + 3.5 * rng.normal(size=(len(person), 512))
        return Table(
            vectors=unit(vectors.astype(np.float32)),
            person=person,
            file=np.arange(len(person)) // len(conditions),
            condition=np.arange(len(person)) % len(conditions),
            names=tuple(f"p{number}" for number in range(24)),
            conditions=conditions,
            seconds=np.ones(len(person), np.float32),
            quality=np.ones((len(person), 1), np.float32),
        )

    faces = table(("clean", "blur", "dark"))
    voices = table(("clean", "noise 0 dB", "1 s"))
    made = ratio_table(faces, voices, weigh(1, 1)).splitlines()
    assert len(made) == 2 + 6
    assert made[2].startswith("| clean / clean | ")
