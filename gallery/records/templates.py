"""Templates in the database: functions on a connection, in the transaction of their
caller.

Templates of two encoders never stand side by side: what would mix them is refused
(EncoderMismatchError).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from gallery import vectors
from gallery.encryption.sealing import Codec
from gallery.records import kept
from gallery.results import StaleTemplates, TemplateInfo
from gallery.tables import people, templates
from utils.errors import EncoderMismatchError, LastTemplateError, TemplateNotFoundError
from utils.modality import Embedding, Modality


@dataclass(frozen=True)
class NewTemplate:
    """Something to be stored; `quality` in [0, 1]; `source_sha256` is the hash of the
    media file; `media` is kept with it, by kind (gallery/records/kept.py).
    """

    embedding: Embedding
    quality: float
    source_sha256: str
    media: Mapping[str, bytes] = field(default_factory=dict)


def templates_of(connection: Connection, key: int, *narrower: Any) -> tuple[TemplateInfo, ...]:
    """The templates of a person, oldest first."""
    c = templates.c
    query = (
        select(
            c.template_id,
            people.c.person_id,
            c.modality,
            c.quality,
            c.encoder_id,
            c.source_sha256,
            c.created_at,
        )
        .join(people, people.c.key == c.person_key)
        .where(c.person_key == key, *narrower)
        .order_by(c.key)
    )
    return tuple(
        TemplateInfo(t, p, Modality(m), q, e, s, at)
        for t, p, m, q, e, s, at in connection.execute(query)
    )


def add(connection: Connection, key: int, new: NewTemplate, codec: Codec) -> TemplateInfo:
    """The template stored now, or the one that was stored from the same file before."""
    modality = new.embedding.modality
    encoder_id = new.embedding.encoder_id
    if modality == Modality.FUSED:
        raise ValueError(
            "Only face and voice embeddings are stored: the fused one is made from them. Received:"
            " modality='fused'"
        )
    same = (
        templates.c.modality == modality,
        templates.c.encoder_id == encoder_id,
        templates.c.source_sha256 == new.source_sha256,
    )
    if not templates_of(connection, key, *same):
        template_id = uuid.uuid4().hex
        vector = codec.seal(vectors.to_bytes(new.embedding), template_id, modality, encoder_id)
        connection.execute(
            insert(templates).values(
                template_id=template_id,
                person_key=key,
                modality=modality,
                vector=vector,
                sealed_by=codec.key_id,
                quality=new.quality,
                encoder_id=encoder_id,
                source_sha256=new.source_sha256,
                created_at=datetime.now(UTC),
            )
        )
        kept.write(connection, codec, template_id, new.media)
    return templates_of(connection, key, *same)[0]


def remove(connection: Connection, key: int) -> None:
    """Delete all templates of a person."""
    connection.execute(delete(templates).where(templates.c.person_key == key))


def remove_one(connection: Connection, key: int, template_id: str) -> None:
    """Delete one template of a person. Raises TemplateNotFoundError."""
    if not connection.execute(
        delete(templates).where(
            templates.c.person_key == key, templates.c.template_id == template_id
        )
    ).rowcount:
        raise _not_found()


def move(connection: Connection, key: int, template_id: str, to: int) -> None:
    """Give one template of a person to another. Of a clip that is enrolled for both,
    one template is left. Raises TemplateNotFoundError, LastTemplateError,
    EncoderMismatchError.
    """
    mine = [info.template_id for info in templates_of(connection, key)]
    if template_id not in mine:
        raise _not_found()
    if len(mine) == 1:
        raise LastTemplateError(
            "A template is split off a person who keeps another one. Received: the last template of"
            " the person"
        )
    refuse_two_models(
        connection, templates.c.template_id == template_id, templates.c.person_key == to
    )
    _give(connection, templates.c.template_id == template_id, to)


def move_all(connection: Connection, key: int, to: int) -> int:
    """Give all templates of a person to another, the same clip once; how many. Raises
    EncoderMismatchError.
    """
    refuse_two_models(connection, templates.c.person_key == key, templates.c.person_key == to)
    return _give(connection, templates.c.person_key == key, to)


def refuse_two_models(connection: Connection, *which: Any) -> None:
    """Raises EncoderMismatchError where templates of one modality among these are of
    two encoders.
    """
    c = templates.c
    query = (
        select(c.modality)
        .where(or_(*which))
        .group_by(c.modality)
        .having(func.count(c.encoder_id.distinct()) > 1)
    )
    mixed = list(connection.scalars(query))
    if mixed:
        raise EncoderMismatchError(
            f"All templates of a person are of one model. Received: {' and '.join(mixed)} templates"
            " of two models",
            "Enrol the person of the older model again with replace=true.",
        )


def _give(connection: Connection, which: Any, to: int) -> int:
    c = templates.c
    there = templates.alias()
    same = exists().where(
        there.c.person_key == to,
        there.c.modality == c.modality,
        there.c.encoder_id == c.encoder_id,
        there.c.source_sha256 == c.source_sha256,
    )
    twice = list(connection.scalars(select(c.key).where(which, same)))
    connection.execute(delete(templates).where(c.key.in_(twice)))
    return connection.execute(update(templates).where(which).values(person_key=to)).rowcount


def _not_found() -> TemplateNotFoundError:
    return TemplateNotFoundError(
        "The person has no template of this id.", "List the person's templates first."
    )


def refuse_mixed(connection: Connection, new: Sequence[NewTemplate]) -> None:
    """Raises EncoderMismatchError where these would stand beside templates of other
    encoders.
    """
    found = stale(connection, {t.embedding.modality: t.embedding.encoder_id for t in new})
    if found:
        raise mismatch(found)


def stale(
    connection: Connection, encoder_ids: Mapping[Modality, str]
) -> tuple[StaleTemplates, ...]:
    """Templates of other encoders than `encoder_ids`. Only when there is one at all,
    they are counted: the index answers the first.
    """
    found = []
    for modality, encoder_id in encoder_ids.items():
        other = _of_other_encoder(modality, encoder_id)
        if connection.scalar(select(exists().where(other))):
            count, persons = connection.execute(
                select(func.count(), func.count(templates.c.person_key.distinct())).where(other)
            ).one()
            found.append(StaleTemplates(modality, count, persons))
    return tuple(found)


def mismatch(found: Sequence[StaleTemplates]) -> EncoderMismatchError:
    """The error that says how many templates are of another model and what to do."""
    parts = ", ".join(
        f"{s.templates} {s.modality} template{'s' * (s.templates != 1)} of {s.people} "
        f"{'people' if s.people != 1 else 'person'}"
        for s in found
    )
    return EncoderMismatchError(
        "Templates of another model cannot be compared with those of the model in use. Received: a"
        f" gallery with {parts} of another one",
        "Where their media were kept, `cli.py reembed` makes them anew. Else enrol these people"
        " again with replace=true, delete them, or go back to that model.",
        {
            "stale": [
                {"modality": str(s.modality), "templates": s.templates, "people": s.people}
                for s in found
            ]
        },
    )


def _of_other_encoder(modality: Modality, encoder_id: str) -> Any:
    return (templates.c.modality == modality) & or_(
        templates.c.encoder_id < encoder_id, templates.c.encoder_id > encoder_id
    )
