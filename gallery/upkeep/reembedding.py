"""After a change of models: templates are embedded again from what was kept with them
(DUET_KEEP_MEDIA=1, gallery/records/kept.py).

New vectors are staged beside their templates (table `reembedded`), a few in each
transaction, so that a run that was killed goes on where it was. Until all are there the
old templates serve, also in a service that is running: it neither sees nor misses
anything. The switch is one transaction. Ids, clips and kept media of the templates
stay; only vector and encoder id change.

What was enrolled without kept media cannot be embedded again: the switch refuses to
leave it behind, or drops it when told to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, func, insert, or_, select, update

from gallery import audit, vectors
from gallery.encryption import rotation
from gallery.ports import Encoders
from gallery.records import forgetting, kept
from gallery.store import Store
from gallery.tables import changes, kept_media, people, reembedded, templates
from utils.errors import EncoderMismatchError
from utils.modality import Embedding, Modality

BATCH = 16
NAMED = 5
KINDS = {Modality.FACE: kept.FACES, Modality.VOICE: kept.SPEECH}


@dataclass(frozen=True)
class Left:
    """Templates of other models: how many wait to be embedded, how many are staged, and
    how many have no media, of which people (ids).
    """

    waiting: int
    staged: int
    without_media: int
    without_media_of: tuple[str, ...]


class Reembedding:
    """Makes all templates of a gallery anew with `encoders`."""

    def __init__(self, store: Store, encoders: Encoders) -> None:
        self._store = store
        self._encoders = encoders
        self._ids = {
            Modality.FACE: encoders.face.encoder_id,
            Modality.VOICE: encoders.voice.encoder_id,
        }

    def left(self) -> Left:
        """What is to be done. Raises StoreUnavailableError."""
        with self._store.database.read() as connection:
            return self._left(connection)

    def stage(self, progress: Callable[[int], object] = lambda _done: None) -> int:
        """Embed what waits, until nothing does; how many templates. Raises
        StoreUnavailableError, StorageFullError.
        """
        # What an earlier run made with yet another model
        with self._store.database.write() as connection:
            for modality, encoder_id in self._ids.items():
                mine = select(templates.c.key).where(templates.c.modality == modality)
                connection.execute(
                    delete(reembedded).where(
                        reembedded.c.key.in_(mine), reembedded.c.encoder_id != encoder_id
                    )
                )
        done = 0
        while new := self._next():
            with self._store.database.write() as connection:
                rotation.refuse_other(connection, self._store.codec)
                for key, template_id, embedding in new:
                    self._stage(connection, key, template_id, embedding)
            done += len(new)
            progress(len(new))
        return done

    def switch(self, *, drop: bool = False) -> int:
        """Put the staged vectors in place of the old ones, in one transaction; how
        many. `drop` deletes templates without kept media.

        Raises EncoderMismatchError when a template would be left behind: nothing is
        changed then.
        """
        with self._store.erasing() as (connection, erasure):
            left = self._left(connection)
            if left.waiting:
                raise EncoderMismatchError(
                    f"All templates are embedded before the switch. Received: {left.waiting} that"
                    " wait",
                    "Run it again: somebody was enrolled meanwhile.",
                )
            if left.without_media and not drop:
                raise _without_media(left)
            erasure.traces = forgetting.pieces_of(connection, self._old())
            touched = list(
                connection.scalars(select(templates.c.person_key).where(self._old()).distinct())
            )
            connection.execute(delete(templates).where(self._old(), ~_staged()))
            connection.execute(delete(templates).where(_staged(), _there_already()))
            _replace(connection)
            connection.execute(delete(reembedded))
            if touched:
                connection.execute(insert(changes), [{"person_key": key} for key in touched])
            detail = {"templates": left.staged, "dropped": left.without_media}
            audit.append(connection, "reembed", "switched", None, detail)
        return left.staged

    def _old(self) -> Any:
        return or_(
            *(
                and_(templates.c.modality == m, templates.c.encoder_id != e)
                for m, e in self._ids.items()
            )
        )

    def _left(self, connection: Connection) -> Left:
        old = select(func.count()).select_from(templates).where(self._old())
        bare = (
            select(people.c.person_id)
            .join(templates, templates.c.person_key == people.c.key)
            .where(self._old(), ~_has_media())
        )
        named = tuple(connection.scalars(bare.distinct().order_by(people.c.person_id)))
        without = connection.scalar(old.where(~_has_media())) or 0
        staged = connection.scalar(old.where(self._staged_now())) or 0
        return Left((connection.scalar(old) or 0) - staged - without, staged, without, named)

    def _staged_now(self) -> Any:
        """Staged by these encoders."""
        return exists().where(
            reembedded.c.key == templates.c.key, reembedded.c.encoder_id.in_(self._ids.values())
        )

    def _next(self) -> Sequence[tuple[int, str, Embedding]]:
        """Some templates that wait, embedded."""
        with self._store.database.read() as connection:
            query = (
                select(templates.c.key, templates.c.template_id, templates.c.modality)
                .where(self._old(), _has_media(), ~self._staged_now())
                .order_by(templates.c.key)
                .limit(BATCH)
            )
            media = [
                (
                    row.key,
                    row.template_id,
                    Modality(row.modality),
                    kept.read(connection, self._store.codec, row.template_id),
                )
                for row in connection.execute(query).all()
            ]
        return [
            (key, template_id, self._embed(modality, data))
            for key, template_id, modality, data in media
        ]

    def _embed(self, modality: Modality, media: Mapping[str, bytes]) -> Embedding:
        if modality == Modality.FACE:
            return vectors.checked(self._encoders.face.embed(*kept.unpack_faces(media[kept.FACES])))
        return vectors.checked(self._encoders.voice.embed(kept.unpack_speech(media[kept.SPEECH])))

    def _stage(self, connection: Connection, key: int, template_id: str, new: Embedding) -> None:
        if connection.scalar(select(templates.c.key).where(templates.c.key == key)) is None:
            return  # deleted while it was embedded
        sealed = self._store.codec.seal(
            vectors.to_bytes(new), template_id, new.modality, new.encoder_id
        )
        connection.execute(delete(reembedded).where(reembedded.c.key == key))
        connection.execute(
            insert(reembedded).values(
                key=key,
                encoder_id=new.encoder_id,
                vector=sealed,
                sealed_by=self._store.codec.key_id,
            )
        )


def _has_media() -> Any:
    return or_(
        *(
            and_(
                templates.c.modality == m,
                exists().where(
                    kept_media.c.template_key == templates.c.key, kept_media.c.kind == kind
                ),
            )
            for m, kind in KINDS.items()
        )
    )


def _staged() -> Any:
    return exists().where(reembedded.c.key == templates.c.key)


def _there_already() -> Any:
    """The person has a template of the same clip by the new model: it was enrolled
    again since.
    """
    other = templates.alias()
    return exists().where(
        other.c.person_key == templates.c.person_key,
        other.c.modality == templates.c.modality,
        other.c.key != templates.c.key,
        other.c.source_sha256 == templates.c.source_sha256,
        reembedded.c.key == templates.c.key,
        other.c.encoder_id == reembedded.c.encoder_id,
    )


def _replace(connection: Connection) -> None:
    mine = reembedded.c.key == templates.c.key
    values = {
        name: select(reembedded.c[name]).where(mine).scalar_subquery()
        for name in ("vector", "encoder_id", "sealed_by")
    }
    connection.execute(update(templates).where(_staged()).values(**values))


def _without_media(left: Left) -> EncoderMismatchError:
    named = ", ".join(left.without_media_of[:NAMED]) + (
        " and others" if len(left.without_media_of) > NAMED else ""
    )
    return EncoderMismatchError(
        f"Templates are embedded again from kept media. Received: {left.without_media} without, of"
        f" {len(left.without_media_of)} people: {named}",
        "Delete these templates with --drop and enrol these people again, or stay with the model"
        " that they are of.",
    )
