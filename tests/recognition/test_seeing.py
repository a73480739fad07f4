"""Faces that are embedded while a clip is decoded are those that are enough in the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recognition.analysis import Analyser
from recognition.few_faces import (
    FAST_STRETCHES,
    STRETCHES,
    choose_early,
    choose_few,
    turn_few,
)
from recognition.looking import Looking
from recognition.seeing import Seeing
from tests.recognition.test_few_faces import CountingFace, draw, make_faces
from tests.support.gallery_parts import ClipAligner, StubEncoders, StubFace, clip
from utils.arrays import BoolArray, Float32Array, ImageArray
from utils.config import Settings
from utils.demand import Demand, Listen, Watch
from utils.errors import ModelError
from utils.media import AlignedFace, Capture, FaceAnalysis
from utils.modality import Modality

CLEAR = 1.0
UNCLEAR = 0.6


def in_order_of_time(faces: list[AlignedFace]) -> list[AlignedFace]:
    return sorted(faces, key=lambda face: face.time_s)


@pytest.mark.parametrize("stretches", [FAST_STRETCHES, STRETCHES])
@pytest.mark.parametrize("count", [7, 8, 12, 24])
def test_what_is_chosen_early_is_chosen_in_the_end_and_seen_in_the_same_view(
    count: int, stretches: int
) -> None:
    images = [draw(1)] * count
    for best in range(count):
        faces = make_faces(images, best=best)
        chosen = zip(faces, choose_few(faces, stretches), turn_few(faces, stretches), strict=True)
        late = {face.time_s: bool(is_turned) for face, is_in, is_turned in chosen if is_in}
        early = choose_early(in_order_of_time(faces), count, stretches)
        assert {face.time_s: is_turned for face, is_turned in early} == late
        assert len(early) == stretches


def test_a_stretch_that_is_not_over_is_waited_for() -> None:
    faces = in_order_of_time(make_faces([draw(1)] * 12))
    for count, times_s in enumerate([[], [], [0], [0], [0, 2]]):
        assert [face.time_s for face, _ in choose_early(faces[:count], 12)] == times_s


@pytest.mark.parametrize(("count", "frames", "quality"), [(6, 6, CLEAR), (12, 12, UNCLEAR)])
def test_nothing_is_chosen_early_where_all_are_needed(
    count: int, frames: int, quality: float
) -> None:
    faces = make_faces([draw(1)] * count, quality=quality)
    assert choose_early(in_order_of_time(faces), frames) == []


def test_who_watches_embeds_one_face_at_a_time_and_none_twice() -> None:
    encoder = CountingFace()
    seeing = Seeing(encoder)
    faces = in_order_of_time(make_faces([draw(1, second) for second in range(12)]))
    assert [seeing.watch(faces[:4], 12) for _ in range(3)] == [True, True, False]
    assert encoder.counts == [1, 1]
    best_first = sorted(faces, key=lambda face: -face.quality.score)
    watched = Looking(encoder, in_turn=True).look(best_first, seeing)
    assert encoder.counts == [1] * 6
    anew = Looking(encoder, in_turn=True).look(best_first, Seeing(encoder))
    np.testing.assert_array_equal(watched.vector, anew.vector)


class WatchedAligner(ClipAligner):
    """Shows twelve faces one after the other before it returns, as the real one does."""

    is_watched = False

    def analyse(
        self,
        path: Path,
        *,
        filename: str | None = None,
        demand: Demand | None = None,
        listen: Listen | None = None,
        watch: Watch | None = None,
    ) -> Capture:
        """Read a clip."""
        capture = super().analyse(path, filename=filename)
        faces = make_faces([draw(1, second) for second in range(12)])
        for count in range(1, 13):
            while watch and watch(in_order_of_time(faces)[:count], 12):
                self.is_watched = True
        analysis = FaceAnalysis(tuple(faces), 1, 12, capture.face_analysis.quality)
        return replace(capture, face_analysis=analysis)


@pytest.mark.parametrize(
    ("accuracy", "whole", "counts"),
    [
        ("balanced", False, [1] * 6),
        ("balanced", True, [12]),
        ("thorough", False, [12]),
    ],
)
def test_a_question_embeds_faces_early_and_an_enrolment_does_not(
    tmp_path: Path, accuracy: str, counts: list[int], *, whole: bool
) -> None:
    path = tmp_path / "ann.mp4"
    path.write_bytes(clip(face="ann", voice="ann"))
    aligner = WatchedAligner()
    encoder = CountingFace()
    settings = Settings.of(accuracy=accuracy)
    probe = Analyser(aligner, StubEncoders(face=encoder), settings).analyse(path, whole=whole)
    assert encoder.counts == counts
    assert aligner.is_watched == (len(counts) > 1)
    assert Modality.FACE in probe.vectors


class BrokenFace(StubFace):
    """Fails at faces that are dark."""

    def embed_each(self, faces: ImageArray, *, turned: BoolArray | None = None) -> Float32Array:
        """Embed each face, or say what is wrong."""
        if faces.max() == 0:
            raise ModelError("The network gives numbers that are not finite.")
        return super().embed_each(faces, turned=turned)


@pytest.mark.parametrize("broken", [0, 1])
def test_what_is_wrong_with_a_view_is_told_whichever_thread_embeds_it(broken: int) -> None:
    images = [draw(1), draw(1)]
    images[broken] = np.zeros_like(images[broken])
    views = [(face, False) for face in make_faces(images)]
    with pytest.raises(ModelError, match="not finite"):
        Seeing(BrokenFace()).embed(views)
