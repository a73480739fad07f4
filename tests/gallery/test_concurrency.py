"""Threads and processes on one gallery: nothing is lost, and nobody enrolled twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gallery.store import NewPerson
from tests.support.asking import enroll, first_sight, identify
from tests.support.gallery_parts import make_recognizer, open_gallery, write_clip
from tests.support.postgres import new_database
from tests.support.templates import face, voice
from utils.errors import DuetError, DuplicatePersonError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def run_together(*calls: Callable[[], object]) -> list[Any]:
    """Results or errors of the calls, made at the same moment in a thread each."""
    barrier = threading.Barrier(len(calls))

    def call(f: Callable[[], object]) -> Any:
        barrier.wait()
        try:
            return f()
        except DuetError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def start(script: str, folder: Path, *args: str) -> subprocess.Popen[str]:
    """A process that has opened the gallery says "ready" and waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, str(folder), *args],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def finish(*processes: subprocess.Popen[str]) -> list[Any]:
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        answers.append(json.loads(out))
    return answers


PRELUDE = """
import json, sys
from pathlib import Path
from tests.support.asking import enroll, first_sight, identify
from tests.support.gallery_parts import make_recognizer, open_gallery, write_clip
from tests.support.templates import face, voice
from gallery.store import NewPerson
from utils.errors import DuetError
folder = Path(sys.argv[1])
def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_two_threads_enroll_one_person(tmp_path: Path) -> None:
    made = make_recognizer(tmp_path / "g")
    made.store.create_person("ann")
    clips = [write_clip(tmp_path / f"{s}", face=1, voice=1, sample=s) for s in range(4)]
    results = run_together(*[lambda c=c: enroll(made, "ann", c) for c in clips])
    assert not [r for r in results if isinstance(r, DuetError)]
    assert made.store.get_person("ann").templates == {"face": 4, "voice": 4}
    made.close()


def test_two_threads_replace_one_person(tmp_path: Path) -> None:
    made = make_recognizer(tmp_path / "g")
    made.store.create_person("ann")
    for _ in range(5):
        clips = [write_clip(tmp_path / f"{s}", face=1, voice=1, sample=s) for s in range(4)]
        results = run_together(*[lambda c=c: enroll(made, "ann", c, replace=True) for c in clips])
        stored = made.store.list_templates("ann")
        assert [t.modality for t in stored] == ["face", "voice"]
        assert len({t.source_sha256 for t in stored}) == 1
        assert stored in [r.templates for r in results]
    made.close()


def test_first_sight_of_one_id_in_many_threads(tmp_path: Path) -> None:
    made = make_recognizer(tmp_path / "g", slots=4)
    clips = [write_clip(tmp_path / f"{s}", face=1, voice=1, sample=s) for s in range(6)]
    results = run_together(*[lambda c=c: first_sight(made, "ann", c) for c in clips])
    assert sum(r.registered for r in results) == 1
    assert {r.identification.decisions.fused.match.person_id for r in results} == {"ann"}
    assert made.store.get_person("ann").templates == {"face": 1, "voice": 1}
    made.close()


def test_one_person_under_many_ids_at_once_is_enrolled_once(tmp_path: Path) -> None:
    made = make_recognizer(tmp_path / "g", slots=4)
    clips = [write_clip(tmp_path / f"{s}", face=1, voice=1, sample=s) for s in range(6)]
    results = run_together(
        *[lambda i=i, c=c: first_sight(made, f"id{i}", c) for i, c in enumerate(clips)]
    )
    assert sum(r.registered for r in results) == 1
    assert made.store.count() == 1
    assert {r.duplicate.person_id for r in results if not r.registered} == {
        made.store.list_people().people[0].person_id
    }
    made.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_one_person_under_two_ids_in_two_processes(tmp_path: Path, kind: str) -> None:
    """The check for duplicates runs while no other process can write."""
    script = """
made = make_recognizer(folder, database_url=sys.argv[3])
clip = write_clip(folder / sys.argv[2], face=1, voice=1, sample=int(sys.argv[2]))
identify(made, clip)
ready()
result = first_sight(made, "id" + sys.argv[2], clip)
print(json.dumps([result.registered, result.duplicate and result.duplicate.person_id]))
"""
    for turn in range(2):
        folder = tmp_path / str(turn)
        url = new_database() if kind == "postgres" else ""
        make_recognizer(folder, database_url=url).close()
        folder.mkdir(exist_ok=True)
        one, two = finish(start(script, folder, "1", url), start(script, folder, "2", url))
        assert sorted([one[0], two[0]]) == [False, True]
        assert (one[1], two[1]) in [(None, "id1"), ("id2", None)]


def test_two_processes_enroll_one_person_and_see_each_other(tmp_path: Path) -> None:
    script = """
made = make_recognizer(folder)
ready()
me, errors = int(sys.argv[2]), []
for i in range(8):
    try:
        clip = write_clip(folder / f"{me}-{i}", face=1, voice=1, sample=me * 100 + i)
        enroll(made, "ann", clip)
        clip = write_clip(folder / f"{me}-{i}-new", face=10 * me + i, voice=10 * me + i)
        first_sight(made, f"p{me}-{i}", clip)
    except DuetError as error:
        errors.append(error.code)
print(json.dumps(errors))
"""
    made = make_recognizer(tmp_path)
    made.store.create_person("ann")
    identify(made, write_clip(tmp_path / "warm", face=1))
    assert finish(start(script, tmp_path, "1"), start(script, tmp_path, "2")) == [[], []]
    assert made.store.get_person("ann").templates == {"face": 16, "voice": 16}
    assert made.store.count() == 17
    for me in (1, 2):
        for i in range(8):
            clip = write_clip(tmp_path / "probe", face=10 * me + i, voice=10 * me + i, sample=1)
            assert identify(made, clip).decisions.fused.match.person_id == f"p{me}-{i}"
    made.close()


def test_first_start_of_several_processes_on_an_empty_folder(tmp_path: Path) -> None:
    script = """
ready()
store = open_gallery(folder)
store.create_person("p" + sys.argv[2])
print(json.dumps(store.count() > 0))
"""
    assert finish(*[start(script, tmp_path / "new", str(i)) for i in range(3)]) == [True] * 3
    store = open_gallery(tmp_path / "new")
    assert store.count() == 3
    store.close()


def test_searches_beside_enrolments_are_right(tmp_path: Path) -> None:
    """Answers for people who stay are the same in parallel as one after another."""
    made = make_recognizer(tmp_path / "g", slots=8)
    for i in range(1, 6):
        first_sight(made, f"p{i}", write_clip(tmp_path / f"e{i}", face=i, voice=i))
    probes = {i: write_clip(tmp_path / f"t{i}", face=i, voice=i, sample=1) for i in range(1, 6)}
    expected = {i: identify(made, p).decisions.fused.match.score for i, p in probes.items()}
    done = threading.Event()

    def change() -> None:
        for i in range(20, 45):
            first_sight(made, f"p{i}", write_clip(tmp_path / f"e{i}", face=i, voice=i))
            if i % 2:
                made.store.delete_person(f"p{i}")
        done.set()

    def ask(i: int) -> bool:
        while True:
            last = done.is_set()
            answer = identify(made, probes[i])
            assert answer.decisions.fused.match.person_id == f"p{i}"
            assert answer.decisions.fused.match.score == pytest.approx(expected[i], abs=1e-6)
            if last:
                return True

    with ThreadPoolExecutor(4) as pool:
        changing = pool.submit(change)
        assert all(pool.map(ask, (1, 2, 3)))
        changing.result()
    made.close()


def test_duplicate_refused_in_threads_leaves_the_store_usable(tmp_path: Path) -> None:
    made = make_recognizer(tmp_path / "g")
    first_sight(made, "ann", write_clip(tmp_path / "a", face=1, voice=1))
    for i in range(4):
        made.store.create_person(f"p{i}")
    clip = write_clip(tmp_path / "b", face=1, voice=1, sample=1)
    results = run_together(*[lambda i=i: enroll(made, f"p{i}", clip) for i in range(4)])
    assert all(isinstance(r, DuplicatePersonError) for r in results)
    enroll(made, "ann", clip)
    made.close()


def test_killed_processes_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A process that enrols, replaces and deletes is killed at random moments.

    Afterwards the gallery holds what it reported, whole.
    """
    script = """
store = open_gallery(folder)
ready()
for i in range(int(sys.argv[2]) * 1000, 10**9):
    store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
    print("enrolled", i, flush=True)
    if i % 3 == 0:
        store.enroll(f"p{i}", [face(i, 1), voice(i, 1)], replace=True)
    if i % 5 == 0:
        print("deleting", i, flush=True)
        store.delete_person(f"p{i}")
"""
    enrolled: set[str] = set()
    deleting: set[str] = set()
    rng = random.Random(4)
    for turn in range(6):
        process = start(script, tmp_path, str(turn))
        assert process.stdin
        assert process.stdout
        process.stdin.write("go\n")
        process.stdin.flush()
        # However slow the disk is, something was acknowledged
        first = [process.stdout.readline() for _ in range(3)]
        time.sleep(rng.uniform(0.0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        for line in [*first, *process.communicate()[0].splitlines()]:
            verb, number = line.split()
            (enrolled if verb == "enrolled" else deleting).add(f"p{number}")
    store = open_gallery(tmp_path)
    there = {p.person_id: p.templates for p in store.list_people(limit=1000).people}
    assert len(enrolled) > 10
    assert enrolled - deleting <= there.keys()
    assert all(t == {"face": 1, "voice": 1} for t in there.values())
    for person_id in there:
        assert len({t.source_sha256 for t in store.list_templates(person_id)}) == 1
    store.enroll(NewPerson("after"), [face(1), voice(1)])
    store.close()
