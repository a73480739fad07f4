"""Media stored with templates, and the export of everything on a person."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gallery.encryption.sealing import Sealer
from gallery.records import stored_media
from gallery.records.people import NewPerson
from gallery.store import NewTemplate, Store
from tests.support.asking import enroll, identify
from tests.support.gallery_parts import direction, make_recognizer, open_gallery, write_clip
from tests.support.templates import CURRENT, face, kept_media, voice
from utils.errors import PersonNotFoundError, ThumbnailNotFoundError
from utils.media import Waveform
from utils.modality import Modality


def test_faces_and_speech_come_back() -> None:
    noise = np.random.default_rng(3)
    images = noise.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    weights = np.array([0.9, 0.31, 0.5], np.float32)
    again, weights_again = stored_media.unpack_faces(stored_media.pack_faces(images, weights))
    np.testing.assert_array_equal(again, images)
    np.testing.assert_array_equal(weights_again, weights)
    speech = Waveform(noise.uniform(-1, 1, 16_000).astype(np.float32), 16_000)
    heard = stored_media.unpack_speech(stored_media.pack_speech(speech))
    assert heard.rate_hz == 16_000
    np.testing.assert_allclose(heard.samples, speech.samples, atol=2**-15)


@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_media_are_kept_and_embed_to_the_same_template(tmp_path: Path, key: bytes | None) -> None:
    recognizer = make_recognizer(
        tmp_path / "data", codec=Sealer(key) if key else None, keep_media=True
    )
    clip = write_clip(tmp_path / "clip", face=3, voice=3, sample=7)
    stored = enroll(recognizer, "ann", clip, create=True).templates
    face_media, voice_media = (kept_media(recognizer.store, t.template_id) for t in stored)
    assert (sorted(face_media), sorted(voice_media)) == (["faces", "thumbnail"], ["speech"])
    vectors = recognizer.store.vectors_of("ann", CURRENT)
    encoders = recognizer._analyser._encoders
    again = encoders.face.embed(*stored_media.unpack_faces(face_media["faces"]))
    np.testing.assert_array_equal(again.vector, vectors[Modality.FACE].vectors[0])
    heard = stored_media.unpack_speech(voice_media["speech"])
    assert heard.samples.size == soundfile.info(io.BytesIO(voice_media["speech"])).frames
    np.testing.assert_array_equal(
        encoders.voice.embed(heard).vector, vectors[Modality.VOICE].vectors[0]
    )
    assert recognizer.store.thumbnail("ann") == face_media["thumbnail"]
    assert face_media["thumbnail"][:4] == b"RIFF"
    in_the_clear = face_media["faces"][:60] in (tmp_path / "data/duet.db-wal").read_bytes()
    assert in_the_clear is (key is None)
    recognizer.store.delete_template("ann", stored[0].template_id)
    assert kept_media(recognizer.store, stored[0].template_id) == {}
    with pytest.raises(ThumbnailNotFoundError):
        recognizer.store.thumbnail("ann")
    recognizer.close()


def test_nothing_is_kept_by_default(tmp_path: Path) -> None:
    recognizer = make_recognizer(tmp_path)
    stored = enroll(
        recognizer, "ann", write_clip(tmp_path / "clip", face=3, voice=3), create=True
    ).templates
    assert [kept_media(recognizer.store, t.template_id) for t in stored] == [{}, {}]
    recognizer.close()


def test_the_best_face_is_the_picture(store: Store) -> None:
    store.create_person("ann")
    for quality, picture in ((0.4, b"poor"), (0.9, b"good"), (0.5, b"fair")):
        store.enroll(
            "ann",
            [replace(face(1, round(quality * 10)), quality=quality, media={"thumbnail": picture})],
        )
    assert store.thumbnail("ann") == b"good"


def test_media_go_with_a_moved_template(store: Store) -> None:
    stored = store.enroll(
        NewPerson("ann"),
        [NewTemplate(face().embedding, 0.5, "0", {"thumbnail": b"picture"}), voice()],
    )
    store.move_template("ann", stored.templates[0].template_id, NewPerson("bob"))
    assert store.thumbnail("bob") == b"picture"
    with pytest.raises(ThumbnailNotFoundError):
        store.thumbnail("ann")


# ---- export


def test_export_holds_everything(tmp_path: Path) -> None:
    made = make_recognizer(tmp_path, keep_media=True)
    made.store.create_person("ann", "Ann Lee", "front desk", consent="signed", retention_days=90)
    enroll(made, "ann", write_clip(tmp_path / "a", face=1, voice=1))
    enroll(
        made, "anna", write_clip(tmp_path / "b", face=1, voice=1, sample=2), create=True, force=True
    )
    identify(made, write_clip(tmp_path / "probe", face=1, voice=1, sample=9), request_id="r1")
    named = identify(
        made, write_clip(tmp_path / "c", face=1, voice=1, sample=9), request_id="r1"
    ).decisions.fused.match.person_id
    made.store.give_feedback("r1", named, True)
    made.store.merge_people("ann", "anna")
    document = json.loads(json.dumps(made.store.export_person("ann")))
    assert document["person"]["name"] == "Ann Lee"
    assert document["person"]["retention_days"] == 90
    assert [t["modality"] for t in document["templates"]] == ["face", "voice"] * 2
    exported = np.array(document["templates"][0]["vector"], np.float32)
    stored = made.store.vectors_of("ann", CURRENT)[Modality.FACE].vectors[0]
    np.testing.assert_array_equal(exported, stored)
    np.testing.assert_allclose(exported, direction("face", 1, 0, 0.5), rtol=1e-6)
    assert sorted(document["templates"][0]["media"]) == ["faces", "thumbnail"]
    assert document["templates"][1]["media"]["speech"]["content_type"] == "audio/flac"
    assert {row["modality"] for row in document["identifications"]} == {"face", "voice", "fused"}
    assert document["feedback"]
    assert all(row["same"] and row["request_id"] == "r1" for row in document["feedback"])
    actions = [e["action"] for e in document["events"]]
    assert actions.count("create_person") == 2, (
        "those of the entry that was merged into it are the person's too"
    )
    assert made.store.events(1)[0].action == "export_person"
    made.close()


def test_export_of_a_sealed_gallery(tmp_path: Path) -> None:
    sealed = open_gallery(tmp_path, codec=Sealer(b"k" * 32))
    sealed.enroll(NewPerson("ann"), [face()])
    vector = sealed.export_person("ann")["templates"][0]["vector"]
    np.testing.assert_array_equal(np.array(vector, np.float32), direction("face", 1, 0, 0.5))
    sealed.close()


def test_export_of_nobody(store: Store) -> None:
    with pytest.raises(PersonNotFoundError):
        store.export_person("nobody")
    assert store.events() == ()
