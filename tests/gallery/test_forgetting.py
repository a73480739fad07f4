"""Deletion is complete, in the database, its log and the rest of the data folder.

Each test first finds the bytes that must go, so that a test that looks for the wrong
ones fails.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update

from gallery.database import residue
from gallery.database.sqlite import SqliteDatabase
from gallery.encryption.sealing import Sealer
from gallery.records import people as statements
from gallery.records.jobs import Jobs, NewItem, NewJob
from gallery.records.people import NewPerson
from gallery.store import Store
from gallery.tables import metadata, people, reembedded, templates
from gallery.upkeep.reembedding import Reembedding
from gallery.vectors import to_bytes
from recognition.recognizer import Recognizer
from tests.gallery.test_reembedding import NEXT
from tests.support.asking import enroll, identify
from tests.support.gallery_parts import (
    ClipAligner,
    direction,
    make_recognizer,
    open_gallery,
    write_clip,
)
from tests.support.templates import face, voice
from utils.media import Capture, Waveform
from utils.modality import Embedding, Modality


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def found_in(folder: Path, *wanted: bytes) -> list[bytes]:
    data = b"".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())
    return [w for w in wanted if w in data]


def pieces(modality: Modality, identity: int, sample: int, noise: float = 0.5) -> list[bytes]:
    """32 bytes from the start, the middle and the end of a stored vector."""
    stored = to_bytes(Embedding(direction(modality, identity, sample, noise), modality, "x"))
    return [stored[at : at + 32] for at in (0, 1000, 2016)]


class DistinctAligner(ClipAligner):
    """Pictures and sounds that differ from each other.

    Those of the stand-in are black and silent but for the numbers in them.
    """

    def analyse(self, path: Path, *, filename: str | None = None) -> Capture:
        """As align.aligner.Aligner.analyse."""
        capture = super().analyse(path, filename=filename)
        noise = np.random.default_rng(list(path.read_bytes()))
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


# ---- everything on one person


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Recognizer, list[bytes]]]:
    """A gallery with everything that can be stored on somebody, and fragments of it."""
    folder = tmp_path / "data"
    made = make_recognizer(folder, aligner=DistinctAligner(), keep_media=True)
    made.store._media_root = folder / "media"
    (folder / "media").mkdir()
    for number in range(2, 8):
        made.store.create_person(f"other-{number}", f"Other {number}")
        enroll(
            made,
            f"other-{number}",
            write_clip(tmp_path / "clip", face=number, voice=number, sample=number),
        )
    made.store.create_person(
        "walrus@example.com",
        "Wanda Wälrus",
        "walrus note",
        consent="walrus consent",
        retention_days=30,
    )
    for sample in range(3):
        enroll(
            made,
            "walrus@example.com",
            write_clip(tmp_path / "clip", face=1, voice=1, sample=sample),
        )
    identify(
        made,
        write_clip(tmp_path / "clip", face=1, voice=1, sample=9),
        request_id="walrus-request-1",
    )
    identify(
        made,
        write_clip(tmp_path / "clip", face=1, voice=1, sample=8),
        request_id="walrus-request-2",
    )
    made.store.give_feedback("walrus-request-1", "walrus@example.com", True)
    (folder / "media/walrus-upload.mp4").write_bytes(b"walrus in the upload")
    jobs = Jobs(made.store.database)
    jobs.create(
        NewJob(
            "enroll",
            [NewItem("walrus-clip.mp4", "walrus-upload.mp4", "walrus@example.com", uploaded=True)],
        )
    )
    named = jobs.create(NewJob("identify", [NewItem("camera.mp4", "camera.mp4")]))
    claim = jobs.claim("worker", named.job_id)
    assert claim
    jobs.finish(claim, "worker", result={"name": "Wanda Wälrus"}, mentions=["walrus@example.com"])
    Reembedding(made.store, NEXT).stage()
    yield made, [*TEXTS, *templates_of(made.store)]
    made.close()


TEXTS = [
    b"walrus@example.com",
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
]


def templates_of(store: Store) -> list[bytes]:
    """Fragments of three clips: vectors, kept media, staged vectors, hashes."""
    infos = store.list_templates("walrus@example.com")
    media = [store.kept_media(info.template_id) for info in infos]
    with store.database.read() as connection:
        ours = (
            select(reembedded.c.vector)
            .join(templates, templates.c.key == reembedded.c.key)
            .where(templates.c.template_id.in_([info.template_id for info in infos]))
        )
        staged = list(connection.scalars(ours))
    assert len(staged) == 6
    return [
        *(
            p
            for sample in range(3)
            for m in (Modality.FACE, Modality.VOICE)
            for p in pieces(m, 1, sample)
        ),
        *(
            data[at : at + 48]
            for kinds in media
            for data in kinds.values()
            for at in (16, len(data) // 2)
        ),
        *(vector[at : at + 32] for vector in staged for at in (0, 2016)),
        *(info.source_sha256.encode() for info in infos),
    ]


def test_the_gallery_of_these_tests_holds_all_that_can_be_stored(
    full: tuple[Recognizer, list[bytes]], tmp_path: Path
) -> None:
    """A table that is added must be filled above, or nothing looks for its rows."""
    made, looked_for = full
    assert found_in(tmp_path / "data", *looked_for) == looked_for
    with made.store.database.read() as connection:
        empty = {
            t.name
            for t in metadata.sorted_tables
            if not connection.scalar(select(func.count()).select_from(t))
        }
    assert empty == {"api_keys"}


def test_a_deleted_person(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    made, looked_for = full
    made.store.delete_person("walrus@example.com")
    assert found_in(tmp_path / "data", *looked_for) == []
    assert made.store.feedback_trials(made.encoder_ids.to_dict(), made.scale_ids.to_dict()) == ()
    assert made.store.count() == 6


def test_a_person_whose_retention_is_over(
    full: tuple[Recognizer, list[bytes]], tmp_path: Path
) -> None:
    made, looked_for = full
    with made.store.database.write() as connection:
        connection.execute(
            update(people)
            .where(people.c.retention_days == 30)
            .values(enrolled_at=datetime.now(UTC) - timedelta(days=31))
        )
    assert made.store.forget_expired() == 1
    assert found_in(tmp_path / "data", *looked_for) == []


def test_a_person_who_was_merged(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    """What was merged stays under the first id, and what named the other is gone."""
    made, looked_for = full
    made.store.merge_people("other-2", "walrus@example.com")
    names = [
        w for w in TEXTS if b"request" not in w and w not in (b"walrus note", b"walrus consent")
    ]
    assert found_in(tmp_path / "data", *names) == []
    shown = looked_for[len(TEXTS) :]
    assert found_in(tmp_path / "data", *shown) == shown, "templates and media"
    assert found_in(tmp_path / "data", b"walrus note", b"walrus consent") == [
        b"walrus note",
        b"walrus consent",
    ]


def test_a_deleted_template(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    made, _ = full
    first = made.store.list_templates("walrus@example.com")[0]
    gone = [
        *pieces(Modality.FACE, 1, 0),
        *(
            data[len(data) // 2 :][:48]
            for data in made.store.kept_media(first.template_id).values()
        ),
    ]
    assert found_in(tmp_path / "data", *gone) == gone
    made.store.delete_template("walrus@example.com", first.template_id)
    assert found_in(tmp_path / "data", *gone) == []
    assert found_in(tmp_path / "data", *pieces(Modality.FACE, 1, 1)) == pieces(Modality.FACE, 1, 1)


def test_what_a_change_replaces(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    made, looked_for = full
    made.store.update_person("walrus@example.com", name="Ann", note="", consent="none")
    assert found_in(tmp_path / "data", *TEXTS[1:3], b"walrus note", b"walrus consent") == []
    clip = write_clip(tmp_path / "clip", face=1, voice=1, sample=30)
    enroll(made, "walrus@example.com", clip, replace=True)
    assert found_in(tmp_path / "data", *looked_for[len(TEXTS) :]) == []
    assert found_in(tmp_path / "data", *pieces(Modality.FACE, 1, 30)) == pieces(
        Modality.FACE, 1, 30
    )


def test_templates_that_are_made_anew(full: tuple[Recognizer, list[bytes]], tmp_path: Path) -> None:
    made, _ = full
    old = [to_bytes(Embedding(direction(Modality.FACE, 1, 0, 0.5), Modality.FACE, "x"))]
    assert found_in(tmp_path / "data", *old) == old
    Reembedding(made.store, NEXT).switch()
    assert found_in(tmp_path / "data", *old) == []


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
    wanted = [data[at : at + 40] for data in sealed for at in (0, len(data) - 40)]
    assert found_in(tmp_path / "data", *wanted) == wanted
    store.delete_person("p2")
    assert found_in(tmp_path / "data", *wanted) == []
    store.close()


# ---- what SQLite leaves behind


def opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY)


def test_copies_that_sqlite_leaves_are_found_and_removed(store: Store, tmp_path: Path) -> None:
    """Rows that grow move between pages and leave copies, beyond `secure_delete`."""
    noise = np.random.default_rng(1)
    ids = [f"{int(noise.integers(10**12)):012d}" for _ in range(600)]
    with store.database.write() as connection:
        keys = [
            statements.create(
                connection, NewPerson(person_id, note="n" * int(noise.choice([0, 50, 700])))
            )
            for person_id in ids
        ]
    with store.database.write() as connection:
        for number in noise.choice(len(keys), 200, replace=False):
            statements.change(connection, keys[number], {"note": "m" * 1200})
    store.database.scrub()
    assert isinstance(store.database, SqliteDatabase)
    unused = b"".join(residue.unused_space(store.database._descriptor()))
    copied = [person_id for person_id in ids if person_id.encode() in unused]
    assert copied, "SQLite left no copy of a row: the test needs more people, or SQLite has changed"
    for person_id in copied:
        store.delete_person(person_id)
        assert found_in(tmp_path / "data", person_id.encode()) == []


def test_unused_space_of_a_fresh_file_is_empty(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / "x.db")
    file.execute("CREATE TABLE t (a TEXT, b BLOB)")
    file.executemany(
        "INSERT INTO t VALUES (?, ?)",
        [(f"text {i}", bytes(range(256)) * (i % 40)) for i in range(300)],
    )
    file.commit()
    file.execute("VACUUM")
    file.close()
    assert list(residue.unused_space(opened(tmp_path / "x.db"))) == []
    assert not residue.holds_any(opened(tmp_path / "x.db"), [b"text 17"])


@pytest.mark.parametrize("size", [512, 4096, 65536])
def test_unused_space_is_read_at_every_page_size(tmp_path: Path, size: int) -> None:
    """The last row of a page, deleted without `secure_delete`, stays in its space."""
    file = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    file.execute(f"PRAGMA page_size={size}")
    file.execute("PRAGMA secure_delete=OFF")
    file.execute("CREATE TABLE t (a TEXT)")
    file.executemany("INSERT INTO t VALUES (?)", [("first row",), ("the last row",)])
    assert not residue.holds_any(opened(tmp_path / "x.db"), [b"the last row"]), (
        "a row that is there is not unused space"
    )
    file.execute("DELETE FROM t WHERE rowid = 2")
    file.close()
    assert residue.holds_any(opened(tmp_path / "x.db"), [b"e last row"])
    assert not residue.holds_any(opened(tmp_path / "x.db"), [b"first row"])


def test_short_traces_are_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"")
    assert not residue.holds_any(opened(tmp_path / "x.db"), [b"", b"abc"])


def test_many_traces_are_not_looked_for_one_by_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.database.sqlite._MANY_TRACES", 3)
    monkeypatch.setattr(
        "gallery.database.residue.holds_any", lambda *_: pytest.fail("the file is written anew")
    )
    store.create_person("p0", "Walrus000")
    store.delete_person("p0")
    assert found_in(tmp_path / "data", b"Walrus000") == []


def test_a_process_that_ends_amid_a_deletion_leaves_the_rest_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is killed after the transaction and before the bytes are removed.

    The log still holds the row, and nobody remembers what to look for.
    """
    store = open_gallery(tmp_path / "data")
    store.create_person("p0", "Walrus000")
    store.database.scrub()
    with monkeypatch.context() as patched:
        patched.setattr(
            store.database, "forget", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            store.delete_person("p0")
    assert found_in(tmp_path / "data", b"Walrus000"), "the file before the log is read back"
    again = open_gallery(tmp_path / "data")
    written_anew = []
    compact = again.database.compact

    def write_anew() -> bool:
        written_anew.append(1)
        return compact()

    monkeypatch.setattr(again.database, "compact", write_anew)
    assert again.forget_expired() == 0, "as the service does at its start"
    assert found_in(tmp_path / "data", b"Walrus000") == []
    again.forget_expired()
    assert written_anew == [1], "once"
    again.close()
    store.close()


def test_a_command_beside_a_service_that_has_deleted_somebody(tmp_path: Path) -> None:
    """The locks of a process still hold after it has read the bytes of the file.

    Another process that ends removes the write-ahead log if it believes to be the last.
    """
    store = open_gallery(tmp_path / "data")
    for i in range(3):
        store.create_person(f"p{i}", f"Walrus{i:03d}")
    store.delete_person("p0")
    log = (tmp_path / "data/duet.db-wal").stat().st_ino
    command = [
        sys.executable,
        "-c",
        (
            "from tests.support.gallery_parts import open_gallery; from pathlib import Path; import sys\ns"
            f" = open_gallery(Path({str(tmp_path / 'data')!r})); s.create_person(sys.argv[1]);"
            " print(s.count()); s.close()"
        ),
    ]

    def other_process(person_id: str) -> int:
        return int(
            subprocess.run([*command, person_id], check=True, capture_output=True, text=True).stdout
        )

    assert other_process("p3") == 3
    assert (tmp_path / "data/duet.db-wal").stat().st_ino == log
    store.delete_person("p1")
    store.create_person("p4")
    assert other_process("p5") == 4 == store.count()
    assert store.verify_audit().problems == ()
    store.close()


def test_a_busy_reader_delays_but_does_not_prevent(tmp_path: Path) -> None:
    """A reader of an older state keeps the log from being emptied.

    The next deletion makes up for it.
    """
    store = open_gallery(tmp_path / "data", busy_timeout_s=0.2)
    for i in range(3):
        store.enroll(NewPerson(f"p{i}", f"Walrus{i:03d}"), [face(i), voice(i)])
    with store.database.read() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM people").one()
        store.delete_person("p0")
        assert found_in(tmp_path / "data", b"Walrus000")
    store.delete_person("p1")
    assert found_in(tmp_path / "data", b"Walrus000", b"Walrus001") == []
    store.close()
