"""Search against a plain loop over people as the oracle."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gallery.search.memory import ALL, MemoryIndex, Snapshot
from gallery.store import NewPerson, NewTemplate
from recognition.matching import Candidate, Search
from recognition.sides import Calibrations, Side, Sides, compare
from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from scoring.norms import OTHERS, CohortNorm
from tests.support.gallery_parts import (
    CALIBRATION,
    StubEncoders,
    StubFusion,
    direction,
    embedding,
    open_gallery,
)
from tests.support.norms import COHORT, NORM, NORMED, NORMED_EVERYWHERE, NUMBERS
from utils.arrays import EMBEDDING_SIZE, Float32Array
from utils.modality import Modality, PerModality

pytestmark = pytest.mark.slow

FACE, VOICE, FUSED = ALL
SHIFTED = Calibration(slope=30.0, intercept=-2.0, impostors=ImpostorTable((0.5, 0.1), (0.0, 0.1)))
CALIBRATIONS = PerModality(fused=CALIBRATION, face=CALIBRATION, voice=SHIFTED)

Gallery = tuple[dict[int, str], Snapshot]
"""Identity → modalities, and all of it as a search sees it."""


def rank(
    snapshot: Snapshot,
    vectors: Mapping[Modality, Float32Array],
    modality: Modality,
    calibrations: Calibrations = CALIBRATIONS,
) -> tuple[Candidate, ...]:
    return Search(snapshot, sides(vectors), calibrations).rank(modality)


def sides(vectors: Mapping[Modality, Float32Array], speech_s: float = 0.0) -> Sides:
    return {m: Side(vector=vector, speech_s=speech_s) for m, vector in vectors.items()}


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """Identity → modalities: 1-4 both, 5-6 face only, 7-8 voice only."""
    has = {**dict.fromkeys(range(1, 5), "fv"), 5: "f", 6: "f", 7: "v", 8: "v"}
    store = open_gallery(tmp_path)
    for i, modalities in has.items():
        store.enroll(
            NewPerson(f"p{i}"),
            [
                NewTemplate(embedding(FACE if m == "f" else VOICE, i), 1.0, str(i))
                for m in modalities
            ],
        )
    yield has, MemoryIndex(store, StubEncoders()).snapshot()
    store.close()


def probe(
    face: int | None = None, voice: int | None = None, sample: int = 1, noise: float = 0.8
) -> dict[Modality, Float32Array]:
    vectors = {}
    if face is not None:
        vectors[FACE] = direction("face", face, sample, noise)
    if voice is not None:
        vectors[VOICE] = direction("voice", voice, sample, noise)
    if len(vectors) == 2:
        vectors[FUSED] = StubFusion().fuse(vectors[FACE][None], vectors[VOICE][None])[0]
    return vectors


def oracle(
    has: Mapping[int, str], vectors: Mapping[Modality, Float32Array], modality: Modality
) -> list[tuple[float, float, str, Modality]]:
    """Best two of (llr, score, person_id, modality), one person after the other."""
    scored = []
    for i, modalities in has.items():
        person = probe(
            ("f" in modalities and i) or None, ("v" in modalities and i) or None, noise=0.0
        )
        by = modality
        if modality == FUSED and len(modalities) == 1:
            by = FACE if modalities == "f" else VOICE
        if by in person:
            score = float(vectors[by] @ person[by])
            scored.append((float(CALIBRATIONS[by].llr(score)), score, f"p{i}", by))
    return sorted(scored, reverse=True)[:2]


@pytest.mark.parametrize("who", range(1, 10))
@pytest.mark.parametrize("modality", ALL)
def test_equals_the_loop(gallery: Gallery, who: int, modality: Modality) -> None:
    has, snapshot = gallery
    vectors = probe(who, who)
    ranked = rank(snapshot, vectors, modality)
    expected = oracle(has, vectors, modality)
    assert [(c.person.person_id, c.modality) for c in ranked] == [(e[2], e[3]) for e in expected]
    np.testing.assert_allclose([c.score for c in ranked], [e[1] for e in expected], atol=1e-5)
    np.testing.assert_allclose([c.llr for c in ranked], [e[0] for e in expected], atol=1e-3)


@pytest.mark.parametrize(("face", "voice"), [(1, 2), (5, 7), (7, 5), (2, 8), (9, 3)])
def test_mixed_probes_equal_the_loop(gallery: Gallery, face: int, voice: int) -> None:
    has, snapshot = gallery
    vectors = probe(face, voice)
    assert [c.person.person_id for c in rank(snapshot, vectors, FUSED)] == [
        e[2] for e in oracle(has, vectors, FUSED)
    ]


def test_people_are_compared_on_the_calibrated_scale(gallery: Gallery) -> None:
    """The better calibrated modality weighs more, not the higher cosine.

    A face-only and a voice-only person are at the same cosine.
    """
    _, snapshot = gallery
    face = direction("face", 5)
    voice = direction("voice", 7)
    vectors = {
        FACE: (0.6 * face + 0.8 * direction("face", 99)).astype(np.float32),
        VOICE: (0.7 * voice + 0.714 * direction("voice", 99)).astype(np.float32),
    }
    vectors[FUSED] = StubFusion().fuse(vectors[FACE][None], vectors[VOICE][None])[0]
    best, second = rank(snapshot, vectors, FUSED)
    assert (best.person.person_id, second.person.person_id) == ("p5", "p7")
    assert best.score < second.score
    assert best.llr > second.llr


def test_few_and_none(tmp_path: Path) -> None:
    store = open_gallery(tmp_path)
    index = MemoryIndex(store, StubEncoders())
    assert rank(index.snapshot(), probe(1, 1), FUSED) == ()
    store.enroll(NewPerson("a"), [NewTemplate(embedding(FACE, 1), 1.0, "1")])
    assert [c.modality for c in rank(index.snapshot(), probe(1, 1), FUSED)] == [FACE]
    assert rank(index.snapshot(), probe(1, 1), VOICE) == ()
    store.delete_person("a")
    assert rank(index.snapshot(), probe(1, 1), FACE) == ()
    store.close()


def test_scores_are_cosines_even_after_rounding(gallery: Gallery) -> None:
    _, snapshot = gallery
    exact = probe(1, 1, noise=0.0)
    exact[FACE] = exact[FACE] * np.float32(1.0000005)
    assert rank(snapshot, exact, FACE)[0].score <= 1.0


def both_templates(number: int, sample: int) -> list[NewTemplate]:
    """A face and a voice of somebody."""
    return [
        NewTemplate(embedding(modality, number, sample, 0.8), 1.0, f"{number}-{sample}")
        for modality in (FACE, VOICE)
    ]


def test_the_score_of_a_person_is_the_cosine_with_the_mean(tmp_path: Path) -> None:
    """The mean is over all templates of a modality, fused over pairs of them."""
    store = open_gallery(tmp_path)
    people = {}
    for i in range(1, 6):
        people[f"p{i}"] = [(i, sample) for sample in range(1 + i % 4)]
    for name, clips in people.items():
        store.create_person(name)
        for i, sample in clips:
            store.enroll(name, both_templates(i, sample))
    snapshot = MemoryIndex(store, StubEncoders()).snapshot()
    rows = {snapshot.refs[int(key)].person_id: row for row, key in enumerate(snapshot.keys)}
    for who in (2, 9):
        vectors = probe(who, who, sample=50)
        for name, modality in itertools.product(people, ALL):
            probes = [probe(i, i, sample) for i, sample in people[name]]
            templates = np.stack([vectors_of[modality] for vectors_of in probes])
            expected = float(np.mean(templates @ vectors[modality])) / np.linalg.norm(
                templates.mean(axis=0)
            )
            assert snapshot.vectors[modality][rows[name]] @ vectors[modality] == pytest.approx(
                expected, abs=1e-6
            )
        assert rank(snapshot, vectors, FUSED)[0].person.person_id == "p2" or who == 9
    store.close()


def test_ratio_of_one_person(gallery: Gallery) -> None:
    has, snapshot = gallery
    vectors = probe(1, 2)
    search = Search(snapshot, sides(vectors), CALIBRATIONS)
    for ref in snapshot.refs.values():
        for modality, kind in ((FACE, "f"), (VOICE, "v")):
            llr = search.llr_of(ref, modality)
            number = int(ref.person_id[1:])
            if kind in has[number]:
                score = vectors[modality] @ probe(number, number, noise=0.0)[modality]
                assert llr == pytest.approx(float(CALIBRATIONS[modality].llr(score)), abs=1e-3)
            else:
                assert llr is None
    assert (
        Search(snapshot, sides(probe(1)), CALIBRATIONS).llr_of(
            snapshot.refs[int(snapshot.keys[0])], VOICE
        )
        is None
    )


# ---- against a cohort and the others


def crowd(tmp_path: Path, count: int, alike: float = 0.0) -> tuple[Snapshot, Float32Array]:
    """People by face, each of whom has a part of one common direction."""
    store = open_gallery(tmp_path)
    common = direction("common", 1)
    for i in range(1, count + 1):
        vector = direction("face", i) + np.float32(alike) * common
        template = embedding(FACE, i)
        made = type(template)(vector / np.linalg.norm(vector), FACE, template.encoder_id)
        store.enroll(NewPerson(f"p{i}"), [NewTemplate(made, 1.0, str(i))])
    snapshot = MemoryIndex(store, StubEncoders()).snapshot()
    store.close()
    return snapshot, common


def by_hand(snapshot: Snapshot, vector: Float32Array, row: int) -> float:
    """Strength of one person, from the definition."""
    level, scale = NORM.probe(vector[None])
    bare = (
        snapshot.vectors[FACE] @ vector - level[0] - NORM.person(snapshot.vectors[FACE])
    ) / scale[0]
    others = np.sort(np.delete(bare, row))[::-1][:OTHERS]
    return float(
        bare[row]
        - NUMBERS.others * (others - NORM.expect(len(bare) - 1, len(others))).sum() / OTHERS
    )


@pytest.mark.parametrize("people", [1, 3, 6, 40])
def test_strengths_follow_from_cohort_and_others(tmp_path: Path, people: int) -> None:
    snapshot, _ = crowd(tmp_path, people)
    vector = direction("face", 1, 5, 1.0)
    ranked = rank(snapshot, {FACE: vector}, FACE, NORMED_EVERYWHERE)
    for candidate in ranked:
        row = int(np.flatnonzero(snapshot.keys == candidate.person.key)[0])
        assert candidate.strength == pytest.approx(by_hand(snapshot, vector, row), abs=1e-5)
        assert candidate.llr == pytest.approx(2.0 * candidate.strength - 4.0)
        assert candidate.score == pytest.approx(
            float(snapshot.vectors[FACE][row] @ vector), abs=1e-6
        )
        assert candidate.score_at(candidate.strength) == pytest.approx(candidate.score)
        assert candidate.score_at(1e6) == 1.0
    assert ranked[0].person.person_id == "p1"


def test_the_two_first_are_those_of_all_who_are_compared(tmp_path: Path) -> None:
    """Some are entries of one person, whom other people take something else off."""
    store = open_gallery(tmp_path)
    for i in range(1, 19):
        same = embedding(FACE, i, i, 0.2 if i % 5 == 0 else 0.0)
        for entry in range(1 + i % 3):
            store.enroll(NewPerson(f"p{i}-{entry}"), [NewTemplate(same, 1.0, f"{i}-{entry}")])
    snapshot = MemoryIndex(store, StubEncoders()).snapshot()
    store.close()
    for number, noise in itertools.product(range(1, 19), (0.3, 1.0, 3.0)):
        vectors = {FACE: direction("face", number, 77, noise)}
        search = Search(snapshot, sides(vectors), NORMED_EVERYWHERE)
        everybody = search._by(FACE).candidates(np.arange(len(snapshot.keys)))
        ordered = sorted(everybody, key=lambda c: (-c.llr, c.person.key))
        second = next(c for c in ordered if not ordered[0].is_same(c.person))
        assert search.rank(FACE) == (ordered[0], second)


def test_how_long_the_speech_is_moves_level_and_scale(tmp_path: Path) -> None:
    """Level and scale move by the logarithm of the seconds over 3.

    Beyond 6 s as of 6 s, and not at all where the seconds are unknown.
    """
    snapshot, _ = crowd(tmp_path, 1)
    vector = direction("face", 1, 5, 1.0)
    reference = snapshot.vectors[FACE][0]
    level, scale = NORMED.norm.probe(vector[None])
    for speech_s, t in (
        (1.5, np.log(0.5)),
        (3.0, 0.0),
        (6.0, np.log(2)),
        (60.0, np.log(2)),
        (0.0, 0.0),
    ):
        expected = (
            reference @ vector - level[0] - 0.03 * t - NORMED.norm.person(reference[None])[0]
        ) / (scale[0] + 0.01 * t)
        probe_side = Side(vector, speech_s)
        assert compare(FACE, probe_side, reference, NORMED).strength == pytest.approx(
            expected, rel=1e-5
        )
        best = Search(snapshot, {FACE: probe_side}, NORMED_EVERYWHERE).rank(FACE)[0]
        assert best.strength == pytest.approx(expected, rel=1e-5)


def test_of_two_clips_neither_is_the_probe() -> None:
    """A verification of two clips gives the same answer either way round.

    It heeds the cohort and the seconds of both.
    """
    first = direction("face", 1, 5, 1.0)
    second = direction("face", 1, 7, 0.6)
    there = compare(VOICE, Side(first, 6.0), Side(second, 1.0), NORMED)
    back = compare(VOICE, Side(second, 1.0), Side(first, 6.0), NORMED)
    assert there.score == pytest.approx(back.score)
    assert there.strength == pytest.approx(back.strength)
    ways = (
        compare(VOICE, Side(first, 6.0), second, NORMED),
        compare(VOICE, Side(second, 1.0), first, NORMED),
    )
    assert ways[0].strength != pytest.approx(ways[1].strength, abs=0.01)
    assert there.level == pytest.approx((ways[0].level + ways[1].level) / 2)
    assert there.scale == pytest.approx((ways[0].scale + ways[1].scale) / 2)


def test_where_people_are_alike_more_is_needed(tmp_path: Path) -> None:
    """A name needs a higher score among people who resemble the probe.

    The probe and its cosine are the same.
    """
    needed = []
    for number, alike in enumerate((0.0, 1.0)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        snapshot, common = crowd(folder, 30, alike)
        vector = direction("face", 99) + common
        best = rank(
            snapshot,
            {FACE: (vector / np.linalg.norm(vector)).astype(np.float32)},
            FACE,
            NORMED_EVERYWHERE,
        )[0]
        needed.append(best.score_at(1.0))
    assert needed[1] > needed[0] + 0.1


def test_two_sides_alone_have_no_others() -> None:
    probe_vector = direction("face", 1, 1, 0.8)
    reference = direction("face", 1)
    comparison = compare(FACE, Side(probe_vector), reference, NORMED)
    level, scale = NORMED.norm.probe(probe_vector[None])
    assert comparison.score == pytest.approx(float(probe_vector @ reference))
    assert comparison.strength == pytest.approx(
        (comparison.score - level[0] - NORMED.norm.person(reference[None])[0]) / scale[0]
    )
    plain = compare(FACE, Side(probe_vector), reference, CALIBRATION)
    assert plain.strength == comparison.score
    assert COHORT.shape[1] == EMBEDDING_SIZE


PLACED = replace(NORMED, norm=CohortNorm(COHORT, replace(NUMBERS, place=1.5)))


def test_few_people_count_as_of_a_place_that_was_measured(tmp_path: Path) -> None:
    """One to one, and with nobody else in the gallery. Others weigh in more and more."""
    snapshot, _ = crowd(tmp_path, 1)
    vector = direction("face", 0, 5, 1.0)
    everywhere = PerModality(fused=PLACED, face=PLACED, voice=PLACED)
    best = rank(snapshot, {FACE: vector}, FACE, everywhere)[0]
    row = int(np.argmax(snapshot.vectors[FACE] @ vector))
    level, scale = NORM.probe(vector[None])
    person = NORM.person(snapshot.vectors[FACE][row][None])[0]
    expected = (best.score - level[0] - person) / scale[0] - 1.5
    assert best.strength == pytest.approx(expected, rel=1e-5)
    alone = compare(FACE, Side(vector), snapshot.vectors[FACE][row], PLACED)
    assert alone.strength == pytest.approx(expected, rel=1e-5)
    assert alone.score == pytest.approx(alone.level + alone.scale * alone.strength)
    taken_off = [float(PLACED.norm.weigh_place(0.0, others)) for others in (0, 6, 1000)]
    assert taken_off == pytest.approx([1.5, 0.75, 0.0], abs=0.01)


def test_a_poor_clip_says_less(gallery: Gallery) -> None:
    """The ratio of the same vectors shrinks with the quality, for and against people."""
    _, snapshot = gallery
    shrinking = replace(CALIBRATION, slope_lost=(50.0,), intercept_lost=(-10.0,))
    everywhere = PerModality(fused=shrinking, face=shrinking, voice=shrinking)
    for who, sign in ((1, 1), (9, -1)):
        ratios = [
            Search(snapshot, {FACE: Side(direction("face", who), 0.0, (quality,))}, everywhere)
            .rank(FACE)[0]
            .llr
            for quality in (1.0, 0.5, 0.0)
        ]
        assert sorted(ratios, key=abs, reverse=True) == ratios
        assert all(sign * ratio > 0 for ratio in ratios[:1])
