"""Transactions on templates: enrol, list, move and delete them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gallery import tables, vectors
from gallery.encryption import rotation
from gallery.names import validate_person_id
from gallery.records import feed, forgetting, merging, people, templates
from gallery.records.people import NewPerson
from gallery.records.templates import NewTemplate
from gallery.results import Person, StaleTemplates, TemplateInfo
from gallery.transactions.base import Transactions
from utils.errors import InvalidRequestError
from utils.modality import Modality


def allow() -> None:
    """Guard that stops nothing."""


@dataclass(frozen=True)
class Stored:
    """What an enrolment stored.

    Attributes:
        templates: the templates of this clip.
        stored_before: how many of them were stored before, or are there twice.
    """

    person: Person
    templates: tuple[TemplateInfo, ...]
    stored_before: int


class TemplateTransactions(Transactions):
    """Transactions on templates."""

    def count_left_out(self) -> int:
        """Count the damaged templates that the index lacks.

        Nothing is looked for: they are those that were met when the index was read.
        """
        with self.database.read() as connection:
            return feed.count_left_out(connection)

    def find_stale(self, encoder_ids: Mapping[Modality, str]) -> tuple[StaleTemplates, ...]:
        """Count the templates of other encoders than `encoder_ids`, by modality."""
        with self.database.read() as connection:
            return templates.stale(connection, encoder_ids)

    def enroll(
        self,
        person: str | NewPerson,
        new_templates: Sequence[NewTemplate],
        *,
        replace: bool = False,
        guard: Callable[[], None] = allow,
    ) -> Stored:
        """Store templates of a person, all of them or none.

        `person` is the id of somebody who is there, or a new person. A new person is
        created together with the templates. Where somebody of that id is there already,
        perhaps since another request a moment ago, they are added to that person.

        `replace` first removes all templates of a person who is there, as what is left
        of an earlier clip may be of somebody else. A template made from the same file
        before is kept instead of stored twice. `guard` runs once no other writer can
        change the gallery, and may raise to stop the enrolment.

        Raises PersonNotFoundError, InvalidNameError, EncoderMismatchError,
        StorageFullError, StoreUnavailableError, and ValueError without a template.
        """
        if not new_templates:
            raise ValueError("At least one template is needed.")
        with self.erasing() if replace else self._writing() as (connection, erasure):
            rotation.refuse_other(connection, self.codec)
            guard()
            key, created = _find_or_create(connection, person)
            replaced = replace and not created
            if replaced:
                mine = tables.templates.c.person_key == key
                erasure.traces = forgetting.fragments_of(connection, mine)
                templates.remove(connection, key)
            else:
                templates.refuse_mixed(connection, new_templates)
            return self._add(connection, key, new_templates, replaced=replaced)

    def _add(
        self, connection: Connection, key: int, new: Sequence[NewTemplate], *, replaced: bool
    ) -> Stored:
        before = {info.template_id for info in templates.templates_of(connection, key)}
        stored = tuple(templates.add(connection, key, template, self.codec) for template in new)
        if not before:
            people.note_enrolment(connection, key)
        stored_before = len(stored) - len({info.template_id for info in stored} - before)
        people.note_change(
            connection,
            key,
            action="enroll",
            outcome="replaced" if replaced else "stored",
            detail={"templates": len(stored), "known": stored_before},
        )
        return Stored(people.person_of(connection, key), stored, stored_before)

    def list_templates(self, person_id: str) -> tuple[TemplateInfo, ...]:
        """List the templates of a person, oldest first. Raises PersonNotFoundError."""
        with self.database.read() as connection:
            return templates.templates_of(connection, people.key_of(connection, person_id))

    def delete_template(self, person_id: str, template_id: str) -> None:
        """Delete one template and the media stored with it.

        Raises PersonNotFoundError, TemplateNotFoundError.
        """
        with self.erasing() as (connection, erasure):
            key = people.key_of(connection, person_id)
            erasure.traces = forgetting.fragments_of(
                connection, tables.templates.c.template_id == template_id
            )
            number = templates.remove_one(connection, key, template_id)
            people.note_change(
                connection,
                key,
                action="delete_template",
                outcome="deleted",
                detail={"template": number},
            )

    def move_template(self, person_id: str, template_id: str, to: str | NewPerson) -> Person:
        """Give a template to another person, who is created where `to` is new.

        Returns the other person. Raises PersonNotFoundError, TemplateNotFoundError,
        LastTemplateError, EncoderMismatchError, PersonExistsError, InvalidNameError,
        InvalidRequestError.
        """
        if person_id == to:
            raise InvalidRequestError(
                f"A template must be moved to another person. Received: {person_id[:128]!r} twice"
            )
        with self.database.write() as connection:
            key = people.key_of(connection, person_id)
            other = people.key_of(connection, to) if isinstance(to, str) else to
            target = merging.split(connection, key, template_id, other)
            return people.person_of(connection, target)

    def vectors_of(
        self, person_id: str, encoder_ids: Mapping[Modality, str]
    ) -> dict[Modality, vectors.Templates]:
        """Read the templates of a person by modality, of these encoders only.

        The oldest come first. Raises PersonNotFoundError, StoreUnavailableError.
        """
        with self.database.read() as connection:
            key = people.key_of(connection, person_id)
            pieces = feed.read_templates(
                connection, self.codec, encoder_ids, [key], all_or_none=True
            )
            return next(pieces, {})


def _find_or_create(connection: Connection, person: str | NewPerson) -> tuple[int, bool]:
    """Internal number of a person, and whether the person was created now."""
    if isinstance(person, str):
        return people.key_of(connection, person), False
    key = people.find(connection, validate_person_id(person.person_id))
    if key is None:
        return people.create(connection, person), True
    return key, False
