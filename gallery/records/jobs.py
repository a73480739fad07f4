"""Batch jobs in the database: many clips to identify or to enrol, each worked on by one
worker at a time.

The database is the only truth about a job; what wakes the workers (a thread, a broker)
may be lost. A worker claims a file for a lease of `LEASE_S` seconds and renews the
lease while it works. A file whose worker was killed is claimable again once the lease
is over, and is given up after `MAX_ATTEMPTS`, so that a clip that kills its worker does
not do so for ever.

Results name people. When one of them is deleted, every file of a job that was about
them, or whose answer names them, is forgotten with them (`forget`): its name, its
result and its media.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from gallery.database.base import Database
from gallery.results import MAX_PAGE
from gallery.tables import job_items, job_mentions, jobs, people
from utils.errors import DuetError, InvalidRequestError, JobNotFoundError

LEASE_S = 30.0
MAX_ATTEMPTS = 2
MAX_FILES = 100_000
MAX_OPEN_JOBS = 100
OPEN = ("waiting", "running")


@dataclass(frozen=True)
class NewItem:
    """A clip of a new job: the `name` its sender gave it, and where it lies below the
    media root. `person_id` is whom it is enrolled for; `uploaded`: the file belongs to
    the job and goes with it. `refused`: why it is not even begun.
    """

    name: str
    media: str
    person_id: str | None = None
    uploaded: bool = False
    refused: DuetError | None = None


@dataclass(frozen=True)
class NewJob:
    """`action`: identify or enroll. `force`: enrol who looks like somebody else too;
    `replace`: the first clip of a person that is enrolled replaces what was stored of
    them. `root`: the folder that the files are below; None = the media root.
    """

    action: str
    items: Sequence[NewItem]
    force: bool = False
    replace: bool = False
    root: str | None = None


@dataclass(frozen=True)
class Job:
    """`state` is waiting, running, done or cancelled; `counts` holds files by their
    state; `root` as in `NewJob`.
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
        """How many clips the job has."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class JobItem:
    """A clip of a job. `state`: waiting, running, done, failed, cancelled or forgotten;
    `result` is what the service would have answered, `error` holds code, message and
    hint.
    """

    position: int
    name: str
    person_id: str | None
    state: str
    result: dict[str, Any] | None
    error: dict[str, str] | None


@dataclass(frozen=True)
class Claim:
    """A clip that a worker holds."""

    key: int
    job_id: str
    action: str
    force: bool
    replace: bool
    root: str | None
    actor: str
    name: str
    media: str
    person_id: str | None
    uploaded: bool


class Jobs:
    """Shared by all threads; every call is one transaction. Raises
    StoreUnavailableError, StorageFullError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: NewJob, actor: str = "local", job_id: str | None = None) -> Job:
        """Store a job. Raises InvalidRequestError for more than MAX_FILES files or
        MAX_OPEN_JOBS jobs that are not done, and what the first file is refused for
        where all are.
        """
        if not 1 <= len(new.items) <= MAX_FILES:
            raise InvalidRequestError(
                f"A job has 1 to {MAX_FILES:,} files. Received: {len(new.items):,}",
                "Make several jobs of them.",
            )
        if all(item.refused for item in new.items):
            raise cast(DuetError, new.items[0].refused)
        with self._database.write() as connection:
            waiting = (
                connection.scalar(
                    select(func.count()).select_from(jobs).where(jobs.c.finished_at.is_(None))
                )
                or 0
            )
            if waiting >= MAX_OPEN_JOBS:
                raise InvalidRequestError(
                    f"At most {MAX_OPEN_JOBS} jobs may be open. Received: one more",
                    "Wait, or cancel one.",
                )
            inserted = connection.execute(
                insert(jobs).values(
                    job_id=job_id or uuid.uuid4().hex,
                    action=new.action,
                    force=new.force,
                    replace=new.replace,
                    root=new.root,
                    actor=actor,
                    created_at=datetime.now(UTC),
                    cancelled=False,
                )
            ).inserted_primary_key
            assert inserted is not None
            connection.execute(
                insert(job_items),
                [
                    {
                        "job_key": inserted[0],
                        "position": n,
                        "name": item.name,
                        "media": item.media,
                        "person_id": item.person_id,
                        "uploaded": item.uploaded,
                        "state": "failed" if item.refused else "waiting",
                        "attempts": 0,
                        "error": item.refused and item.refused.to_dict(),
                    }
                    for n, item in enumerate(new.items)
                ],
            )
            return _job(
                connection, connection.execute(select(jobs).where(jobs.c.key == inserted[0])).one()
            )

    def get(self, job_id: str) -> Job:
        """Raises JobNotFoundError."""
        with self._database.read() as connection:
            return _job(connection, _row(connection, job_id))

    def latest(self, limit: int = 50) -> tuple[Job, ...]:
        """The newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(jobs).order_by(jobs.c.key.desc()).limit(limit)).all()
            return tuple(_job(connection, row) for row in rows)

    def items(
        self, job_id: str, offset: int = 0, limit: int = 100, states: Collection[str] = ()
    ) -> tuple[JobItem, ...]:
        """Files of a job in their order, those in `states` only where there are some.
        Raises JobNotFoundError.
        """
        with self._database.read() as connection:
            query = select(job_items).where(job_items.c.job_key == _row(connection, job_id).key)
            if states:
                query = query.where(job_items.c.state.in_(states))
            rows = connection.execute(
                query.order_by(job_items.c.position).offset(offset).limit(limit)
            )
            return tuple(
                JobItem(r.position, r.name, r.person_id, r.state, r.result, r.error) for r in rows
            )

    def every_item(self, job_id: str, state: str) -> Iterator[JobItem]:
        """All files of a job in one state, in their order, a page at a time. Raises
        JobNotFoundError.
        """
        seen = 0
        while page := self.items(job_id, seen, MAX_PAGE, (state,)):
            yield from page
            seen += len(page)

    def cancel(self, job_id: str) -> tuple[Job, list[str]]:
        """Files that wait are not worked on any more; a job that was finished is
        removed. The job as it is now (or was), and the uploaded media that nobody needs
        any more. Raises JobNotFoundError.
        """
        with self._database.write() as connection:
            row = _row(connection, job_id)
            mine = job_items.c.job_key == row.key
            if row.finished_at is not None:
                job = _job(connection, row)
                freed = _media(connection, mine)
                connection.execute(delete(jobs).where(jobs.c.key == row.key))
                return job, freed
            freed = _media(connection, and_(mine, job_items.c.state == "waiting"))
            connection.execute(
                update(job_items)
                .where(mine, job_items.c.state == "waiting")
                .values(state="cancelled", media="")
            )
            connection.execute(update(jobs).where(jobs.c.key == row.key).values(cancelled=True))
            _finish_job(connection, row.key)
            return _job(connection, _row(connection, job_id)), freed

    def uploads(self) -> set[str]:
        """Uploaded media (paths below the media root) of files that are not done yet."""
        with self._database.read() as connection:
            return set(_media(connection, job_items.c.state.in_(OPEN)))

    # ---- workers
    def claim(
        self, worker: str, job_id: str | None = None, elsewhere: Collection[str] = ()
    ) -> Claim | None:
        """The next file for this worker, of one job or of any, but of none whose root
        is `elsewhere`; None when there is none now.
        """
        if not self.waiting():
            return None
        with self._database.write() as connection:
            now = datetime.now(UTC)
            _give_up(connection, now)
            query = (
                select(job_items.c.key)
                .join(jobs, jobs.c.key == job_items.c.job_key)
                .where(_claimable(now), _free(now))
            )
            if job_id is not None:
                query = query.where(jobs.c.job_id == job_id)
            if elsewhere:
                query = query.where(or_(jobs.c.root.is_(None), jobs.c.root.not_in(elsewhere)))
            key = connection.scalar(
                query.order_by(job_items.c.key)
                .limit(1)
                .with_for_update(skip_locked=True, of=job_items)
            )
            if key is None:
                return None
            connection.execute(
                update(job_items)
                .where(job_items.c.key == key)
                .values(
                    state="running",
                    worker=worker,
                    attempts=job_items.c.attempts + 1,
                    leased_until=now + timedelta(seconds=LEASE_S),
                )
            )
            of_job = (
                jobs.c.job_id,
                jobs.c.action,
                jobs.c.force,
                jobs.c.replace,
                jobs.c.root,
                jobs.c.actor,
            )
            row = connection.execute(
                select(job_items, *of_job)
                .join(jobs, jobs.c.key == job_items.c.job_key)
                .where(job_items.c.key == key)
            ).one()
            earlier = exists().where(*_same_person(job_items, row), job_items.c.state == "done")
            replace = row.replace and not connection.scalar(select(earlier))
            return Claim(
                row.key,
                row.job_id,
                row.action,
                row.force,
                replace,
                row.root,
                row.actor,
                row.name,
                row.media,
                row.person_id,
                row.uploaded,
            )

    def waiting(self) -> bool:
        """Whether a file waits for a worker, or may have lost its own."""
        with self._database.read() as connection:
            return bool(connection.scalar(select(exists().where(_claimable(datetime.now(UTC))))))

    def idle_jobs(self) -> list[str]:
        """Ids of the jobs with files that can be claimed and none that is worked on,
        oldest first: their wake-up was lost.
        """
        now = datetime.now(UTC)
        mine = job_items.c.job_key == jobs.c.key
        busy = exists().where(mine, job_items.c.state == "running", job_items.c.leased_until >= now)
        with self._database.read() as connection:
            return list(
                connection.scalars(
                    select(jobs.c.job_id)
                    .where(exists().where(mine, _claimable(now)), ~busy)
                    .order_by(jobs.c.key)
                )
            )

    def renew(self, claim: Claim, worker: str) -> bool:
        """Hold the file for another lease; False when it is not this worker's any more."""
        with self._database.write() as connection:
            held = connection.execute(
                update(job_items)
                .where(*_held(claim, worker))
                .values(leased_until=datetime.now(UTC) + timedelta(seconds=LEASE_S))
            )
            return bool(held.rowcount)

    def finish(
        self,
        claim: Claim,
        worker: str,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, str] | None = None,
        mentions: Collection[str] = (),
    ) -> bool:
        """Keep what came of the file: `result`, or the `error`. `mentions` are the ids
        of the people it names. False when the file is not this worker's any more: then
        nothing is kept.
        """
        with self._database.write() as connection:
            query = select(people.c.person_id, people.c.key).where(people.c.person_id.in_(mentions))
            keys = {row.person_id: row.key for row in connection.execute(query)}
            gone = set(mentions) - keys.keys()  # deleted while the file was worked on
            values: dict[str, Any] = {
                "state": "failed" if error else "done",
                "result": result,
                "error": error,
                "media": "",
            }
            if gone:
                values = _FORGOTTEN
            held = connection.execute(
                update(job_items)
                .where(*_held(claim, worker))
                .values(leased_until=None, worker=None, **values)
            )
            if not held.rowcount:
                return False
            if keys and not gone:
                connection.execute(
                    insert(job_mentions),
                    [{"item_key": claim.key, "person_key": key} for key in keys.values()],
                )
            _finish_job(connection, _job_key(connection, claim))
            return True

    def release(self, claim: Claim, worker: str) -> None:
        """Give the file back untouched: the service could not work on it now (busy,
        database full). It does not count as an attempt. A file of a job that was
        cancelled meanwhile is not begun again.
        """
        with self._database.write() as connection:
            cancelled = exists().where(jobs.c.key == job_items.c.job_key, jobs.c.cancelled)
            connection.execute(
                update(job_items)
                .where(*_held(claim, worker))
                .values(
                    state=case((cancelled, "cancelled"), else_="waiting"),
                    worker=None,
                    leased_until=None,
                    attempts=job_items.c.attempts - 1,
                )
            )
            _finish_job(connection, _job_key(connection, claim))

    def remove_finished(self, days: float) -> int:
        """Remove jobs that were finished so long ago; how many."""
        with self._database.write() as connection:
            return connection.execute(
                delete(jobs).where(jobs.c.finished_at < datetime.now(UTC) - timedelta(days=days))
            ).rowcount


def forget(connection: Connection, person_key: int, person_id: str) -> list[str]:
    """Forget what jobs hold about a person who is being deleted, in the transaction of
    the deletion and before the row goes: uploaded media that are to be removed. A file
    that waits to be enrolled for the person is not worked on any more.
    """
    mine = about(person_key, person_id)
    freed = _media(connection, mine)
    touched = list(connection.scalars(select(job_items.c.job_key).where(mine).distinct()))
    connection.execute(
        update(job_items).where(mine).values(leased_until=None, worker=None, **_FORGOTTEN)
    )
    for job_key in touched:
        _finish_job(connection, job_key)
    return freed


def about(person_key: int, person_id: str) -> ColumnElement[bool]:
    """The files (rows of `job_items`) that are enrolled for a person, or whose answer
    names them.
    """
    named = select(job_mentions.c.item_key).where(job_mentions.c.person_key == person_key)
    return or_(job_items.c.person_id == person_id, job_items.c.key.in_(named))


def remove_uploads(root: Path, uploads: Iterable[str]) -> None:
    """Remove uploaded files (paths below `root`), and the folder of their job when it
    was the last.
    """
    for upload in uploads:
        path = root / upload
        with suppress(OSError):
            path.unlink(missing_ok=True)
            if path.parent != root:
                path.parent.rmdir()


_FORGOTTEN: dict[str, Any] = {
    "state": "forgotten",
    "name": "",
    "person_id": None,
    "result": None,
    "error": None,
    "media": "",
}


def _claimable(now: datetime) -> Any:
    return or_(
        job_items.c.state == "waiting",
        and_(job_items.c.state == "running", job_items.c.leased_until < now),
    )


def _free(now: datetime) -> ColumnElement[bool]:
    """With `replace`, the clips of a person are enrolled one after the other: the first
    replaces what was stored, the others add to it.
    """
    other = job_items.alias()
    busy = exists().where(
        *_same_person(other, job_items.c), other.c.state == "running", other.c.leased_until >= now
    )
    return or_(~jobs.c.replace, ~busy)


def _same_person(items: Any, item: Any) -> tuple[ColumnElement[bool], ...]:
    return items.c.job_key == item.job_key, items.c.person_id == item.person_id


def _held(claim: Claim, worker: str) -> tuple[Any, ...]:
    return (
        job_items.c.key == claim.key,
        job_items.c.state == "running",
        job_items.c.worker == worker,
    )


def _job_key(connection: Connection, claim: Claim) -> int:
    """0 when the job was removed meanwhile."""
    return connection.scalar(select(job_items.c.job_key).where(job_items.c.key == claim.key)) or 0


def _give_up(connection: Connection, now: datetime) -> None:
    """Files that killed their worker MAX_ATTEMPTS times fail; files of cancelled jobs
    are not begun again.
    """
    cancelled = job_items.c.job_key.in_(select(jobs.c.key).where(jobs.c.cancelled))
    lost = and_(
        job_items.c.state == "running",
        job_items.c.leased_until < now,
        or_(job_items.c.attempts >= MAX_ATTEMPTS, cancelled),
    )
    touched = list(connection.scalars(select(job_items.c.job_key).where(lost).distinct()))
    if not touched:
        return
    connection.execute(
        update(job_items)
        .where(lost, cancelled)
        .values(state="cancelled", worker=None, leased_until=None)
    )
    connection.execute(
        update(job_items)
        .where(lost)
        .values(
            state="failed",
            worker=None,
            leased_until=None,
            error={
                "code": "worker_lost",
                "message": f"The worker ended {MAX_ATTEMPTS} times while it read this file.",
                "hint": "Send the file by itself to learn more.",
            },
        )
    )
    for job_key in touched:
        _finish_job(connection, job_key)


def _finish_job(connection: Connection, job_key: int) -> None:
    """Note the end of a job of which no file is open."""
    still = exists().where(job_items.c.job_key == job_key, job_items.c.state.in_(OPEN))
    done = update(jobs).where(jobs.c.key == job_key, jobs.c.finished_at.is_(None), ~still)
    connection.execute(done.values(finished_at=datetime.now(UTC)))


def _media(connection: Connection, which: Any) -> list[str]:
    return list(
        connection.scalars(
            select(job_items.c.media).where(which, job_items.c.uploaded, job_items.c.media != "")
        )
    )


def _row(connection: Connection, job_id: str) -> Row[Any]:
    row = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).one_or_none()
    if row is None:
        raise JobNotFoundError(f"There is no job of this id. Received: {job_id[:40]!a}")
    return row


def _job(connection: Connection, row: Row[Any]) -> Job:
    query = (
        select(job_items.c.state, func.count())
        .where(job_items.c.job_key == row.key)
        .group_by(job_items.c.state)
    )
    counts: dict[str, int] = {row.state: row[1] for row in connection.execute(query)}
    if row.finished_at is not None:
        state = "cancelled" if row.cancelled else "done"
    else:
        state = "waiting" if set(counts) <= {"waiting"} else "running"
    return Job(row.job_id, row.action, state, row.created_at, row.finished_at, counts, row.root)
