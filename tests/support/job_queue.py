"""Jobs, the states of their files, and workers that are lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from gallery.records.job_claim import Claim
from gallery.records.jobs import Jobs, NewItem, NewJob
from gallery.tables import job_items
from recognition.recognizer import Recognizer


def new(action: str, items: list[NewItem], **more: Any) -> NewJob:
    """A job to be created."""
    return NewJob(action, items, **more)


def states(jobs: Jobs, job_id: str) -> list[str]:
    """The states of the files of a job, in order."""
    return [item.state for item in jobs.items(job_id)]


def is_begun(jobs: Jobs, job_id: str) -> bool:
    """Whether a file of the job is done."""
    return "done" in states(jobs, job_id)


def is_finished(jobs: Jobs, job_id: str) -> bool:
    """Whether the job has ended."""
    return jobs.get(job_id).finished_at is not None


def claim(jobs: Jobs, worker: str) -> Claim:
    """Claim the next file, which must be there."""
    result = jobs.claim(worker)
    assert result is not None
    return result


def lose_worker(recognizer: Recognizer) -> None:
    """Let the lease of every running file end, as if its worker had been killed."""
    with recognizer.store.database.write() as connection:
        connection.execute(
            update(job_items)
            .where(job_items.c.state == "running")
            .values(leased_until=datetime.now(UTC) - timedelta(seconds=1))
        )
