"""Batch jobs in a file and in PostgreSQL: claims, leases, cancelling, forgetting, and
what survives killed workers.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from gallery.records.job_claims import MAX_ATTEMPTS, Claim
from gallery.records.job_files import remove_uploads
from gallery.records.jobs import MAX_OPEN_JOBS, Jobs, NewItem, NewJob
from gallery.tables import job_items
from jobs.thread import JobThread
from jobs.uploads import LEFT_S, keep_uploads, remove_unused
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from recognition.requests import IdentificationRequest
from recognition.results import Identification
from tests.support.asking import enroll
from tests.support.gallery_parts import clip, recognizer_of
from tests.support.waiting import LIMIT_S, until
from utils.config import Settings
from utils.errors import InvalidRequestError, JobNotFoundError, StoreUnavailableError


@pytest.fixture
def settings(tmp_path: Path, store_url: str) -> Settings:
    return Settings.of(data_dir=tmp_path / "data", database_url=store_url)


@pytest.fixture
def jobs(recognizer: Recognizer) -> Jobs:
    return Jobs(recognizer.store.database)


@pytest.fixture
def media(settings: Settings) -> Path:
    folder = settings.storage.media_folder
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def clips(media: Path) -> Iterator[list[NewItem]]:
    """ann, ben and cem with a clip each, and one that is no clip."""
    for name in ("ann", "ben", "cem"):
        (media / f"{name}.mp4").write_bytes(clip(face=name, voice=name))
    (media / "bad.mp4").write_bytes(b"no clip")
    yield [NewItem(f"{name}.mp4", f"{name}.mp4", name) for name in ("ann", "bad", "ben", "cem")]


def new(action: str, items: list[NewItem], **more: Any) -> NewJob:
    return NewJob(action, items, **more)


def states(jobs: Jobs, job_id: str) -> list[str]:
    return [item.state for item in jobs.items(job_id)]


def is_begun(jobs: Jobs, job_id: str) -> bool:
    return "done" in states(jobs, job_id)


def is_finished(jobs: Jobs, job_id: str) -> bool:
    return jobs.get(job_id).finished_at is not None


def claim(jobs: Jobs, worker: str) -> Claim:
    """The next file, which must be there."""
    result = jobs.claim(worker)
    assert result is not None
    return result


def lose_worker(recognizer: Recognizer) -> None:
    """As if the worker of every running file had been killed long ago."""
    with recognizer.store.database.write() as connection:
        connection.execute(
            update(job_items)
            .where(job_items.c.state == "running")
            .values(leased_until=datetime.now(UTC) - timedelta(seconds=1))
        )


def test_a_job_is_worked_on_and_a_bad_file_does_not_end_it(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem]
) -> None:
    job = jobs.create(new("enroll", clips))
    assert (job.state, job.files) == ("waiting", 4)
    assert work(Workplace(recognizer, jobs, settings)) == 4
    assert states(jobs, job.job_id) == ["done", "failed", "done", "done"]
    done = jobs.get(job.job_id)
    assert (done.state, done.counts) == ("done", {"done": 3, "failed": 1})
    assert done.finished_at is not None
    failed = jobs.items(job.job_id, states=("failed",))[0]
    assert failed.error
    assert failed.error["code"] == "media_type"
    assert recognizer.store.count() == 3, "a person whose only clip was refused is not made"
    asked = jobs.create(new("identify", [NewItem("a", "ann.mp4")]))
    work(Workplace(recognizer, jobs, settings))
    answer = jobs.items(asked.job_id)[0].result
    assert answer
    assert answer["fused"]["match"]["person_id"] == "ann"


def test_a_file_has_one_worker_at_a_time(
    recognizer: Recognizer, jobs: Jobs, clips: list[NewItem]
) -> None:
    jobs.create(new("identify", clips[:2]))
    first = claim(jobs, "a")
    assert first.key != claim(jobs, "b").key
    assert jobs.claim("c") is None
    assert not jobs.finish(first, "b", result={}), "a file is finished by its own worker only"
    assert jobs.finish(first, "a", result={})
    assert not jobs.finish(first, "a", result={}), "and once"


def test_what_a_killed_worker_held_is_done_again_once(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    held = claim(jobs, "killed")
    assert work(Workplace(recognizer, jobs, settings)) == 0, "the lease is not over"
    lose_worker(recognizer)
    assert work(Workplace(recognizer, jobs, settings)) == 1
    assert states(jobs, job.job_id) == ["done"]
    assert not jobs.finish(held, "killed", result={"late": True}), (
        "a worker that was thought dead keeps nothing"
    )


def test_a_file_that_kills_its_workers_is_given_up(
    recognizer: Recognizer, jobs: Jobs, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    for number in range(MAX_ATTEMPTS):
        assert jobs.claim(f"w{number}") is not None
        lose_worker(recognizer)
    assert jobs.claim("one more") is None
    assert jobs.get(job.job_id).state == "done"
    assert jobs.items(job.job_id)[0].error["code"] == "worker_lost"


def test_a_lease_is_renewed_while_a_clip_takes_long(
    recognizer: Recognizer,
    jobs: Jobs,
    settings: Settings,
    clips: list[NewItem],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.worker.LEASE_S", 0.06)
    jobs.create(new("identify", clips[:1]))
    identify = recognizer.identify
    seen = []

    def slow(request: IdentificationRequest) -> Identification:
        lose_worker(recognizer)
        until(lambda: not jobs.waiting())  # as long as its lease is over, the file is anybody's
        seen.append(jobs.claim("thief"))
        return identify(request)

    monkeypatch.setattr(recognizer, "identify", slow)
    assert work(Workplace(recognizer, jobs, settings)) == 1
    assert seen == [None]


def test_service_errors_leave_the_file_waiting(
    recognizer: Recognizer,
    jobs: Jobs,
    settings: Settings,
    clips: list[NewItem],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    monkeypatch.setattr("jobs.worker.PAUSE_S", 0.0)

    def gone(*_: object, **__: object) -> None:
        raise StoreUnavailableError("The database is locked by another program.")

    with monkeypatch.context() as patched:
        patched.setattr(recognizer, "identify", gone)
        for _ in range(MAX_ATTEMPTS + 1):
            assert work(Workplace(recognizer, jobs, settings)) == 0
    assert states(jobs, job.job_id) == ["waiting"]
    assert work(Workplace(recognizer, jobs, settings)) == 1
    assert states(jobs, job.job_id) == ["done"]


def test_a_database_that_is_gone_for_long_costs_no_attempt(
    recognizer: Recognizer,
    jobs: Jobs,
    settings: Settings,
    clips: list[NewItem],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    monkeypatch.setattr("jobs.worker.PAUSE_S", 0.0)
    release = jobs.release
    refused = []

    def gone(*given: Any) -> None:
        refused.append(1)
        if len(refused) < 5:
            raise StoreUnavailableError("The database cannot be reached.")
        release(*given)

    def busy(*_: object, **__: object) -> None:
        raise StoreUnavailableError("The database cannot be reached.")

    monkeypatch.setattr(jobs, "release", gone)
    with monkeypatch.context() as patched:
        patched.setattr(recognizer, "identify", busy)
        assert work(Workplace(recognizer, jobs, settings)) == 0
    assert (len(refused), states(jobs, job.job_id)) == (5, ["waiting"])
    assert work(Workplace(recognizer, jobs, settings)) == 1


def test_cancelling(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], media: Path
) -> None:
    [upload] = keep_uploads(settings, "j", [media / "ann.mp4"])
    job = jobs.create(new("identify", [*clips[:2], NewItem("up.mp4", upload, uploaded=True)]))
    running = claim(jobs, "w")
    after, freed = jobs.cancel(job.job_id)
    assert (after.state, freed) == ("running", [upload])
    remove_uploads(settings.storage.media_folder, freed)
    assert not (media / ".jobs" / "j").exists()
    assert jobs.claim("w") is None
    jobs.finish(running, "w", result={})
    assert jobs.get(job.job_id).state == "cancelled"
    assert states(jobs, job.job_id) == ["done", "cancelled", "cancelled"]
    jobs.cancel(job.job_id)
    with pytest.raises(JobNotFoundError):
        jobs.get(job.job_id)


def test_a_file_that_is_given_back_to_a_cancelled_job_is_cancelled(
    jobs: Jobs, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    held = claim(jobs, "w")
    jobs.cancel(job.job_id)
    jobs.release(held, "w")
    assert states(jobs, job.job_id) == ["cancelled"]
    assert jobs.get(job.job_id).finished_at is not None


def test_a_job_is_cancelled_while_it_is_worked_on(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, media: Path
) -> None:
    (media / "ann.mp4").write_bytes(clip(face="ann", voice="ann"))
    thread = JobThread(Workplace(recognizer, jobs, settings))
    for round_ in range(3):
        uploads = keep_uploads(settings, f"j{round_}", [media / "ann.mp4"] * 30)
        job = jobs.create(new("identify", [NewItem(u, u, uploaded=True) for u in uploads]))
        thread.wake()
        until(partial(is_begun, jobs, job.job_id))
        remove_uploads(settings.storage.media_folder, jobs.cancel(job.job_id)[1])
        until(partial(is_finished, jobs, job.job_id))
        counts = jobs.get(job.job_id).counts
        assert set(counts) <= {"done", "cancelled"}
        assert sum(counts.values()) == 30
        assert not (media / ".jobs" / f"j{round_}").exists(), (
            "each upload was removed by one of the two"
        )
    thread.stop()


def test_uploads_that_killed_processes_left_are_removed(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], media: Path
) -> None:
    lost, needed, young = (
        keep_uploads(settings, name, [media / "ann.mp4"])[0] for name in ("lost", "needed", "young")
    )
    jobs.create(new("identify", [NewItem("a", needed, uploaded=True)]))
    for upload in (lost, needed):
        os.utime(media / upload, (time.time() - LEFT_S - 60,) * 2)
    remove_unused(jobs, settings)
    assert [(media / upload).exists() for upload in (lost, needed, young)] == [False, True, True]
    assert not (media / lost).parent.exists()


def test_a_cancelled_file_is_not_begun_again_when_its_worker_is_lost(
    recognizer: Recognizer, jobs: Jobs, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    jobs.claim("killed")
    jobs.cancel(job.job_id)
    lose_worker(recognizer)
    assert jobs.claim("w") is None
    assert jobs.get(job.job_id).state == "cancelled"


def test_replace_keeps_the_clips_of_the_job_and_nothing_before(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, media: Path
) -> None:
    for take in (1, 2, 3):
        (media / f"{take}.mp4").write_bytes(clip(face="ann", voice="ann", take=take))
    enroll(recognizer, "ann", media / "1.mp4", create=True)
    job = jobs.create(
        new(
            "enroll",
            [NewItem("bad", "none.mp4", "ann"), *(NewItem(t, f"{t}.mp4", "ann") for t in "23")],
            replace=True,
        )
    )
    claimed = claim(jobs, "w")
    assert claimed.replace
    assert jobs.claim("w2") is None, "the clips of one person come one after the other"
    jobs.finish(claimed, "w", error={"code": "x", "message": "", "hint": ""})
    assert work(Workplace(recognizer, jobs, settings)) == 2
    assert states(jobs, job.job_id) == ["failed", "done", "done"]
    assert recognizer.store.get_person("ann").templates == {"face": 2, "voice": 2}


def test_deleted_people_are_forgotten_in_jobs(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], media: Path
) -> None:
    enrolled = jobs.create(new("enroll", clips))
    work(Workplace(recognizer, jobs, settings))
    asked = jobs.create(new("identify", [NewItem("who.mp4", "ann.mp4")]))
    work(Workplace(recognizer, jobs, settings))
    [upload] = keep_uploads(settings, "u", [media / "ann.mp4"])
    waiting = jobs.create(new("enroll", [NewItem("ann-9.mp4", upload, "ann", uploaded=True)]))
    recognizer.store.delete_person("ann")
    for job_id in (enrolled.job_id, asked.job_id, waiting.job_id):
        first = jobs.items(job_id)[0]
        assert (first.state, first.name, first.person_id, first.result) == (
            "forgotten",
            "",
            None,
            None,
        )
    assert states(jobs, enrolled.job_id)[2:] == ["done", "done"], "the others are still there"
    assert jobs.get(waiting.job_id).state == "done"
    assert not (media / upload).exists()


def test_somebody_who_is_deleted_while_a_file_is_worked_on(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem]
) -> None:
    recognizer.store.create_person("ann")
    job = jobs.create(new("identify", clips[:1]))
    held = claim(jobs, "w")
    recognizer.store.delete_person("ann")
    jobs.finish(held, "w", result={"fused": {"match": {"person_id": "ann"}}}, mentions={"ann"})
    assert jobs.items(job.job_id)[0].result is None


def test_bounds(jobs: Jobs, clips: list[NewItem], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match="Received: 0"):
        jobs.create(new("identify", []))
    for _ in range(MAX_OPEN_JOBS):
        jobs.create(new("identify", clips[:1]))
    with pytest.raises(InvalidRequestError, match="jobs may be open"):
        jobs.create(new("identify", clips[:1]))


def test_old_jobs_go(
    jobs: Jobs, recognizer: Recognizer, settings: Settings, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    assert jobs.remove_finished(0.0) == 0, "not while it is open"
    work(Workplace(recognizer, jobs, settings))
    assert jobs.remove_finished(1.0) == 0
    assert jobs.remove_finished(-1.0) == 1
    with pytest.raises(JobNotFoundError):
        jobs.get(job.job_id)


def test_links_out_of_the_media_root_are_not_followed(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, media: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.mp4").write_bytes(clip(face="ann"))
    (media / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    job = jobs.create(
        new("identify", [NewItem("link.mp4", "link.mp4"), NewItem("up", "../secret.mp4")])
    )
    work(Workplace(recognizer, jobs, settings))
    assert [item.error["code"] for item in jobs.items(job.job_id)] == ["media_not_found"] * 2


def test_a_file_that_is_gone_when_its_turn_comes(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], media: Path
) -> None:
    job = jobs.create(new("identify", [clips[0], clips[2]]))
    (media / "ann.mp4").unlink()
    work(Workplace(recognizer, jobs, settings))
    gone, there = jobs.items(job.job_id)
    assert (gone.error["code"], there.state) == ("media_not_found", "done")


def test_a_job_on_a_folder_that_is_elsewhere_is_left_to_others(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], tmp_path: Path
) -> None:
    """As a service sees what `cli.py enroll` of another machine, or of a user whose
    files it may not read, has begun.
    """
    folder = tmp_path / "of somebody"
    held = jobs.create(
        NewJob(
            "enroll",
            [NewItem("a.mp4", "a.mp4", "dan"), NewItem("b.mp4", "b.mp4", "dan")],
            root=str(folder),
        )
    )
    own = jobs.create(new("identify", clips[:1]))
    assert work(Workplace(recognizer, jobs, settings)) == 1
    assert (states(jobs, held.job_id), states(jobs, own.job_id)) == (["waiting"] * 2, ["done"])
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(clip(face="dan", voice="dan", take=ord(name[0])))
    assert work(Workplace(recognizer, jobs, settings)) == 2
    assert states(jobs, held.job_id) == ["done", "done"], "and has lost no attempt"


def test_the_thread_of_the_service(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips))
    thread = JobThread(Workplace(recognizer, jobs, settings))
    thread.wake()
    until(lambda: jobs.get(job.job_id).finished_at)
    thread.stop()
    assert jobs.get(job.job_id).state == "done"
    thread.wake()  # after its end nothing starts any more
    late = jobs.create(new("identify", clips[:1]))
    time.sleep(0.1)
    assert jobs.get(late.job_id).state == "waiting"


def _enrol_for_ever(settings: Settings) -> None:
    recognizer = recognizer_of(settings)
    work(Workplace(recognizer, Jobs(recognizer.store.database), settings))


def many_people(media: Path, count: int) -> list[NewItem]:
    """A clip each."""
    items = []
    for number in range(count):
        name = f"p{number}"
        (media / f"{name}.mp4").write_bytes(
            clip(face="ann", voice="ann", take=number)
            .replace(b'"face": 1', b'"face": %d' % (number + 10))
            .replace(b'"voice": 1', b'"voice": %d' % (number + 10))
        )
        items.append(NewItem(name, f"{name}.mp4", name))
    return items


def check_enrolled_once(recognizer: Recognizer, count: int) -> None:
    page = recognizer.store.list_people(limit=100)
    assert [person.templates for person in page.people] == [{"face": 1, "voice": 1}] * count
    assert recognizer.store.verify_audit().problems == ()


def test_two_services_on_one_database_share_a_job(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, media: Path
) -> None:
    job = jobs.create(new("enroll", many_people(media, 30)))
    context = multiprocessing.get_context("spawn")
    services = [context.Process(target=_enrol_for_ever, args=(settings,)) for _ in range(2)]
    for service in services:
        service.start()
    for service in services:
        service.join(LIMIT_S)
    assert [service.exitcode for service in services] == [0, 0]
    assert states(jobs, job.job_id) == ["done"] * 30
    with recognizer.store.database.read() as connection:
        assert set(connection.scalars(select(job_items.c.attempts))) == {1}, (
            "nobody took a file of the other"
        )
    check_enrolled_once(recognizer, 30)


def _enrol_and_be_killed(settings: Settings, cpu_s: float) -> None:
    """By the system, once it has computed for so long after its first file: on a slow
    machine later. By itself with the eighth.
    """
    recognizer = recognizer_of(settings)
    files = itertools.count()

    def stop() -> bool:
        done = next(files)
        if done == 1:
            signal.setitimer(signal.ITIMER_PROF, cpu_s)  # SIGPROF ends a process as SIGKILL does
        if done == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    work(Workplace(recognizer, Jobs(recognizer.store.database), settings), stop=stop)


def test_killed_at_any_moment_nothing_is_lost_or_done_twice(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, media: Path
) -> None:
    """A process that works on a job is killed again and again at random moments; in the
    end every clip was enrolled exactly once.
    """
    job = jobs.create(new("enroll", many_people(media, 40)))
    context = multiprocessing.get_context("forkserver")
    rng = random.Random(3)
    rounds = 0
    context.set_forkserver_preload([__name__])
    while jobs.get(job.job_id).finished_at is None:
        process = context.Process(
            target=_enrol_and_be_killed, args=(settings, rng.uniform(0.001, 0.1))
        )
        process.start()
        process.join()
        assert process.exitcode in (-signal.SIGPROF, -signal.SIGKILL, 0)
        lose_worker(recognizer)
        rounds += 1
    assert rounds > 3, "it was killed several times"
    assert states(jobs, job.job_id) == ["done"] * 40
    check_enrolled_once(recognizer, 40)
