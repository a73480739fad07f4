"""What people say about answers, and how long it is known who was given which."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gallery.tables import identifications
from gallery.transactions.base import Terms
from recognition.recognizer import Recognizer
from recognition.results import Identification
from tests.support.asking import enroll, identify
from tests.support.gallery_parts import make_recognizer, write_clip
from utils.errors import IdentificationNotFoundError, PersonNotFoundError
from utils.modality import Modality


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Recognizer]:
    made = make_recognizer(tmp_path)
    for number, name in ((1, "ann"), (2, "bob")):
        enroll(made, name, write_clip(tmp_path / name, face=number, voice=number), create=True)
    yield made
    made.close()


def ask(recognizer: Recognizer, folder: Path, request_id: str, **who: Any) -> Identification:
    return identify(recognizer, write_clip(folder / "probe", **who), request_id=request_id)


def ids_of(recognizer: Recognizer) -> tuple[dict[str, str], dict[str, str]]:
    """Encoders and scales in use, by modality."""
    return recognizer.encoder_ids.to_dict(), recognizer.scale_ids.to_dict()


def test_feedback_becomes_trials(two: Recognizer, tmp_path: Path) -> None:
    answer = ask(two, tmp_path, "r1", face=1, voice=1, sample=9, speech_s=2.5)
    assert two.store.give_feedback("r1", "ann", True) == ("face", "fused", "voice")
    trials = {t.modality: t for t in two.store.feedback_trials(*ids_of(two))}
    assert trials.keys() == {Modality.FACE, Modality.VOICE, Modality.FUSED}
    for modality in Modality:
        assert trials[modality] == (
            modality,
            pytest.approx(answer.decisions[modality].match.strength),
            True,
        )
    others = tuple(t for t in trials.values() if t.modality != "face")
    encoder_ids, scale_ids = ids_of(two)
    assert two.store.feedback_trials(encoder_ids | {"face": "face-2"}, scale_ids) == others
    assert two.store.feedback_trials(encoder_ids, scale_ids | {"face": "another cohort"}) == others
    two.store.give_feedback("r1", "ann", False)
    assert [t.same for t in two.store.feedback_trials(*ids_of(two))] == [False] * 3, (
        "what was said before is replaced"
    )


def test_a_fused_answer_on_one_modality_is_one_trial(two: Recognizer, tmp_path: Path) -> None:
    answer = ask(two, tmp_path, "r2", face=2, sample=9)
    assert answer.decisions.fused.match.person_id == "bob"
    assert two.store.give_feedback("r2", "bob", True) == ("face",)


def test_feedback_on_what_was_not_said(two: Recognizer, tmp_path: Path) -> None:
    ask(two, tmp_path, "r3", face=1, voice=1, sample=9)
    ask(two, tmp_path, "r4", face=40, voice=40)
    for request_id, person in (("r3", "bob"), ("r4", "ann"), ("never", "ann")):
        with pytest.raises(IdentificationNotFoundError):
            two.store.give_feedback(request_id, person, False)
    with pytest.raises(PersonNotFoundError):
        two.store.give_feedback("r3", "nobody", False)
    assert two.store.feedback_trials(*ids_of(two)) == ()


def test_feedback_on_an_answer_that_somebody_else_was_given(
    two: Recognizer, tmp_path: Path
) -> None:
    ask(two, tmp_path, "r9", face=1, voice=1, sample=9)
    with pytest.raises(IdentificationNotFoundError):
        two.store.give_feedback("r9", "ann", False, asked_by="another key")
    assert len(two.store.give_feedback("r9", "ann", False, asked_by="local")) == 3


def test_answers_are_remembered_for_some_days(two: Recognizer, tmp_path: Path) -> None:
    ask(two, tmp_path, "r5", face=1, voice=1, sample=9)
    with two.store.database.write() as connection:
        connection.execute(update(identifications).values(at=datetime.now(UTC) - timedelta(days=8)))
    ask(two, tmp_path, "r6", face=1, voice=1, sample=10)
    with pytest.raises(IdentificationNotFoundError):
        two.store.give_feedback("r5", "ann", True)
    assert len(two.store.give_feedback("r6", "ann", True)) == 3


def test_no_answer_is_remembered_when_told_so(two: Recognizer, tmp_path: Path) -> None:
    two.store._terms = Terms(feedback_days=0)
    ask(two, tmp_path, "r7", face=1, voice=1, sample=9)
    with pytest.raises(IdentificationNotFoundError):
        two.store.give_feedback("r7", "ann", True)


def test_a_request_id_that_is_used_again(two: Recognizer, tmp_path: Path) -> None:
    ask(two, tmp_path, "same", face=1, voice=1, sample=9)
    two.store.give_feedback("same", "ann", True)
    ask(two, tmp_path, "same", face=2, voice=2, sample=9)
    with pytest.raises(IdentificationNotFoundError):
        two.store.give_feedback("same", "ann", False)
    two.store.give_feedback("same", "bob", False)
    assert two.store.merge_people("ann", "bob").templates == {"face": 2, "voice": 2}
    assert [t.same for t in two.store.feedback_trials(*ids_of(two))] == [True] * 3, (
        "one word for one answer and person"
    )


def test_last_seen(two: Recognizer, tmp_path: Path) -> None:
    assert two.store.get_person("ann").last_seen_at is None
    ask(two, tmp_path, "r8", face=1, voice=1, sample=9)
    assert datetime.now(UTC) - two.store.get_person("ann").last_seen_at < timedelta(minutes=1)
    assert two.store.get_person("bob").last_seen_at is None
