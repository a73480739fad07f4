"""Files of batch jobs: their rows, their uploads, and what they hold about people.

Results name people. When one of them is deleted, every file that was about them, or
whose answer names them, is forgotten with them: its name, its result and its media.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, or_, select, update

from gallery.records import clock
from gallery.tables import job_items, job_mentions, jobs

AWAITED = "awaited"
"""State of a file that is listed, and that its sender has not sent yet."""
OPEN = (AWAITED, "waiting", "running")
"""States of a file that is not done yet."""

FORGOTTEN: dict[str, Any] = {
    "state": "forgotten",
    "name": "",
    "person_id": None,
    "result": None,
    "error": None,
    "progress": None,
    "facts": None,
    "words": None,
    "sealed_by": None,
    "media": "",
}
"""Values of a file whose person was deleted."""


def files_about(person_key: int, person_id: str) -> ColumnElement[bool]:
    """Condition on `job_items`: enrolled for the person, or naming the person."""
    mentions = select(job_mentions.c.item_key).where(job_mentions.c.person_key == person_key)
    return or_(job_items.c.person_id == person_id, job_items.c.key.in_(mentions))


def forget_person(connection: Connection, person_key: int, person_id: str) -> list[str]:
    """Forget what jobs hold about a person who is being deleted.

    Call it in the transaction of the deletion, before the row of the person goes. A
    file that waits to be enrolled for the person is not worked on any more. Returns the
    uploads to remove (paths below the media root).
    """
    about = files_about(person_key, person_id)
    uploads = uploads_of(connection, about)
    job_keys = list(connection.scalars(select(job_items.c.job_key).where(about).distinct()))
    connection.execute(
        update(job_items).where(about).values(leased_until=None, worker=None, **FORGOTTEN)
    )
    for job_key in job_keys:
        close_if_done(connection, job_key)
    return uploads


def close_if_done(connection: Connection, job_key: int) -> None:
    """Note the end of a job that has no open file left."""
    has_open = exists().where(job_items.c.job_key == job_key, job_items.c.state.in_(OPEN))
    connection.execute(
        update(jobs)
        .where(jobs.c.key == job_key, jobs.c.finished_at.is_(None), ~has_open)
        .values(finished_at=clock.now_for_terms(connection))
    )


def uploads_of(connection: Connection, condition: ColumnElement[bool]) -> list[str]:
    """Uploaded media of files (paths below the media root)."""
    return list(
        connection.scalars(
            select(job_items.c.media).where(
                condition, job_items.c.uploaded, job_items.c.media != ""
            )
        )
    )


def remove_uploads(root: Path, uploads: Iterable[str]) -> None:
    """Remove uploaded files (paths below `root`), and folders that are empty then."""
    for upload in uploads:
        path = root / upload
        with suppress(OSError):
            path.unlink(missing_ok=True)
            if path.parent != root:
                path.parent.rmdir()
