"""Templates in the database: functions on a connection, in their caller's transaction.

Templates of two encoders never stand side by side. What would mix them is refused
(EncoderMismatchError).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from gallery import vectors
from gallery.encryption.sealing import Codec
from gallery.records import stored_media
from gallery.results import StaleTemplates, TemplateInfo
from gallery.tables import people, templates
from utils.errors import EncoderMismatchError, LastTemplateError, TemplateNotFoundError
from utils.modality import Embedding, Modality

# What is read of a template, its vector aside.
_INFO = (
    templates.c.template_id,
    people.c.person_id,
    templates.c.modality,
    templates.c.quality,
    templates.c.encoder_id,
    templates.c.source_sha256,
    templates.c.created_at,
)


@dataclass(frozen=True)
class NewTemplate:
    """A template to be stored.

    Attributes:
        quality: in [0, 1].
        source_sha256: hash of the media file.
        media: stored with it, by kind (`gallery/records/stored_media.py`).
    """

    embedding: Embedding
    quality: float
    source_sha256: str
    media: Mapping[str, bytes] = field(default_factory=dict)


def templates_of(
    connection: Connection, key: int, *conditions: ColumnElement[bool]
) -> tuple[TemplateInfo, ...]:
    """List the templates of a person, oldest first."""
    query = (
        select(*_INFO)
        .join(people, people.c.key == templates.c.person_key)
        .where(templates.c.person_key == key, *conditions)
        .order_by(templates.c.key)
    )
    return tuple(
        TemplateInfo(
            template_id=row.template_id,
            person_id=row.person_id,
            modality=Modality(row.modality),
            quality=row.quality,
            encoder_id=row.encoder_id,
            source_sha256=row.source_sha256,
            created_at=row.created_at,
        )
        for row in connection.execute(query)
    )


def add(connection: Connection, key: int, new: NewTemplate, codec: Codec) -> TemplateInfo:
    """Store a template, or return the one that was stored from the same file before.

    Raises ValueError for a fused embedding.
    """
    modality = new.embedding.modality
    if modality == Modality.FUSED:
        raise ValueError(
            "Only face and voice embeddings are stored: the fused one is made from them. Received:"
            " modality='fused'"
        )
    of_same_file = (
        templates.c.modality == modality,
        templates.c.encoder_id == new.embedding.encoder_id,
        templates.c.source_sha256 == new.source_sha256,
    )
    if not templates_of(connection, key, *of_same_file):
        _insert(connection, key, new, codec)
    return templates_of(connection, key, *of_same_file)[0]


def _insert(connection: Connection, key: int, new: NewTemplate, codec: Codec) -> None:
    template_id = uuid.uuid4().hex
    modality = new.embedding.modality
    encoder_id = new.embedding.encoder_id
    connection.execute(
        insert(templates).values(
            template_id=template_id,
            person_key=key,
            modality=modality,
            vector=codec.seal(vectors.to_bytes(new.embedding), template_id, modality, encoder_id),
            sealed_by=codec.key_id,
            quality=new.quality,
            encoder_id=encoder_id,
            source_sha256=new.source_sha256,
            created_at=datetime.now(UTC),
        )
    )
    stored_media.write(connection, codec, template_id, new.media)


def remove(connection: Connection, key: int) -> None:
    """Delete all templates of a person."""
    connection.execute(delete(templates).where(templates.c.person_key == key))


def remove_one(connection: Connection, key: int, template_id: str) -> int:
    """Delete one template of a person, and return its internal number.

    Raises TemplateNotFoundError.
    """
    number = number_of(connection, key, template_id)
    connection.execute(delete(templates).where(templates.c.key == number))
    return number


def number_of(connection: Connection, key: int, template_id: str) -> int:
    """Internal number of a template of a person. Raises TemplateNotFoundError."""
    number: int | None = connection.scalar(
        select(templates.c.key).where(
            templates.c.person_key == key, templates.c.template_id == template_id
        )
    )
    if number is None:
        raise _not_found()
    return number


def move(connection: Connection, key: int, template_id: str, to: int) -> None:
    """Give one template of a person to another.

    Where both have a template of the same clip, one is left. Raises
    TemplateNotFoundError, LastTemplateError, EncoderMismatchError.
    """
    ids = [info.template_id for info in templates_of(connection, key)]
    if template_id not in ids:
        raise _not_found()
    if len(ids) == 1:
        raise LastTemplateError("A person's only template cannot be moved.")
    refuse_two_models(
        connection, templates.c.template_id == template_id, templates.c.person_key == to
    )
    _give(connection, templates.c.template_id == template_id, to)


def move_all(connection: Connection, key: int, to: int) -> int:
    """Give all templates of a person to another, and return how many.

    Where both have a template of the same clip, one is left. Raises
    EncoderMismatchError.
    """
    refuse_two_models(connection, templates.c.person_key == key, templates.c.person_key == to)
    return _give(connection, templates.c.person_key == key, to)


def refuse_two_models(connection: Connection, *conditions: ColumnElement[bool]) -> None:
    """Refuse templates of one modality that are of two encoders.

    Looks at the templates that meet one of the conditions. Raises EncoderMismatchError.
    """
    c = templates.c
    query = (
        select(c.modality)
        .where(or_(*conditions))
        .group_by(c.modality)
        .having(func.count(c.encoder_id.distinct()) > 1)
    )
    mixed = list(connection.scalars(query))
    if mixed:
        raise EncoderMismatchError(
            "A person's templates of one modality must be of one model. The"
            f" {' and '.join(mixed)} templates are of two."
        )


def _give(connection: Connection, condition: ColumnElement[bool], to: int) -> int:
    c = templates.c
    theirs = templates.alias()
    of_same_clip = exists().where(
        theirs.c.person_key == to,
        theirs.c.modality == c.modality,
        theirs.c.encoder_id == c.encoder_id,
        theirs.c.source_sha256 == c.source_sha256,
    )
    duplicates = list(connection.scalars(select(c.key).where(condition, of_same_clip)))
    connection.execute(delete(templates).where(c.key.in_(duplicates)))
    return connection.execute(update(templates).where(condition).values(person_key=to)).rowcount


def _not_found() -> TemplateNotFoundError:
    return TemplateNotFoundError(
        "The person has no template of this id.", "List the person's templates first."
    )


def refuse_mixed(connection: Connection, new: Sequence[NewTemplate]) -> None:
    """Refuse templates that would stand beside those of other encoders.

    Raises EncoderMismatchError.
    """
    others = stale(connection, {t.embedding.modality: t.embedding.encoder_id for t in new})
    if others:
        raise mismatch(others)


def stale(
    connection: Connection, encoder_ids: Mapping[Modality, str]
) -> tuple[StaleTemplates, ...]:
    """Count the templates of other encoders than `encoder_ids`, by modality.

    Whether there is one at all is looked up in the index first, as counting is slow.
    """
    counts = []
    for modality, encoder_id in encoder_ids.items():
        other = _of_other_encoder(modality, encoder_id)
        if connection.scalar(select(exists().where(other))):
            templates_count, people_count = connection.execute(
                select(func.count(), func.count(templates.c.person_key.distinct())).where(other)
            ).one()
            counts.append(StaleTemplates(modality, templates_count, people_count))
    return tuple(counts)


def mismatch(stale_templates: Sequence[StaleTemplates]) -> EncoderMismatchError:
    """Make the error that says how many templates are of another model."""
    return EncoderMismatchError(
        f"The gallery has {', '.join(map(_describe, stale_templates))} of another model."
        " These cannot be compared with templates of the model in use.",
        details={
            "stale": [
                {"modality": str(s.modality), "templates": s.templates, "people": s.people}
                for s in stale_templates
            ]
        },
    )


def _describe(stale_templates: StaleTemplates) -> str:
    s = stale_templates
    template_s = "template" if s.templates == 1 else "templates"
    person_s = "person" if s.people == 1 else "people"
    return f"{s.templates} {s.modality} {template_s} of {s.people} {person_s}"


def _of_other_encoder(modality: Modality, encoder_id: str) -> ColumnElement[bool]:
    # Two ranges, which the index answers; an inequality it does not.
    return (templates.c.modality == modality) & or_(
        templates.c.encoder_id < encoder_id, templates.c.encoder_id > encoder_id
    )
