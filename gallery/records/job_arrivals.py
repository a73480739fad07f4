"""Files of batch jobs that are listed first, and sent one by one afterwards."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import exists, func, select, update

from gallery.records import clock
from gallery.records.job_claims import JobClaims
from gallery.records.job_files import AWAITED, close_if_done
from gallery.tables import job_items, jobs
from utils.errors import FileNotAwaitedError, JobNotFoundError

LONGEST_WAIT = timedelta(days=1)
"""Time without any file of a job, after which its others are not waited for any more."""
_NOT_SENT = {
    "code": "media_missing",
    "message": "The file was listed, and no file of the job was sent for a day.",
    "hint": "Send it again.",
}


class JobArrivals(JobClaims):
    """What senders of files ask of jobs.

    It is shared by all threads, and every call is one transaction. Raises
    StoreUnavailableError, StorageFullError.
    """

    def check_awaited(self, job_id: str, position: int) -> None:
        """Raise JobNotFoundError or FileNotAwaitedError unless the file is waited for."""
        with self._database.read() as connection:
            job_key = connection.scalar(select(jobs.c.key).where(jobs.c.job_id == job_id))
            if job_key is None:
                raise JobNotFoundError(f"There is no job of this id. Received: {job_id[:40]!r}")
            waits = exists().where(
                job_items.c.job_key == job_key,
                job_items.c.position == position,
                job_items.c.state == AWAITED,
            )
            if not connection.scalar(select(waits)):
                raise _not_awaited(position)

    def receive(self, job_id: str, position: int, media: str) -> None:
        """Let a file that has come be worked on. `media`: its path below the media root.

        Raises FileNotAwaitedError where it came before, or is not wanted any more.
        """
        of_job = select(jobs.c.key).where(jobs.c.job_id == job_id, ~jobs.c.cancelled)
        with self._database.write() as connection:
            received = connection.execute(
                update(job_items)
                .where(
                    job_items.c.job_key.in_(of_job),
                    job_items.c.position == position,
                    job_items.c.state == AWAITED,
                )
                .values(state="waiting", media=media)
            )
            if not received.rowcount:
                raise _not_awaited(position)
            its_job = update(jobs).where(jobs.c.job_id == job_id)
            connection.execute(its_job.values(received_at=clock.now()))

    def give_up_awaited(self) -> int:
        """Fail files of jobs that no file came for in `LONGEST_WAIT`, and return how many.

        None fails while the clock is in doubt (`gallery.records.clock`).
        """
        with self._database.write() as connection:
            if clock.find_jump(connection):
                return 0
            last_heard_of = func.coalesce(jobs.c.received_at, jobs.c.created_at)
            old = select(jobs.c.key).where(last_heard_of < clock.now() - LONGEST_WAIT)
            missing = (job_items.c.state == AWAITED) & job_items.c.job_key.in_(old)
            keys = list(connection.scalars(select(job_items.c.job_key).where(missing).distinct()))
            given_up = connection.execute(
                update(job_items).where(missing).values(state="failed", error=_NOT_SENT, facts=None)
            ).rowcount
            for key in keys:
                close_if_done(connection, key)
            return given_up


def _not_awaited(position: int) -> FileNotAwaitedError:
    return FileNotAwaitedError(
        f"This file of the job is not waited for: it came before, or the job has ended."
        f" Received: position {position}"
    )
