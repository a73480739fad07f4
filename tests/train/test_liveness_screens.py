"""Screens and prints: each subject is judged by the network that has not learned it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from align.surroundings import SIZE_PX
from liveness.judgement import LivenessOutcome
from liveness.picture_model import PictureModel
from network.serving.inputs import FaceInput
from network.serving.runtime import Shape
from tests.support.gallery_parts import ClipAligner, write_clip
from train.measure.liveness import Presentation
from utils.arrays import Float32Array

pytestmark = pytest.mark.tf
LIGHT = np.full((SIZE_PX, SIZE_PX, 3), 240, np.uint8)


def network(share: float) -> Any:
    """A network that is sure of nothing but `share`, and is fed shares of light."""

    def run(images: Float32Array) -> Float32Array:
        assert images.shape[1:] == LIGHT.shape
        assert images.max() <= 1
        return np.full((len(images), 1), share, np.float32)

    return run


class Shipped:
    """The network in use, which rates everything low."""

    input_names: tuple[str, ...] = ()
    input_shapes: tuple[Shape, ...] = ()

    def run(self, *inputs: Float32Array) -> Float32Array:
        """Rate."""
        return np.full((len(inputs[0]), 1), 0.1, np.float32)


@pytest.fixture
def show(tmp_path: Path) -> Callable[..., Presentation]:
    capture = ClipAligner().analyse(write_clip(tmp_path / "clip", face=1, voice=1))

    def present(species: str, subject: str, *, is_attack: bool = False) -> Presentation:
        seen = replace(capture, surroundings=(LIGHT, LIGHT))
        return Presentation(species, subject, is_attack, seen)

    return present


def test_nobody_is_judged_by_a_network_that_has_learned_the_face(
    show: Callable[..., Presentation],
) -> None:
    from train.measure.liveness_screens import Apart, clips_as_markdown, judge_apart

    networks = [
        Apart(frozenset({"ann"}), network(0.9)),
        Apart(frozenset({"bob"}), network(0.2)),
    ]
    model = PictureModel("shipped", 0.5, 0, FaceInput(size_px=SIZE_PX, scale=1 / 255), Shipped())
    shown = [
        show("people", "ann"),
        show("people", "bob"),
        show("dubbed", "cat", is_attack=True),
        show("single words", "dan"),
    ]
    trials = judge_apart(shown, networks, model)
    assert [trial.judgement.score for trial in trials] == pytest.approx([0.9, 0.2, 0.1, 0.1])
    assert trials[0].judgement.outcome is LivenessOutcome.PASSED
    table = clips_as_markdown(trials)
    assert "| people | BPCER | 1: 50.0 (1.3 to 98.7) | 2 | 0 | 2 |" in table
    assert "single words" not in table, "they are cut to the face"
