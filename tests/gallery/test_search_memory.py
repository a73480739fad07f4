"""Memory index: in step with the database, with snapshots that never change."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gallery.search import memory as index_module
from gallery.search.memory import ALL, MemoryIndex, Snapshot
from gallery.store import NewPerson, Store
from gallery.vectors import Templates, means, pairs
from tests.support.gallery_parts import (
    StubEncoders,
    StubFace,
    StubFusion,
    direction,
    open_gallery,
)
from tests.support.templates import templates
from utils.arrays import Float32Array, unit
from utils.errors import StoreUnavailableError
from utils.modality import Modality

pytestmark = pytest.mark.slow

FACE, VOICE, FUSED = ALL

Seen = dict[str, tuple[str, dict[Modality, Float32Array]]]
"""person_id → name and vectors."""


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def index(store: Store) -> MemoryIndex:
    return MemoryIndex(store, StubEncoders())


def as_dict(snapshot: Snapshot) -> Seen:
    """Everything that a search can see: person_id → name and vectors."""
    seen = {}
    for row in np.flatnonzero(snapshot.keys):
        ref = snapshot.refs[int(snapshot.keys[row])]
        assert ref.person_id not in seen
        seen[ref.person_id] = (
            ref.name,
            {m: snapshot.vectors[m][row].copy() for m in ALL if snapshot.has[m][row]},
        )
    assert len(seen) == snapshot.people
    assert not any(snapshot.has[m][snapshot.keys == 0].any() for m in ALL)
    return seen


def mean_of(vectors: Float32Array) -> Float32Array:
    """Their mean at unit length."""
    return unit(vectors.mean(axis=0))


def same(left: Seen, right: Seen) -> None:
    assert left.keys() == right.keys()
    for person_id, (name, vectors) in left.items():
        assert name == right[person_id][0]
        assert vectors.keys() == right[person_id][1].keys()
        for m, vector in vectors.items():
            np.testing.assert_allclose(vector, right[person_id][1][m], atol=1e-6)


def test_empty(index: MemoryIndex) -> None:
    assert as_dict(index.snapshot()) == {}
    assert index.snapshot().revision.change == 0


def test_same_snapshot_while_nothing_changes(store: Store, index: MemoryIndex) -> None:
    store.enroll(NewPerson("a"), templates(1))
    first = index.snapshot()
    store.record("identify", "unknown")
    assert index.snapshot() is first


def test_what_is_seen_of_a_person(store: Store, index: MemoryIndex) -> None:
    store.enroll(NewPerson("a", "Ann"), templates(1))
    store.enroll("a", templates(1, "f", sample=1))
    store.enroll(NewPerson("b"), templates(2, "v"))
    store.create_person("nothing")
    seen = as_dict(index.snapshot())
    faces = np.stack([direction("face", 1, i, 0.5) for i in (0, 1)])
    voice = direction("voice", 1, 0, 0.5)
    np.testing.assert_allclose(seen["a"][1][FACE], mean_of(faces), atol=1e-6)
    np.testing.assert_allclose(
        seen["a"][1][FUSED], mean_of(StubFusion().fuse(faces, np.stack([voice, voice]))), atol=1e-6
    )
    assert seen["a"][0] == "Ann"
    assert seen["b"][1].keys() == {VOICE}
    assert seen.keys() == {"a", "b"}


def test_random_changes_keep_step_with_a_fresh_load(store: Store, index: MemoryIndex) -> None:
    """After random changes the updated snapshot holds what a new index reads."""
    rng = np.random.default_rng(7)
    ids: list[str] = []
    for step in range(120):
        action = rng.integers(0, 6) if ids else 0
        who = str(rng.choice(ids)) if ids else ""
        if action <= 1:
            ids.append(f"p{step}")
            store.enroll(NewPerson(ids[-1]), templates(step, ("f", "v", "fv")[rng.integers(3)]))
        elif action == 2:
            store.enroll(
                who, templates(int(who[1:]), "fv", sample=step), replace=bool(rng.integers(2))
            )
        elif action == 3:
            store.update_person(who, name=f"name {step}")
        elif action == 4 and store.list_templates(who):
            store.delete_template(who, store.list_templates(who)[0].template_id)
        elif action == 5:
            ids.remove(who)
            store.delete_person(who)
        if rng.integers(3) == 0:  # several changes at once, too
            same(as_dict(index.snapshot()), as_dict(MemoryIndex(store, StubEncoders()).snapshot()))
    same(as_dict(index.snapshot()), as_dict(MemoryIndex(store, StubEncoders()).snapshot()))


def test_old_snapshots_never_change(store: Store, index: MemoryIndex) -> None:
    store.enroll(NewPerson("a"), templates(1))
    first = index.snapshot()
    before = as_dict(first)
    for i in range(2, 40):
        store.enroll(NewPerson(f"p{i}"), templates(i))
        index.snapshot()
    store.enroll("a", templates(50), replace=True)
    store.delete_person("p2")
    index.snapshot()
    same(as_dict(first), before)
    with pytest.raises(ValueError, match="read-only"):
        first.vectors[FACE][0, 0] = 1


def test_rows_out_of_use_are_thrown_away(
    store: Store, index: MemoryIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.search.memory._LEAST_ROWS", 8)
    store.enroll(NewPerson("a"), templates(1))
    for i in range(40):
        store.update_person("a", name=f"name {i}") if i % 2 else store.enroll(
            "a", templates(1, "f", sample=i), replace=True
        )
        snapshot = index.snapshot()
        assert len(snapshot.keys) <= 10
    same(as_dict(snapshot), as_dict(MemoryIndex(store, StubEncoders()).snapshot()))


def test_other_process_is_seen_at_once(store: Store, index: MemoryIndex, tmp_path: Path) -> None:
    """Another store object has its own connections, as another process has."""
    index.snapshot()
    other = open_gallery(tmp_path / "data")
    other.enroll(NewPerson("a"), templates(1))
    assert as_dict(index.snapshot()).keys() == {"a"}
    other.delete_person("a")
    assert as_dict(index.snapshot()) == {}
    other.close()


def test_templates_of_another_encoder_are_not_seen(store: Store) -> None:
    store.enroll(NewPerson("old"), templates(1, "f", encoder_id="face-0"))
    store.enroll(NewPerson("voice"), templates(2, "v"))
    index = MemoryIndex(store, StubEncoders(face=StubFace("face-1")))
    snapshot = index.snapshot()
    assert as_dict(snapshot).keys() == {"voice"}
    assert [(s.modality, s.templates, s.people) for s in snapshot.stale] == [(FACE, 1, 1)]
    store.enroll("old", templates(1, "f"), replace=True)
    snapshot = index.snapshot()
    assert as_dict(snapshot).keys() == {"voice", "old"}
    assert snapshot.stale == ()


def test_restored_backup_is_loaded(store: Store, index: MemoryIndex, tmp_path: Path) -> None:
    store.enroll(NewPerson("a"), templates(1))
    store.database.scrub()
    shutil.copy(tmp_path / "data/duet.db", tmp_path / "backup.db")
    store.enroll(NewPerson("b"), templates(2))
    assert as_dict(index.snapshot()).keys() == {"a", "b"}
    store.database.scrub()
    (tmp_path / "backup.db").replace(tmp_path / "data/duet.db")
    assert as_dict(index.snapshot()).keys() == {"a"}
    store.enroll(NewPerson("c"), templates(3))
    assert as_dict(index.snapshot()).keys() == {"a", "c"}


def test_database_gone_is_no_empty_gallery(
    store: Store, index: MemoryIndex, tmp_path: Path
) -> None:
    store.enroll(NewPerson("a"), templates(1))
    index.snapshot()
    (tmp_path / "data/duet.db").rename(tmp_path / "away.db")
    with pytest.raises(StoreUnavailableError):
        index.snapshot()
    (tmp_path / "away.db").rename(tmp_path / "data/duet.db")
    assert as_dict(index.snapshot()).keys() == {"a"}


def test_a_person_with_more_templates_than_a_piece_of_reading(
    store: Store, index: MemoryIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.records.feed._CHUNK", 3)
    for i in range(1, 4):
        store.enroll(NewPerson(f"p{i}"), templates(i))
        for sample in range(1, 1 + 4 * (i % 3)):
            store.enroll(f"p{i}", templates(i, sample=sample))
    seen = as_dict(index.snapshot())
    for i in range(1, 4):
        vectors = np.stack([direction("face", i, s, 0.5) for s in range(1 + 4 * (i % 3))])
        np.testing.assert_allclose(seen[f"p{i}"][1][FACE], mean_of(vectors), atol=1e-6)


def test_parallel_readers_see_whole_states(store: Store, index: MemoryIndex) -> None:
    """A snapshot holds both people of a pair, or none, while pairs come and go."""
    stop = threading.Event()
    bad = []

    def read() -> None:
        while not stop.is_set():
            snapshot = index.snapshot()
            ids = {snapshot.refs[int(k)].person_id for k in snapshot.keys if k}
            if len(ids) != snapshot.people or snapshot.vectors[FACE].shape[0] != len(snapshot.keys):
                bad.append(ids)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for t in threads:
        t.start()
    for i in range(60):
        store.enroll(NewPerson(f"p{i}"), templates(i))
        if i % 3 == 0:
            store.delete_person(f"p{i}")
    stop.set()
    for t in threads:
        t.join()
    assert bad == []
    assert index.snapshot().people == 40


@pytest.mark.parametrize(
    "broken",
    [
        "gallery.search.memory.stale",
        "gallery.search.memory._Rows.view",
        "gallery.search.memory.with_room",
    ],
)
@pytest.mark.parametrize("small", [False, True])
def test_an_update_that_fails_leaves_nothing_behind(
    store: Store, index: MemoryIndex, monkeypatch: pytest.MonkeyPatch, broken: str, small: bool
) -> None:
    """Wherever it fails, rows and people still belong together afterwards."""
    if small:
        monkeypatch.setattr("gallery.search.memory._LEAST_ROWS", 0)  # rows are moved together often
    for i in range(1, 6):
        store.enroll(NewPerson(f"p{i}"), templates(i))
    index.snapshot()
    for i in range(6, 30):
        store.enroll(NewPerson(f"p{i}"), templates(i))
        store.enroll("p1", templates(i, "f", sample=i), replace=True)
        with monkeypatch.context() as patch:
            patch.setattr(broken, fails_after(i % 6, broken))
            with suppress(MemoryError):
                index.snapshot()
        same(as_dict(index.snapshot()), as_dict(MemoryIndex(store, StubEncoders()).snapshot()))


def fails_after(calls: int, name: str) -> Callable[..., Any]:
    module, attribute = name.removeprefix("gallery.search.memory.").partition(".")[::2]
    real = (
        getattr(getattr(index_module, module), attribute)
        if attribute
        else getattr(index_module, module)
    )
    left = iter(range(calls))

    def call(*args: Any) -> Any:
        if next(left, None) is None:
            raise MemoryError
        return real(*args)

    return call


def test_mean_is_brought_to_unit_length() -> None:
    """One template stays what it is."""
    vectors = np.stack([direction("face", 1), direction("face", 2), direction("face", 3)])
    owners, stands_for = means(vectors, np.array([5, 5, 9]))
    assert owners.tolist() == [5, 9]
    probe = direction("face", 1, 1, 0.5)
    np.testing.assert_allclose(
        stands_for @ probe, [mean_of(vectors[:2]) @ probe, vectors[2] @ probe], atol=1e-6
    )
    np.testing.assert_allclose(means(vectors[2:], np.array([9]))[1][0], vectors[2], atol=1e-7)


@pytest.mark.parametrize(
    ("faces", "voices", "expected"),
    [
        ("a", "a", [(0, 0)]),
        ("ab", "ba", [(0, 1), (1, 0)]),
        ("abc", "x", [(0, 0), (1, 0), (2, 0)]),
        ("x", "abc", [(0, 0), (0, 1), (0, 2)]),
        ("abc", "b", [(1, 0), (0, 0), (2, 0)]),
        ("abcd", "xcy", [(2, 1), (0, 0), (1, 2), (3, 0)]),
    ],
)
def test_pairs_of_templates(faces: str, voices: str, expected: list[tuple[int, int]]) -> None:
    """Pairs of the same clip come first, then the others in order.

    The shorter list is used over and over, and every template at least once.
    """
    face, voice = (
        Templates(np.zeros(len(x), np.int64), list(x), np.zeros((len(x), 512), np.float32))
        for x in (faces, voices)
    )
    rows = pairs(face, range(len(faces)), voice, range(len(voices)))
    assert rows == expected
    assert {f for f, _ in rows} == set(range(len(faces)))
    assert {v for _, v in rows} == set(range(len(voices)))
