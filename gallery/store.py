"""People and templates in the database: every change is one transaction, with its row in the audit and in the feed of changes.

Ids and names are checked here, so that nothing that came another way than the web is stored unchecked. Templates of two encoders never
stand side by side: the store refuses them (EncoderMismatchError).
"""
from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, or_, select, update

from gallery import audit, feed, vectors
from gallery.database import Database
from gallery.names import new_person_id, search_key, validate_name, validate_note, validate_person_id
from gallery.results import Event, PeoplePage, StaleTemplates, TemplateInfo
from gallery.tables import changes, people, templates
from utils.config import Settings
from utils.errors import EncoderMismatchError, InvalidRequestError, PersonExistsError, PersonNotFoundError, TemplateNotFoundError
from utils.types import Embedding, Modality, Person

MAX_PAGE = 1000


@dataclass(frozen=True)
class NewPerson:
    """Someone to be created; `name` None = the id."""

    person_id: str
    name: str | None = None
    note: str = ""


@dataclass(frozen=True)
class NewTemplate:
    """Something to be stored; `quality` in [0, 1]; `source_sha256` is the hash of the media file."""

    embedding: Embedding
    quality: float
    source_sha256: str


@dataclass(frozen=True)
class Stored:
    """What an enrolment left: the person, the templates of this clip, and how many of them were there before."""

    person: Person
    templates: tuple[TemplateInfo, ...]
    known_before: int


def open_store(settings: Settings) -> Store:
    """The store of `settings.url_of_database`. Raises ConfigError, StoreUnavailableError, StorageFullError."""
    return Store(Database(settings.url_of_database))


class Store:
    """Shared by all requests and threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # ---- people
    def create_person(self, person_id: str | None = None, name: str | None = None, note: str = "") -> Person:
        """Raises InvalidNameError, PersonExistsError."""
        new = NewPerson(new_person_id() if person_id is None else person_id, name, note)
        with self.database.write() as connection:
            key = _create(connection, new)
            return _person(connection, key)

    def get_person(self, person_id: str) -> Person:
        """Raises PersonNotFoundError."""
        with self.database.read() as connection:
            return _person(connection, _key(connection, person_id))

    def list_people(self, search: str = "", offset: int = 0, limit: int = 50) -> PeoplePage:
        """People whose id or name holds `search` in any case, by id. Raises InvalidRequestError."""
        if offset < 0 or not 1 <= limit <= MAX_PAGE:
            raise InvalidRequestError(f"offset must be 0 or more and limit 1 to {MAX_PAGE}. Received: offset={offset}, limit={limit}")
        fits = people.c.search.contains(search_key(search), autoescape=True)
        with self.database.read() as connection:
            total = connection.scalar(select(func.count()).select_from(people).where(fits)) or 0
            rows = connection.execute(select(people).where(fits).order_by(people.c.person_id).offset(offset).limit(limit)).all()
            counts = _counts(connection, [row.key for row in rows])
        return PeoplePage(tuple(_as_person(row, counts.get(row.key, {})) for row in rows), total, offset, limit)

    def update_person(self, person_id: str, *, name: str | None = None, note: str | None = None) -> Person:
        """Change what is not None. Raises PersonNotFoundError, InvalidNameError."""
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = validate_name(name)
            values["search"] = _search_text(person_id, values["name"])
        if note is not None:
            values["note"] = validate_note(note)
        with self.database.write() as connection:
            key = _key(connection, person_id)
            if values:
                connection.execute(update(people).where(people.c.key == key).values(values))
                _changed(connection, key, "update_person", "changed")
            person = _person(connection, key)
        self.database.scrub()
        return person

    def delete_person(self, person_id: str) -> None:
        """Forget the person and all templates, also in the bytes of the files. Raises PersonNotFoundError."""
        with self.database.write() as connection:
            key = _key(connection, person_id)
            connection.execute(delete(people).where(people.c.key == key))
            _changed(connection, key, "delete_person", "deleted")
        self.database.scrub()

    def count(self) -> int:
        """How many people there are."""
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).select_from(people)) or 0

    # ---- templates
    def enroll(self, person: str | NewPerson, new: Sequence[NewTemplate], *, replace: bool = False,
               guard: Callable[[], None] | None = None) -> Stored:
        """Store templates for a known person (by id) or create one with them, all or nothing.

        `replace` first removes all templates of the person: what is left of an earlier clip may be somebody else's. A template made from
        the same file before is kept instead of stored twice. `guard` runs once no other writer can change the gallery any more and may
        raise to stop the enrolment.
        Raises PersonNotFoundError, PersonExistsError, InvalidNameError, EncoderMismatchError, StorageFullError, StoreUnavailableError.
        """
        if not new:
            raise ValueError("At least one template is needed. Received: 0 templates")
        with self.database.write() as connection:
            if guard is not None:
                guard()
            key = _key(connection, person) if isinstance(person, str) else _create(connection, person)
            if replace:
                _remove(connection, key, set(Modality))
            else:
                _refuse_mixed(connection, new)
            before = {info.template_id for info in _templates(connection, key)}
            stored = tuple(_add(connection, key, template) for template in new)
            known = sum(info.template_id in before for info in stored)
            _changed(connection, key, "enroll", "replaced" if replace else "stored", {"templates": len(stored), "known": known})
            result = Stored(_person(connection, key), stored, known)
        if replace:
            self.database.scrub()
        return result

    def list_templates(self, person_id: str) -> tuple[TemplateInfo, ...]:
        """Oldest first. Raises PersonNotFoundError."""
        with self.database.read() as connection:
            return _templates(connection, _key(connection, person_id))

    def delete_template(self, person_id: str, template_id: str) -> None:
        """Raises PersonNotFoundError, TemplateNotFoundError."""
        with self.database.write() as connection:
            key = _key(connection, person_id)
            gone = connection.execute(delete(templates).where(templates.c.person_key == key, templates.c.template_id == template_id))
            if not gone.rowcount:
                raise TemplateNotFoundError("The person has no template of this id.", "List the person's templates first.")
            _changed(connection, key, "delete_template", "deleted")
        self.database.scrub()

    def vectors_of(self, person_id: str, encoder_ids: Mapping[Modality, str]) -> dict[Modality, vectors.Templates]:
        """The person's templates by modality, of these encoders only, oldest first. Raises PersonNotFoundError."""
        with self.database.read() as connection:
            key = _key(connection, person_id)
            return next(feed.read_templates(connection, encoder_ids, [key]), {})

    def stale(self, encoder_ids: Mapping[Modality, str]) -> tuple[StaleTemplates, ...]:
        """Templates of other encoders than these, by modality."""
        with self.database.read() as connection:
            return stale(connection, encoder_ids)

    # ---- audit
    def record(self, action: str, outcome: str, person_id: str | None = None, detail: audit.Detail | None = None) -> None:
        """Add a row to the audit."""
        with self.database.write() as connection:
            key = None if person_id is None else connection.scalar(select(people.c.key).where(people.c.person_id == person_id))
            audit.append(connection, action, outcome, key, detail)

    def events(self, limit: int = 100) -> tuple[Event, ...]:
        """The latest rows of the audit, newest first."""
        with self.database.read() as connection:
            return audit.latest(connection, limit)

    def check(self) -> None:
        """Raise StoreUnavailableError unless the database answers."""
        self.count()

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def stale(connection: Connection, encoder_ids: Mapping[Modality, str]) -> tuple[StaleTemplates, ...]:
    """Templates of other encoders than `encoder_ids`. Only when there is one at all, they are counted: the index answers the first."""
    found = []
    for modality, encoder_id in encoder_ids.items():
        other = _of_other_encoder(modality, encoder_id)
        if connection.scalar(select(exists().where(other))):
            count, persons = connection.execute(select(func.count(), func.count(templates.c.person_key.distinct())).where(other)).one()
            found.append(StaleTemplates(modality, count, persons))
    return tuple(found)


def mismatch(found: Sequence[StaleTemplates]) -> EncoderMismatchError:
    """The error that says how many templates are of another model and what to do."""
    parts = ", ".join(f"{s.templates} {s.modality} template{'s' * (s.templates != 1)} of {s.people} "
                      f"{'people' if s.people != 1 else 'person'}" for s in found)
    return EncoderMismatchError(
        f"Templates of another model cannot be compared with those of the model in use. Received: a gallery with {parts} of another one",
        "Enrol these people again with replace=true, delete them, or go back to that model.",
        {"stale": [{"modality": str(s.modality), "templates": s.templates, "people": s.people} for s in found]})


def _of_other_encoder(modality: Modality, encoder_id: str) -> Any:
    return (templates.c.modality == modality) & or_(templates.c.encoder_id < encoder_id, templates.c.encoder_id > encoder_id)


def _create(connection: Connection, new: NewPerson) -> int:
    person_id = validate_person_id(new.person_id)
    name = validate_name(person_id if new.name is None else new.name)
    if connection.scalar(select(exists().where(people.c.person_id == person_id))):
        raise PersonExistsError(f"The person_id must be new. Received: {person_id!r}")
    key = connection.execute(insert(people).values(
        person_id=person_id, name=name, note=validate_note(new.note), search=_search_text(person_id, name), created_at=datetime.now(UTC),
    )).inserted_primary_key
    assert key is not None
    _changed(connection, key[0], "create_person", "created")
    return int(key[0])


def _search_text(person_id: str, name: str) -> str:
    return search_key(f"{person_id}\n{name}")


def _changed(connection: Connection, key: int, action: str, outcome: str, detail: audit.Detail | None = None) -> None:
    connection.execute(insert(changes).values(person_key=key))
    audit.append(connection, action, outcome, key, detail)


def _key(connection: Connection, person_id: str) -> int:
    key = connection.scalar(select(people.c.key).where(people.c.person_id == validate_person_id(person_id)))
    if key is None:
        raise PersonNotFoundError(f"Nobody is enrolled under this person_id. Received: {person_id!r}")
    return int(key)


def _person(connection: Connection, key: int) -> Person:
    return _as_person(connection.execute(select(people).where(people.c.key == key)).one(), _counts(connection, [key]).get(key, {}))


def _as_person(row: Row[Any], counts: dict[str, int]) -> Person:
    return Person(row.person_id, row.name, row.created_at, row.note, {str(m): counts.get(m, 0) for m in (Modality.FACE, Modality.VOICE)})


def _counts(connection: Connection, keys: Sequence[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    query: Select[Any] = select(templates.c.person_key, templates.c.modality, func.count()).where(templates.c.person_key.in_(keys))
    for key, modality, count in connection.execute(query.group_by(templates.c.person_key, templates.c.modality)):
        found.setdefault(key, {})[modality] = count
    return found


def _templates(connection: Connection, key: int, *narrower: Any) -> tuple[TemplateInfo, ...]:
    c = templates.c
    query = select(c.template_id, people.c.person_id, c.modality, c.quality, c.encoder_id, c.source_sha256, c.created_at).join(
        people, people.c.key == c.person_key).where(c.person_key == key, *narrower).order_by(c.key)
    return tuple(TemplateInfo(t, p, Modality(m), q, e, s, at) for t, p, m, q, e, s, at in connection.execute(query))


def _remove(connection: Connection, key: int, modalities: set[Modality]) -> None:
    connection.execute(delete(templates).where(templates.c.person_key == key, templates.c.modality.in_(modalities)))


def _refuse_mixed(connection: Connection, new: Sequence[NewTemplate]) -> None:
    found = stale(connection, {t.embedding.modality: t.embedding.encoder_id for t in new})
    if found:
        raise mismatch(found)


def _add(connection: Connection, key: int, new: NewTemplate) -> TemplateInfo:
    """The template stored now, or the one that was stored from the same file before."""
    modality, encoder_id = new.embedding.modality, new.embedding.encoder_id
    if modality == Modality.FUSED:
        raise ValueError("Only face and voice embeddings are stored: the fused one is made from them. Received: modality='fused'")
    same = (templates.c.modality == modality, templates.c.encoder_id == encoder_id, templates.c.source_sha256 == new.source_sha256)
    if not _templates(connection, key, *same):
        connection.execute(insert(templates).values(
            template_id=uuid.uuid4().hex, person_key=key, modality=modality, vector=vectors.to_bytes(new.embedding), quality=new.quality,
            encoder_id=encoder_id, source_sha256=new.source_sha256, created_at=datetime.now(UTC)))
    return _templates(connection, key, *same)[0]
