"""Key that a gallery is encrypted with, and its rotation: to a key, or back to none.

Two rows of `meta` hold the state: `encryption_key` (the id of the key, or "none";
missing = never encrypted) and, during a rotation, `encryption_next`. Every value notes
in `sealed_by` which key sealed it, so a rotation that was killed is continued by
running it again. During a rotation nothing else opens the gallery: part of it could not
be read.

What was rewritten may still stand in free pages. So at the end the file is written anew
(VACUUM) and the log emptied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Join,
    Select,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from gallery.database.base import Database
from gallery.encryption.sealing import Codec, PlainText, other_key
from gallery.tables import (
    job_items,
    jobs,
    kept_media,
    meta,
    reembedded,
    stranger_values,
    templates,
    transcript_turns,
    transcripts,
    visits,
)
from utils.errors import ConfigError, StoreUnavailableError
from utils.settings.subject import PREFIX

KEY = "encryption_key"
NEXT = "encryption_next"
NO_KEY = "none"
BATCH = 200
_ROTATE = "`cli.py keys rotate-encryption`"


@dataclass(frozen=True)
class _Sealed:
    """A table with sealed values.

    Attributes:
        value: the column of the values.
        about: the columns that a value is bound to, in their order.
        source: the table, joined with that of other columns of `about`.
    """

    table: Table
    value: Column[Any]
    about: tuple[Column[Any], ...]
    source: Table | Join

    def rows(self) -> Select[Any]:
        """Select key, value, sealed_by and then what the value is bound to."""
        columns = (self.table.c.key, self.value, self.table.c.sealed_by, *self.about)
        return select(*columns).select_from(self.source).where(self.value.is_not(None))


_T = templates.c
_ALL = (
    _Sealed(
        table=templates,
        value=_T.vector,
        about=(_T.template_id, _T.modality, _T.encoder_id),
        source=templates,
    ),
    _Sealed(
        table=kept_media,
        value=kept_media.c.data,
        about=(_T.template_id, kept_media.c.kind),
        source=kept_media.join(templates, _T.key == kept_media.c.template_key),
    ),
    _Sealed(
        table=reembedded,
        value=reembedded.c.vector,
        about=(_T.template_id, _T.modality, reembedded.c.encoder_id),
        source=reembedded.join(templates, _T.key == reembedded.c.key),
    ),
    _Sealed(
        table=transcripts,
        value=transcripts.c.title,
        about=(transcripts.c.transcript_id,),
        source=transcripts,
    ),
    _Sealed(
        table=transcript_turns,
        value=transcript_turns.c.data,
        about=(transcript_turns.c.turn_id,),
        source=transcript_turns,
    ),
    _Sealed(
        table=visits,
        value=visits.c.data,
        about=(visits.c.visit_id,),
        source=visits,
    ),
    _Sealed(
        table=stranger_values,
        value=stranger_values.c.value,
        about=(
            stranger_values.c.value_id,
            stranger_values.c.kind,
            stranger_values.c.encoder_id,
        ),
        source=stranger_values,
    ),
    _Sealed(
        table=job_items,
        value=job_items.c.words,
        about=(jobs.c.job_id, job_items.c.name),
        source=job_items.join(jobs, jobs.c.key == job_items.c.job_key),
    ),
)


def check(connection: Connection, codec: Codec) -> None:
    """Check that the gallery is stored with `codec`.

    An empty gallery takes it on. Raises ConfigError.
    """
    state = _state(connection)
    if NEXT in state:
        raise _unfinished_rotation(connection, state[NEXT])
    stored = state.get(KEY, NO_KEY)
    given = codec.key_id or NO_KEY
    if stored == given:
        return
    if KEY not in state and not any(_has_rows(connection, part) for part in _ALL):
        _write(connection, {KEY: given})
        return
    raise _mismatch(stored, given)


def count_unreadable(connection: Connection, codec: Codec) -> dict[str, int]:
    """Open every sealed value, and count those that do not open, by table."""
    return {part.table.name: _count_unreadable(connection, part, codec) for part in _ALL}


def _count_unreadable(connection: Connection, part: _Sealed, codec: Codec) -> int:
    rows = connection.execute(part.rows(), execution_options={"yield_per": BATCH})
    return sum(not _opens(row, codec) for row in rows)


def _opens(row: Sequence[Any], codec: Codec) -> bool:
    _, value, sealed_by, *about = row
    try:
        codec.open(value, sealed_by, *about)
    except StoreUnavailableError:
        return False
    return True


def refuse_other(connection: Connection, codec: Codec) -> None:
    """Refuse to write if the encryption changed since the gallery was opened.

    Raises StoreUnavailableError.
    """
    state = _state(connection)
    if NEXT in state or state.get(KEY, NO_KEY) != (codec.key_id or NO_KEY):
        raise other_key(_key_id(state.get(NEXT, state.get(KEY, NO_KEY))))


def rotate(
    database: Database,
    new: Codec,
    old: Sequence[Codec] = (),
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    """Store every value with `new`, and return how many values were rewritten.

    `old` are the keys that may be needed to read what is stored now. No other process
    may have the gallery open. `progress` is called with the number of values that are
    done, and of all. A rotation that is killed loses nothing: call it again to go on.

    Raises ConfigError when a key is missing, before anything changes. Raises
    StoreUnavailableError when a value is damaged, or when another process kept old
    bytes from being removed (then call it again).
    """
    codecs = {codec.key_id: codec for codec in (PlainText(), new, *old)}
    with database.write() as connection:
        _refuse_missing(connection, codecs)
        _write(connection, {NEXT: new.key_id or NO_KEY})
        total = sum(_count_other(connection, part, new.key_id) for part in _ALL)
    done = 0
    for part in _ALL:
        for rewritten in _reseal(database, part, codecs, new):
            done += rewritten
            progress(done, total)
    if not database.compact():
        raise StoreUnavailableError(
            "The file is in use, so earlier values could not be removed from it.",
            f"Stop the service and run {_ROTATE} again.",
        )
    with database.write() as connection:
        connection.execute(delete(meta).where(meta.c.name == NEXT))
        _write(connection, {KEY: new.key_id or NO_KEY})
    return done


def _reseal(
    database: Database, part: _Sealed, codecs: Mapping[str | None, Codec], new: Codec
) -> Iterator[int]:
    """Rewrite the values of a table, a batch in each transaction.

    Yields how many values each batch had.
    """
    key = part.table.c.key
    query = part.rows().where(part.table.c.sealed_by.is_distinct_from(new.key_id)).order_by(key)
    change = (
        update(part.table)
        .where(key == bindparam("row_key"))
        .values({part.value: bindparam("resealed"), "sealed_by": new.key_id})
    )
    last = 0
    while True:
        with database.write() as connection:
            rows = connection.execute(query.where(key > last).limit(BATCH)).all()
            if not rows:
                return
            connection.execute(change, [_resealed_values(row, codecs, new) for row in rows])
            last = rows[-1][0]
        yield len(rows)


def _resealed_values(
    row: Sequence[Any], codecs: Mapping[str | None, Codec], new: Codec
) -> dict[str, Any]:
    key, value, sealed_by, *about = row
    opened = codecs[sealed_by].open(value, sealed_by, *about)
    return {"row_key": key, "resealed": new.seal(opened, *about)}


def _refuse_missing(connection: Connection, codecs: Mapping[str | None, Codec]) -> None:
    used = set[str | None]()
    for part in _ALL:
        used.update(connection.scalars(select(part.table.c.sealed_by).distinct()))
    missing = sorted(by for by in used if by is not None and by not in codecs)
    if missing:
        given = ", ".join(sorted(by for by in codecs if by is not None)) or "none"
        raise ConfigError(
            f"A rotation needs the keys that the gallery is stored with now: {', '.join(missing)}."
            f" Received: {given}",
            f"Give the old key as well, for example in {PREFIX}ENCRYPTION_KEY_OLD.",
        )


def _state(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(meta.c.name, meta.c.value).where(meta.c.name.in_((KEY, NEXT))))
    return {row.name: row.value for row in rows}


def _write(connection: Connection, rows: Mapping[str, str]) -> None:
    for name, value in rows.items():
        connection.execute(delete(meta).where(meta.c.name == name))
        connection.execute(insert(meta).values(name=name, value=value))


def _count_other(connection: Connection, part: _Sealed, key_id: str | None) -> int:
    """Count the values that are not stored with the key `key_id`."""
    other = part.table.c.sealed_by.is_distinct_from(key_id)
    return connection.scalar(select(func.count()).where(other, part.value.is_not(None))) or 0


def _has_rows(connection: Connection, part: _Sealed) -> bool:
    return bool(connection.scalar(select(exists(select(part.table.c.key)))))


def _key_id(value: str) -> str | None:
    return None if value == NO_KEY else value


def _name(value: str) -> str:
    return "no encryption" if value == NO_KEY else f"the key {value}"


def _unfinished_rotation(connection: Connection, target: str) -> ConfigError:
    left = sum(_count_other(connection, part, _key_id(target)) for part in _ALL)
    return ConfigError(
        f"Key rotation to {_name(target)} is not finished: {left} values are left.",
        f"Run {_ROTATE} again with both keys: it goes on where it was ended.",
    )


def check_same_key(stored: str | None, given: str | None) -> None:
    """Check that what is stored with a key (its id, None = plain) is opened with that one.

    Raises ConfigError.
    """
    if stored != given:
        raise _mismatch(stored or NO_KEY, given or NO_KEY)


def _mismatch(stored: str, given: str) -> ConfigError:
    if stored == NO_KEY:
        return ConfigError(
            f"This gallery is stored in the clear, but {_name(given)} is set.",
            f"Encrypt it with {_ROTATE} (stop the service before), or unset {PREFIX}ENCRYPTION_KEY"
            f" and {PREFIX}ENCRYPTION_KEY_FILE.",
        )
    setting = "no key" if given == NO_KEY else _name(given)
    return ConfigError(
        f"This gallery is encrypted with {_name(stored)}, but {setting} is set.",
        f"Set {PREFIX}ENCRYPTION_KEY, or {PREFIX}ENCRYPTION_KEY_FILE, to the key that it was"
        " encrypted with. Without that key nothing in it can be read.",
    )
