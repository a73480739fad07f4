"""Entries that look like one person are listed, unless the operator says they are two."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gallery.records.feed import PersonRef
from gallery.search.memory import MemoryIndex
from gallery.store import NewPerson, NewTemplate, Store
from recognition import as_json, duplicates
from recognition.decision import Rule, decide
from recognition.likeness import Entries, compare_entries, find_alike, least_llr
from recognition.matching import Candidate, Search
from recognition.recognizer import Recognizer
from recognition.results import Outcome
from recognition.sides import Side, compare
from tests.support.asking import enroll, identify
from tests.support.gallery_parts import (
    CALIBRATION,
    StubEncoders,
    direction,
    embedding,
    open_gallery,
)
from tests.support.norms import NORMED_EVERYWHERE
from utils.arrays import unit
from utils.errors import InvalidRequestError, PersonNotFoundError
from utils.modality import SINGLE, Modality, PerModality
from utils.settings.decision import DecisionSettings

Clip = Callable[..., Path]
FACE = Modality.FACE
CALIBRATIONS = PerModality(fused=CALIBRATION, face=CALIBRATION, voice=CALIBRATION)


def pairs(recognizer: Recognizer, search: str = "") -> list[set[str]]:
    """Ids of the entries that look like one person."""
    found = recognizer.duplicates.find(recognizer.suspects.check(), search).pairs
    return [{pair.one.person_id, pair.other.person_id} for pair in found]


def entries(*people: tuple[int | None, int | None], take: int = 0) -> Entries:
    """Entries of a face and a voice, by numbers. None = without."""
    vectors = {}
    has = {}
    for modality, numbers in zip(SINGLE, zip(*people, strict=True), strict=True):
        has[modality] = np.array([number is not None for number in numbers])
        vectors[modality] = np.stack([direction(modality, n or 0, take, 0.5) for n in numbers])
    return Entries(vectors, has)


def test_ratios_are_those_of_two_clips_added() -> None:
    one = entries((1, 1), (1, 2))
    other = entries((1, 1), (1, 2), take=1)
    llrs = compare_entries(one, other, CALIBRATIONS)
    by_hand = [
        compare(m, Side(one.vectors[m][0]), Side(other.vectors[m][0]), CALIBRATION).llr
        for m in SINGLE
    ]
    assert llrs[0, 0] == pytest.approx(sum(by_hand))
    assert llrs[0, 1] == -np.inf  # the voice speaks against it
    np.testing.assert_allclose(compare_entries(other, one, CALIBRATIONS), llrs.T, rtol=1e-5)


def test_one_recording_is_one_person_whatever_the_ratios_say() -> None:
    flat = PerModality.of(lambda _: replace(CALIBRATION, slope=0.1, intercept=0.0))
    one = entries((1, 1), (2, None))
    assert np.diag(compare_entries(one, one, flat)).tolist() == [np.inf, np.inf]
    again = compare_entries(one, entries((1, 1), (2, None), take=1), flat)
    assert (again < least_llr(2)).all()


def test_entries_that_look_like_a_third_one_are_one_person() -> None:
    """Each take is like the next one alone."""
    ends = [direction("face", number) for number in range(4)]
    chain = np.stack([unit((a + b)[None])[0] for a, b in itertools.pairwise(ends)])
    assert chain[0] @ chain[2] < 0.1
    steep = replace(CALIBRATION, slope=100.0, intercept=-40.0)
    made = Entries(
        {Modality.FACE: chain, Modality.VOICE: chain},
        {Modality.FACE: np.ones(3, bool), Modality.VOICE: np.zeros(3, bool)},
    )
    assert find_alike(made, PerModality(steep, steep, steep), 3).all()
    strict = replace(CALIBRATION, slope=100.0, intercept=-60.0)
    alone = find_alike(made, PerModality(strict, strict, strict), 3)
    assert alone.tolist() == np.eye(3, dtype=bool).tolist()


def test_what_cannot_be_compared_is_no_duplicate() -> None:
    one = entries((1, None))
    other = entries((None, 1), (1, 1), take=1)
    llrs = compare_entries(one, other, CALIBRATIONS)
    assert llrs[0, 0] == -np.inf
    cosine = one.vectors[Modality.FACE][0] @ other.vectors[Modality.FACE][1]
    assert llrs[0, 1] == pytest.approx(float(CALIBRATION.llr(cosine)), rel=1e-5)
    assert least_llr(100) > least_llr(1) > 0
    assert compare_entries(one, entries((None, 1), (None, 2)), CALIBRATIONS).tolist() == [
        [-np.inf, -np.inf]
    ]


def test_a_voice_that_nobody_has_is_not_looked_at() -> None:
    """A search of faces alone would compare all their missing voices."""
    one = entries((1, None), (2, None))
    faces = Entries({Modality.FACE: one.vectors[Modality.FACE]}, one.has)
    assert (
        compare_entries(faces, faces, CALIBRATIONS) == compare_entries(one, one, CALIBRATIONS)
    ).all()


def test_entries_of_one_person_are_listed_until_they_are_merged(
    gallery: Recognizer, clip: Clip
) -> None:
    assert pairs(gallery) == []
    for number, name in enumerate(("ann2", "ann3"), 1):
        path = clip(face=1, voice=1, sample=number)
        enroll(gallery, name, path, create=True, force=True)
    both = pairs(gallery)
    assert sorted(map(sorted, both)) == [["ann", "ann2"], ["ann", "ann3"], ["ann2", "ann3"]]
    assert pairs(gallery, "ann2") == []
    some = gallery.duplicates.find(gallery.suspects.check(), "ann", limit=2)
    assert (len(some.pairs), some.people, some.total) == (1, 2, 2)
    gallery.store.create_person("annette")  # without templates
    for search in ("", "ann"):
        found = gallery.duplicates.find(gallery.suspects.check(), search)
        before = gallery.duplicates.find(None, search)
        assert found.people == found.total == before.total == (5 if not search else 3)
    gallery.store.merge_people("ann", "ann2")
    assert pairs(gallery) == [{"ann", "ann3"}]


def test_names_are_read_of_those_who_are_listed_alone(
    gallery: Recognizer, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the likeliest pair is gone, the next one is listed."""
    for number, name in enumerate(("ann2", "ann3"), 1):
        path = clip(face=1, voice=1, sample=number)
        enroll(gallery, name, path, create=True, force=True)
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 1)
    read: list[int] = []
    people_of = gallery.store.people_of

    def watch(keys: Collection[int]) -> dict[int, PersonRef]:
        read.append(len(keys))
        return people_of(keys)

    latest = gallery.suspects.check()
    monkeypatch.setattr(gallery.store, "people_of", watch)
    (first,) = gallery.duplicates.find(latest).pairs
    assert read == [2]
    gallery.store.delete_person(first.other.person_id)
    (second,) = gallery.duplicates.find(latest).pairs
    assert second.probability <= first.probability
    assert set(read) == {2}


def test_two_people_in_the_operators_word_are_left_out(gallery: Recognizer, clip: Clip) -> None:
    enroll(gallery, "twin", clip(face=1, voice=1, sample=1), create=True, force=True)
    assert pairs(gallery) == [{"ann", "twin"}]
    for _ in range(2):
        gallery.store.mark_distinct("twin", "ann")
    assert pairs(gallery) == []
    assert [event.action for event in gallery.store.events(2)].count("mark_distinct") == 1
    gallery.store.delete_person("twin")
    assert gallery.store.distinct_pairs() == set()


def test_a_merge_keeps_who_is_somebody_else(gallery: Recognizer, clip: Clip) -> None:
    for number, name in enumerate(("twin", "twin2"), 1):
        path = clip(face=1, voice=1, sample=number)
        enroll(gallery, name, path, create=True, force=True)
    gallery.store.mark_distinct("ann", "twin2")
    gallery.store.merge_people("twin", "twin2")
    assert pairs(gallery) == []


def test_an_answer_lists_the_entries_of_one_person(gallery: Recognizer, clip: Clip) -> None:
    enroll(gallery, "ann2", clip(face=1, voice=1, sample=1), create=True, force=True)
    answer = identify(gallery, clip(face=1, voice=1, sample=5))
    assert answer.duplicates == ("ann", "ann2")
    assert {"ann", "ann2"} <= answer.named_ids
    for decision in answer.decisions.values():
        assert decision.outcome == Outcome.ACCEPTED
        assert decision.named_ids == {"ann", "ann2"}
        assert decision.runner_up is not None
        assert decision.runner_up.person_id not in {"ann", "ann2"}
    (hint,) = answer.observation.hints
    assert hint.code == "duplicate_entries"
    assert "ann, ann2" in hint.text
    assert as_json.identification(answer)["duplicates"] == ["ann", "ann2"]
    # One more clip of the person is no clip of somebody else
    enroll(gallery, "ann", clip(face=1, voice=1, sample=6))
    gallery.store.mark_distinct("ann", "ann2")
    assert identify(gallery, clip(face=1, voice=1, sample=5)).duplicates == ()


def test_nobody_is_distinct_from_themselves_or_from_nobody(gallery: Recognizer) -> None:
    with pytest.raises(InvalidRequestError):
        gallery.store.mark_distinct("ann", "ann")
    with pytest.raises(PersonNotFoundError):
        gallery.store.mark_distinct("ann", "nobody")


def test_an_empty_gallery_has_no_duplicates(recognizer: Recognizer) -> None:
    for latest in (None, recognizer.suspects.check()):
        found = recognizer.duplicates.find(latest)
        assert (found.pairs, found.people, found.total) == ((), 0, 0)


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Store]:
    """Twenty people by face."""
    store = open_gallery(tmp_path)
    for i in range(1, 21):
        store.enroll(NewPerson(f"p{i}"), [NewTemplate(embedding(FACE, i, 0, 0.5), 1.0, str(i))])
    yield store
    store.close()


def test_a_person_under_several_ids_is_recognised_as_well(copies: Store) -> None:
    """The entries are no crowd for each other, unless they are twins."""
    index = MemoryIndex(copies, StubEncoders())
    vector = direction("face", 1, 50, 0.5)

    def search() -> tuple[Candidate, ...]:
        probe = {FACE: Side(vector)}
        return Search(index.snapshot(), probe, NORMED_EVERYWHERE).rank(FACE)

    decisions = []
    for ids in range(1, 8):
        if ids > 1:
            template = NewTemplate(embedding(FACE, 1, ids, 0.5), 1.0, f"copy {ids}")
            copies.enroll(NewPerson(f"p1-{ids}"), [template])
        ranked = search()
        rule = Rule(DecisionSettings(), index.snapshot().people, NORMED_EVERYWHERE)
        decisions.append(decide(ranked, FACE, rule))
        assert len(decisions[-1].named_ids) == ids
        assert not decisions[-1].runner_up.person_id.startswith("p1-")
    margins = [decision.margin or 0.0 for decision in decisions]
    assert min(margins) > margins[0] - 0.05
    for one, other in itertools.combinations(sorted(decisions[-1].named_ids), 2):
        copies.mark_distinct(other, one)
    ranked = search()
    assert [c.entries for c in ranked] == [(), ()]
    assert ranked[1].person.person_id.startswith("p1")
    twins = decide(ranked, FACE, rule)
    assert (twins.margin or 0.0) < margins[-1] - 0.05
