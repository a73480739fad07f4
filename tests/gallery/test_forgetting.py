"""Deletion is complete, in the database, its log and the rest of the data folder.

Each test first finds the bytes that must go, so that a test that looks for the wrong
ones fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update

from gallery.encryption.sealing import Sealer
from gallery.records.groups import NewGroup
from gallery.records.jobs import Jobs, NewItem, NewJob
from gallery.records.people import NewPerson
from gallery.records.sightings import Rules
from gallery.results import NewTranscript, SpokenTurn
from gallery.store import Store
from gallery.tables import metadata, people, reembedded, templates
from gallery.upkeep.reembedding import Reembedding
from gallery.vectors import to_bytes
from recognition.recognizer import Recognizer
from tests.support.asking import enroll, identify
from tests.support.gallery_parts import (
    ClipAligner,
    direction,
    make_recognizer,
    open_gallery,
    write_clip,
)
from tests.support.next_models import NEXT
from tests.support.remains import present_in
from tests.support.templates import face, kept_media
from utils.media import Capture, Waveform
from utils.modality import Embedding, Modality

pytestmark = pytest.mark.slow


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def pieces(modality: Modality, identity: int, sample: int, noise: float = 0.5) -> list[bytes]:
    """32 bytes from the start, the middle and the end of a stored vector."""
    stored = to_bytes(Embedding(direction(modality, identity, sample, noise), modality, "x"))
    return [stored[at : at + 32] for at in (0, 1000, 2016)]


class DistinctAligner(ClipAligner):
    """Pictures and sounds that differ from each other.

    Those of the stand-in are black and silent but for the numbers in them.
    """

    def change(self, capture: Capture) -> Capture:
        """Put noise around the numbers."""
        noise = np.random.default_rng(int(capture.source_sha256, 16))
        image = noise.integers(1, 256, (112, 112, 3), dtype=np.uint8)
        samples = noise.uniform(-0.5, 0.5, 16_000).astype(np.float32)
        image[0, 0] = capture.face_analysis.faces[0].image[0, 0]
        samples[:3] = capture.speech_analysis.speech.samples[:3]
        faces = replace(
            capture.face_analysis, faces=(replace(capture.face_analysis.faces[0], image=image),)
        )
        return replace(
            capture,
            face_analysis=faces,
            speech_analysis=replace(capture.speech_analysis, speech=Waveform(samples, 16_000)),
        )


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Recognizer, list[bytes]]]:
    """A gallery with everything that can be stored on somebody, and fragments of it."""
    folder = tmp_path / "data"
    recognizer = make_recognizer(
        folder, aligner=DistinctAligner(), keep_media=True, visit_days=1, stranger_days=1
    )
    recognizer.store._media_root = folder / "media"
    (folder / "media").mkdir()
    enroll_others(recognizer, tmp_path / "clip")
    enroll_walrus(recognizer, tmp_path / "clip")
    ask_about_walrus(recognizer, tmp_path / "clip")
    (folder / "media/walrus-upload.mp4").write_bytes(b"walrus in the upload")
    work_on_jobs(Jobs(recognizer.store.database))
    recognizer.store.mark_distinct(WALRUS, "other-2")
    sight_walrus(recognizer.store)
    turn = SpokenTurn(0.0, 2.0, "walrus speaks", person_id=WALRUS, outcome="named")
    recognizer.store.keep_transcript(NewTranscript("walrus talk.wav", "en", 2.0, (turn,)))
    Reembedding(recognizer.store, NEXT).stage()
    yield recognizer, [*TEXTS, *templates_of(recognizer.store)]
    recognizer.close()


def enroll_others(recognizer: Recognizer, clip: Path) -> None:
    for number in range(2, 8):
        recognizer.store.create_person(f"other-{number}", f"Other {number}")
        write_clip(clip, face=number, voice=number, sample=number)
        enroll(recognizer, f"other-{number}", clip)


def enroll_walrus(recognizer: Recognizer, clip: Path) -> None:
    recognizer.store.create_person(
        WALRUS,
        "Wanda Wälrus",
        "walrus note",
        consent="walrus consent",
        retention_days=30,
    )
    for sample in range(3):
        enroll(recognizer, WALRUS, write_clip(clip, face=1, voice=1, sample=sample))


def ask_about_walrus(recognizer: Recognizer, clip: Path) -> None:
    """Leave two answers that name the person, one of them with feedback."""
    for number, sample in ((1, 9), (2, 8)):
        write_clip(clip, face=1, voice=1, sample=sample)
        identify(recognizer, clip, request_id=f"walrus-request-{number}")
    recognizer.store.give_feedback("walrus-request-1", WALRUS, True)
    identify(recognizer, write_clip(clip, face=40, voice=40))


def sight_walrus(store: Store) -> None:
    """Leave a sighting of the person, which a receiver waits for."""
    store.create_group(NewGroup("watch", watched=True))
    store.add_to_group("watch", WALRUS)
    store.rules = Rules(receivers=("0011223344556677",))
    store.note_sighting("identify", WALRUS, "walrus-sighting")


def work_on_jobs(jobs: Jobs) -> None:
    """Leave a job with an upload of the person, and a result that names the person."""
    upload = NewItem("walrus-clip.mp4", "walrus-upload.mp4", WALRUS, uploaded=True)
    jobs.create(NewJob("enroll", [upload]))
    job = jobs.create(NewJob("identify", [NewItem("camera.mp4", "camera.mp4")]))
    claim = jobs.claim("worker", job.job_id)
    assert claim
    jobs.finish(claim, "worker", result={"name": "Wanda Wälrus"}, mentions=[WALRUS])


WALRUS = "walrus@example.com"
TEXTS = [
    WALRUS.encode(),
    "Wanda Wälrus".encode(),
    "wanda wälrus".encode(),
    b'"name": "Wanda W\\u00e4lrus"',
    b"walrus note",
    b"walrus consent",
    b"walrus-request-1",
    b"walrus-request-2",
    b"walrus-upload",
    b"walrus-clip.mp4",
    b"camera.mp4",
    b"walrus in the upload",
    b"walrus speaks",
    b"walrus talk.wav",
    b"walrus-sighting",
]


def templates_of(store: Store) -> list[bytes]:
    """Fragments of three clips: vectors, kept media, staged vectors, hashes."""
    infos = store.list_templates(WALRUS)
    media = [kept_media(store, info.template_id) for info in infos]
    with store.database.read() as connection:
        ours = (
            select(reembedded.c.vector)
            .join(templates, templates.c.key == reembedded.c.key)
            .where(templates.c.template_id.in_([info.template_id for info in infos]))
        )
        staged = list(connection.scalars(ours))
    assert len(staged) == 6
    hashes = [info.source_sha256.encode() for info in infos]
    return [*vector_pieces(), *media_pieces(media), *staged_pieces(staged), *hashes]


def vector_pieces() -> Iterator[bytes]:
    for sample in range(3):
        for modality in (Modality.FACE, Modality.VOICE):
            yield from pieces(modality, 1, sample)


def media_pieces(media: Sequence[Mapping[str, bytes]]) -> Iterator[bytes]:
    for kinds in media:
        for data in kinds.values():
            yield data[16:][:48]
            yield data[len(data) // 2 :][:48]


def staged_pieces(vectors: Sequence[bytes]) -> Iterator[bytes]:
    for vector in vectors:
        yield vector[:32]
        yield vector[2016:][:32]


def test_the_gallery_of_these_tests_holds_all_that_can_be_stored(
    full: tuple[Recognizer, list[bytes]], tmp_path: Path
) -> None:
    """A table that is added must be filled above, or nothing looks for its rows."""
    recognizer, traces = full
    assert present_in(tmp_path / "data", *traces) == traces
    with recognizer.store.database.read() as connection:
        empty = {
            t.name
            for t in metadata.sorted_tables
            if not connection.scalar(select(func.count()).select_from(t))
        }
    assert empty == {"api_keys", "challenges", "rejections"}  # which are of nobody


def test_a_deleted_person(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    recognizer, traces = full
    recognizer.store.delete_person(WALRUS)
    assert present_in(tmp_path / "data", *traces) == []
    assert (
        recognizer.store.feedback_trials(
            recognizer.encoder_ids.to_dict(), recognizer.scale_ids.to_dict()
        )
        == ()
    )
    assert recognizer.store.count() == 6


def test_a_person_whose_retention_is_over(
    full: tuple[Recognizer, list[bytes]], tmp_path: Path
) -> None:
    recognizer, traces = full
    with recognizer.store.database.write() as connection:
        connection.execute(
            update(people)
            .where(people.c.retention_days == 30)
            .values(enrolled_at=datetime.now(UTC) - timedelta(days=31))
        )
    assert recognizer.store.forget_expired() == 1
    assert present_in(tmp_path / "data", *traces) == []


def test_a_person_who_was_merged(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    """What was merged stays under the first id, and what named the other is gone."""
    recognizer, traces = full
    recognizer.store.merge_people("other-2", WALRUS)
    stays = (b"walrus note", b"walrus consent", b"walrus speaks", b"walrus talk.wav")
    names = [w for w in TEXTS if b"request" not in w and w not in stays]
    assert present_in(tmp_path / "data", *names) == []
    shown = traces[len(TEXTS) :]
    assert present_in(tmp_path / "data", *shown) == shown, "templates and media"
    assert present_in(tmp_path / "data", b"walrus note", b"walrus consent") == [
        b"walrus note",
        b"walrus consent",
    ]


def test_a_deleted_template(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    recognizer, _ = full
    first = recognizer.store.list_templates(WALRUS)[0]
    media = kept_media(recognizer.store, first.template_id)
    gone = [*pieces(Modality.FACE, 1, 0), *media_pieces([media])]
    assert present_in(tmp_path / "data", *gone) == gone
    recognizer.store.delete_template(WALRUS, first.template_id)
    assert present_in(tmp_path / "data", *gone) == []
    assert present_in(tmp_path / "data", *pieces(Modality.FACE, 1, 1)) == pieces(
        Modality.FACE, 1, 1
    )


def test_what_a_change_replaces(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    recognizer, traces = full
    recognizer.store.update_person(WALRUS, name="Ann", note="", consent="none")
    assert present_in(tmp_path / "data", *TEXTS[1:3], b"walrus note", b"walrus consent") == []
    clip = write_clip(tmp_path / "clip", face=1, voice=1, sample=30)
    enroll(recognizer, WALRUS, clip, replace=True)
    assert present_in(tmp_path / "data", *traces[len(TEXTS) :]) == []
    assert present_in(tmp_path / "data", *pieces(Modality.FACE, 1, 30)) == pieces(
        Modality.FACE, 1, 30
    )


def test_templates_that_are_made_anew(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    recognizer, _ = full
    old = [to_bytes(Embedding(direction(Modality.FACE, 1, 0, 0.5), Modality.FACE, "x"))]
    assert present_in(tmp_path / "data", *old) == old
    Reembedding(recognizer.store, NEXT).switch()
    assert present_in(tmp_path / "data", *old) == []


def test_a_sealed_gallery(tmp_path: Path) -> None:
    """The ciphertext goes, too: somebody with an old copy may get the key one day."""
    store = open_gallery(tmp_path / "data", codec=Sealer(b"k" * 32))
    for i in range(8):
        store.enroll(NewPerson(f"p{i}"), [replace(face(i), media={"thumbnail": bytes([i]) * 3000})])
    with store.database.read() as connection:
        both = (
            "SELECT vector FROM templates WHERE key = 3 UNION SELECT data FROM kept_media WHERE"
            " key = 3"
        )
        sealed = list(connection.exec_driver_sql(both).scalars())
    traces = [data[:40] for data in sealed] + [data[-40:] for data in sealed]
    assert present_in(tmp_path / "data", *traces) == traces
    store.delete_person("p2")
    assert present_in(tmp_path / "data", *traces) == []
    store.close()
