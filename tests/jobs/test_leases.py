"""Files of a job have one worker at a time: claims, leases, and attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from commands.jobs import format_job
from gallery.records.job_claims import MAX_ATTEMPTS
from gallery.records.jobs import Jobs, NewItem
from gallery.tables import job_items
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from recognition.requests import IdentificationRequest
from recognition.results import Identification
from tests.support.job_queue import claim, lose_worker, new, states
from tests.support.waiting import until
from utils.config import Settings
from utils.errors import StoreUnavailableError


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


def test_a_lease_does_not_outlast_a_clock_that_is_set_back(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    claim(jobs, "killed")
    with recognizer.store.database.write() as connection:
        late = datetime.now(UTC) + timedelta(hours=5)
        connection.execute(update(job_items).values(leased_until=late))
    assert jobs.interrupted_jobs() == {job.job_id}
    assert work(Workplace(recognizer, jobs, settings)) == 1
    assert states(jobs, job.job_id) == ["done"]


def test_a_job_that_was_begun_and_that_nobody_works_on_is_interrupted(
    recognizer: Recognizer, jobs: Jobs, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:3]))
    later = jobs.create(new("identify", clips[:1]))
    assert jobs.interrupted_jobs() == set(), "neither was begun"
    first = claim(jobs, "a")
    assert jobs.interrupted_jobs() == set(), "one is at work"
    jobs.finish(first, "a", result={})
    assert jobs.interrupted_jobs() == {job.job_id}
    assert "\tinterrupted\t" in format_job(jobs.get(job.job_id), jobs.interrupted_jobs())
    assert "\twaiting\t" in format_job(jobs.get(later.job_id), jobs.interrupted_jobs())
    claim(jobs, "killed")
    lose_worker(recognizer)
    assert jobs.interrupted_jobs() == {job.job_id}


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
