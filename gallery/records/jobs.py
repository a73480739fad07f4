"""Batch jobs in the database: many clips to identify or to enrol.

The database is the only truth about a job. What wakes the workers (a thread, a broker)
may be lost. How workers claim the files is in `gallery/records/job_claims.py`, and what
happens to them when a person is deleted in `gallery/records/job_files.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update

from gallery.damage import list_whole
from gallery.records import clock
from gallery.records.job_arrivals import JobArrivals
from gallery.records.job_claim import open_words
from gallery.records.job_files import AWAITED, OPEN, close_if_done, uploads_of
from gallery.results import MAX_PAGE
from gallery.tables import job_items, jobs
from utils.errors import DuetError, InvalidRequestError, JobNotFoundError

MAX_FILES = 100_000
MAX_OPEN_JOBS = 100


@dataclass(frozen=True)
class NewItem:
    """A clip of a new job.

    Attributes:
        name: what its sender called it.
        media: path of the file, below the root of the job.
        person_id: whom it is enrolled for.
        uploaded: whether the file belongs to the job and goes with it.
        awaited: whether its sender sends it later.
        facts: name, note, consent and retention_days of the person, if they are new.
        refused: why it is not even begun.
    """

    name: str
    media: str
    person_id: str | None = None
    uploaded: bool = False
    awaited: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    refused: DuetError | None = None


@dataclass(frozen=True)
class NewJob:
    """A job to be stored.

    Attributes:
        action: "identify", "enroll" or "transcribe".
        force: enrol clips that look like somebody else, too.
        replace: the first enrolled clip of a person replaces what was stored of them.
        root: folder that the files are below; None = the media root.
        options: what else is asked for, by name.
    """

    action: str
    items: Sequence[NewItem]
    force: bool = False
    replace: bool = False
    root: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A stored job.

    Attributes:
        state: "waiting", "running", "done" or "cancelled".
        counts: number of files by their state.
        root: as in `NewJob`.
    """

    job_id: str
    action: str
    state: str
    created_at: datetime
    finished_at: datetime | None
    counts: Mapping[str, int]
    root: str | None

    @property
    def files(self) -> int:
        """Number of clips."""
        return sum(self.counts.values())

    @property
    def finished_files(self) -> int:
        """Number of clips that nobody has to work on any more."""
        return sum(n for state, n in self.counts.items() if state not in OPEN)


@dataclass(frozen=True)
class JobItem:
    """A clip of a stored job.

    Attributes:
        state: "awaited", "waiting", "running", "done", "failed", "cancelled" or
            "forgotten".
        result: what the service would have answered. While a long file is worked on, what
            is done of it.
        error: code, message and hint.
        progress: how far a long file is.
    """

    position: int
    name: str
    person_id: str | None
    state: str
    result: dict[str, Any] | None
    error: dict[str, str] | None
    progress: dict[str, Any] | None = None


class Jobs(JobArrivals):
    """All jobs of a gallery.

    They are shared by all threads, and every call is one transaction. Raises
    StoreUnavailableError, StorageFullError.
    """

    def create(self, new: NewJob, actor: str = "local", job_id: str | None = None) -> Job:
        """Store a job.

        Raises InvalidRequestError for more than `MAX_FILES` files or `MAX_OPEN_JOBS`
        open jobs. Where all files are refused, raises the error of the first.
        """
        _refuse(new)
        with self._database.write() as connection:
            _refuse_many_open(connection)
            key = _insert(connection, new, actor, job_id or uuid.uuid4().hex)
            row = connection.execute(select(jobs).where(jobs.c.key == key)).one()
            return _as_job(connection, row)

    def get(self, job_id: str) -> Job:
        """Read a job. Raises JobNotFoundError."""
        with self._database.read() as connection:
            return _as_job(connection, _row(connection, job_id))

    def latest(self, limit: int = 50) -> tuple[Job, ...]:
        """List jobs, the newest first."""
        with self._database.read() as connection:
            query = select(jobs).order_by(jobs.c.key.desc()).limit(limit)
            return tuple(list_whole(connection, query, jobs, partial(_as_job, connection)))

    def count_files(self) -> dict[str, int]:
        """Count the files of all jobs, by state."""
        query = select(job_items.c.state, func.count().label("files"))
        query = query.group_by(job_items.c.state)
        with self._database.read() as connection:
            return {row.state: row.files for row in connection.execute(query)}

    def items(
        self, job_id: str, offset: int = 0, limit: int = 100, states: Collection[str] = ()
    ) -> tuple[JobItem, ...]:
        """List files of a job in their order.

        With `states`, only those in one of them are listed. Raises JobNotFoundError.
        """
        with self._database.read() as connection:
            query = select(job_items).where(job_items.c.job_key == _row(connection, job_id).key)
            if states:
                query = query.where(job_items.c.state.in_(states))
            query = query.order_by(job_items.c.position).offset(offset).limit(limit)

            def make(row: Row[Any]) -> JobItem:
                return _as_item(row, open_words(row, job_id, self._codec))

            return tuple(list_whole(connection, query, job_items, make))

    def every_item(self, job_id: str, *states: str) -> Iterator[JobItem]:
        """Yield all files of a job in their order, or those in some states.

        They are read a page at a time. Raises JobNotFoundError.
        """
        for offset in range(0, self._count(job_id), MAX_PAGE):
            yield from self.items(job_id, offset, MAX_PAGE, states)

    def _count(self, job_id: str) -> int:
        with self._database.read() as connection:
            of_job = job_items.c.job_key == _row(connection, job_id).key
            counted = select(func.count()).select_from(job_items).where(of_job)
            return connection.scalar(counted) or 0

    def cancel(self, job_id: str) -> tuple[Job, list[str]]:
        """Stop an open job, or remove a finished one.

        Files that wait are not worked on any more. Returns the job as it is now (or
        was), and the uploaded media that nobody needs any more. Raises
        JobNotFoundError.
        """
        with self._database.write() as connection:
            row = _row(connection, job_id)
            of_job = job_items.c.job_key == row.key
            if row.finished_at is not None:
                job = _as_job(connection, row)
                uploads = uploads_of(connection, of_job)
                connection.execute(delete(jobs).where(jobs.c.key == row.key))
                return job, uploads
            waiting = and_(of_job, job_items.c.state.in_((AWAITED, "waiting")))
            uploads = uploads_of(connection, waiting)
            ended = {"state": "cancelled", "media": "", "facts": None}
            connection.execute(update(job_items).where(waiting).values(**ended))
            connection.execute(update(jobs).where(jobs.c.key == row.key).values(cancelled=True))
            close_if_done(connection, row.key)
            return _as_job(connection, _row(connection, job_id)), uploads

    def uploads(self) -> set[str]:
        """Uploads of files that are not done yet (paths below the media root)."""
        with self._database.read() as connection:
            return set(uploads_of(connection, job_items.c.state.in_(OPEN)))

    def remove_finished(self, days: float) -> int:
        """Remove jobs that were finished more than `days` ago, and return how many.

        None goes while the clock is in doubt (`gallery.records.clock`).
        """
        with self._database.write() as connection:
            if clock.find_jump(connection):
                return 0
            last = clock.now() - timedelta(days=days)
            return connection.execute(delete(jobs).where(jobs.c.finished_at < last)).rowcount


def _refuse(new: NewJob) -> None:
    if not 1 <= len(new.items) <= MAX_FILES:
        raise InvalidRequestError(
            f"A job has 1 to {MAX_FILES:,} files. Received: {len(new.items):,}",
            "Make several jobs of them.",
        )
    errors = [item.refused for item in new.items if item.refused is not None]
    if len(errors) == len(new.items):
        raise errors[0]


def _refuse_many_open(connection: Connection) -> None:
    is_open = jobs.c.finished_at.is_(None)
    count = connection.scalar(select(func.count()).select_from(jobs).where(is_open)) or 0
    if count >= MAX_OPEN_JOBS:
        raise InvalidRequestError(
            f"At most {MAX_OPEN_JOBS} jobs may be open.", "Wait, or cancel one."
        )


def _insert(connection: Connection, new: NewJob, actor: str, job_id: str) -> int:
    """Write the rows of a job, and return its internal number."""
    inserted = connection.execute(
        insert(jobs).values(
            job_id=job_id,
            action=new.action,
            force=new.force,
            replace=new.replace,
            root=new.root,
            actor=actor,
            created_at=datetime.now(UTC),
            cancelled=False,
            options=dict(new.options) or None,
        )
    ).inserted_primary_key
    assert inserted is not None
    key = int(inserted[0])
    connection.execute(
        insert(job_items),
        [_item_values(key, position, item) for position, item in enumerate(new.items)],
    )
    return key


def _item_values(job_key: int, position: int, item: NewItem) -> dict[str, Any]:
    error = item.refused
    return {
        "job_key": job_key,
        "position": position,
        "name": item.name,
        "media": item.media,
        "person_id": item.person_id,
        "uploaded": item.uploaded,
        "state": "failed" if error else AWAITED if item.awaited else "waiting",
        "facts": None if error else dict(item.facts) or None,
        "attempts": 0,
        "error": error.to_dict() if error else None,
    }


def _row(connection: Connection, job_id: str) -> Row[Any]:
    row = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).one_or_none()
    if row is None:
        raise JobNotFoundError(f"There is no job of this id. Received: {job_id[:40]!r}")
    return row


def _as_job(connection: Connection, row: Row[Any]) -> Job:
    query = (
        select(job_items.c.state, func.count().label("files"))
        .where(job_items.c.job_key == row.key)
        .group_by(job_items.c.state)
    )
    counts: dict[str, int] = {part.state: part.files for part in connection.execute(query)}
    return Job(
        job_id=row.job_id,
        action=row.action,
        state=_state_of(row, counts),
        created_at=row.created_at,
        finished_at=row.finished_at,
        counts=counts,
        root=row.root,
    )


def _state_of(row: Row[Any], counts: Mapping[str, int]) -> str:
    if row.finished_at is not None:
        return "cancelled" if row.cancelled else "done"
    return "waiting" if set(counts) <= {AWAITED, "waiting"} else "running"


def _as_item(row: Row[Any], words: dict[str, Any] | None) -> JobItem:
    return JobItem(
        position=row.position,
        name=row.name,
        person_id=row.person_id,
        state=row.state,
        result=row.result or words,
        error=row.error,
        progress=row.progress,
    )
