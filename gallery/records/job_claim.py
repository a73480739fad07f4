"""A file of a job that a worker holds: what its row and that of its job say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, select, update
from sqlalchemy.exc import OperationalError

from gallery.damage import DamagedError, damage_error, is_damage, read_object
from gallery.encryption.sealing import Codec
from gallery.records.job_files import close_if_done
from gallery.tables import job_items, jobs


@dataclass(frozen=True)
class Claim:
    """A file that a worker holds, with what its job says (`NewJob`, `NewItem`).

    `partial` is what an earlier worker had done of a long file.
    """

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
    options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    partial: Mapping[str, Any] | None = None


def read_claim(connection: Connection, key: int, codec: Codec) -> Claim | None:
    """Read what a worker is to do. A file whose row is damaged fails, and others go on: None."""
    try:
        return _read(connection, key, codec)
    except (DamagedError, OperationalError) as error:
        if not is_damage(error):
            raise
        fault = _name_fault(error)
    mine = job_items.c.key == key
    values = {"state": "failed", "error": fault.to_dict(), "worker": None, "leased_until": None}
    connection.execute(update(job_items).where(mine).values(**values))
    job_key = connection.scalar(select(job_items.c.job_key).where(mine))
    close_if_done(connection, job_key or 0)
    return None


def _name_fault(error: Exception) -> DamagedError:
    """Name what is damaged, where the driver told no more than a text."""
    if isinstance(error, DamagedError):
        return error
    return damage_error("a text that is not UTF-8", "job_items")


def _read(connection: Connection, key: int, codec: Codec) -> Claim:
    of_job = (
        jobs.c.job_id,
        jobs.c.action,
        jobs.c.force,
        jobs.c.replace,
        jobs.c.root,
        jobs.c.actor,
        jobs.c.options,
    )
    row = connection.execute(
        select(job_items, *of_job)
        .join(jobs, jobs.c.key == job_items.c.job_key)
        .where(job_items.c.key == key)
    ).one()
    return Claim(
        key=row.key,
        job_id=row.job_id,
        action=row.action,
        force=row.force,
        replace=row.replace and _is_first_of_person(connection, row),
        root=row.root,
        actor=row.actor,
        name=row.name,
        media=row.media,
        person_id=row.person_id,
        uploaded=row.uploaded,
        options=row.options or {},
        facts=row.facts or {},
        partial=open_words(row, row.job_id, codec),
    )


def _is_first_of_person(connection: Connection, row: Row[Any]) -> bool:
    """Whether no clip of the same person is done yet in the job of this file."""
    earlier = exists().where(*same_person(job_items, row), job_items.c.state == "done")
    return not connection.scalar(select(earlier))


def open_words(row: Row[Any], job_id: str, codec: Codec) -> dict[str, Any] | None:
    """Read the words of a recording. None without any. Raises StoreUnavailableError."""
    if row.words is None:
        return None
    words = codec.open(row.words, row.sealed_by, job_id, row.name)
    return read_object(words, (), "job_items.words")


def same_person(items: Any, item: Any) -> tuple[ColumnElement[bool], ...]:
    """Conditions of the files `items` of the same job and person as `item`."""
    return items.c.job_key == item.job_key, items.c.person_id == item.person_id
