"""The recognizer over a real database, with stand-ins for alignment and networks only."""
from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from tests.gallery_parts import ClipAligner, StubEncoders, StubFace, StubFusion, StubVoice, direction, make_recognizer, write_clip
from utils.calibration import Calibration
from utils.errors import (
    BusyError,
    DuplicatePersonError,
    EncoderMismatchError,
    InvalidNameError,
    MediaCorruptError,
    NoBiometricError,
    PersonExistsError,
    PersonNotFoundError,
    TemplateNotFoundError,
)
from utils.types import Modality, Outcome


@pytest.fixture
def recognizer(tmp_path):
    made = make_recognizer(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def clip(tmp_path):
    count = iter(range(1000))
    return lambda **what: write_clip(tmp_path / f"{next(count)}.clip", **what)


def enroll(recognizer, clip, person_id, **what):
    recognizer.store.create_person(person_id, person_id.title())
    return recognizer.enroll(person_id, clip(**what))


@pytest.fixture
def gallery(recognizer, clip):
    for i, person_id in enumerate(("ann", "bob", "cleo"), 1):
        enroll(recognizer, clip, person_id, face=i, voice=i)
    return recognizer


def outcomes(answer):
    return [(d.outcome.value, d.match and d.match.person_id) for d in (answer.fused, answer.face, answer.voice)]


# ---- identify

def test_identify(gallery, clip):
    answer = gallery.identify(clip(face=2, voice=2, sample=1))
    assert outcomes(answer) == [("accepted", "bob")] * 3
    assert answer.fused.match.name == "Bob"
    assert answer.fused.modality == Modality.FUSED
    assert answer.fused.runner_up.person_id in ("ann", "cleo")
    assert answer.fused.reason.startswith("Recognised by face and voice; 0.")
    assert (answer.people, answer.fpir, answer.people_in_view) == (3, 0.01, 1)
    assert answer.encoder_ids == {"face": "face-1", "voice": "voice-1", "fused": "fusion-1"}
    assert answer.face_quality.score == 0.8
    assert {"wait", "decode", "face_embedding", "voice_embedding", "fusion", "search", "total"} <= answer.timings_ms.keys()
    assert answer.timings_ms["total"] >= answer.timings_ms["search"] > 0


def test_stranger_is_unknown(gallery, clip):
    answer = gallery.identify(clip(face=9, voice=9))
    assert outcomes(answer) == [("unknown", None)] * 3
    assert answer.fused.runner_up is None
    assert "ann" not in repr(answer).lower().replace("encoder", "")


def test_empty_gallery(recognizer, clip):
    recognizer.store.create_person("no-templates")
    answer = recognizer.identify(clip(face=1, voice=1))
    assert outcomes(answer) == [("unknown", None)] * 3
    assert {d.reason for d in (answer.fused, answer.face, answer.voice)} == {"The gallery is empty"}
    assert answer.people == 0


@pytest.mark.parametrize(("what", "there", "gone", "reason"), [
    ({"face": 1}, "face", "voice", "The clip has no sound"),
    ({"face": 1, "sound": True}, "face", "voice", "No usable speech: 0.0 s of speech heard, 0.5 s needed"),
    ({"voice": 1}, "voice", "face", "The clip has no picture"),
    ({"voice": 1, "picture": True}, "voice", "face", "No usable face: no face was found"),
])
@pytest.mark.parametrize("who", [1, 9])
def test_one_modality_in_the_probe(gallery, clip, what, there, gone, reason, who):
    answer = gallery.identify(clip(**{**what, there: who}, sample=1))
    single, absent = getattr(answer, there), getattr(answer, gone)
    assert (absent.outcome, absent.reason, absent.threshold) == (Outcome.NO_PROBE, reason, None)
    assert answer.fused == replace(single, reason=f"{single.reason}. {reason}")
    assert single.outcome == (Outcome.ACCEPTED if who == 1 else Outcome.UNKNOWN)
    assert single.modality == there


def test_gallery_of_one_modality(recognizer, clip):
    """Everybody is enrolled by face only: a probe with both is answered as by face."""
    for i in (1, 2):
        enroll(recognizer, clip, f"p{i}", face=i)
    for who in (1, 9):
        answer = recognizer.identify(clip(face=who, voice=who, sample=1))
        assert answer.fused == answer.face
        assert answer.voice.reason == "Nobody in the gallery is enrolled by voice"


def test_mixed_gallery(gallery, clip):
    enroll(gallery, clip, "facial", face=20)
    enroll(gallery, clip, "vocal", voice=30)
    assert outcomes(gallery.identify(clip(face=20, voice=20, sample=1)))[0] == ("accepted", "facial")
    assert outcomes(gallery.identify(clip(face=30, voice=30, sample=1)))[0] == ("accepted", "vocal")
    answer = gallery.identify(clip(face=1, voice=1, sample=1))
    assert outcomes(answer)[0] == ("accepted", "ann")
    assert answer.fused.modality == Modality.FUSED


def test_conflict(gallery, clip):
    answer = gallery.identify(clip(face=1, voice=2, sample=1))
    assert outcomes(answer) == [("conflict", None), ("accepted", "ann"), ("accepted", "bob")]


def test_two_people_of_whom_one_is_a_stranger_are_no_conflict(gallery, clip):
    answer = gallery.identify(clip(face=1, voice=9, sample=1))
    assert answer.fused.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN)
    assert answer.voice.outcome == Outcome.UNKNOWN


class DoubtfulFusion(StubFusion):
    """Its scores are next to nothing: as a fused score that stays below its threshold."""

    def fuse(self, face, voice):
        return np.roll(super().fuse(face, voice), 1, axis=1) * np.float32(0.01)


def test_both_alone_are_enough(tmp_path, clip):
    """Face and voice name the person each alone: then the fused answer names nobody else and not nobody."""
    made = make_recognizer(tmp_path / "d", StubEncoders(fusion=DoubtfulFusion()))
    for i, person_id in enumerate(("ann", "bob"), 1):
        enroll(made, clip, person_id, face=i, voice=i)
    probe = clip(face=1, voice=1, sample=1)
    answer = made.identify(probe)
    assert outcomes(answer) == [("accepted", "ann")] * 3
    assert answer.fused == answer.face
    verified = made.verify_person(probe, "ann")
    assert verified.fused == verified.face
    answer = made.identify(clip(face=1, voice=9, sample=1))
    assert outcomes(answer)[:2] == [("unknown", None), ("accepted", "ann")]
    assert answer.fused.reason.endswith("the face alone is recognised, but the voice speaks against that person")
    answer = made.verify_person(clip(face=1, voice=9, sample=1), "ann")
    assert [v.outcome for v in (answer.fused, answer.face, answer.voice)] == ["different", "same", "different"]
    made.close()


def test_nothing_to_go_by(gallery, clip):
    with pytest.raises(NoBiometricError) as caught:
        gallery.identify(clip(picture=True, sound=True))
    assert "no face was found" in caught.value.message
    assert "0.5 s needed" in caught.value.message
    assert caught.value.details == {"hints": []}


def test_bad_media_passes_through_and_frees_its_slot(gallery, clip, tmp_path):
    (tmp_path / "bad").write_bytes(b"\0\1")
    for _ in range(5):
        with pytest.raises(MediaCorruptError):
            gallery.identify(tmp_path / "bad")
    assert gallery.identify(clip(face=1)).face.match.person_id == "ann"


def test_extrapolated_threshold_is_said(tmp_path, clip):
    short = Calibration(60.0, -12.0, (0.5, 0.1), (0.0, 0.057))
    made = make_recognizer(tmp_path / "x", StubEncoders(face=StubFace(calibration=short)))
    enroll(made, clip, "ann", face=1, voice=1)
    answer = made.identify(clip(face=1, voice=1, sample=1))
    assert answer.face.extrapolated
    assert "extrapolated" in answer.face.reason
    assert not answer.voice.extrapolated
    made.close()


# ---- enroll

def test_enroll(recognizer, clip):
    result = enroll(recognizer, clip, "ann", face=1, voice=1)
    assert [t.modality for t in result.templates] == ["face", "voice"]
    assert [t.quality for t in result.templates] == [0.8, 0.7]
    assert result.person.templates == {"face": 1, "voice": 1}
    assert result.duplicate is None
    assert recognizer.store.list_templates("ann") == result.templates
    assert "store" in result.timings_ms


def test_enroll_nobody(recognizer, clip):
    with pytest.raises(PersonNotFoundError):
        recognizer.enroll("nobody", clip(face=1))
    with pytest.raises(InvalidNameError):
        recognizer.enroll("../x", clip(face=1))


def test_a_score_is_over_all_templates(gallery, clip):
    """The same for strangers and for the person, and the same when identifying as when verifying."""
    probes = {who: clip(face=who, voice=who, sample=7, noise=0.9) for who in (1, 9)}

    def score(who):
        return gallery.verify_person(probes[who], "ann").face.score

    each = {who: [] for who in probes}
    for sample in range(1, 5):
        gallery.enroll("ann", clip(face=1, voice=1, sample=sample, noise=0.9), replace=True)
        for who in probes:
            each[who].append(score(who))
    for sample in range(1, 4):
        gallery.enroll("ann", clip(face=1, voice=1, sample=sample, noise=0.9))
    assert gallery.store.get_person("ann").templates == {"face": 4, "voice": 4}
    length = np.linalg.norm(np.mean([direction("face", 1, sample, 0.9) for sample in range(1, 5)], axis=0))
    for who in probes:
        assert score(who) == pytest.approx(np.mean(each[who]) / length, abs=1e-5)
    answer = gallery.identify(probes[1])
    assert answer.face.match.score == pytest.approx(score(1), abs=1e-6)


def test_one_odd_template_is_made_up_for_by_more(recognizer, clip):
    probe = clip(face=1, voice=1, sample=7)
    enroll(recognizer, clip, "ann", face=60, voice=60)
    assert outcomes(recognizer.identify(probe)) == [("unknown", None)] * 3
    for sample in range(1, 4):
        recognizer.enroll("ann", clip(face=1, voice=1, sample=sample), force=True)
    assert outcomes(recognizer.identify(probe)) == [("accepted", "ann")] * 3


def test_same_file_again(gallery, clip):
    path = clip(face=1, voice=1, sample=3)
    first = gallery.enroll("ann", path)
    again = gallery.enroll("ann", path)
    assert again.templates == first.templates
    assert [h.code for h in again.hints] == ["already_enrolled"]


def test_replace(gallery, clip):
    gallery.enroll("ann", clip(face=1, voice=1, sample=1))
    result = gallery.enroll("ann", clip(face=50, voice=50), replace=True)
    assert gallery.store.list_templates("ann") == result.templates
    assert outcomes(gallery.identify(clip(face=50, voice=50, sample=1)))[0] == ("accepted", "ann")
    assert gallery.identify(clip(face=1, voice=1, sample=1)).fused.outcome == Outcome.UNKNOWN


@pytest.mark.parametrize(("what", "modality"), [
    ({"face": 1, "voice": 1}, "fused"), ({"face": 1}, "face"), ({"voice": 1}, "voice"), ({"face": 1, "voice": 2}, "face"),
    ({"face": 1, "voice": 3}, "face"),
])
def test_duplicate_is_refused_and_named(gallery, clip, what, modality):
    gallery.store.create_person("new")
    path = clip(**what, sample=1)
    with pytest.raises(DuplicatePersonError) as caught:
        gallery.enroll("new", path)
    details = caught.value.details
    assert (details["person_id"], details["name"], details["modality"]) == ("ann", "Ann", modality)
    assert 0.9 < details["probability"] <= 1
    assert gallery.store.list_templates("new") == ()
    forced = gallery.enroll("new", path, force=True)
    assert forced.duplicate.person_id == "ann"
    assert len(forced.templates) == len(what)


def test_enrolling_somebody_elses_face_for_a_known_person_is_refused(gallery, clip):
    for replacing in (False, True):
        with pytest.raises(DuplicatePersonError):
            gallery.enroll("bob", clip(face=1, voice=1, sample=1), replace=replacing)
    assert gallery.store.get_person("bob").templates == {"face": 1, "voice": 1}


def test_clip_unlike_the_person_is_said(gallery, clip):
    assert [h.code for h in gallery.enroll("ann", clip(face=40, voice=40)).hints] == ["unlike_earlier"]
    assert gallery.enroll("bob", clip(face=2, voice=2, sample=1)).hints == ()
    assert gallery.enroll("cleo", clip(face=41, voice=41), replace=True).hints == ()


# ---- verify

def test_verify_person(gallery, clip):
    answer = gallery.verify_person(clip(face=1, voice=1, sample=1), "ann")
    assert [v.outcome for v in (answer.fused, answer.face, answer.voice)] == ["same"] * 3
    assert answer.fmr == 0.01
    assert answer.face.threshold == pytest.approx(0.103)
    answer = gallery.verify_person(clip(face=2, voice=2, sample=1), "ann")
    assert [v.outcome for v in (answer.fused, answer.face, answer.voice)] == ["different"] * 3


def test_verify_by_one_modality(gallery, clip):
    answer = gallery.verify_person(clip(face=1, sample=1), "ann")
    assert answer.fused == answer.face
    assert (answer.voice.outcome, answer.voice.score) == ("no_probe", None)
    enroll(gallery, clip, "vocal", voice=30)
    answer = gallery.verify_person(clip(face=30, voice=30, sample=1), "vocal")
    assert answer.fused == answer.voice
    assert answer.face.outcome == "no_probe"
    assert [(h.code, h.text) for h in answer.hints] == [("not_comparable", "No face template is stored for vocal.")]
    assert gallery.verify_person(clip(face=30), "vocal").fused.outcome == "no_probe"


def test_verify_against_all_templates(gallery, clip):
    """One bad template of three does not decide."""
    for sample in (1, 2):
        gallery.enroll("ann", clip(face=1, voice=1, sample=sample))
    gallery.enroll("ann", clip(face=60, voice=60))
    assert gallery.verify_person(clip(face=1, voice=1, sample=3), "ann").fused.outcome == "same"


def test_verify_nobody(gallery, clip):
    with pytest.raises(PersonNotFoundError):
        gallery.verify_person(clip(face=1), "nobody")


def test_verify_clips(gallery, clip):
    answer = gallery.verify_clips(clip(face=70, voice=70), clip(face=70, voice=70, sample=1))
    assert [v.outcome for v in (answer.fused, answer.face, answer.voice)] == ["same"] * 3
    answer = gallery.verify_clips(clip(face=70, voice=70), clip(face=71, voice=71))
    assert answer.fused.outcome == "different"
    answer = gallery.verify_clips(clip(face=70, voice=70), clip(voice=70, sample=1))
    assert (answer.fused, answer.face.outcome) == (answer.voice, "no_probe")
    assert gallery.verify_clips(clip(face=70), clip(voice=70)).fused.outcome == "no_probe"
    with pytest.raises(NoBiometricError, match="The reference"):
        gallery.verify_clips(clip(face=70), clip(picture=True))
    assert gallery.store.count() == 3


# ---- first sight

def test_first_sight_registers_then_identifies(recognizer, clip):
    first = recognizer.first_sight("ann@example.com", clip(face=1, voice=1))
    assert (first.registered, first.duplicate, first.person_id) == (True, None, "ann@example.com")
    assert outcomes(first.identification) == [("accepted", "ann@example.com")] * 3
    again = recognizer.first_sight("ann@example.com", clip(face=1, voice=1, sample=1))
    assert (again.registered, again.duplicate) == (False, None)
    assert outcomes(again.identification)[0] == ("accepted", "ann@example.com")
    assert recognizer.store.get_person("ann@example.com").templates == {"face": 1, "voice": 1}


def test_first_sight_of_a_person_without_templates(recognizer, clip):
    recognizer.store.create_person("ann", "Ann")
    assert recognizer.first_sight("ann", clip(face=1)).registered
    assert recognizer.store.get_person("ann").name == "Ann"


def test_first_sight_under_another_id_is_reported_and_not_stored(gallery, clip):
    result = gallery.first_sight("alias", clip(face=1, voice=1, sample=1))
    assert (result.registered, result.duplicate.person_id, result.duplicate.name) == (False, "ann", "Ann")
    assert outcomes(result.identification)[0] == ("accepted", "ann")
    with pytest.raises(PersonNotFoundError):
        gallery.store.get_person("alias")


def test_first_sight_with_force_stores_and_reports(gallery, clip):
    result = gallery.first_sight("twin", clip(face=1, voice=1, sample=1), force=True)
    assert (result.registered, result.duplicate.person_id) == (True, "ann")
    assert gallery.store.get_person("twin").templates == {"face": 1, "voice": 1}


def test_known_id_with_another_face_is_only_identified(gallery, clip):
    result = gallery.first_sight("ann", clip(face=2, voice=2, sample=1))
    assert (result.registered, result.duplicate) == (False, None)
    assert outcomes(result.identification)[0] == ("accepted", "bob")


def test_re_register(gallery, clip):
    result = gallery.first_sight("ann", clip(face=80, voice=80), re_register=True)
    assert result.registered
    assert outcomes(result.identification)[0] == ("accepted", "ann")
    assert gallery.store.get_person("ann").templates == {"face": 1, "voice": 1}
    refused = gallery.first_sight("ann", clip(face=2, voice=2, sample=1), re_register=True)
    assert (refused.registered, refused.duplicate.person_id) == (False, "bob")
    assert gallery.first_sight("new", clip(face=81), re_register=True).registered


def test_first_sight_of_somebody_who_is_deleted_meanwhile(gallery, clip, monkeypatch):
    """Known when looked up, gone when stored: registered anew."""
    known = gallery.store.find_person

    def deleted_after(person_id):
        found = known(person_id)
        gallery.store.delete_person(person_id)
        return found

    monkeypatch.setattr(gallery.store, "find_person", deleted_after)
    result = gallery.first_sight("ann", clip(face=1, voice=1, sample=1), re_register=True)
    assert (result.registered, result.duplicate) == (True, None)
    assert outcomes(result.identification) == [("accepted", "ann")] * 3


def test_first_sight_leaves_nothing_of_a_bad_clip(recognizer, clip):
    with pytest.raises(NoBiometricError):
        recognizer.first_sight("ann", clip(picture=True))
    for bad in ("..", "a/b"):
        with pytest.raises(InvalidNameError):
            recognizer.first_sight(bad, clip(face=1))
    assert recognizer.store.count() == 0


# ---- encoders change

def test_other_models(tmp_path, clip):
    old = make_recognizer(tmp_path / "g")
    for i, person_id in enumerate(("ann", "bob"), 1):
        enroll(old, clip, person_id, face=i, voice=i)
    old.close()
    new = make_recognizer(tmp_path / "g", StubEncoders(face=StubFace("face-2"), voice=StubVoice("voice-2")))
    assert [(s.modality, s.templates) for s in new.stale_templates()] == [("face", 2), ("voice", 2)]
    probe = clip(face=1, voice=1, sample=1)
    new.store.create_person("cleo")
    for call in (lambda: new.identify(probe), lambda: new.verify_person(probe, "ann"), lambda: new.enroll("ann", probe),
                 lambda: new.enroll("cleo", probe), lambda: new.first_sight("dora", probe)):
        with pytest.raises(EncoderMismatchError) as caught:
            call()
        assert "template" in caught.value.message
    new.enroll("ann", probe, replace=True)
    answer = new.identify(clip(face=1, voice=1, sample=2))
    assert outcomes(answer)[0] == ("accepted", "ann")
    assert [h.code for h in answer.hints] == ["stale_templates"] * 2
    assert answer.people == 1
    new.enroll("bob", clip(face=2, voice=2, sample=1), replace=True)
    assert new.stale_templates() == ()
    assert new.identify(clip(face=2, voice=2, sample=2)).hints == ()
    new.close()


# ---- people, audit, slots

def test_people(gallery, clip):
    assert gallery.store.count() == 3
    with pytest.raises(PersonExistsError):
        gallery.store.create_person("ann")
    assert [p.person_id for p in gallery.store.list_people("bo").people] == ["bob"]
    gallery.store.update_person("ann", name="Anne")
    assert gallery.identify(clip(face=1, voice=1, sample=1)).fused.match.name == "Anne"
    gallery.store.delete_template("ann", gallery.store.list_templates("ann")[0].template_id)
    with pytest.raises(TemplateNotFoundError):
        gallery.store.delete_template("ann", "0" * 32)
    gallery.store.delete_person("ann")
    assert gallery.identify(clip(face=1, voice=1, sample=1)).fused.outcome == Outcome.UNKNOWN
    gallery.store.check()


def test_audit_of_recognition(gallery, clip):
    gallery.identify(clip(face=1, voice=1, sample=1))
    gallery.store.create_person("new")
    with pytest.raises(DuplicatePersonError):
        gallery.enroll("new", clip(face=1, voice=1, sample=1))
    refused, _, identified = gallery.store.events(3)
    assert (identified.action, identified.outcome) == ("identify", "accepted")
    assert (refused.action, refused.outcome) == ("enroll", "duplicate_refused")
    assert refused.person_key == identified.person_key


def test_full_disk_does_not_keep_people_from_being_recognised(gallery, clip, caplog):
    from tests.test_sqlite import limit_pages
    limit_pages(gallery.store, 1)
    gallery.store.database._engine.dispose()
    last = None
    for sample in range(60):
        last = gallery.identify(clip(face=1, voice=1, sample=sample))
    assert outcomes(last)[0] == ("accepted", "ann")
    assert "the audit missed identify accepted: storage_full" in caplog.text


class SlowAligner(ClipAligner):
    """Counts how many clips are read at the same time, and waits to be let go."""

    def __init__(self):
        self.now = self.most = 0
        self.go = threading.Event()
        self._lock = threading.Lock()

    def analyse(self, path, *, filename=None):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go.wait(10)
        with self._lock:
            self.now -= 1
        return super().analyse(path, filename=filename)


def test_slots(tmp_path, clip):
    aligner = SlowAligner()
    made = make_recognizer(tmp_path / "s", wait_s=0.3, aligner=aligner, slots=2)
    path, results = clip(face=1), []

    def ask():
        try:
            results.append(made.identify(path).face.outcome.value)
        except BusyError as error:
            results.append(error.code)
            aligner.go.set()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert aligner.most == 2
    assert sorted(results) == ["busy", "unknown", "unknown"]
    made.close()


def test_a_vector_that_is_no_number_is_refused(tmp_path, clip):
    class Broken(StubFace):
        def embed(self, faces, weights):
            return replace(super().embed(faces, weights), vector=np.full(512, np.nan, np.float32))

    made = make_recognizer(tmp_path / "n", StubEncoders(face=Broken()))
    with pytest.raises(ValueError, match="unit length"):
        made.identify(clip(face=1))
    made.close()
