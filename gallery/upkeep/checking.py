"""Checks a gallery: is all of it there, can it be read, and does it agree with itself?

It reads and changes nothing, so it can run while the service does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, func, select

from gallery import vectors
from gallery.encryption import rotation
from gallery.records import feed, people
from gallery.records.clock import find_jump, now
from gallery.records.forgetting import is_cleanup_pending
from gallery.records.job_files import OPEN, uploads_of
from gallery.store import Store
from gallery.tables import job_items, templates
from utils.errors import StoreUnavailableError
from utils.modality import SINGLE, Modality

MOST_PROBLEMS = 20
_LENGTH_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Check:
    """One check: its name, what it looked at, and what is wrong (empty = nothing)."""

    code: str
    about: str
    problems: tuple[str, ...]


def check_gallery(
    store: Store, media_root: Path, encoder_ids: Mapping[str, str]
) -> tuple[Check, ...]:
    """Make every check, in one state of the database.

    `encoder_ids` are the installed models by modality, `media_root` the folder of
    uploads.
    """
    looks: Mapping[str, Callable[[Connection], Check]] = {
        "database": lambda connection: _check_database(connection, store),
        "audit": lambda _: _check_audit(store),
        "values": lambda connection: _check_sealed(connection, store),
        "vectors": lambda connection: _check_vectors(connection, store, encoder_ids),
        "models": lambda connection: _check_models(connection, encoder_ids),
        "files": lambda connection: _check_files(connection, media_root),
        "deletions": _check_deletions,
    }
    with store.database.read() as connection:
        return tuple(_look(code, partial(look, connection), store) for code, look in looks.items())


def _look(code: str, look: Callable[[], Check], store: Store) -> Check:
    """Make a check. What keeps it from being made is what is wrong."""
    try:
        with store.database.translating_errors():
            return look()
    except StoreUnavailableError as error:
        return Check(code, "not made to the end", (f"It cannot be read: {error}",))


def _check_database(connection: Connection, store: Store) -> Check:
    problems = store.database.find_damage(connection)
    return Check("database", "pages, references and values", _first(problems))


def _check_audit(store: Store) -> Check:
    report = store.verify_audit()
    return Check(
        code="audit",
        about=f"{report.events} rows, head {report.head}",
        problems=tuple(problem.text for problem in report.problems[:MOST_PROBLEMS]),
    )


def _check_sealed(connection: Connection, store: Store) -> Check:
    counts = rotation.count_unreadable(connection, store.codec)
    unreadable = {table: count for table, count in counts.items() if count}
    return Check(
        code="values",
        about="the key opens them" if store.codec.key_id else "stored in the clear",
        problems=tuple(
            f"{count} values of {table} do not open." for table, count in unreadable.items()
        ),
    )


def _check_vectors(connection: Connection, store: Store, encoder_ids: Mapping[str, str]) -> Check:
    """Read the vectors as the index does, and count what it must hold."""
    wanted = {m: encoder_ids[m] for m in SINGLE if m in encoder_ids}
    problems = list[str]()
    read = dict.fromkeys(wanted, 0)
    try:
        for piece in feed.read_templates(connection, store.codec, wanted):
            for modality, stored in piece.items():
                read[modality] += len(stored.owners)
                problems += _bad_vectors(modality, stored)
    except (StoreUnavailableError, ValueError) as error:
        problems.append(f"The index cannot read them: {error}")
    counts = {m: _count(connection, m, encoder) for m, encoder in wanted.items()}
    if not problems and read != counts:
        problems.append(f"The index reads {read}, and stored are {counts}.")
    return Check("vectors", f"{sum(counts.values())} of the models in use", _first(problems))


def _bad_vectors(modality: Modality, stored: vectors.Templates) -> list[str]:
    lengths = np.linalg.norm(stored.vectors, axis=1)
    bad = stored.owners[~(np.abs(lengths - 1.0) <= _LENGTH_TOLERANCE)]
    return [f"A {modality} vector of person {key} is not of unit length." for key in bad]


def _count(connection: Connection, modality: Modality, encoder_id: str) -> int:
    c = templates.c
    mine = (c.modality == modality, c.encoder_id == encoder_id)
    return connection.scalar(select(func.count()).select_from(templates).where(*mine)) or 0


def _check_models(connection: Connection, encoder_ids: Mapping[str, str]) -> Check:
    c = templates.c
    rows = connection.execute(
        select(c.encoder_id, func.count()).group_by(c.encoder_id).order_by(c.encoder_id)
    ).all()
    others = [(encoder, count) for encoder, count in rows if encoder not in encoder_ids.values()]
    return Check(
        code="models",
        about=", ".join(encoder_ids.values()),
        problems=tuple(f"{count} templates are of {encoder}." for encoder, count in others),
    )


def _check_files(connection: Connection, media_root: Path) -> Check:
    uploads = uploads_of(connection, job_items.c.state.in_(OPEN))
    missing = [name for name in uploads if not (media_root / name).is_file()]
    return Check(
        code="files",
        about=f"{len(uploads)} uploads of jobs",
        problems=(f"{len(missing)} uploads of open jobs are gone.",) if missing else (),
    )


def _check_deletions(connection: Connection) -> Check:
    problems = []
    if is_cleanup_pending(connection):
        problems.append("A deletion was not completed: start the service, which completes it.")
    jump = find_jump(connection)
    overdue = 0 if jump else sum(end < now() for _, end in people.with_end(connection))
    if jump:
        problems.append(f"{jump}. Nothing is deleted by term: cli.py people trust-clock")
    if overdue:
        problems.append(f"{overdue} people are kept beyond their term: start the service.")
    return Check("deletions", "terms, and what is left of deleted people", tuple(problems))


def _first(problems: list[str]) -> tuple[str, ...]:
    return tuple(problems[:MOST_PROBLEMS])
