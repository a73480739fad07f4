"""Embeds templates again after a change of models, from the media kept with them.

Media are kept with DUET_KEEP_MEDIA=1 (`gallery/records/stored_media.py`). New vectors
are staged beside their templates (table `reembedded`), a few in each transaction, so a
run that was killed goes on where it was. Until all are there the old templates serve,
also in a service that is running: it neither sees nor misses anything. The switch is
one transaction. Ids, clips and kept media of the templates stay; only vector and
encoder id change.

Templates without kept media cannot be embedded again. The switch refuses to leave them
behind, or drops them on request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from gallery import audit, vectors
from gallery.encryption import rotation
from gallery.ports import Encoders
from gallery.records import forgetting, stored_media
from gallery.store import Store
from gallery.tables import changes, kept_media, people, reembedded, templates
from utils.errors import EncoderMismatchError
from utils.modality import Embedding, Modality

BATCH = 16
NAMED = 5
KINDS = {Modality.FACE: stored_media.FACES, Modality.VOICE: stored_media.SPEECH}


@dataclass(frozen=True)
class Left:
    """Templates of other models that the switch has to deal with.

    Attributes:
        waiting: number of templates to be embedded.
        staged: number of templates that are embedded.
        without_media: number of templates that cannot be embedded.
        without_media_of: ids of the people who have those.
    """

    waiting: int
    staged: int
    without_media: int
    without_media_of: tuple[str, ...]


@dataclass(frozen=True)
class _Staged:
    """The new embedding of a template."""

    key: int
    template_id: str
    embedding: Embedding


class Reembedding:
    """Makes all templates of a gallery anew with `encoders`."""

    def __init__(self, store: Store, encoders: Encoders) -> None:
        self._store = store
        self._encoders = encoders
        self._ids = {
            Modality.FACE: encoders.face.encoder_id,
            Modality.VOICE: encoders.voice.encoder_id,
        }

    def count_left(self) -> Left:
        """Count what is to be done. Raises StoreUnavailableError."""
        with self._store.database.read() as connection:
            return self._count_left(connection)

    def stage(self, progress: Callable[[int], object] = lambda _done: None) -> int:
        """Embed all templates that wait, and return how many.

        `progress` is called with the number of templates of each batch. Raises
        StoreUnavailableError, StorageFullError.
        """
        self._drop_other_models()
        done = 0
        while batch := self._embed_batch():
            with self._store.database.write() as connection:
                rotation.refuse_other(connection, self._store.codec)
                for new in batch:
                    self._stage(connection, new)
            done += len(batch)
            progress(len(batch))
        return done

    def switch(self, *, drop: bool = False) -> int:
        """Put the staged vectors in place of the old ones, and return how many.

        All of it is one transaction. `drop` deletes templates without kept media.
        Raises EncoderMismatchError when a template would be left behind: nothing
        changes then.
        """
        with self._store.erasing() as (connection, erasure):
            left = self._count_left(connection)
            _refuse_left(left, drop=drop)
            old = self._old()
            erasure.traces = forgetting.fragments_of(connection, old)
            owners = list(connection.scalars(select(templates.c.person_key).where(old).distinct()))
            connection.execute(delete(templates).where(old, ~_is_staged()))
            connection.execute(delete(templates).where(_is_staged(), _is_enrolled_again()))
            _replace(connection)
            connection.execute(delete(reembedded))
            if owners:
                connection.execute(insert(changes), [{"person_key": key} for key in owners])
            detail = {"templates": left.staged, "dropped": left.without_media}
            audit.append(connection, "reembed", "switched", detail=detail)
        return left.staged

    def _drop_other_models(self) -> None:
        """Drop what an earlier run staged with yet another model."""
        with self._store.database.write() as connection:
            for modality, encoder_id in self._ids.items():
                of_modality = select(templates.c.key).where(templates.c.modality == modality)
                connection.execute(
                    delete(reembedded).where(
                        reembedded.c.key.in_(of_modality), reembedded.c.encoder_id != encoder_id
                    )
                )

    def _old(self) -> ColumnElement[bool]:
        """Condition on `templates`: of another model."""
        c = templates.c
        return or_(*(and_(c.modality == m, c.encoder_id != e) for m, e in self._ids.items()))

    def _count_left(self, connection: Connection) -> Left:
        old = select(func.count()).select_from(templates).where(self._old())
        owners_without_media = (
            select(people.c.person_id)
            .join(templates, templates.c.person_key == people.c.key)
            .where(self._old(), ~_has_media())
            .distinct()
            .order_by(people.c.person_id)
        )
        total = connection.scalar(old) or 0
        without_media = connection.scalar(old.where(~_has_media())) or 0
        staged = connection.scalar(old.where(self._staged_now())) or 0
        return Left(
            waiting=total - staged - without_media,
            staged=staged,
            without_media=without_media,
            without_media_of=tuple(connection.scalars(owners_without_media)),
        )

    def _staged_now(self) -> ColumnElement[bool]:
        """Condition on `templates`: staged with these encoders."""
        return exists().where(
            reembedded.c.key == templates.c.key, reembedded.c.encoder_id.in_(self._ids.values())
        )

    def _embed_batch(self) -> Sequence[_Staged]:
        """Embed some of the templates that wait."""
        query = (
            select(templates.c.key, templates.c.template_id, templates.c.modality)
            .where(self._old(), _has_media(), ~self._staged_now())
            .order_by(templates.c.key)
            .limit(BATCH)
        )
        codec = self._store.codec
        with self._store.database.read() as connection:
            batch = [
                (row, stored_media.read(connection, codec, row.template_id))
                for row in connection.execute(query).all()
            ]
        return [
            _Staged(row.key, row.template_id, self._embed(Modality(row.modality), media))
            for row, media in batch
        ]

    def _embed(self, modality: Modality, media: Mapping[str, bytes]) -> Embedding:
        if modality == Modality.FACE:
            faces, weights = stored_media.unpack_faces(media[stored_media.FACES])
            return vectors.check(self._encoders.face.embed(faces, weights))
        speech = stored_media.unpack_speech(media[stored_media.SPEECH])
        return vectors.check(self._encoders.voice.embed(speech))

    def _stage(self, connection: Connection, new: _Staged) -> None:
        if connection.scalar(select(templates.c.key).where(templates.c.key == new.key)) is None:
            return  # deleted while it was embedded
        about = (new.template_id, new.embedding.modality, new.embedding.encoder_id)
        codec = self._store.codec
        connection.execute(delete(reembedded).where(reembedded.c.key == new.key))
        connection.execute(
            insert(reembedded).values(
                key=new.key,
                encoder_id=new.embedding.encoder_id,
                vector=codec.seal(vectors.to_bytes(new.embedding), *about),
                sealed_by=codec.key_id,
            )
        )


def _has_media() -> ColumnElement[bool]:
    """Condition on `templates`: with the media that its modality is embedded from."""
    return or_(*(_has_media_of(modality, kind) for modality, kind in KINDS.items()))


def _has_media_of(modality: Modality, kind: str) -> ColumnElement[bool]:
    has_kind = exists().where(
        kept_media.c.template_key == templates.c.key, kept_media.c.kind == kind
    )
    return and_(templates.c.modality == modality, has_kind)


def _is_staged() -> ColumnElement[bool]:
    return exists().where(reembedded.c.key == templates.c.key)


def _is_enrolled_again() -> ColumnElement[bool]:
    """Condition on `templates`: the new model has made one of the same clip."""
    other = templates.alias()
    conditions = (
        other.c.person_key == templates.c.person_key,
        other.c.modality == templates.c.modality,
        other.c.key != templates.c.key,
        other.c.source_sha256 == templates.c.source_sha256,
        reembedded.c.key == templates.c.key,
        other.c.encoder_id == reembedded.c.encoder_id,
    )
    return exists().where(*conditions)


def _replace(connection: Connection) -> None:
    of_template = reembedded.c.key == templates.c.key
    values: dict[str, Any] = {
        name: select(reembedded.c[name]).where(of_template).scalar_subquery()
        for name in ("vector", "encoder_id", "sealed_by")
    }
    connection.execute(update(templates).where(_is_staged()).values(**values))


def _refuse_left(left: Left, *, drop: bool) -> None:
    """Raise EncoderMismatchError where a template would be left behind."""
    if left.waiting:
        raise EncoderMismatchError(
            f"{left.waiting} templates are not embedded yet.",
            "Run it again: somebody was enrolled meanwhile.",
        )
    if left.without_media and not drop:
        names = ", ".join(left.without_media_of[:NAMED])
        others = len(left.without_media_of) - NAMED
        more = f" and {others} others" if others > 0 else ""
        raise EncoderMismatchError(
            f"{left.without_media} templates have no kept media to be embedded again from. They"
            f" are of: {names}{more}",
            "Drop these templates and enrol these people again, or stay with the model that they"
            " are of.",
        )
