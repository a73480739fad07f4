"""Strangers: people of nobody's name who come by again (DUET_STRANGER_DAYS).

A stranger is a group of clips that are taken for one person. Of each clip the embeddings
are kept and, where pictures are kept, a small one of the face. Each value has a term of
its own, and a stranger goes with the last of them. Values are sealed by the codec of the
gallery, bound to their row. The number of strangers, and of clips of each, is bounded.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from gallery import audit, vectors
from gallery.damage import list_whole, read_whole, tell_passed_over
from gallery.encryption.sealing import Codec
from gallery.records import clock
from gallery.records.fragments import part_of
from gallery.results import MAX_PAGE
from gallery.tables import stranger_values as values
from gallery.tables import strangers, visits
from utils.errors import InvalidRequestError, StrangerNotFoundError, ThumbnailNotFoundError
from utils.modality import Embedding, Modality

MOST = 1000
"""Beyond so many strangers the one who was not seen for longest goes."""
MOST_CLIPS = 5
"""Of each stranger the latest clips are kept."""
PICTURE = "picture"


@dataclass(frozen=True)
class KeptValue:
    """An embedding of a clip, with its quality in [0, 1] and seconds of speech."""

    embedding: Embedding
    quality: float
    speech_s: float = 0.0


@dataclass(frozen=True)
class StrangerClip:
    """What is kept of one clip of a stranger: embeddings, and a picture (WebP) or none."""

    source_sha256: str
    values: tuple[KeptValue, ...]
    picture: bytes | None = None


@dataclass(frozen=True)
class NewClip:
    """A clip of a stranger who is there (internal number), or of a new one (None).

    `same` are internal numbers of others who turn out to be the same person.
    """

    clip: StrangerClip
    stranger: int | None = None
    same: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stranger:
    """A stranger.

    Attributes:
        number: internal number, never used again.
        times: clips that were taken for this stranger, also those that are not kept any more.
        is_hidden: "stay unknown", in the operator's word.
        clips: number of clips that are kept, by modality.
        has_picture: whether a picture is kept.
    """

    number: int
    stranger_id: str
    first_at: datetime
    last_at: datetime
    times: int
    is_hidden: bool
    clips: Mapping[str, int] = field(default_factory=dict)
    has_picture: bool = False


def is_full(connection: Connection, new: NewClip) -> bool:
    """Whether something has to go for a clip, so that its bytes must be forgotten."""
    if new.stranger is None:
        return count(connection) >= MOST
    mine = values.c.stranger_key == new.stranger
    clips = select(func.count(values.c.source_sha256.distinct())).where(mine)
    return bool(new.same) or (connection.scalar(clips) or 0) >= MOST_CLIPS


def add(connection: Connection, codec: Codec, new: NewClip) -> tuple[int | None, set[bytes]]:
    """Store a clip of a stranger, and return the internal number and what went for it.

    None: the stranger was enrolled or deleted a moment ago, and nothing is stored.
    """
    at = clock.now_for_terms(connection)
    if new.stranger is None:
        traces = _make_room(connection)
        key = _create(connection, at)
    elif _is_there(connection, new.stranger):
        key = new.stranger
        traces = set[bytes]()
        for other in new.same:
            traces |= _join(connection, key, other)
    else:
        return None, set()
    if _holds(connection, key, new.clip.source_sha256):
        return key, traces
    for row in _rows_of(codec, new.clip):
        connection.execute(insert(values).values(stranger_key=key, at=at, **row))
    seen = {"last_at": at, "times": strangers.c.times + 1}
    connection.execute(update(strangers).where(strangers.c.key == key).values(**seen))
    return key, traces | _trim(connection, key)


def _create(connection: Connection, at: datetime) -> int:
    row = {"stranger_id": uuid.uuid4().hex, "first_at": at, "last_at": at, "times": 0}
    inserted = connection.execute(
        insert(strangers).values(hidden=False, **row)
    ).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def _rows_of(codec: Codec, clip: StrangerClip) -> Iterable[dict[str, Any]]:
    """Make the rows of a clip: its embeddings, and its picture."""
    for value in clip.values:
        one = value.embedding
        content = vectors.to_bytes(one)
        yield {
            **_seal(codec, str(one.modality), content, one.encoder_id),
            "quality": value.quality,
            "speech_s": value.speech_s,
            "source_sha256": clip.source_sha256,
        }
    if clip.picture is not None:
        more = {"quality": 0.0, "speech_s": 0.0, "source_sha256": clip.source_sha256}
        yield _seal(codec, PICTURE, clip.picture, "") | more


def _seal(codec: Codec, kind: str, content: bytes, encoder_id: str) -> dict[str, Any]:
    value_id = uuid.uuid4().hex
    return {
        "value_id": value_id,
        "kind": kind,
        "encoder_id": encoder_id,
        "value": codec.seal(content, value_id, kind, encoder_id),
        "sealed_by": codec.key_id,
    }


def _make_room(connection: Connection) -> set[bytes]:
    """Delete whoever was not seen for longest, where there are too many."""
    too_many = count(connection) - MOST + 1
    if too_many < 1:
        return set()
    oldest = select(strangers.c.key).order_by(strangers.c.last_at).limit(too_many)
    fragments = set[bytes]()
    for key in connection.scalars(oldest).all():
        fragments |= remove(connection, key, "crowded_out")
    return fragments


def _trim(connection: Connection, key: int) -> set[bytes]:
    """Delete the oldest clips of a stranger beyond `MOST_CLIPS`."""
    clips = (
        select(values.c.source_sha256)
        .where(values.c.stranger_key == key)
        .group_by(values.c.source_sha256)
        .order_by(func.max(values.c.key).desc())
        .offset(MOST_CLIPS)
    )
    old = connection.scalars(clips).all()
    return _remove_values(
        connection, (values.c.stranger_key == key) & values.c.source_sha256.in_(old)
    )


def _join(connection: Connection, key: int, other: int) -> set[bytes]:
    """Give everything of the stranger `other` to the stranger `key`, who is the same."""
    c = strangers.c
    second = connection.execute(select(strangers).where(c.key == other)).one_or_none()
    if second is None:
        return set()
    first = connection.execute(select(strangers).where(c.key == key)).one()
    connection.execute(
        update(strangers)
        .where(c.key == key)
        .values(
            first_at=min(first.first_at, second.first_at),
            last_at=max(first.last_at, second.last_at),
            times=first.times + second.times,
            hidden=first.hidden or second.hidden,
        )
    )
    for table in (values, visits):
        mine = table.c.stranger_key == other
        connection.execute(update(table).where(mine).values(stranger_key=key))
    return remove(connection, other, "merged")


def _is_there(connection: Connection, key: int) -> bool:
    return bool(connection.scalar(select(exists().where(strangers.c.key == key))))


def _holds(connection: Connection, key: int, source_sha256: str) -> bool:
    """Whether the same file came before."""
    mine = (values.c.stranger_key == key, values.c.source_sha256 == source_sha256)
    return bool(connection.scalar(select(exists().where(*mine))))


def page(
    connection: Connection, offset: int, limit: int, *, hidden: bool = False
) -> tuple[tuple[Stranger, ...], int]:
    """List strangers, the one seen last first, and count them. Raises InvalidRequestError."""
    if not 1 <= limit <= MAX_PAGE or offset < 0:
        raise InvalidRequestError(
            f"limit must be 1 to {MAX_PAGE} and offset at least 0. Received: limit={limit},"
            f" offset={offset}"
        )
    which = strangers.c.hidden == hidden
    query = (
        select(strangers).where(which).order_by(strangers.c.last_at.desc(), strangers.c.key.desc())
    )
    query = query.offset(offset).limit(limit)
    rows = list_whole(connection, query, strangers, lambda row: row)
    total = connection.scalar(select(func.count()).select_from(strangers).where(which)) or 0
    return _as_strangers(connection, rows), total


def count(connection: Connection) -> int:
    """Count the strangers."""
    return connection.scalar(select(func.count()).select_from(strangers)) or 0


def get(connection: Connection, stranger_id: str) -> Stranger:
    """Read a stranger. Raises StrangerNotFoundError."""
    rows = connection.execute(select(strangers).where(strangers.c.stranger_id == stranger_id)).all()
    if not rows:
        raise StrangerNotFoundError(
            f"No unknown visitor of this id is kept. Received: {stranger_id[:40]!r}"
        )
    return _as_strangers(connection, rows)[0]


def hide(connection: Connection, stranger_id: str, *, hidden: bool) -> Stranger:
    """Remember whether a stranger stays unknown. Raises StrangerNotFoundError."""
    stranger = get(connection, stranger_id)
    mine = strangers.c.key == stranger.number
    connection.execute(update(strangers).where(mine).values(hidden=hidden))
    outcome = "hidden" if hidden else "shown"
    audit.append(connection, "hide_stranger", outcome, detail={"stranger": stranger.number})
    return get(connection, stranger_id)


def remove(connection: Connection, key: int, outcome: str) -> set[bytes]:
    """Delete a stranger, and return fragments. The audit says why: `outcome`."""
    fragments = _fragments(connection, values.c.stranger_key == key)
    if connection.execute(delete(strangers).where(strangers.c.key == key)).rowcount:
        audit.append(connection, "delete_stranger", outcome, detail={"stranger": key})
    return fragments


def read_clips(connection: Connection, codec: Codec, key: int) -> tuple[StrangerClip, ...]:
    """Read the clips of a stranger without pictures, oldest first."""
    mine = (values.c.stranger_key == key, values.c.kind != PICTURE)
    clips: dict[str, list[KeptValue]] = {}
    for row in connection.execute(select(values).where(*mine).order_by(values.c.key)):
        vector = vectors.from_bytes([open_value(codec, row)])[0]
        embedding = Embedding(vector, Modality(row.kind), row.encoder_id)
        one = KeptValue(embedding, row.quality, row.speech_s)
        clips.setdefault(row.source_sha256, []).append(one)
    return tuple(StrangerClip(source, tuple(parts)) for source, parts in clips.items())


def read_picture(connection: Connection, codec: Codec, key: int) -> bytes:
    """Read the latest picture (WebP) of a stranger. Raises ThumbnailNotFoundError."""
    mine = (values.c.stranger_key == key, values.c.kind == PICTURE)
    query = select(values).where(*mine).order_by(values.c.key.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise ThumbnailNotFoundError("No picture of this unknown visitor is kept.")
    return open_value(codec, row)


def forget_old(connection: Connection, days: float, now: datetime) -> set[bytes]:
    """Delete values that are `days` days old or more, and strangers who have none left.

    0 days leave none. Returns fragments of them.
    """
    fragments = _remove_values(connection, values.c.at <= now - timedelta(days=days))
    empty = ~exists().where(values.c.stranger_key == strangers.c.key, values.c.kind != PICTURE)
    for key in connection.scalars(select(strangers.c.key).where(empty)).all():
        fragments |= remove(connection, key, "expired")
    return fragments


def keys_of(connection: Connection, sources: Collection[str]) -> list[int]:
    """List the internal numbers of the strangers of some clips, by the hashes of these."""
    query = select(values.c.stranger_key).where(values.c.source_sha256.in_(sources))
    return sorted(set(connection.scalars(query)))


def _remove_values(connection: Connection, which: ColumnElement[bool]) -> set[bytes]:
    fragments = _fragments(connection, which)
    if fragments:
        connection.execute(delete(values).where(which))
    return fragments


def _fragments(connection: Connection, which: ColumnElement[bool]) -> set[bytes]:
    """First bytes of values, and the hashes of their clips."""
    query = select(part_of(values.c.value), cast(values.c.source_sha256, LargeBinary))
    return set(chain.from_iterable(connection.execute(query.where(which))))


def open_value(codec: Codec, row: Row[Any]) -> bytes:
    """Recover a value of a row from its stored form. Raises StoreUnavailableError."""
    return codec.open(row.value, row.sealed_by, row.value_id, row.kind, row.encoder_id)


def _as_strangers(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Stranger, ...]:
    counts = dict(
        read_whole(
            [row.key for row in rows],
            lambda keys: _count_values(connection, keys).items(),
            partial(tell_passed_over, strangers.name),
        )
    )
    return tuple(_as_stranger(row, counts.get(row.key, {})) for row in rows)


def _as_stranger(row: Row[Any], counts: Mapping[str, int]) -> Stranger:
    return Stranger(
        number=row.key,
        stranger_id=row.stranger_id,
        first_at=row.first_at,
        last_at=row.last_at,
        times=row.times,
        is_hidden=row.hidden,
        clips={kind: number for kind, number in counts.items() if kind != PICTURE},
        has_picture=PICTURE in counts,
    )


def _count_values(connection: Connection, keys: Sequence[int]) -> dict[int, dict[str, int]]:
    """Number of values of each kind, by internal number of the stranger."""
    c = values.c
    query = select(c.stranger_key, c.kind, func.count().label("n")).where(c.stranger_key.in_(keys))
    counts: dict[int, dict[str, int]] = {}
    for row in connection.execute(query.group_by(c.stranger_key, c.kind)):
        counts.setdefault(row.stranger_key, {})[row.kind] = row.n
    return counts
