"""Search against a plain loop over people as the oracle."""
from __future__ import annotations

import numpy as np
import pytest

from gallery.index import ALL, MemoryIndex
from gallery.matching import llr_of, rank
from gallery.store import NewPerson, NewTemplate
from tests.gallery_parts import CALIBRATION, StubEncoders, StubFusion, direction, embedding, open_gallery
from utils.calibration import Calibration

FACE, VOICE, FUSED = ALL
SHIFTED = Calibration(30.0, -2.0, (0.5, 0.1), (0.0, 0.1))
CALIBRATIONS = {FACE: CALIBRATION, VOICE: SHIFTED, FUSED: CALIBRATION}


@pytest.fixture
def gallery(tmp_path):
    """Identity → modalities: 1-4 both, 5-6 face only, 7-8 voice only."""
    has = {**dict.fromkeys(range(1, 5), "fv"), 5: "f", 6: "f", 7: "v", 8: "v"}
    store = open_gallery(tmp_path)
    for i, modalities in has.items():
        store.enroll(NewPerson(f"p{i}"), [NewTemplate(embedding(FACE if m == "f" else VOICE, i), 1.0, str(i)) for m in modalities])
    yield has, MemoryIndex(store, StubEncoders()).snapshot()
    store.close()


def probe(face=None, voice=None, sample=1, noise=0.8):
    vectors = {}
    if face is not None:
        vectors[FACE] = direction("face", face, sample, noise)
    if voice is not None:
        vectors[VOICE] = direction("voice", voice, sample, noise)
    if len(vectors) == 2:
        vectors[FUSED] = StubFusion().fuse(vectors[FACE][None], vectors[VOICE][None])[0]
    return vectors


def oracle(has, vectors, modality):
    """Best two of (llr, score, person_id, modality), one person after the other."""
    found = []
    for i, modalities in has.items():
        person = probe(("f" in modalities and i) or None, ("v" in modalities and i) or None, noise=0.0)
        by = modality
        if modality == FUSED and len(modalities) == 1:
            by = FACE if modalities == "f" else VOICE
        if by in person:
            score = float(vectors[by] @ person[by])
            found.append((float(CALIBRATIONS[by].llr(score)), score, f"p{i}", by))
    return sorted(found, reverse=True)[:2]


@pytest.mark.parametrize("who", range(1, 10))
@pytest.mark.parametrize("modality", ALL)
def test_equals_the_loop(gallery, who, modality):
    has, snapshot = gallery
    vectors = probe(who, who)
    found = rank(snapshot, vectors, modality, CALIBRATIONS)
    expected = oracle(has, vectors, modality)
    assert [(c.person.person_id, c.modality) for c in found] == [(e[2], e[3]) for e in expected]
    np.testing.assert_allclose([c.score for c in found], [e[1] for e in expected], atol=1e-5)
    np.testing.assert_allclose([c.llr for c in found], [e[0] for e in expected], atol=1e-3)


@pytest.mark.parametrize(("face", "voice"), [(1, 2), (5, 7), (7, 5), (2, 8), (9, 3)])
def test_mixed_probes_equal_the_loop(gallery, face, voice):
    has, snapshot = gallery
    vectors = probe(face, voice)
    assert [c.person.person_id for c in rank(snapshot, vectors, FUSED, CALIBRATIONS)] == [e[2] for e in oracle(has, vectors, FUSED)]


def test_people_are_compared_on_the_calibrated_scale(gallery):
    """A face-only and a voice-only person at the same cosine: the better calibrated modality weighs more, not the higher cosine."""
    _, snapshot = gallery
    face, voice = direction("face", 5), direction("voice", 7)
    vectors = {FACE: (0.6 * face + 0.8 * direction("face", 99)).astype(np.float32),
               VOICE: (0.7 * voice + 0.714 * direction("voice", 99)).astype(np.float32)}
    vectors[FUSED] = StubFusion().fuse(vectors[FACE][None], vectors[VOICE][None])[0]
    best, second = rank(snapshot, vectors, FUSED, CALIBRATIONS)
    assert (best.person.person_id, second.person.person_id) == ("p5", "p7")
    assert best.score < second.score
    assert best.llr > second.llr


def test_few_and_none(tmp_path):
    store = open_gallery(tmp_path)
    index = MemoryIndex(store, StubEncoders())
    assert rank(index.snapshot(), probe(1, 1), FUSED, CALIBRATIONS) == ()
    store.enroll(NewPerson("a"), [NewTemplate(embedding(FACE, 1), 1.0, "1")])
    assert [c.modality for c in rank(index.snapshot(), probe(1, 1), FUSED, CALIBRATIONS)] == [FACE]
    assert rank(index.snapshot(), probe(1, 1), VOICE, CALIBRATIONS) == ()
    store.delete_person("a")
    assert rank(index.snapshot(), probe(1, 1), FACE, CALIBRATIONS) == ()
    store.close()


def test_scores_are_cosines_even_after_rounding(gallery):
    _, snapshot = gallery
    exact = probe(1, 1, noise=0.0)
    exact[FACE] = exact[FACE] * np.float32(1.0000005)
    assert rank(snapshot, exact, FACE, CALIBRATIONS)[0].score <= 1.0


def test_the_score_of_a_person_is_the_mean_cosine(tmp_path):
    """Over all templates of a modality; fused over pairs of them: strangers score with many templates as with one."""
    store = open_gallery(tmp_path)
    people = {f"p{i}": [(i, sample) for sample in range(1 + i % 4)] for i in range(1, 6)}
    for name, clips in people.items():
        store.create_person(name)
        for i, sample in clips:
            store.enroll(name, [NewTemplate(embedding(m, i, sample, 0.8), 1.0, f"{i}-{sample}") for m in (FACE, VOICE)])
    snapshot = MemoryIndex(store, StubEncoders()).snapshot()
    rows = {snapshot.refs[int(key)].person_id: row for row, key in enumerate(snapshot.keys)}
    for who in (2, 9):
        vectors = probe(who, who, sample=50)
        for name, clips in people.items():
            for modality in ALL:
                each = [float(vectors[modality] @ probe(i, i, sample)[modality]) for i, sample in clips]
                assert snapshot.vectors[modality][rows[name]] @ vectors[modality] == pytest.approx(np.mean(each), abs=1e-6)
        assert rank(snapshot, vectors, FUSED, CALIBRATIONS)[0].person.person_id == "p2" or who == 9
    store.close()


def test_ratio_of_one_person(gallery):
    has, snapshot = gallery
    vectors = probe(1, 2)
    for ref in snapshot.refs.values():
        for modality, kind in ((FACE, "f"), (VOICE, "v")):
            found = llr_of(snapshot, vectors, ref, modality, CALIBRATIONS)
            number = int(ref.person_id[1:])
            if kind in has[number]:
                score = vectors[modality] @ probe(number, number, noise=0.0)[modality]
                assert found == pytest.approx(float(CALIBRATIONS[modality].llr(score)), abs=1e-3)
            else:
                assert found is None
    assert llr_of(snapshot, probe(1), snapshot.refs[int(snapshot.keys[0])], VOICE, CALIBRATIONS) is None
