"""The recognizer over a real database, with stand-ins for alignment and networks only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from tests.support.gallery_parts import (
    CALIBRATION,
    StubEncoders,
    StubFace,
    StubFusion,
    StubVoice,
    enroll_person,
    make_recognizer,
    outcomes,
)
from utils.arrays import EMBEDDING_SIZE, Float32Array
from utils.errors import (
    EncoderMismatchError,
    MediaTypeError,
    NoBiometricError,
)
from utils.modality import Modality, PerModality

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
        ({"face": 1}, Modality.FACE, Modality.VOICE, "The clip has no sound that can be read"),
        (
            {"face": 1, "sound": True},
            Modality.FACE,
            Modality.VOICE,
            "No usable speech: 0.0 s of speech heard, 0.5 s needed",
        ),
        ({"voice": 1}, Modality.VOICE, Modality.FACE, "The clip has no picture that can be read"),
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
        assert outcomes(answer)[0] == outcomes(answer)[1]
        assert answer.decisions.fused.threshold == answer.decisions.face.threshold
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


@pytest.fixture
def heeds_seconds(tmp_path: Path) -> Iterator[Recognizer]:
    """A recognizer whose level of voices rises by 0.1 for every factor of e in seconds."""
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
    yield recognizer
    recognizer.close()


def test_the_seconds_of_speech_reach_the_strengths(
    heeds_seconds: Recognizer, clip: Callable[..., Path]
) -> None:
    """The strength of a voice falls with the seconds of its speech, that of a face does not."""
    recognizer = heeds_seconds
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


def test_the_seconds_of_both_clips_reach_the_threshold(
    heeds_seconds: Recognizer, clip: Callable[..., Path]
) -> None:
    recognizer = heeds_seconds
    heard = [clip(face=1, voice=1, sample=1, speech_s=seconds) for seconds in (1.5, 3.0, 6.0)]
    pairs = (heard[0], heard[2]), (heard[2], heard[0]), (heard[1], heard[1]), (heard[2], heard[2])
    there, back, usual, longer = (
        verify_clips(recognizer, *pair).verdicts.voice.threshold for pair in pairs
    )
    assert there == pytest.approx(back) == pytest.approx(usual), (
        "1.5 s and 6 s, whichever is the probe, as twice 3 s"
    )
    assert longer - usual == pytest.approx(0.1 * np.log(2), rel=1e-4)


def test_conflict(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = identify(gallery, clip(face=1, voice=2, sample=1))
    assert outcomes(answer) == [("conflict", None), ("accepted", "ann"), ("accepted", "bob")]


def test_the_voice_of_a_stranger_with_the_face_of_a_person_names_nobody(
    gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    for face, voice in ((1, 9), (9, 1)):
        answer = identify(gallery, clip(face=face, voice=voice, sample=1))
        assert outcomes(answer)[0] == ("conflict", None)
        assert answer.decisions.fused.reason.endswith("speaks against that person")


class DoubtfulFusion(StubFusion):
    """Its scores are next to nothing: as a fused score that stays below its threshold."""

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        return np.roll(super().fuse(face, voice), 1, axis=1) * np.float32(0.01)


def test_both_alone_are_enough(tmp_path: Path, clip: Callable[..., Path]) -> None:
    """The fused answer names the person whom face and voice each name alone."""
    made = make_recognizer(tmp_path / "d", StubEncoders(fusion=DoubtfulFusion()))
    for i, person_id in enumerate(("ann", "bob"), 1):
        enroll_person(made, clip, person_id, face=i, voice=i)
    probe = clip(face=1, voice=1, sample=1)
    answer = identify(made, probe)
    assert outcomes(answer) == [("accepted", "ann")] * 3
    assert answer.decisions.fused.modality == Modality.FACE
    verified = verify_person(made, probe, "ann")
    assert verified.verdicts.fused.modality == Modality.FACE
    answer = identify(made, clip(face=1, voice=9, sample=1))
    assert outcomes(answer)[:2] == [("conflict", None), ("accepted", "ann")]
    assert answer.decisions.fused.reason.endswith("the voice speaks against that person")
    verified = verify_person(made, clip(face=1, voice=9, sample=1), "ann")
    assert [v.outcome for v in verified.verdicts.values()] == [
        "conflict",
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


# ---- encoders change


def test_other_models(tmp_path: Path, clip: Callable[..., Path]) -> None:
    old = make_recognizer(tmp_path / "g")
    for i, person_id in enumerate(("ann", "bob"), 1):
        enroll_person(old, clip, person_id, face=i, voice=i)
    old.close()
    new = make_recognizer(
        tmp_path / "g", StubEncoders(face=StubFace("face-2"), voice=StubVoice("voice-2"))
    )
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
    assert identify(new, clip(face=2, voice=2, sample=2)).observation.hints == ()
    new.close()
