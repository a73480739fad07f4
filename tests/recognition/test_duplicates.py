"""Entries that look like one person are listed, unless the operator says they are two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recognition.likeness import Entries, compare_entries, least_llr
from recognition.matching import Side, compare
from recognition.recognizer import Recognizer
from tests.support.asking import enroll
from tests.support.gallery_parts import CALIBRATION, direction
from utils.errors import InvalidRequestError, PersonNotFoundError
from utils.modality import SINGLE, Modality, PerModality

Clip = Callable[..., Path]
CALIBRATIONS = PerModality(fused=CALIBRATION, face=CALIBRATION, voice=CALIBRATION)


def pairs(recognizer: Recognizer, search: str = "") -> list[set[str]]:
    """Ids of the entries that look like one person."""
    found = recognizer.duplicates.find(search).pairs
    return [{pair.one.person_id, pair.other.person_id} for pair in found]


def entries(*people: tuple[int | None, int | None]) -> Entries:
    """Entries of a face and a voice, by numbers. None = without."""
    vectors = {}
    has = {}
    for modality, numbers in zip(SINGLE, zip(*people, strict=True), strict=True):
        has[modality] = np.array([number is not None for number in numbers])
        vectors[modality] = np.stack([direction(modality, number or 0) for number in numbers])
    return Entries(vectors, has)


def test_ratios_are_those_of_two_clips_added() -> None:
    two = entries((1, 1), (1, 2))
    llrs = compare_entries(two, two, CALIBRATIONS)
    face = two.vectors[Modality.FACE]
    comparison = compare(Modality.FACE, Side(face[0]), Side(face[1]), CALIBRATION)
    assert llrs[0, 0] == pytest.approx(2 * comparison.llr)
    assert llrs[0, 1] == -np.inf  # the voice speaks against it
    np.testing.assert_array_equal(llrs, llrs.T)


def test_what_cannot_be_compared_is_no_duplicate() -> None:
    llrs = compare_entries(entries((1, None)), entries((None, 1), (1, 1)), CALIBRATIONS)
    assert llrs[0, 0] == -np.inf
    assert llrs[0, 1] == pytest.approx(float(CALIBRATION.llr(1.0)))
    assert least_llr(100) > least_llr(1) > 0


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
    gallery.store.merge_people("ann", "ann2")
    assert pairs(gallery) == [{"ann", "ann3"}]


def test_two_people_in_the_operators_word_are_left_out(gallery: Recognizer, clip: Clip) -> None:
    enroll(gallery, "twin", clip(face=1, voice=1, sample=1), create=True, force=True)
    assert pairs(gallery) == [{"ann", "twin"}]
    for _ in range(2):
        gallery.store.mark_distinct("twin", "ann")
    assert pairs(gallery) == []
    assert [event.action for event in gallery.store.events(2)].count("mark_distinct") == 1
    gallery.store.delete_person("twin")
    assert gallery.store.distinct_pairs() == set()


def test_nobody_is_distinct_from_themselves_or_from_nobody(gallery: Recognizer) -> None:
    with pytest.raises(InvalidRequestError):
        gallery.store.mark_distinct("ann", "ann")
    with pytest.raises(PersonNotFoundError):
        gallery.store.mark_distinct("ann", "nobody")


def test_an_empty_gallery_has_no_duplicates(recognizer: Recognizer) -> None:
    found = recognizer.duplicates.find()
    assert (found.pairs, found.people, found.total) == ((), 0, 0)
