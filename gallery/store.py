"""The gallery as a database holds it: every change is one transaction, with its row in
the audit and in the feed of changes.

The statements are in the files by subject (gallery/records/people.py, templates.py, merging.py,
kept.py, feedback.py, export.py); here are the transactions around them, and what makes
a deletion complete: what was deleted is looked for in the files, and so are uploads of
jobs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

from sqlalchemy import Connection

from gallery import audit, vectors
from gallery.database.base import Database, open_database
from gallery.encryption import rotation
from gallery.encryption.sealing import Codec, PlainText, codec_of
from gallery.names import new_person_id
from gallery.records import (
    export,
    feed,
    feedback,
    forgetting,
    jobs,
    kept,
    merging,
    people,
    templates,
)
from gallery.records.people import NewPerson, PersonChanges
from gallery.records.templates import NewTemplate, mismatch, stale
from gallery.results import Event, PeoplePage, Person, StaleTemplates, TemplateInfo
from gallery.tables import templates as templates_table
from utils.config import Settings
from utils.errors import InvalidRequestError, PersonNotFoundError, ThumbnailNotFoundError
from utils.modality import Modality

__all__ = ["NewPerson", "NewTemplate", "Store", "Stored", "mismatch", "open_store", "stale"]

LOOK_AGAIN_S = 86_400.0
"""How often the people who have expired are looked for, where nobody's end is nearer."""


@dataclass(frozen=True)
class Stored:
    """What an enrolment left: the person, the templates of this clip, and how many of
    them were there before.
    """

    person: Person
    templates: tuple[TemplateInfo, ...]
    known_before: int


class Erasure:
    """What a transaction deletes: `traces` in the database's bytes, and `uploads`
    (paths below the media root).
    """

    def __init__(self) -> None:
        self.traces: set[bytes] = set()
        self.uploads: list[str] = []


def open_store(settings: Settings) -> Store:
    """The store of `settings.storage.gallery_url`. Raises ConfigError,
    StoreUnavailableError, StorageFullError.
    """
    return Store(
        open_database(settings.storage.gallery_url),
        codec_of(settings),
        settings.storage.media_folder,
        settings.privacy.feedback_days,
    )


class Store:
    """Shared by all requests and threads. `codec` is how vectors and kept media are
    stored; raises ConfigError unless it is that of the gallery. Uploads of jobs lie
    below `media_root`. Answers are remembered for `feedback_days`.
    """

    def __init__(
        self,
        database: Database,
        codec: Codec | None = None,
        media_root: Path | None = None,
        feedback_days: float = 7,
    ) -> None:
        self.database = database
        self.codec = codec or PlainText()
        self._media_root = media_root
        self._feedback_days = feedback_days
        self._erasing_turn = threading.Lock()
        # By the clock; by a clock that is never set
        self._look_at = 0.0
        self._looked = -LOOK_AGAIN_S
        with database.write() as connection:
            rotation.check(connection, self.codec)

    # ---- people
    def create_person(
        self,
        person_id: str | None = None,
        name: str | None = None,
        note: str = "",
        consent: str = "",
        retention_days: int | None = None,
    ) -> Person:
        """An id is made when there is none; `name` None = the id. Raises
        InvalidNameError, InvalidRequestError, PersonExistsError.
        """
        new = NewPerson(
            new_person_id() if person_id is None else person_id, name, note, consent, retention_days
        )
        with self.database.write() as connection:
            key = people.create(connection, new)
            return people.person_of(connection, key)

    def get_person(self, person_id: str) -> Person:
        """Raises PersonNotFoundError."""
        with self.database.read() as connection:
            return people.person_of(connection, people.key_of(connection, person_id))

    def find_person(self, person_id: str) -> Person | None:
        """None = nobody of this id. Raises InvalidNameError."""
        try:
            return self.get_person(person_id)
        except PersonNotFoundError:
            return None

    def list_people(self, search: str = "", offset: int = 0, limit: int = 50) -> PeoplePage:
        """People whose id or name holds `search` in any case, by id; `limit` 1 to 1000.
        Raises InvalidRequestError.
        """
        with self.database.read() as connection:
            return people.page_of(connection, search, offset, limit)

    def update_person(self, person_id: str, **changes: Unpack[PersonChanges]) -> Person:
        """Change name, note, consent or retention_days; what is not given stays. Raises
        PersonNotFoundError, InvalidNameError, InvalidRequestError.
        """
        with self.erasing() as (connection, erasure):
            key = people.key_of(connection, person_id)
            before = forgetting.texts_of(connection, key)
            if changes:
                people.change(connection, key, changes)
            person = people.person_of(connection, key)
            erasure.traces = before - forgetting.texts_of(connection, key)
        self._look_at = 0.0
        return person

    def delete_person(
        self, person_id: str, guard: Callable[[Person], None] = lambda _: None
    ) -> None:
        """Forget the person and everything on them, also in the bytes of the files.
        `guard` is told who it is once nobody else can change them any more, and may
        raise to stop it. Raises PersonNotFoundError.
        """
        with self.erasing() as (connection, erasure):
            key = people.key_of(connection, person_id)
            guard(people.person_of(connection, key))
            self._delete(connection, key, "delete_person", erasure)

    def merge_people(self, person_id: str, other: str) -> Person:
        """Two entries of one person become the first (`gallery.records.merging.merge`); of the
        other nothing but what was merged is left, also in the bytes. Raises
        PersonNotFoundError, InvalidNameError, InvalidRequestError,
        EncoderMismatchError.
        """
        if person_id == other:
            raise InvalidRequestError(
                f"Two people are merged, not one with itself. Received: {person_id[:128]!a} twice"
            )
        with self.erasing() as (connection, erasure):
            key = people.key_of(connection, person_id)
            second = people.key_of(connection, other)
            before = forgetting.all_of(connection, second)
            erasure.uploads += merging.merge(connection, key, second)
            erasure.traces = before - forgetting.all_of(connection, key)
            return people.person_of(connection, key)

    def forget_expired(self) -> int:
        """Delete the people whose retention is over, and answers remembered for too
        long; how many people it were.
        """
        now = datetime.now(UTC)
        with self.erasing() as (connection, erasure):
            ends = people.with_end(connection)
            due = [key for key, end in ends if end <= now]
            for key in due:
                self._delete(connection, key, "forget_expired", erasure)
            feedback.forget_old(connection, self._feedback_days)
        coming = min((end.timestamp() for _, end in ends if end > now), default=float("inf"))
        self._look_at = min(time.time() + LOOK_AGAIN_S, coming)
        return len(due)

    def forget_expired_when_due(self) -> None:
        """`forget_expired` when somebody's time has come, and once a day, also when the
        clock was set back; otherwise a comparison of numbers.
        """
        if time.time() >= self._look_at or time.monotonic() >= self._looked + LOOK_AGAIN_S:
            # Other requests of this moment go on
            self._look_at = time.time() + LOOK_AGAIN_S
            self._looked = time.monotonic()
            actor = audit.ACTOR.set("service")
            try:
                self.forget_expired()
            finally:
                audit.ACTOR.reset(actor)

    def count(self) -> int:
        """How many people there are."""
        with self.database.read() as connection:
            return people.count(connection)

    def export_person(self, person_id: str) -> dict[str, Any]:
        """Everything that is stored on a person (`gallery.records.export.document`). Raises
        PersonNotFoundError, StoreUnavailableError.
        """
        with self.database.read() as connection:
            found = export.document(connection, self.codec, people.key_of(connection, person_id))
        self.record("export_person", "exported", person_id)
        return found

    # ---- templates
    def enroll(
        self,
        person: str | NewPerson,
        new: Sequence[NewTemplate],
        *,
        replace: bool = False,
        guard: Callable[[], None] | None = None,
    ) -> Stored:
        """Store templates for a known person (by id) or create one with them, all or
        nothing.

        `replace` first removes all templates of the person: what is left of an earlier
        clip may be somebody else's. A template made from the same file before is kept
        instead of stored twice. `guard` runs once no other writer can change the
        gallery any more and may raise to stop the enrolment.
        Raises PersonNotFoundError, PersonExistsError, InvalidNameError,
        EncoderMismatchError, StorageFullError, StoreUnavailableError.
        """
        if not new:
            raise ValueError("At least one template is needed. Received: 0 templates")
        with self.erasing() if replace else self._writing() as (connection, erasure):
            rotation.refuse_other(connection, self.codec)
            if guard is not None:
                guard()
            key = (
                people.key_of(connection, person)
                if isinstance(person, str)
                else people.create(connection, person)
            )
            if replace:
                erasure.traces = forgetting.pieces_of(
                    connection, templates_table.c.person_key == key
                )
                templates.remove(connection, key)
            else:
                templates.refuse_mixed(connection, new)
            return self._add(connection, key, new, replace)

    def _add(
        self, connection: Connection, key: int, new: Sequence[NewTemplate], replace: bool
    ) -> Stored:
        before = {info.template_id for info in templates.templates_of(connection, key)}
        stored = tuple(templates.add(connection, key, template, self.codec) for template in new)
        if not before:
            people.note_enrolment(connection, key)
        known = sum(info.template_id in before for info in stored)
        people.changed(
            connection,
            key,
            "enroll",
            "replaced" if replace else "stored",
            {"templates": len(stored), "known": known},
        )
        return Stored(people.person_of(connection, key), stored, known)

    def list_templates(self, person_id: str) -> tuple[TemplateInfo, ...]:
        """Oldest first. Raises PersonNotFoundError."""
        with self.database.read() as connection:
            return templates.templates_of(connection, people.key_of(connection, person_id))

    def delete_template(self, person_id: str, template_id: str) -> None:
        """Forget one template and what is kept with it. Raises PersonNotFoundError,
        TemplateNotFoundError.
        """
        with self.erasing() as (connection, erasure):
            key = people.key_of(connection, person_id)
            erasure.traces = forgetting.pieces_of(
                connection, templates_table.c.template_id == template_id
            )
            templates.remove_one(connection, key, template_id)
            people.changed(connection, key, "delete_template", "deleted")

    def move_template(self, person_id: str, template_id: str, to: str | NewPerson) -> Person:
        """Split a template off: give it to another person (by id), or to one who is
        made for it. Returns the other person. Raises PersonNotFoundError,
        TemplateNotFoundError, LastTemplateError, EncoderMismatchError,
        PersonExistsError, InvalidNameError, InvalidRequestError.
        """
        if person_id == to:
            raise InvalidRequestError(
                f"A template is moved to another person. Received: {person_id[:128]!a} twice"
            )
        with self._writing() as (connection, _):
            key = people.key_of(connection, person_id)
            target = merging.split(
                connection,
                key,
                template_id,
                people.key_of(connection, to) if isinstance(to, str) else to,
            )
            return people.person_of(connection, target)

    def vectors_of(
        self, person_id: str, encoder_ids: Mapping[Modality, str]
    ) -> dict[Modality, vectors.Templates]:
        """The person's templates by modality, of these encoders only, oldest first.
        Raises PersonNotFoundError.
        """
        with self.database.read() as connection:
            key = people.key_of(connection, person_id)
            return next(feed.read_templates(connection, self.codec, encoder_ids, [key]), {})

    def stale(self, encoder_ids: Mapping[Modality, str]) -> tuple[StaleTemplates, ...]:
        """Templates of other encoders than these, by modality."""
        with self.database.read() as connection:
            return templates.stale(connection, encoder_ids)

    # ---- kept media
    def thumbnail(self, person_id: str) -> bytes:
        """A picture (WebP) of the person. Raises PersonNotFoundError,
        ThumbnailNotFoundError, StoreUnavailableError.
        """
        with self.database.read() as connection:
            found = kept.thumbnail(connection, self.codec, people.key_of(connection, person_id))
        if found is None:
            raise ThumbnailNotFoundError(
                f"No picture is kept of this person. Received: {person_id!r}"
            )
        return found

    def kept_media(self, template_id: str) -> dict[str, bytes]:
        """What is kept with a template, by kind (`gallery.records.kept`); empty when nothing
        is. Raises StoreUnavailableError.
        """
        with self.database.read() as connection:
            return kept.read(connection, self.codec, template_id)

    # ---- answers and what was said of them
    def record_answer(
        self,
        action: str,
        outcome: str,
        *,
        person_id: str | None,
        named: Sequence[feedback.NamedPerson],
        detail: audit.Detail | None = None,
        request_id: str | None = None,
    ) -> None:
        """Note an identification in the audit, and when the person was last seen.

        `person_id`: who was identified. Under its `request_id` the answer is remembered
        for feedback, with all who were `named`.
        """
        with self.database.write() as connection:
            key = people.find(connection, person_id) if person_id else None
            audit.append(connection, action, outcome, key, detail)
            if key is not None:
                people.note_seen(connection, key)
            if request_id and self._feedback_days:
                feedback.forget_old(connection, self._feedback_days)
                feedback.remember(connection, request_id, named)

    def give_feedback(
        self, request_id: str, person_id: str, same: bool, asked_by: str | None = None
    ) -> tuple[Modality, ...]:
        """Keep that the clip of an answer was (`same`) or was not of a person whom it
        named; what was said before is replaced. `asked_by`: only of an answer that this
        actor was given. Returns the modalities that named the person. Raises
        PersonNotFoundError, IdentificationNotFoundError.
        """
        with self.database.write() as connection:
            key = people.key_of(connection, person_id)
            found = feedback.give(connection, request_id, key, same, asked_by)
            audit.append(
                connection, "feedback", "same" if same else "different", key, {"trials": len(found)}
            )
            return found

    def feedback_trials(
        self, encoder_ids: Mapping[str, str], scale_ids: Mapping[str, str]
    ) -> tuple[feedback.Trial, ...]:
        """Feedback on strengths of these encoders on these scales
        (`Calibration.scale_id`), both by modality, as trials (modality, strength, same)
        for the next calibration; oldest first.
        """
        with self.database.read() as connection:
            return feedback.trials(connection, encoder_ids, scale_ids)

    # ---- audit
    def record(
        self,
        action: str,
        outcome: str,
        person_id: str | None = None,
        detail: audit.Detail | None = None,
    ) -> None:
        """Add a row to the audit."""
        with self.database.write() as connection:
            key = None if person_id is None else people.find(connection, person_id)
            audit.append(connection, action, outcome, key, detail)

    def events(
        self, limit: int = 100, before: int | None = None, action: str | None = None
    ) -> tuple[Event, ...]:
        """Rows of the audit, newest first: those of a number below `before`, of one
        `action` only. Raises InvalidRequestError.
        """
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

    # ---- deletion
    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, Erasure]]:
        with self.database.write() as connection:
            yield connection, Erasure()

    @contextmanager
    def erasing(self) -> Iterator[tuple[Connection, Erasure]]:
        """A transaction that deletes, and what makes it complete once it is committed:
        for this one, and for one before it that did not come so far.
        """
        erasure = Erasure()
        with self._erasing_turn:
            with self.database.write() as connection:
                owed = forgetting.owe(connection)
                yield connection, erasure
            if self._media_root is not None:
                jobs.remove_uploads(self._media_root, erasure.uploads)
            if self.database.forget(erasure.traces, earlier=owed):
                with self.database.write() as connection:
                    forgetting.settle(connection)

    def _delete(self, connection: Connection, key: int, action: str, erasure: Erasure) -> None:
        erasure.traces |= forgetting.all_of(connection, key)
        erasure.uploads += people.remove(connection, key)
        people.changed(connection, key, action, "deleted")
