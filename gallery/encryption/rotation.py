"""Which key a gallery is encrypted with, and changing it: from none to a key, from a
key to another, and back to none.

Two rows of `meta` say how it is: `encryption_key` (the id of the key, or "none";
missing = never encrypted) and, while it is being changed, `encryption_next`. Every
value notes in `sealed_by` which key sealed it, so that a rotation killed at any moment
is continued by running it again. A gallery amid a rotation is opened by nothing else:
part of it could not be read.

What was rewritten may still stand in free pages, so that at the end the file is written
anew (VACUUM) and the log emptied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
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
from gallery.tables import kept_media, meta, reembedded, templates
from utils.config import PREFIX
from utils.errors import ConfigError, StoreUnavailableError

KEY = "encryption_key"
NEXT = "encryption_next"
NO_KEY = "none"
BATCH = 200
_ROTATE = "`cli.py keys rotate-encryption`"


@dataclass(frozen=True)
class _Sealed:
    """A table with sealed values: `rows` selects key, value, sealed_by and then the
    texts that the value is bound to.
    """

    table: Table
    value: str
    rows: Select[Any]


_T = templates.c
_M = kept_media.c
_R = reembedded.c
_ALL = (
    _Sealed(
        templates,
        "vector",
        select(_T.key, _T.vector, _T.sealed_by, _T.template_id, _T.modality, _T.encoder_id),
    ),
    _Sealed(
        kept_media,
        "data",
        select(_M.key, _M.data, _M.sealed_by, _T.template_id, _M.kind).join(
            templates, _T.key == _M.template_key
        ),
    ),
    _Sealed(
        reembedded,
        "vector",
        select(_R.key, _R.vector, _R.sealed_by, _T.template_id, _T.modality, _R.encoder_id).join(
            templates, _T.key == _R.key
        ),
    ),
)


def check(connection: Connection, codec: Codec) -> None:
    """Raise ConfigError unless the gallery is stored with `codec`; one with nothing in
    it takes it on.
    """
    state = _state(connection)
    if NEXT in state:
        left = sum(_count(connection, part, _id(state[NEXT])) for part in _ALL)
        raise ConfigError(
            "A gallery is opened once its encryption is changed as a whole. Received: a rotation"
            f" not finished, {left} values left, to {_named(state[NEXT])}",
            f"Run {_ROTATE} again with both keys: it goes on where it was ended.",
        )
    stored = state.get(KEY, NO_KEY)
    given = codec.key_id or NO_KEY
    if stored == given:
        return
    if KEY not in state and not any(_any(connection, part) for part in _ALL):
        _write(connection, {KEY: given})
        return
    raise _mismatch(stored, given)


def refuse_other(connection: Connection, codec: Codec) -> None:
    """Raise StoreUnavailableError when the encryption was changed since this process
    opened the gallery; asked before each write.
    """
    state = _state(connection)
    if NEXT in state or state.get(KEY, NO_KEY) != (codec.key_id or NO_KEY):
        raise other_key(_id(state.get(NEXT, state.get(KEY, NO_KEY))))


def rotate(
    database: Database,
    new: Codec,
    old: Sequence[Codec] = (),
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    """Store every value with `new`, whatever it is stored with now; `old` are the keys
    that may be needed to read it. No other process may have the gallery open.
    `progress` is told how many values are done, of how many. Returns how many values
    were rewritten.

    Killed at any moment it loses nothing, and is called again to go on. Raises
    ConfigError when a key is missing (before anything is changed),
    StoreUnavailableError when a value is damaged, or another process kept old bytes
    from being removed (then call it again).
    """
    codecs = {codec.key_id: codec for codec in (PlainText(), new, *old)}
    with database.write() as connection:
        _refuse_missing(connection, codecs)
        _write(connection, {NEXT: new.key_id or NO_KEY})
        left = sum(_count(connection, part, new.key_id) for part in _ALL)
    done = 0
    for rewritten in (n for part in _ALL for n in _resealed(database, part, codecs, new)):
        done += rewritten
        progress(done, left)
    if not database.compact():
        raise StoreUnavailableError(
            "What was stored before is removed from the file at the end of a rotation. Received: a"
            " file in use",
            f"Stop the service and run {_ROTATE} again.",
        )
    with database.write() as connection:
        connection.execute(delete(meta).where(meta.c.name == NEXT))
        _write(connection, {KEY: new.key_id or NO_KEY})
    return done


def _resealed(
    database: Database, part: _Sealed, codecs: Mapping[str | None, Codec], new: Codec
) -> Iterator[int]:
    """Rewrite the values of a table, a batch in each transaction; yields how many each
    took.
    """
    key = part.table.c.key
    after = 0
    change = (
        update(part.table)
        .where(key == bindparam("at"))
        .values(sealed_by=new.key_id, **{part.value: bindparam("resealed")})
    )
    while True:
        with database.write() as connection:
            query = (
                part.rows.where(part.table.c.sealed_by.is_distinct_from(new.key_id), key > after)
                .order_by(key)
                .limit(BATCH)
            )
            rows = connection.execute(query).all()
            if not rows:
                return
            connection.execute(
                change,
                [
                    {"at": at, "resealed": new.seal(codecs[by].open(value, by, *about), *about)}
                    for at, value, by, *about in rows
                ],
            )
            after = rows[-1][0]
        yield len(rows)


def _refuse_missing(connection: Connection, codecs: Mapping[str | None, Codec]) -> None:
    used = {
        by for part in _ALL for by in connection.scalars(select(part.table.c.sealed_by).distinct())
    }
    missing = sorted(by for by in used if by is not None and by not in codecs)
    if missing:
        given = ", ".join(sorted(by for by in codecs if by is not None)) or "none"
        raise ConfigError(
            f"A rotation needs the keys that the gallery is stored with now: {', '.join(missing)}."
            f" Received: {given}",
            f"Give the old key by --old-key-file or {PREFIX}ENCRYPTION_KEY_OLD.",
        )


def _state(connection: Connection) -> dict[str, str]:
    return {
        row.name: row.value
        for row in connection.execute(
            select(meta.c.name, meta.c.value).where(meta.c.name.in_((KEY, NEXT)))
        )
    }


def _write(connection: Connection, rows: Mapping[str, str]) -> None:
    for name, value in rows.items():
        connection.execute(delete(meta).where(meta.c.name == name))
        connection.execute(insert(meta).values(name=name, value=value))


def _count(connection: Connection, part: _Sealed, key_id: str | None) -> int:
    """How many values are not stored with the key `key_id`."""
    return (
        connection.scalar(
            select(func.count()).where(part.table.c.sealed_by.is_distinct_from(key_id))
        )
        or 0
    )


def _any(connection: Connection, part: _Sealed) -> bool:
    return bool(connection.scalar(select(exists(select(part.table.c.key)))))


def _id(value: str) -> str | None:
    return None if value == NO_KEY else value


def _named(value: str) -> str:
    return "no encryption" if value == NO_KEY else f"the key {value}"


def _mismatch(stored: str, given: str) -> ConfigError:
    if stored == NO_KEY:
        return ConfigError(
            f"This gallery is stored in the clear. Received: {_named(given)}",
            f"Encrypt it with {_ROTATE} (stop the service before), or unset {PREFIX}ENCRYPTION_KEY"
            f" and {PREFIX}ENCRYPTION_KEY_FILE.",
        )
    return ConfigError(
        f"This gallery is encrypted with {_named(stored)}. Received:"
        f" {'no key' if given == NO_KEY else _named(given)}",
        f"Set {PREFIX}ENCRYPTION_KEY, or {PREFIX}ENCRYPTION_KEY_FILE, to the key that it was"
        " encrypted with. Without that key nothing in it can be read.",
    )
