"""Kept transcripts (DUET_KEEP_TRANSCRIPTS=1): what was said in a recording, turn by turn.

Words and names of files are sealed by the codec of the gallery, bound to their row. A turn
refers to the person who speaks, so a new name shows everywhere. When the person is
deleted, their turns keep their times alone, and the name of the file goes as well.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    delete,
    func,
    insert,
    select,
    update,
)

from gallery import audit
from gallery.damage import list_whole, read_object
from gallery.encryption.sealing import Codec
from gallery.records import clock
from gallery.records.fragments import part_of
from gallery.results import (
    MAX_PAGE,
    KeptTranscript,
    KeptTurn,
    NewTranscript,
    SpokenTurn,
    TranscriptPage,
)
from gallery.tables import people, transcript_turns, transcripts
from utils.errors import InvalidRequestError, TranscriptNotFoundError

MOST_SPEAKER = 80
DELETED = "deleted person"


def keep(connection: Connection, codec: Codec, new: NewTranscript) -> str:
    """Store a transcript, and return its id.

    People who are not in the gallery any more are speakers without a name.
    """
    transcript_id = uuid.uuid4().hex
    values = {
        "transcript_id": transcript_id,
        "created_at": clock.now_for_terms(connection),
        "actor": audit.ACTOR.get(),
        "language": new.language,
        "duration_s": new.duration_s,
        "title": codec.seal(_pack({"id": transcript_id, "title": new.title}), transcript_id),
        "sealed_by": codec.key_id,
    }
    key = connection.scalar(insert(transcripts).values(values).returning(transcripts.c.key))
    keys = _keys_of(connection, new.turns)
    rows = [
        {"transcript_key": key, "position": position, **_columns(codec, turn, keys)}
        for position, turn in enumerate(new.turns)
    ]
    if rows:
        connection.execute(insert(transcript_turns), rows)
    detail = {"turns": len(new.turns), "seconds": round(new.duration_s)}
    audit.append(connection, "keep_transcript", "stored", detail=detail)
    return transcript_id


def read(connection: Connection, codec: Codec, transcript_id: str) -> KeptTranscript:
    """Read a transcript. Raises TranscriptNotFoundError, StoreUnavailableError."""
    row = _row(connection, transcript_id)
    c = transcript_turns.c
    query = (
        select(transcript_turns, people.c.person_id, people.c.name)
        .outerjoin(people, people.c.key == c.person_key)
        .where(c.transcript_key == row.key)
        .order_by(c.position)
    )
    turns = tuple(_turn(codec, turn) for turn in connection.execute(query))
    return _transcript(codec, row, turns)


def get(connection: Connection, codec: Codec, transcript_id: str) -> KeptTranscript:
    """Read a transcript without its turns, as `read` does."""
    return _transcript(codec, _row(connection, transcript_id), ())


def page(connection: Connection, codec: Codec, offset: int, limit: int) -> TranscriptPage:
    """List transcripts without their turns, newest first. Raises InvalidRequestError."""
    if not 1 <= limit <= MAX_PAGE or offset < 0:
        raise InvalidRequestError(
            f"limit must be 1 to {MAX_PAGE} and offset at least 0. Received: limit={limit},"
            f" offset={offset}"
        )
    query = select(transcripts).order_by(transcripts.c.key.desc()).offset(offset).limit(limit)
    total = connection.scalar(select(func.count()).select_from(transcripts)) or 0
    rows = list_whole(connection, query, transcripts, lambda row: _transcript(codec, row, ()))
    return TranscriptPage(tuple(rows), total)


def remove(connection: Connection, transcript_id: str) -> set[bytes]:
    """Delete a transcript, and return fragments of it. Raises TranscriptNotFoundError."""
    return _delete(connection, _row(connection, transcript_id), "deleted")


def forget_old(connection: Connection, days: float, now: datetime) -> set[bytes]:
    """Delete transcripts that are more than `days` days old, and return fragments of them.

    0 days are no term.
    """
    fragments: set[bytes] = set()
    if not days:
        return fragments
    old = transcripts.c.created_at <= now - timedelta(days=days)
    query = select(transcripts).where(old)
    for row in list_whole(connection, query, transcripts, lambda row: row):
        fragments |= _delete(connection, row, "expired")
    return fragments


def list_ends(connection: Connection, days: float) -> list[datetime]:
    """List when the term of each transcript is over, for a term of `days` days, 0 = none.

    One whose time is damaged is left out.
    """
    if not days:
        return []
    query = select(transcripts.c.created_at)
    starts = list_whole(connection, query, transcripts, lambda row: row.created_at)
    return [start + timedelta(days=days) for start in starts]


def _delete(connection: Connection, row: Row[Any], outcome: str) -> set[bytes]:
    """Delete a transcript with its turns, and return fragments of them.

    The audit says why it went: "deleted" or "expired".
    """
    mine = transcript_turns.c.transcript_key == row.key
    fragments = _fragments(connection, transcript_turns.c.data, mine)
    fragments |= _fragments(connection, transcripts.c.title, transcripts.c.key == row.key)
    connection.execute(delete(transcripts).where(transcripts.c.key == row.key))
    detail = {"transcript": row.key}
    audit.append(connection, "delete_transcript", outcome, detail=detail)
    return fragments


def move(connection: Connection, key: int, other: int) -> None:
    """Give the turns of `other` to `key`, who is the same person."""
    mine = transcript_turns.c.person_key == other
    connection.execute(update(transcript_turns).where(mine).values(person_key=key))


def fragments_of(connection: Connection, person_key: int) -> set[bytes]:
    """Fragments of the turns of a person, and of the names of those files."""
    c = transcript_turns.c
    words = _fragments(connection, c.data, c.person_key == person_key)
    return words | _fragments(connection, transcripts.c.title, _with_person(person_key))


def forget_person(connection: Connection, person_key: int) -> None:
    """Take the words of a person out of all transcripts, and the names of those files.

    Call it in the transaction of the deletion, before the row of the person goes.
    """
    connection.execute(
        update(transcripts).where(_with_person(person_key)).values(title=None, sealed_by=None)
    )
    connection.execute(
        update(transcript_turns)
        .where(transcript_turns.c.person_key == person_key)
        .values(person_key=None, speaker=DELETED, outcome="deleted", data=None, sealed_by=None)
    )


def of_person(connection: Connection, codec: Codec, person_key: int) -> list[dict[str, Any]]:
    """List what a person says in transcripts, for the export of the person."""
    c = transcript_turns.c
    query = (
        select(transcript_turns, transcripts.c.transcript_id, transcripts.c.created_at)
        .join(transcripts, transcripts.c.key == c.transcript_key)
        .where(c.person_key == person_key)
        .order_by(c.key)
    )
    return [_as_row_of_export(codec, row) for row in connection.execute(query)]


def _as_row_of_export(codec: Codec, row: Row[Any]) -> dict[str, Any]:
    return {
        "transcript_id": row.transcript_id,
        "created_at": row.created_at,
        "start_s": row.start_s,
        "end_s": row.end_s,
        **_open(codec, row),
    }


def _with_person(person_key: int) -> Any:
    """Condition on `transcripts`: the person speaks in it."""
    c = transcript_turns.c
    return transcripts.c.key.in_(select(c.transcript_key).where(c.person_key == person_key))


def _keys_of(connection: Connection, turns: Iterable[SpokenTurn]) -> Mapping[str, int]:
    """Internal numbers of the people who speak, by id."""
    ids = {turn.person_id for turn in turns if turn.person_id}
    query = select(people.c.person_id, people.c.key).where(people.c.person_id.in_(ids))
    return {row.person_id: row.key for row in connection.execute(query)}


def _columns(codec: Codec, turn: SpokenTurn, keys: Mapping[str, int]) -> dict[str, Any]:
    """Columns of a turn. Its content begins with its id, which makes their bytes unique."""
    turn_id = uuid.uuid4().hex
    content = {
        "turn": turn_id,
        "text": turn.text,
        "words": list(turn.words),
        "decided_by": turn.decided_by,
    }
    return {
        "turn_id": turn_id,
        "start_s": turn.start_s,
        "end_s": turn.end_s,
        "person_key": keys.get(turn.person_id or ""),
        # The name of somebody who was deleted meanwhile is not kept either.
        "speaker": "" if turn.person_id else turn.speaker[:MOST_SPEAKER],
        "outcome": turn.outcome,
        "data": codec.seal(_pack(content), turn_id),
        "sealed_by": codec.key_id,
    }


def _turn(codec: Codec, row: Row[Any]) -> KeptTurn:
    content = _open(codec, row)
    return KeptTurn(
        start_s=row.start_s,
        end_s=row.end_s,
        person_id=row.person_id,
        speaker=row.name or row.speaker,
        outcome=row.outcome,
        text=content["text"],
        words=tuple(content["words"]),
        decided_by=content["decided_by"],
    )


def _open(codec: Codec, row: Row[Any]) -> dict[str, Any]:
    """What is said in a turn, nothing where its person was deleted."""
    if row.data is None:
        return {"text": "", "words": [], "decided_by": None}
    data = codec.open(row.data, row.sealed_by, row.turn_id)
    content = read_object(data, ("text", "words"), "transcript_turns.data")
    return {
        "text": content["text"],
        "words": content["words"],
        "decided_by": content.get("decided_by"),  # which earlier releases did not keep
    }


def _transcript(codec: Codec, row: Row[Any], turns: Sequence[KeptTurn]) -> KeptTranscript:
    title = ""
    if row.title is not None:
        data = codec.open(row.title, row.sealed_by, row.transcript_id)
        title = read_object(data, ("title",), "transcripts.title")["title"]
    return KeptTranscript(
        transcript_id=row.transcript_id,
        created_at=row.created_at,
        title=title,
        language=row.language,
        duration_s=row.duration_s,
        turns=tuple(turns),
    )


def _row(connection: Connection, transcript_id: str) -> Row[Any]:
    query = select(transcripts).where(transcripts.c.transcript_id == transcript_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise TranscriptNotFoundError(
            f"There is no transcript of this id. Received: {transcript_id[:40]!r}"
        )
    return row


def _pack(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _fragments(
    connection: Connection, column: Column[Any], which: ColumnElement[bool]
) -> set[bytes]:
    """First bytes of values, which hold what is unique to them."""
    return set(filter(None, connection.scalars(select(part_of(column)).where(which))))
