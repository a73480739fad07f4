"""The gallery as a database holds it: every change is one transaction, with its row in the audit and in the feed of changes.

The statements are in gallery/people.py and gallery/templates.py; here are the transactions around them.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gallery import audit, feed, people, rotation, templates, vectors
from gallery.database import Database
from gallery.names import new_person_id, validate_name, validate_note
from gallery.people import NewPerson
from gallery.results import Event, PeoplePage, StaleTemplates, TemplateInfo
from gallery.sealing import Codec, PlainText, codec_of
from gallery.templates import NewTemplate, mismatch, stale
from utils.config import Settings
from utils.types import Modality, Person

__all__ = ["NewPerson", "NewTemplate", "Store", "Stored", "mismatch", "open_store", "stale"]


@dataclass(frozen=True)
class Stored:
    """What an enrolment left: the person, the templates of this clip, and how many of them were there before."""

    person: Person
    templates: tuple[TemplateInfo, ...]
    known_before: int


def open_store(settings: Settings) -> Store:
    """The store of `settings.url_of_database`. Raises ConfigError, StoreUnavailableError, StorageFullError."""
    return Store(Database(settings.url_of_database), codec_of(settings))


class Store:
    """Shared by all requests and threads. `codec` is how vectors and kept media are stored; raises ConfigError unless it is that of the
    gallery."""

    def __init__(self, database: Database, codec: Codec | None = None) -> None:
        self.database = database
        self.codec = codec or PlainText()
        with database.write() as connection:
            rotation.check(connection, self.codec)

    # ---- people
    def create_person(self, person_id: str | None = None, name: str | None = None, note: str = "") -> Person:
        """Raises InvalidNameError, PersonExistsError."""
        new = NewPerson(new_person_id() if person_id is None else person_id, name, note)
        with self.database.write() as connection:
            key = people.create(connection, new)
            return people.person_of(connection, key)

    def get_person(self, person_id: str) -> Person:
        """Raises PersonNotFoundError."""
        with self.database.read() as connection:
            return people.person_of(connection, people.key_of(connection, person_id))

    def list_people(self, search: str = "", offset: int = 0, limit: int = 50) -> PeoplePage:
        """People whose id or name holds `search` in any case, by id. Raises InvalidRequestError."""
        with self.database.read() as connection:
            return people.page_of(connection, search, offset, limit)

    def update_person(self, person_id: str, *, name: str | None = None, note: str | None = None) -> Person:
        """Change what is not None. Raises PersonNotFoundError, InvalidNameError."""
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = validate_name(name)
            values["search"] = people.search_text(person_id, values["name"])
        if note is not None:
            values["note"] = validate_note(note)
        with self.database.write() as connection:
            key = people.key_of(connection, person_id)
            if values:
                people.change(connection, key, values)
            person = people.person_of(connection, key)
        self.database.scrub()
        return person

    def delete_person(self, person_id: str) -> None:
        """Forget the person and all templates, also in the bytes of the files. Raises PersonNotFoundError."""
        with self.database.write() as connection:
            people.delete_key(connection, people.key_of(connection, person_id))
        self.database.scrub()

    def count(self) -> int:
        """How many people there are."""
        with self.database.read() as connection:
            return people.count(connection)

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
            rotation.refuse_other(connection, self.codec)
            if guard is not None:
                guard()
            key = people.key_of(connection, person) if isinstance(person, str) else people.create(connection, person)
            if replace:
                templates.remove(connection, key)
            else:
                templates.refuse_mixed(connection, new)
            before = {info.template_id for info in templates.templates_of(connection, key)}
            stored = tuple(templates.add(connection, key, template, self.codec) for template in new)
            known = sum(info.template_id in before for info in stored)
            people.changed(connection, key, "enroll", "replaced" if replace else "stored", {"templates": len(stored), "known": known})
            result = Stored(people.person_of(connection, key), stored, known)
        if replace:
            self.database.scrub()
        return result

    def list_templates(self, person_id: str) -> tuple[TemplateInfo, ...]:
        """Oldest first. Raises PersonNotFoundError."""
        with self.database.read() as connection:
            return templates.templates_of(connection, people.key_of(connection, person_id))

    def delete_template(self, person_id: str, template_id: str) -> None:
        """Raises PersonNotFoundError, TemplateNotFoundError."""
        with self.database.write() as connection:
            key = people.key_of(connection, person_id)
            templates.remove_one(connection, key, template_id)
            people.changed(connection, key, "delete_template", "deleted")
        self.database.scrub()

    def vectors_of(self, person_id: str, encoder_ids: Mapping[Modality, str]) -> dict[Modality, vectors.Templates]:
        """The person's templates by modality, of these encoders only, oldest first. Raises PersonNotFoundError."""
        with self.database.read() as connection:
            key = people.key_of(connection, person_id)
            return next(feed.read_templates(connection, self.codec, encoder_ids, [key]), {})

    def stale(self, encoder_ids: Mapping[Modality, str]) -> tuple[StaleTemplates, ...]:
        """Templates of other encoders than these, by modality."""
        with self.database.read() as connection:
            return templates.stale(connection, encoder_ids)

    # ---- audit
    def record(self, action: str, outcome: str, person_id: str | None = None, detail: audit.Detail | None = None) -> None:
        """Add a row to the audit."""
        with self.database.write() as connection:
            key = None if person_id is None else people.find(connection, person_id)
            audit.append(connection, action, outcome, key, detail)

    def events(self, limit: int = 100, before: int | None = None, action: str | None = None) -> tuple[Event, ...]:
        """Rows of the audit, newest first: those of a number below `before`, of one `action` only. Raises InvalidRequestError."""
        with self.database.read() as connection:
            return audit.page(connection, limit, before, action)

    def verify_audit(self, noted: audit.Head | None = None) -> audit.Verified:
        """Whether the audit is whole (gallery/audit.py)."""
        with self.database.read() as connection:
            return audit.verify(connection, noted)

    def check(self) -> None:
        """Raise StoreUnavailableError unless the database answers."""
        self.count()

    def close(self) -> None:
        """Close the database."""
        self.database.close()
