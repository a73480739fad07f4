"""The recognizer and its store: people, audit, a full disk, and slots."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognition.recognizer import Recognizer
from recognition.results import Outcome
from tests.support.asking import enroll, identify, verify_person
from tests.support.disk import limit_pages
from tests.support.gallery_parts import (
    ClipAligner,
    StubEncoders,
    StubFace,
    make_recognizer,
    outcomes,
)
from tests.support.waiting import LIMIT_S, until
from utils.arrays import BoolArray, Float32Array, ImageArray
from utils.errors import (
    BusyError,
    DuplicatePersonError,
    PersonExistsError,
    PersonNotFoundError,
    TemplateNotFoundError,
)
from utils.media import Capture


def test_people(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    assert gallery.store.count() == 3
    with pytest.raises(PersonExistsError):
        gallery.store.create_person("ann")
    assert [p.person_id for p in gallery.store.list_people(search="bo").people] == ["bob"]
    gallery.store.update_person("ann", name="Anne")
    assert identify(gallery, clip(face=1, voice=1, sample=1)).decisions.fused.match.name == "Anne"
    gallery.store.delete_template("ann", gallery.store.list_templates("ann")[0].template_id)
    with pytest.raises(TemplateNotFoundError):
        gallery.store.delete_template("ann", "0" * 32)
    gallery.store.delete_person("ann")
    assert (
        identify(gallery, clip(face=1, voice=1, sample=1)).decisions.fused.outcome
        == Outcome.UNKNOWN
    )
    gallery.store.check()


def test_audit_of_recognition(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    identify(gallery, clip(face=1, voice=1, sample=1))
    gallery.store.create_person("new")
    with pytest.raises(DuplicatePersonError):
        enroll(gallery, "new", clip(face=1, voice=1, sample=1))
    refused, _, identified = gallery.store.events(3)
    assert (identified.action, identified.outcome) == ("identify", "accepted")
    assert (refused.action, refused.outcome) == ("enroll", "duplicate_refused")
    assert refused.person_key == identified.person_key


def test_who_is_deleted_before_the_answer_is_noted_is_not_named(
    gallery: Recognizer, clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deletion was acknowledged. The clip is decided on again."""
    note = gallery.store.record_answer
    asked: list[Collection[str]] = []

    def delete_and_note(*arguments: Any, mentions: Collection[str], **more: Any) -> None:
        if not asked:
            gallery.store.delete_person("ann")
        asked.append(mentions)
        note(*arguments, mentions=mentions, **more)

    monkeypatch.setattr(gallery.store, "record_answer", delete_and_note)
    answer = identify(gallery, clip(face=1, voice=1, sample=1))
    assert ["ann" in mentions for mentions in asked] == [True, False]
    assert "ann" not in answer.named_ids
    noted, deleted = gallery.store.events(2)
    assert (noted.action, deleted.action) == ("identify", "delete_person")


def test_nobody_is_verified_who_is_deleted_before_the_answer_is_noted(
    gallery: Recognizer, clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = gallery.store.record

    def delete_and_record(*arguments: Any, **more: Any) -> None:
        gallery.store.delete_person("ann")
        record(*arguments, **more)

    monkeypatch.setattr(gallery.store, "record", delete_and_record)
    with pytest.raises(PersonNotFoundError, match="'ann'"):
        verify_person(gallery, clip(face=1, voice=1, sample=1), "ann")
    assert gallery.store.events(1)[0].action == "delete_person"


def test_an_answer_is_busy_where_each_decision_names_somebody_who_is_deleted(
    gallery: Recognizer, clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = gallery.store.record_answer

    def note_of_another(*arguments: Any, **more: Any) -> None:
        note(*arguments, **(more | {"mentions": {"nobody"}}))

    monkeypatch.setattr(gallery.store, "record_answer", note_of_another)
    with pytest.raises(BusyError, match="deleted meanwhile"):
        identify(gallery, clip(face=1, voice=1, sample=1))
    assert gallery.store.events(1)[0].action != "identify"


def test_full_disk_does_not_keep_people_from_being_recognised(
    gallery: Recognizer, clip: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    limit_pages(gallery.store, 1)
    gallery.store.database._engine.dispose()
    answers = [identify(gallery, clip(face=1, voice=1, sample=sample)) for sample in range(60)]
    assert outcomes(answers[-1])[0] == ("accepted", "ann")
    assert "the audit missed identify accepted: storage_full" in caplog.text


class SlowAligner(ClipAligner):
    """Counts how many clips are read at the same time, and waits to be let go."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.go = threading.Event()
        self._lock = threading.Lock()

    def change(self, capture: Capture) -> Capture:
        """Wait."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go.wait(LIMIT_S)
        with self._lock:
            self.now -= 1
        return capture


def test_slots(tmp_path: Path, clip: Callable[..., Path]) -> None:
    aligner = SlowAligner()
    made = make_recognizer(tmp_path / "s", wait_s=0.3, aligner=aligner, slots=2)
    path = clip(face=1)
    results = []

    def ask() -> None:
        try:
            results.append(identify(made, path).decisions.face.outcome.value)
        except BusyError as error:
            results.append(error.code)
            until(lambda: aligner.now == 2)
            aligner.go.set()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert aligner.most == 2
    assert sorted(results) == ["busy", "unknown", "unknown"]
    made.close()


def test_a_long_queue_is_refused_at_once(tmp_path: Path, clip: Callable[..., Path]) -> None:
    aligner = SlowAligner()
    made = make_recognizer(tmp_path / "s", aligner=aligner, slots=1, threads=4)
    path = clip(face=1)
    results: list[str] = []

    def ask() -> None:
        try:
            results.append(identify(made, path).decisions.face.outcome.value)
        except BusyError as error:
            results.append(error.message)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for t in threads:
        t.start()
    until(lambda: len(results) == 2)
    assert set(results) == {"2 clips wait for their turn already."}
    aligner.go.set()
    for t in threads:
        t.join()
    assert results[2:] == ["unknown"] * 3
    assert identify(made, path).decisions.face.outcome == "unknown"
    made.close()


def test_a_vector_that_is_no_number_is_refused(tmp_path: Path, clip: Callable[..., Path]) -> None:
    class Broken(StubFace):
        def embed_each(self, faces: ImageArray, *, turned: BoolArray | None = None) -> Float32Array:
            return np.full((len(faces), 512), np.nan, np.float32)

    made = make_recognizer(tmp_path / "n", StubEncoders(face=Broken()))
    with pytest.raises(ValueError, match="unit length"):
        identify(made, clip(face=1))
    made.close()
