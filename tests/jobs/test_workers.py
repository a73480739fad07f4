"""Threads and processes that work on one job, also when they are killed."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

from sqlalchemy import select

from gallery.records.jobs import Jobs, NewItem
from gallery.tables import job_items
from jobs.thread import JobThread
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import clip, recognizer_of
from tests.support.job_queue import lose_worker, new, states
from tests.support.waiting import LIMIT_S, until
from utils.config import Settings


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
    """Enrol until the system or the process itself ends it.

    The system does so once the process has computed for `cpu_s` after its first file:
    on a slow machine later. The process does so with its eighth file.
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
    """A process that works on a job is killed again and again at random moments.

    In the end every clip was enrolled exactly once.
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
