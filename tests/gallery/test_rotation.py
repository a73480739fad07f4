"""Rotation of the key: nothing is lost, and nothing old is left in the file."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, select, text

from gallery.database.base import Database
from gallery.database.open import open_database
from gallery.encryption import rotation
from gallery.encryption.sealing import KEY_BYTES, Sealer, new_key, parse_key
from gallery.search.choose import open_index
from gallery.search.memory import MemoryIndex
from gallery.search.postgres import DatabaseIndex
from gallery.store import NewPerson, Store
from gallery.tables import reembedded, templates
from tests.support.asking import first_sight, identify
from tests.support.gallery_parts import StubEncoders, make_recognizer, write_clip
from tests.support.sealed_gallery import (
    KEY,
    OTHER,
    PLAIN,
    assert_no_plain_bytes,
    assert_whole,
    bytes_of,
    fill,
    is_plain,
    open_sealed,
    rotate,
)
from tests.support.templates import CURRENT, face, voice
from utils.errors import ConfigError, StoreUnavailableError
from utils.modality import Modality

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def is_in(stored: bytes, sealed: bytes) -> bool:
    """Whether a fragment of a sealed vector is in these bytes."""
    return any(sealed[i : i + 32] in stored for i in range(0, len(sealed), 128))


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
    assert not any(is_in(after, v) for v in before), "what the old key sealed is gone too"
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


def test_progress_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 5)
    fill(tmp_path, PLAIN)
    calls = []
    rotate(tmp_path, KEY, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(5, 24), (10, 24), (15, 24), (16, 24), (21, 24), (24, 24)]


def test_a_missing_or_wrong_old_key_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, KEY)
    for old in ([], [Sealer(b"w" * KEY_BYTES)]):
        with pytest.raises(ConfigError, match=KEY.key_id) as caught:
            rotate(tmp_path, OTHER, *old)
        assert "DUET_ENCRYPTION_KEY_OLD" in caught.value.hint
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


ROTATE = """
# Rotates the gallery at URL, and is killed after some batches: by the system (SIGPROF)
# once it has computed for so long after one, which is later on a slow machine, or by
# itself after another one.
import itertools, os, signal, sys
from gallery.database.open import open_database
from gallery.encryption import rotation
from gallery.encryption.sealing import parse_key

rotation.BATCH = 7
url, after, cpu_s, most, *keys = sys.argv[1:]
new, *old = [parse_key(key, "test") for key in keys]
batches = itertools.count(1)

def progress(done, left):
    number = next(batches)
    if number == int(after):
        signal.setitimer(signal.ITIMER_PROF, float(cpu_s))
    if number == int(most):
        os.kill(os.getpid(), signal.SIGKILL)

rotation.rotate(open_database(url), new, old, progress)
"""


def rotate_and_be_killed(
    folder: Path, keys: list[str], *, after: int, cpu_s: float, most: int
) -> int:
    """Rotate to the first key in a process, and return its exit status."""
    url = f"sqlite:///{folder / 'duet.db'}"
    command = [sys.executable, "-c", ROTATE, url, after, cpu_s, most, *keys]
    process = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not process.stderr, process.stderr
    return process.returncode


def test_killed_at_random_moments_it_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    """A process is killed while it rewrites, cleans up or finishes.

    The last run ends the work.
    """
    people = 60
    fill(tmp_path, PLAIN, people)
    keys = [new_key() for _ in range(3)]
    codecs = [parse_key(key, "test") for key in keys]
    rng = random.Random(7)
    exits = []
    for target in range(3):
        # In one of the first batches. Then in any other, at the end, or after it.
        for longest_s, more in ((0.02, 3), (0.4, 10**6)):
            after = rng.randint(1, 8)
            status = rotate_and_be_killed(
                tmp_path,
                [keys[target], *keys[:target]],
                after=after,
                cpu_s=rng.uniform(0.001, longest_s),
                most=after + more,
            )
            exits.append(status)
        rotate(tmp_path, codecs[target], *codecs[:target])
        assert_whole(tmp_path, codecs[target], people)
        assert_no_plain_bytes(tmp_path, people)
    assert set(exits[::2]) <= {-signal.SIGPROF, -signal.SIGKILL}, "it was at work"
    assert set(exits[1::2]) <= {-signal.SIGPROF, 0}


def test_in_postgresql_nothing_is_left_in_the_clear_and_the_memory_is_searched(
    postgres_url: str,
) -> None:
    """The codes hold vectors in the clear: they go, and come back with a plain gallery."""
    url = postgres_url
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
    assert isinstance(index._index, MemoryIndex)
    assert index.near(probe).people == 8
    with sealed.database.read() as connection:
        for table in (templates, reembedded):
            assert set(connection.scalars(select(table.c.sealed_by))) == {KEY.key_id}
    sealed.close()
    database = open_database(url)
    assert rotation.rotate(database, PLAIN, [KEY]) == 17
    database.close()
    store = Store(open_database(url), PLAIN)
    assert isinstance(open_index(store, StubEncoders())._index, DatabaseIndex)
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
