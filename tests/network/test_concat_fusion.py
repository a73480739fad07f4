"""Fusion without training, and its table of impostors against simulation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gallery.search.memory import MemoryIndex
from gallery.store import NewPerson, NewTemplate
from network.serving.concat_fusion import ConcatFusion, add_up
from recognition.matching import Search
from recognition.sides import Side
from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from tests.support.gallery_parts import (
    CALIBRATION,
    StubEncoders,
    direction,
    embedding,
    open_gallery,
)
from utils.arrays import Float32Array
from utils.errors import ModelError
from utils.modality import Modality, PerModality

FACE = Calibration(
    slope=30.0,
    intercept=-8.0,
    impostors=ImpostorTable((0.5, 0.1, 0.01, 1e-3), (0.02, 0.14, 0.23, 0.3)),
)
VOICE = Calibration(
    slope=18.0, intercept=-6.0, impostors=ImpostorTable((0.5, 0.1, 0.01), (0.1, 0.27, 0.4))
)


@dataclasses.dataclass
class Encoder:
    encoder_id: str
    given: Calibration | None

    @property
    def calibration(self) -> Calibration:
        if self.given is None:
            raise ModelError("No calibration.")
        return self.given


def fusion(
    face: Calibration | None = FACE, voice: Calibration | None = VOICE, face_id: str = "f-1"
) -> ConcatFusion:
    return ConcatFusion(Encoder(face_id, face), Encoder("v-1", voice))


def people(n: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, 512)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_cosine_is_the_weighted_mean_and_llr_the_sum() -> None:
    faces = people(6, 1) + people(6, 1)[:1]
    voices = people(6, 2) + people(6, 2)[:1]
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    voices /= np.linalg.norm(voices, axis=1, keepdims=True)
    fused = fusion().fuse(faces, voices)
    assert fused.shape == (6, 1024)
    np.testing.assert_allclose(np.linalg.norm(fused, axis=1), 1, atol=1e-5)
    s_f = faces @ faces.T
    s_v = voices @ voices.T
    s = fused @ fused.T
    np.testing.assert_allclose(s, (30 * s_f + 18 * s_v) / 48, atol=1e-5)
    np.testing.assert_allclose(
        fusion().calibration.llr(s), FACE.llr(s_f) + VOICE.llr(s_v), atol=1e-3
    )


def test_nobody_pairs_and_missing_halves() -> None:
    none = np.zeros((0, 512), np.float32)
    assert fusion().fuse(none, none).shape == (0, 1024)
    with pytest.raises(ValueError, match="pairs"):
        fusion().fuse(people(2), people(1))
    alone = fusion().fuse(people(2), np.zeros((2, 512), np.float32))
    np.testing.assert_allclose(alone @ alone.T, people(2) @ people(2).T, atol=1e-6)
    assert not fusion().fuse(none[:0].reshape(0, 512), none).any()


def test_id_follows_from_encoders_and_weights() -> None:
    ids = {
        fusion().encoder_id,
        fusion(face_id="f-2").encoder_id,
        fusion(voice=dataclasses.replace(VOICE, slope=19.0)).encoder_id,
    }
    assert len(ids) == 3
    assert fusion().encoder_id == fusion().encoder_id
    assert fusion().encoder_id.startswith("llr-sum-")


def test_it_goes_by_bare_cosines_where_encoders_have_a_cohort() -> None:
    strengths = Calibration(
        slope=2.0, intercept=-1.0, impostors=ImpostorTable((0.5, 0.1), (0.0, 1.0)), cosine=FACE
    )
    assert fusion(face=strengths).calibration == fusion().calibration
    assert fusion(face=strengths).encoder_id == fusion().encoder_id


def test_it_does_not_serve_without_calibrations() -> None:
    with pytest.raises(ModelError):
        _ = fusion(voice=None).calibration


def test_a_table_that_begins_below_the_median_is_summed_from_the_median_on() -> None:
    late = Calibration(
        slope=10.0, intercept=-2.0, impostors=ImpostorTable((0.1, 0.01), (0.14, 0.23))
    )
    early = Calibration(
        slope=10.0, intercept=-2.0, impostors=ImpostorTable((0.9, 0.5, 0.1), (-0.1, 0.0, 0.1))
    )
    assert add_up(late, early).impostors.rates[0] == 0.5


def measured(scores: np.ndarray, slope: float, deepest: float) -> Calibration:
    rates = 0.5 * 10.0 ** (-np.arange(int(4 * np.log10(0.5 / deepest)) + 1) / 4)
    return Calibration(
        slope=slope,
        intercept=-5.0,
        impostors=ImpostorTable(tuple(rates), tuple(np.quantile(scores, 1 - rates))),
    )


def normal(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(0.02, 0.09, n), rng.normal(0.1, 0.13, n)


def skewed(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    return 0.02 + 0.15 * (rng.gamma(6, 1 / 6, n) - 1), 0.1 + 0.17 * (rng.gamma(3, 1 / 3, n) - 1)


@pytest.mark.parametrize("draw", [normal, skewed])
def test_measured_false_match_rates_are_the_stated_ones(draw: Callable[..., Float32Array]) -> None:
    """Two million impostors: the rates of the convolved table are kept within a tenth."""
    rng = np.random.default_rng(0)
    face, voice = draw(rng, 2_000_000)
    table = add_up(measured(face, 30.0, 1e-5), measured(voice, 18.0, 1e-4))
    fused = (30 * rng.permutation(face) + 18 * rng.permutation(voice)) / 48
    for rate in (0.1, 0.01, 1e-3):
        threshold, extrapolated = table.threshold(rate)
        assert not extrapolated
        assert (fused >= threshold).mean() == pytest.approx(rate, rel=0.1)
    assert table.threshold(1e-5)[1]  # no deeper than the shallower table
    beyond, _ = table.threshold(2e-5)
    assert (fused >= beyond).mean() < 2.5e-5


def test_a_modality_that_tells_nobody_apart_changes_nothing() -> None:
    useless = dataclasses.replace(VOICE, slope=1e-6)
    table = add_up(FACE, useless)
    for rate in table.impostors.rates:
        assert table.threshold(rate)[0] == pytest.approx(FACE.threshold(rate)[0], abs=0.0005)


def test_the_gallery_takes_vectors_of_this_size(tmp_path: Path) -> None:
    """Rows are added, changed and moved together as with 512 numbers."""
    both = ConcatFusion(Encoder("face-1", CALIBRATION), Encoder("voice-1", CALIBRATION))
    store = open_gallery(tmp_path)
    index = MemoryIndex(store, StubEncoders(fusion=both))  # type: ignore[arg-type]
    for number in range(8):
        templates = [
            NewTemplate(embedding(m, number), 1.0, f"{number}")
            for m in (Modality.FACE, Modality.VOICE)
        ]
        store.enroll(NewPerson(f"p{number}"), templates)
        index.snapshot()
    store.delete_person("p3")
    snapshot = index.snapshot()
    probe = {
        Modality.FACE: direction("face", 5, 1, 0.8),
        Modality.VOICE: direction("voice", 5, 1, 0.8),
    }
    probe[Modality.FUSED] = both.fuse(probe[Modality.FACE][None], probe[Modality.VOICE][None])[0]
    calibrations = PerModality(fused=both.calibration, face=CALIBRATION, voice=CALIBRATION)
    sides = {m: Side(vector) for m, vector in probe.items()}
    best = {m: Search(snapshot, sides, calibrations).rank(m)[0] for m in Modality}
    assert {c.person.person_id for c in best.values()} == {"p5"}
    assert best[Modality.FUSED].llr == pytest.approx(
        best[Modality.FACE].llr + best[Modality.VOICE].llr, abs=1e-3
    )
    store.close()
