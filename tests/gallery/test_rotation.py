"""Rotation of the key: nothing is lost, and nothing old is left in the file."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import requests
from click.testing import CliRunner, Result
from sqlalchemy import insert, select, text

import cli
from gallery.database.base import Database
from gallery.database.open import open_database
from gallery.encryption import rotation
from gallery.encryption.sealing import KEY_BYTES, Codec, PlainText, Sealer, new_key, parse_key
from gallery.search.choose import GrowingIndex, open_index
from gallery.search.postgres import DatabaseIndex
from gallery.store import NewPerson, Store
from gallery.tables import kept_media, reembedded, templates
from tests.gallery.test_sealing import KEY, OTHER, bytes_of, is_plain, open_sealed
from tests.support.asking import first_sight, identify
from tests.support.gallery_parts import StubEncoders, make_recognizer, write_clip
from tests.support.postgres import new_database
from tests.support.service import free_port, running, start_to_fail
from tests.support.templates import CURRENT, face, voice
from tests.support.tiny import tiny_models
from utils.errors import ConfigError, StoreUnavailableError
from utils.modality import Modality

ROOT = Path(__file__).resolve().parents[2]
PLAIN = PlainText()
MEDIA = b"a thumbnail of somebody's face, as it was kept" * 50


def fill(folder: Path, codec: Codec, people: int = 8) -> None:
    """A gallery with `people`, of each a face with a thumbnail and a voice."""
    store = open_sealed(folder, codec)
    for i in range(people):
        store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
    with store.database.write() as connection:
        for key, template_id in connection.execute(
            select(templates.c.key, templates.c.template_id).where(templates.c.modality == "face")
        ):
            connection.execute(
                insert(kept_media).values(
                    template_key=key,
                    kind="thumbnail",
                    sealed_by=codec.key_id,
                    data=codec.seal(MEDIA, template_id, "thumbnail"),
                )
            )
    store.close()


def rotate(
    folder: Path,
    new: Codec,
    *old: Codec,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    database = open_database(f"sqlite:///{folder / 'duet.db'}")
    try:
        return rotation.rotate(database, new, old, progress)
    finally:
        database.close()


def assert_whole(folder: Path, codec: Codec, people: int = 8) -> None:
    """Every vector and thumbnail is there, stored with `codec` and nothing else."""
    store = open_sealed(folder, codec)
    for i in range(people):
        found = store.vectors_of(f"p{i}", CURRENT)
        assert np.array_equal(found[Modality.FACE].vectors[0], face(i).embedding.vector)
        assert np.array_equal(found[Modality.VOICE].vectors[0], voice(i).embedding.vector)
    with store.database.read() as connection:
        assert set(connection.scalars(select(templates.c.sealed_by))) == {codec.key_id}
        query = select(kept_media.c.data, kept_media.c.sealed_by, templates.c.template_id).join(
            templates
        )
        rows = connection.execute(query).all()
    assert len(rows) == people
    assert {codec.open(data, by, template_id, "thumbnail") for data, by, template_id in rows} == {
        MEDIA
    }
    store.close()


def assert_no_plain_bytes(folder: Path, people: int = 8) -> None:
    stored = bytes_of(folder)
    assert not any(is_plain(stored, t) for i in range(people) for t in (face(i), voice(i)))
    assert MEDIA[:64] not in stored


def test_from_none_to_a_key_to_another_and_back(tmp_path: Path) -> None:
    fill(tmp_path, PLAIN)
    assert is_plain(bytes_of(tmp_path), face(3))
    assert rotate(tmp_path, KEY) == 24
    assert_whole(tmp_path, KEY)
    assert_no_plain_bytes(tmp_path)
    with sqlite3.connect(tmp_path / "duet.db") as look:
        before = [vector for (vector,) in look.execute("SELECT vector FROM templates")]
    look.close()
    assert all(v in bytes_of(tmp_path) for v in before)
    assert rotate(tmp_path, OTHER, KEY) == 24
    assert_whole(tmp_path, OTHER)
    after = bytes_of(tmp_path)
    assert not any(v[i : i + 32] in after for v in before for i in range(0, len(v), 128)), (
        "what the old key sealed is gone too"
    )
    assert rotate(tmp_path, PLAIN, OTHER) == 24
    assert_whole(tmp_path, PLAIN)


def test_the_index_answers_the_same_before_and_after(tmp_path: Path) -> None:
    made = make_recognizer(tmp_path)
    first_sight(made, "ann", write_clip(tmp_path / "a", face=1, voice=1))
    probe = write_clip(tmp_path / "b", face=1, voice=1, sample=1)
    before = identify(made, probe)
    made.close()
    rotate(tmp_path, KEY)
    sealed = make_recognizer(tmp_path, codec=KEY)
    after = identify(sealed, probe)
    assert after.decisions.fused.match == before.decisions.fused.match
    sealed.close()


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 5)
    fill(tmp_path, PLAIN)
    told = []
    rotate(tmp_path, KEY, progress=lambda done, of: told.append((done, of)))
    assert told == [(5, 24), (10, 24), (15, 24), (16, 24), (21, 24), (24, 24)]


def test_a_missing_or_wrong_old_key_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, KEY)
    for old in ([], [Sealer(b"w" * KEY_BYTES)]):
        with pytest.raises(ConfigError, match=KEY.key_id) as caught:
            rotate(tmp_path, OTHER, *old)
        assert "--old-key-file" in caught.value.hint
        assert_whole(tmp_path, KEY)


def test_the_key_it_has_already_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, KEY)
    assert rotate(tmp_path, KEY) == 0
    assert_whole(tmp_path, KEY)


def test_an_empty_gallery(tmp_path: Path) -> None:
    open_sealed(tmp_path, KEY).close()
    assert rotate(tmp_path, OTHER) == 0
    open_sealed(tmp_path, OTHER).close()


def test_an_exception_amid_it_leaves_a_gallery_that_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 5)
    fill(tmp_path, PLAIN)

    def stop(done: int, _all: int) -> None:
        if done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(tmp_path, KEY, progress=stop)
    for codec in (KEY, PLAIN, OTHER):
        with pytest.raises(ConfigError, match="not finished: 14 values are left") as caught:
            open_sealed(tmp_path, codec)
        assert "again" in caught.value.hint
    assert rotate(tmp_path, OTHER, KEY) == 24, "another target than before is as good"
    assert_whole(tmp_path, OTHER)
    assert_no_plain_bytes(tmp_path)


def test_a_running_service_with_the_old_key_writes_nothing_any_more(tmp_path: Path) -> None:
    fill(tmp_path, KEY)
    running = open_sealed(tmp_path, KEY)
    assert running.vectors_of("p0", CURRENT)
    rotate(tmp_path, OTHER, KEY)
    with pytest.raises(StoreUnavailableError) as caught:
        running.enroll(NewPerson("new"), [face(99)])
    assert "restart" in caught.value.hint
    with pytest.raises(StoreUnavailableError, match=OTHER.key_id):
        running.vectors_of("p0", CURRENT)
    running.close()
    assert_whole(tmp_path, OTHER)


def test_a_reader_who_holds_old_bytes_keeps_it_from_being_finished(tmp_path: Path) -> None:
    fill(tmp_path, PLAIN)
    reader = sqlite3.connect(tmp_path / "duet.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM templates").fetchone()
    database = open_database(f"sqlite:///{tmp_path / 'duet.db'}", busy_timeout_s=0.2)
    with pytest.raises(StoreUnavailableError, match="in use"):
        rotation.rotate(database, KEY)
    database.close()
    reader.close()
    with pytest.raises(ConfigError, match="not finished: 0 values are left"):
        open_sealed(tmp_path, KEY)
    assert rotate(tmp_path, KEY) == 0
    assert_whole(tmp_path, KEY)
    assert_no_plain_bytes(tmp_path)


def test_killed_at_random_moments_it_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    """A process is killed while it rewrites, cleans up or finishes.

    The last run ends the work.
    """
    people = 60
    fill(tmp_path, PLAIN, people)
    keys = [new_key() for _ in range(3)]
    script = f"""
import itertools, os, signal, sys
from gallery.encryption import rotation
from gallery.database.open import open_database
from gallery.encryption.sealing import parse_key
rotation.BATCH = 7
after, cpu_s, most, *keys = sys.argv[1:]
new, *old = [parse_key(k, "test") for k in keys]
batches = itertools.count(1)
def progress(done, left):
    number = next(batches)
    if number == int(after):
        signal.setitimer(signal.ITIMER_PROF, float(cpu_s))
    if number == int(most):
        os.kill(os.getpid(), signal.SIGKILL)
rotation.rotate(open_database("sqlite:///{tmp_path / "duet.db"}"), new, old, progress)
# Killed by the system (SIGPROF) once it has computed for so long after a batch: on a
# slow machine later
"""
    rng = random.Random(7)
    codecs = [parse_key(k, "test") for k in keys]
    ended = []
    for target in range(3):
        # In one of the first batches; in any other, at the end, or after it
        for cpu_s, more in ((0.02, 3), (0.4, 10**6)):
            after = rng.randint(1, 8)
            command = [
                sys.executable,
                "-c",
                script,
                after,
                rng.uniform(0.001, cpu_s),
                after + more,
                keys[target],
                *keys[:target],
            ]
            done = subprocess.run(
                list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False
            )
            assert not done.stderr, done.stderr
            ended.append(done.returncode)
        rotate(tmp_path, codecs[target], *codecs[:target])
        assert_whole(tmp_path, codecs[target], people)
        assert_no_plain_bytes(tmp_path, people)
    assert set(ended[::2]) <= {-signal.SIGPROF, -signal.SIGKILL}, "it was at work"
    assert set(ended[1::2]) <= {-signal.SIGPROF, 0}


def test_in_postgresql_nothing_is_left_in_the_clear_and_the_memory_is_searched() -> None:
    """The codes hold vectors in the clear: they go, and come back with a plain gallery."""
    url = new_database()
    store = Store(open_database(url), PLAIN)
    for i in range(8):
        store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
    stage(store.database)
    probe = {Modality.FACE: face(3, 1).embedding.vector}
    DatabaseIndex(store, StubEncoders()).catch_up()
    assert count_codes(store) == 8
    store.close()
    database = open_database(url)
    assert rotation.rotate(database, KEY) == 17
    database.close()
    sealed = Store(open_database(url), KEY)
    assert count_codes(sealed) == 0
    index = open_index(sealed, StubEncoders())
    assert isinstance(index, GrowingIndex)
    assert index.near(probe).people == 8
    with sealed.database.read() as connection:
        assert {
            by
            for table in (templates, reembedded)
            for by in connection.scalars(select(table.c.sealed_by))
        } == {KEY.key_id}
    sealed.close()
    database = open_database(url)
    assert rotation.rotate(database, PLAIN, [KEY]) == 17
    database.close()
    store = Store(open_database(url), PLAIN)
    assert isinstance(open_index(store, StubEncoders()), DatabaseIndex)
    assert np.array_equal(
        store.vectors_of("p3", CURRENT)[Modality.FACE].vectors[0], face(3).embedding.vector
    )
    store.close()


def count_codes(store: Store) -> int:
    with store.database.read() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM person_codes")) or 0)


def stage(database: Database) -> None:
    """A vector of the next model waits for a switch."""
    with database.write() as connection:
        key = connection.scalar(select(templates.c.key).limit(1))
        connection.execute(
            insert(reembedded).values(key=key, encoder_id="face-2", vector=b"v" * 2048)
        )


def test_vectors_that_wait_for_a_switch_of_models_are_sealed_too(tmp_path: Path) -> None:
    fill(tmp_path, PLAIN)
    database = open_database(f"sqlite:///{tmp_path / 'duet.db'}")
    stage(database)
    assert b"v" * 64 in bytes_of(tmp_path)
    assert rotation.rotate(database, KEY) == 25
    database.close()
    assert b"v" * 64 not in bytes_of(tmp_path)


# ---- the service


@pytest.mark.e2e
def test_the_service_says_what_is_wrong_with_the_key(tmp_path: Path) -> None:
    """It prints one line without the key and does not start, until the key is right."""
    tiny_models(tmp_path / "models")
    given = {"data_dir": tmp_path / "data", "model_dir": tmp_path / "models", "port": free_port()}
    key = new_key()
    wrong = new_key()
    fill(tmp_path / "data", parse_key(key, "test"))
    for settings, words in (
        ({}, "encrypted with the key"),
        ({"encryption_key": wrong}, "encrypted with the key"),
        ({"encryption_key": "short"}, "base64"),
        ({"encryption_key_file": tmp_path / "none"}, "file with a key"),
    ):
        failed = start_to_fail("app.py", **given, **settings)
        assert failed.returncode != 0
        line = failed.stderr.strip()
        assert line.startswith("Duet ID cannot start: ")
        assert words in line
        assert "\n" not in line
        assert wrong not in line
    with running(tmp_path, "app.py", model_dir=tmp_path / "models", encryption_key=key) as service:
        assert requests.get(service.url + "/health", timeout=30).json()["people"] == 8


# ---- the commands


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))

    def invoke(*words: object, **env: object) -> Result:
        for name, value in env.items():
            monkeypatch.setenv(f"DUET_{name}", str(value))
        return CliRunner().invoke(cli.cli, ["keys", *map(str, words)])

    return invoke


def test_command_makes_a_key(run: Callable[..., Result], tmp_path: Path) -> None:
    printed = run("new-encryption-key")
    assert parse_key(printed.stdout, "stdout").key_id in printed.stderr
    path = tmp_path / "key"
    assert run("new-encryption-key", "--to", path).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert parse_key(text, "file")
    again = run("new-encryption-key", "--to", path)
    assert again.exit_code != 0
    assert path.read_text() == text, "a key is never overwritten: what it sealed would be lost"


def test_command_rotates_there_on_and_back(run: Callable[..., Result], tmp_path: Path) -> None:
    fill(tmp_path, PLAIN)
    first = new_key()
    second = tmp_path / "second"
    assert run("rotate-encryption").exit_code != 0, "no key is set and --to-plain not said"
    result = run("rotate-encryption", ENCRYPTION_KEY=first)
    assert result.exit_code == 0, result.output
    assert "24 values" in result.output
    assert_whole(tmp_path, parse_key(first, "x"))
    run("new-encryption-key", "--to", second)
    result = run("rotate-encryption", ENCRYPTION_KEY="", ENCRYPTION_KEY_FILE=second)
    assert "--old-key-file" in result.output
    result = run("rotate-encryption", ENCRYPTION_KEY_OLD=first)
    assert result.exit_code == 0, result.output
    assert_whole(tmp_path, parse_key(second.read_text(), "x"))
    (tmp_path / "first").write_text(first)
    (tmp_path / "first").chmod(0o600)
    result = run(
        "rotate-encryption",
        "--old-key-file",
        second,
        ENCRYPTION_KEY=first,
        ENCRYPTION_KEY_FILE="",
        ENCRYPTION_KEY_OLD="",
    )
    assert result.exit_code == 0, result.output
    result = run("rotate-encryption", "--to-plain")
    assert result.exit_code == 0, result.output
    assert "unset" in result.output.lower()
    assert_whole(tmp_path, PLAIN)
