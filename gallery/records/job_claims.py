"""Files of batch jobs as workers see them: claimed, held by a lease, finished.

A worker claims a file for a lease of `LEASE_S` seconds, and renews the lease while it
works. A file whose worker was killed can be claimed again once the lease is over. It is
given up after `MAX_ATTEMPTS`, so that a clip that kills its worker does not do so for
ever.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    insert,
    or_,
    select,
    update,
)

from gallery.database.base import Database
from gallery.encryption.sealing import Codec, PlainText
from gallery.records.clock import SKEW
from gallery.records.job_claim import Claim, read_claim, same_person
from gallery.records.job_files import FORGOTTEN, close_if_done
from gallery.tables import job_items, job_mentions, jobs, people

LEASE_S = 30.0
MAX_ATTEMPTS = 2

_WORKER_LOST = {
    "code": "worker_lost",
    "message": f"The worker ended {MAX_ATTEMPTS} times while it read this file.",
    "hint": "Send the file by itself to learn more.",
}


class JobClaims:
    """What workers ask of jobs.

    It is shared by all threads, and every call is one transaction. Raises
    StoreUnavailableError, StorageFullError.
    """

    def __init__(self, database: Database, codec: Codec | None = None) -> None:
        """`codec`: how words of recordings are stored. None = in the clear."""
        self._database = database
        self._codec = codec or PlainText()

    def claim(
        self,
        worker: str,
        job_id: str | None = None,
        elsewhere: Collection[str] = (),
        *,
        actions: Collection[str] = (),
    ) -> Claim | None:
        """Claim the next file for a worker.

        Returns None when there is none now. `job_id`: of this job alone. Jobs whose
        root is one of `elsewhere` are left out. `actions`: only jobs of these.
        """
        conditions = _conditions_of(job_id, elsewhere, actions)
        while self.waiting():
            with self._database.write() as connection:
                now = datetime.now(UTC)
                _give_up(connection, now)
                key = _next_file(connection, now, conditions)
                if key is None:
                    return None
                _take(connection, key, worker, now)
                claim = read_claim(connection, key, self._codec)
            if claim:
                return claim
        return None

    def waiting(self) -> bool:
        """Whether a file waits for a worker, or may have lost its own."""
        with self._database.read() as connection:
            return bool(connection.scalar(select(exists().where(_claimable(datetime.now(UTC))))))

    def idle_jobs(self) -> list[str]:
        """Ids of the jobs with files to claim that nobody works on, oldest first.

        Their wake-up was lost.
        """
        now = datetime.now(UTC)
        of_job = job_items.c.job_key == jobs.c.key
        busy = exists().where(
            of_job, job_items.c.state == "running", _is_leased(job_items.c.leased_until, now)
        )
        query = (
            select(jobs.c.job_id)
            .where(exists().where(of_job, _claimable(now)), ~busy)
            .order_by(jobs.c.key)
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def interrupted_jobs(self) -> set[str]:
        """Ids of the jobs that were begun and that nobody works on."""
        of_job = job_items.c.job_key == jobs.c.key
        begun = exists().where(of_job, job_items.c.state != "waiting", job_items.c.attempts > 0)
        query = select(jobs.c.job_id).where(jobs.c.job_id.in_(self.idle_jobs()), begun)
        with self._database.read() as connection:
            return set(connection.scalars(query))

    def renew(self, claim: Claim, worker: str) -> bool:
        """Hold a file for another lease. Returns False when the worker lost it."""
        with self._database.write() as connection:
            renewed = connection.execute(
                update(job_items)
                .where(*_is_held(claim, worker))
                .values(leased_until=datetime.now(UTC) + timedelta(seconds=LEASE_S))
            )
            return bool(renewed.rowcount)

    def note_progress(
        self,
        claim: Claim,
        worker: str,
        progress: Mapping[str, Any],
        partial: Mapping[str, Any] | None = None,
    ) -> bool:
        """Note how far a long file is, and hold it for another lease.

        `partial`: what is done of it, if that is to be noted as well. Then the worker
        has proved that the file does not kill it, and the attempts count anew. Returns
        False when the worker lost the file, or when the job was cancelled.
        """
        values: dict[str, Any] = {
            "progress": dict(progress),
            "leased_until": datetime.now(UTC) + timedelta(seconds=LEASE_S),
        }
        if partial is not None:
            values |= {"attempts": 1, **self._seal(claim, partial)}
        is_open = exists().where(jobs.c.key == job_items.c.job_key, ~jobs.c.cancelled)
        with self._database.write() as connection:
            noted = connection.execute(
                update(job_items).where(*_is_held(claim, worker), is_open).values(**values)
            )
            return bool(noted.rowcount)

    def finish(
        self,
        claim: Claim,
        worker: str,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, str] | None = None,
        mentions: Collection[str] = (),
    ) -> bool:
        """Store the result of a file, or its error.

        `mentions` are the ids of the people whom it names. Where one of them was
        deleted since, the file is forgotten. Returns False when the worker lost the
        file: then nothing is stored.
        """
        outcome: dict[str, Any] = {
            "state": "failed" if error else "done",
            "result": result,
            "error": error,
            "progress": None,
            "facts": None,
            "media": "",
        }
        if claim.action == "transcribe":
            outcome |= {"result": None, **self._seal(claim, result)}
        with self._database.write() as connection:
            keys = _keys_of(connection, mentions)
            forgotten = len(keys) < len(set(mentions))
            stored = connection.execute(
                update(job_items)
                .where(*_is_held(claim, worker))
                .values(leased_until=None, worker=None, **(FORGOTTEN if forgotten else outcome))
            )
            if not stored.rowcount:
                return False
            if keys and not forgotten:
                _mention(connection, claim, keys)
            close_if_done(connection, _job_key(connection, claim))
            return True

    def _seal(self, claim: Claim, words: Mapping[str, Any] | None) -> dict[str, Any]:
        """Make the values that hold the words of a recording."""
        if words is None:
            return {"words": None, "sealed_by": None}
        text = json.dumps(words, ensure_ascii=False).encode()
        sealed = self._codec.seal(text, claim.job_id, claim.name)
        return {"words": sealed, "sealed_by": self._codec.key_id}

    def release(self, claim: Claim, worker: str) -> None:
        """Give a file back that the service could not work on now.

        It may be busy, or its database full. That does not count as an attempt. A file
        of a job that was cancelled meanwhile is not begun again.
        """
        cancelled = exists().where(jobs.c.key == job_items.c.job_key, jobs.c.cancelled)
        with self._database.write() as connection:
            connection.execute(
                update(job_items)
                .where(*_is_held(claim, worker))
                .values(
                    state=case((cancelled, "cancelled"), else_="waiting"),
                    worker=None,
                    leased_until=None,
                    attempts=job_items.c.attempts - 1,
                )
            )
            close_if_done(connection, _job_key(connection, claim))


def _conditions_of(
    job_id: str | None, elsewhere: Collection[str], actions: Collection[str]
) -> list[ColumnElement[bool]]:
    """Conditions on the jobs whose files are claimed."""
    wanted: list[ColumnElement[bool]] = []
    if job_id is not None:
        wanted.append(jobs.c.job_id == job_id)
    if elsewhere:
        wanted.append(or_(jobs.c.root.is_(None), jobs.c.root.not_in(elsewhere)))
    if actions:
        wanted.append(jobs.c.action.in_(actions))
    return wanted


def _next_file(
    connection: Connection, now: datetime, wanted: Sequence[ColumnElement[bool]]
) -> int | None:
    """Key of the oldest file that can be claimed, locked for this transaction."""
    query = (
        select(job_items.c.key)
        .join(jobs, jobs.c.key == job_items.c.job_key)
        .where(_claimable(now), _in_turn(now), *wanted)
    )
    return connection.scalar(
        query.order_by(job_items.c.key).limit(1).with_for_update(skip_locked=True, of=job_items)
    )


def _take(connection: Connection, key: int, worker: str, now: datetime) -> None:
    """Note that a worker begins with a file."""
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


def _claimable(now: datetime) -> ColumnElement[bool]:
    return or_(
        job_items.c.state == "waiting",
        and_(job_items.c.state == "running", ~_is_leased(job_items.c.leased_until, now)),
    )


def _is_leased(leased_until: ColumnElement[Any], now: datetime) -> ColumnElement[bool]:
    """Whether a lease goes on. One that ends much later was made by a clock that was set back."""
    return and_(leased_until >= now, leased_until <= now + timedelta(seconds=LEASE_S) + SKEW)


def _in_turn(now: datetime) -> ColumnElement[bool]:
    """Condition that no other clip of the person is worked on in a job with `replace`.

    Such clips are enrolled one after the other: the first replaces what was stored, the
    others add to it.
    """
    other = job_items.alias()
    busy = exists().where(
        *same_person(other, job_items.c),
        other.c.state == "running",
        _is_leased(other.c.leased_until, now),
    )
    return or_(~jobs.c.replace, ~busy)


def _is_held(claim: Claim, worker: str) -> tuple[ColumnElement[bool], ...]:
    return (
        job_items.c.key == claim.key,
        job_items.c.state == "running",
        job_items.c.worker == worker,
    )


def _keys_of(connection: Connection, person_ids: Collection[str]) -> list[int]:
    """Internal numbers of those who are still there."""
    return list(connection.scalars(select(people.c.key).where(people.c.person_id.in_(person_ids))))


def _mention(connection: Connection, claim: Claim, keys: Collection[int]) -> None:
    """Note the people whom the result of a file names."""
    rows = [{"item_key": claim.key, "person_key": key} for key in keys]
    connection.execute(insert(job_mentions), rows)


def _job_key(connection: Connection, claim: Claim) -> int:
    """Internal number of the job of a file (0 = the job was removed meanwhile)."""
    return connection.scalar(select(job_items.c.job_key).where(job_items.c.key == claim.key)) or 0


def _give_up(connection: Connection, now: datetime) -> None:
    """Fail files that killed their worker `MAX_ATTEMPTS` times.

    Files of cancelled jobs whose worker is lost are cancelled.
    """
    cancelled = job_items.c.job_key.in_(select(jobs.c.key).where(jobs.c.cancelled))
    lost = and_(
        job_items.c.state == "running",
        ~_is_leased(job_items.c.leased_until, now),
        or_(job_items.c.attempts >= MAX_ATTEMPTS, cancelled),
    )
    job_keys = list(connection.scalars(select(job_items.c.job_key).where(lost).distinct()))
    if not job_keys:
        return
    free = update(job_items).values(worker=None, leased_until=None, facts=None)
    connection.execute(free.where(lost, cancelled).values(state="cancelled"))
    connection.execute(free.where(lost).values(state="failed", error=_WORKER_LOST))
    for job_key in job_keys:
        close_if_done(connection, job_key)
