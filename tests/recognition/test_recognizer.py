"""The recognizer over a real database, with stand-ins for alignment and networks only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognition.recognizer import Recognizer
from recognition.results import Decision, Outcome
from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from scoring.norms import Coefficients, CohortNorm
from tests.support.asking import enroll, first_sight, identify, verify_clips, verify_person
from tests.support.disk import limit_pages
from tests.support.gallery_parts import (
    CALIBRATION,
    ClipAligner,
    StubEncoders,
    StubFace,
    StubFusion,
    StubVoice,
    enroll_person,
    make_recognizer,
    outcomes,
)
from tests.support.waiting import LIMIT_S, until
from utils.arrays import EMBEDDING_SIZE, Float32Array, ImageArray
from utils.errors import (
    BusyError,
    DuplicatePersonError,
    EncoderMismatchError,
    MediaTypeError,
    NoBiometricError,
    PersonExistsError,
    PersonNotFoundError,
    TemplateNotFoundError,
)
from utils.media import Capture
from utils.modality import Embedding, Modality, PerModality

# ---- identify


def test_identify(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = identify(gallery, clip(face=2, voice=2, sample=1))
    assert outcomes(answer) == [("accepted", "bob")] * 3
    assert answer.decisions.fused.match.name == "Bob"
    assert answer.decisions.fused.modality == Modality.FUSED
    assert answer.decisions.fused.runner_up.person_id in ("ann", "cleo")
    assert answer.decisions.fused.reason.startswith("Recognised by face and voice; 0.")
    assert (answer.people, answer.fpir, answer.observation.people_in_view) == (3, 0.01, 1)
    assert answer.observation.encoder_ids == PerModality(
        fused="fusion-1", face="face-1", voice="voice-1"
    )
    assert answer.observation.face_quality.score == 0.8
    assert {
        "wait",
        "decode",
        "face_embedding",
        "voice_embedding",
        "fusion",
        "search",
        "total",
    } <= answer.observation.timings_ms.keys()
    assert answer.observation.timings_ms["total"] >= answer.observation.timings_ms["search"] > 0


def test_stranger_is_unknown(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = identify(gallery, clip(face=9, voice=9))
    assert outcomes(answer) == [("unknown", None)] * 3
    assert answer.decisions.fused.runner_up is None
    assert "ann" not in repr(answer).lower().replace("encoder", "")


def test_empty_gallery(recognizer: Recognizer, clip: Callable[..., Path]) -> None:
    recognizer.store.create_person("no-templates")
    answer = identify(recognizer, clip(face=1, voice=1))
    assert outcomes(answer) == [("unknown", None)] * 3
    assert {
        d.reason for d in (answer.decisions.fused, answer.decisions.face, answer.decisions.voice)
    } == {"The gallery is empty"}
    assert answer.people == 0


@pytest.mark.parametrize(
    ("what", "there", "gone", "reason"),
    [
        ({"face": 1}, Modality.FACE, Modality.VOICE, "The clip has no sound"),
        (
            {"face": 1, "sound": True},
            Modality.FACE,
            Modality.VOICE,
            "No usable speech: 0.0 s of speech heard, 0.5 s needed",
        ),
        ({"voice": 1}, Modality.VOICE, Modality.FACE, "The clip has no picture"),
        (
            {"voice": 1, "picture": True},
            Modality.VOICE,
            Modality.FACE,
            "No usable face: no face was found",
        ),
    ],
)
@pytest.mark.parametrize("who", [1, 9])
def test_one_modality_in_the_probe(
    gallery: Recognizer,
    clip: Callable[..., Path],
    what: dict[str, Any],
    there: Modality,
    gone: Modality,
    reason: str,
    who: int,
) -> None:
    answer = identify(gallery, clip(**{**what, there: who}, sample=1))
    single = answer.decisions[there]
    absent = answer.decisions[gone]
    assert (absent.outcome, absent.reason, absent.threshold) == (Outcome.NO_PROBE, reason, None)
    assert answer.decisions.fused == replace(single, reason=f"{single.reason}. {reason}")
    assert single.outcome == (Outcome.ACCEPTED if who == 1 else Outcome.UNKNOWN)
    assert single.modality == there


def test_gallery_of_one_modality(recognizer: Recognizer, clip: Callable[..., Path]) -> None:
    """Everybody is enrolled by face only: a probe with both is answered as by face."""
    for i in (1, 2):
        enroll_person(recognizer, clip, f"p{i}", face=i)
    for who in (1, 9):
        answer = identify(recognizer, clip(face=who, voice=who, sample=1))
        assert answer.decisions.fused == answer.decisions.face
        assert answer.decisions.voice.reason == "Nobody in the gallery is enrolled by voice"


def test_mixed_gallery(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    enroll_person(gallery, clip, "facial", face=20)
    enroll_person(gallery, clip, "vocal", voice=30)
    assert outcomes(identify(gallery, clip(face=20, voice=20, sample=1)))[0] == (
        "accepted",
        "facial",
    )
    assert outcomes(identify(gallery, clip(face=30, voice=30, sample=1)))[0] == (
        "accepted",
        "vocal",
    )
    answer = identify(gallery, clip(face=1, voice=1, sample=1))
    assert outcomes(answer)[0] == ("accepted", "ann")
    assert answer.decisions.fused.modality == Modality.FUSED


def strength_of(decision: Decision) -> float:
    """Strength of the person that is named."""
    assert decision.match is not None
    assert decision.match.strength is not None
    return decision.match.strength


def test_the_seconds_of_speech_reach_the_strengths(
    tmp_path: Path, clip: Callable[..., Path]
) -> None:
    """Level +0.1 for every factor of e in seconds: the same voice with longer speech is
    told by so much less; a face by nothing.
    """
    numbers = Coefficients(
        level=(0.0, 0.0, 0.0, 0.1),
        scale=(0.1, 0.0, 0.0, 0.0),
        least_scale=0.01,
        person=0.0,
        person_mean=0.0,
        others=0.0,
        impostors=ImpostorTable((0.5, 0.1, 0.01), (0.0, 0.5, 1.0)),
    )
    norm = CohortNorm(np.eye(5, EMBEDDING_SIZE, dtype=np.float32), numbers)
    recognizer = make_recognizer(
        tmp_path, StubEncoders(voice=StubVoice(calibration=replace(CALIBRATION, norm=norm)))
    )
    enroll_person(recognizer, clip, "ann", face=1, voice=1)
    heard = [clip(face=1, voice=1, sample=1, speech_s=seconds) for seconds in (1.5, 3.0, 6.0)]
    answers = [identify(recognizer, one) for one in heard]
    voice = [strength_of(answer.decisions.voice) for answer in answers]
    np.testing.assert_allclose(np.diff(voice), -np.log(2), rtol=1e-4)
    assert len({answer.decisions.face.match.strength for answer in answers}) == 1
    checked = [
        verify_person(recognizer, one, "ann").verdicts.voice.score
        - verify_person(recognizer, one, "ann").verdicts.voice.threshold
        for one in heard
    ]
    np.testing.assert_allclose(np.diff(checked), -0.1 * np.log(2), rtol=1e-4)
    assert identify(
        recognizer, clip(voice=1, sample=1, speech_s=1.5)
    ).decisions.voice.match.strength == pytest.approx(voice[0])
    pairs = (heard[0], heard[2]), (heard[2], heard[0]), (heard[1], heard[1]), (heard[2], heard[2])
    there, back, usual, longer = (
        verify_clips(recognizer, *pair).verdicts.voice.threshold for pair in pairs
    )
    assert there == pytest.approx(back) == pytest.approx(usual), (
        "1.5 s and 6 s, whichever is the probe, as twice 3 s"
    )
    assert longer - usual == pytest.approx(0.1 * np.log(2), rel=1e-4)
    recognizer.close()


def test_conflict(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = identify(gallery, clip(face=1, voice=2, sample=1))
    assert outcomes(answer) == [("conflict", None), ("accepted", "ann"), ("accepted", "bob")]


def test_two_people_of_whom_one_is_a_stranger_are_no_conflict(
    gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    answer = identify(gallery, clip(face=1, voice=9, sample=1))
    assert answer.decisions.fused.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN)
    assert answer.decisions.voice.outcome == Outcome.UNKNOWN


class DoubtfulFusion(StubFusion):
    """Its scores are next to nothing: as a fused score that stays below its threshold."""

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        return np.roll(super().fuse(face, voice), 1, axis=1) * np.float32(0.01)


def test_both_alone_are_enough(tmp_path: Path, clip: Callable[..., Path]) -> None:
    """Face and voice name the person each alone: then the fused answer names nobody
    else and not nobody.
    """
    made = make_recognizer(tmp_path / "d", StubEncoders(fusion=DoubtfulFusion()))
    for i, person_id in enumerate(("ann", "bob"), 1):
        enroll_person(made, clip, person_id, face=i, voice=i)
    probe = clip(face=1, voice=1, sample=1)
    answer = identify(made, probe)
    assert outcomes(answer) == [("accepted", "ann")] * 3
    assert answer.decisions.fused == answer.decisions.face
    verified = verify_person(made, probe, "ann")
    assert verified.verdicts.fused == verified.verdicts.face
    answer = identify(made, clip(face=1, voice=9, sample=1))
    assert outcomes(answer)[:2] == [("unknown", None), ("accepted", "ann")]
    assert answer.decisions.fused.reason.endswith(
        "the face alone is recognised, but the voice speaks against that person"
    )
    verified = verify_person(made, clip(face=1, voice=9, sample=1), "ann")
    assert [v.outcome for v in verified.verdicts.values()] == [
        "different",
        "same",
        "different",
    ]
    made.close()


def test_nothing_to_go_by(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    with pytest.raises(NoBiometricError) as caught:
        identify(gallery, clip(picture=True, sound=True))
    assert "no face was found" in caught.value.message
    assert "0.5 s needed" in caught.value.message
    assert caught.value.details == {"hints": []}


def test_bad_media_passes_through_and_frees_its_slot(
    gallery: Recognizer, clip: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "bad").write_bytes(b"\0\1")
    for _ in range(5):
        with pytest.raises(MediaTypeError):
            identify(gallery, tmp_path / "bad")
    assert identify(gallery, clip(face=1)).decisions.face.match.person_id == "ann"


def test_extrapolated_threshold_is_said(tmp_path: Path, clip: Callable[..., Path]) -> None:
    short = Calibration(
        slope=60.0, intercept=-12.0, impostors=ImpostorTable((0.5, 0.1), (0.0, 0.057))
    )
    made = make_recognizer(tmp_path / "x", StubEncoders(face=StubFace(calibration=short)))
    enroll_person(made, clip, "ann", face=1, voice=1)
    answer = identify(made, clip(face=1, voice=1, sample=1))
    assert answer.decisions.face.extrapolated
    assert "extrapolated" in answer.decisions.face.reason
    assert not answer.decisions.voice.extrapolated
    made.close()


# ---- verify


def test_verify_person(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = verify_person(gallery, clip(face=1, voice=1, sample=1), "ann")
    assert [v.outcome for v in answer.verdicts.values()] == ["same"] * 3
    assert answer.fmr == 0.01
    assert answer.verdicts.face.threshold == pytest.approx(0.103)
    answer = verify_person(gallery, clip(face=2, voice=2, sample=1), "ann")
    assert [v.outcome for v in answer.verdicts.values()] == ["different"] * 3


def test_verify_by_one_modality(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = verify_person(gallery, clip(face=1, sample=1), "ann")
    assert answer.verdicts.fused == answer.verdicts.face
    assert (answer.verdicts.voice.outcome, answer.verdicts.voice.score) == ("no_probe", None)
    enroll_person(gallery, clip, "vocal", voice=30)
    answer = verify_person(gallery, clip(face=30, voice=30, sample=1), "vocal")
    assert answer.verdicts.fused == answer.verdicts.voice
    assert answer.verdicts.face.outcome == "no_probe"
    assert [(h.code, h.text) for h in answer.observation.hints] == [
        ("not_comparable", "No face template is stored for vocal.")
    ]
    assert verify_person(gallery, clip(face=30), "vocal").verdicts.fused.outcome == "no_probe"


def test_verify_against_all_templates(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    """One bad template of three does not decide."""
    for sample in (1, 2):
        enroll(gallery, "ann", clip(face=1, voice=1, sample=sample))
    enroll(gallery, "ann", clip(face=60, voice=60))
    assert (
        verify_person(gallery, clip(face=1, voice=1, sample=3), "ann").verdicts.fused.outcome
        == "same"
    )


def test_verify_nobody(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    with pytest.raises(PersonNotFoundError):
        verify_person(gallery, clip(face=1), "nobody")


def test_verify_clips(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = verify_clips(gallery, clip(face=70, voice=70), clip(face=70, voice=70, sample=1))
    assert [v.outcome for v in answer.verdicts.values()] == ["same"] * 3
    answer = verify_clips(gallery, clip(face=70, voice=70), clip(face=71, voice=71))
    assert answer.verdicts.fused.outcome == "different"
    answer = verify_clips(gallery, clip(face=70, voice=70), clip(voice=70, sample=1))
    assert (answer.verdicts.fused, answer.verdicts.face.outcome) == (
        answer.verdicts.voice,
        "no_probe",
    )
    assert verify_clips(gallery, clip(face=70), clip(voice=70)).verdicts.fused.outcome == "no_probe"
    with pytest.raises(NoBiometricError, match="The reference"):
        verify_clips(gallery, clip(face=70), clip(picture=True))
    assert gallery.store.count() == 3


# ---- encoders change


def test_other_models(tmp_path: Path, clip: Callable[..., Path]) -> None:
    old = make_recognizer(tmp_path / "g")
    for i, person_id in enumerate(("ann", "bob"), 1):
        enroll_person(old, clip, person_id, face=i, voice=i)
    old.close()
    new = make_recognizer(
        tmp_path / "g", StubEncoders(face=StubFace("face-2"), voice=StubVoice("voice-2"))
    )
    assert [(s.modality, s.templates) for s in new.stale_templates()] == [("face", 2), ("voice", 2)]
    probe = clip(face=1, voice=1, sample=1)
    new.store.create_person("cleo")
    for call in (
        lambda: identify(new, probe),
        lambda: verify_person(new, probe, "ann"),
        lambda: enroll(new, "ann", probe),
        lambda: enroll(new, "cleo", probe),
        lambda: first_sight(new, "dora", probe),
    ):
        with pytest.raises(EncoderMismatchError) as caught:
            call()
        assert "template" in caught.value.message
    enroll(new, "ann", probe, replace=True)
    answer = identify(new, clip(face=1, voice=1, sample=2))
    assert outcomes(answer)[0] == ("accepted", "ann")
    assert [h.code for h in answer.observation.hints] == ["stale_templates"] * 2
    assert answer.people == 1
    enroll(new, "bob", clip(face=2, voice=2, sample=1), replace=True)
    assert new.stale_templates() == ()
    assert identify(new, clip(face=2, voice=2, sample=2)).observation.hints == ()
    new.close()


# ---- people, audit, slots


def test_people(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    assert gallery.store.count() == 3
    with pytest.raises(PersonExistsError):
        gallery.store.create_person("ann")
    assert [p.person_id for p in gallery.store.list_people("bo").people] == ["bob"]
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

    def analyse(self, path: Path, *, filename: str | None = None) -> Capture:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go.wait(LIMIT_S)
        with self._lock:
            self.now -= 1
        return super().analyse(path, filename=filename)


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


def test_a_vector_that_is_no_number_is_refused(tmp_path: Path, clip: Callable[..., Path]) -> None:
    class Broken(StubFace):
        def embed(self, faces: ImageArray, weights: Float32Array) -> Embedding:
            return replace(super().embed(faces, weights), vector=np.full(512, np.nan, np.float32))

    made = make_recognizer(tmp_path / "n", StubEncoders(face=Broken()))
    with pytest.raises(ValueError, match="unit length"):
        identify(made, clip(face=1))
    made.close()
