"""Transactions on people: create, list, change, merge, export and delete them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from gallery import audit, tables
from gallery.damage import DamagedError, is_damage
from gallery.names import new_person_id
from gallery.records import (
    challenges,
    clock,
    distinct,
    export,
    feed,
    feedback,
    forgetting,
    merging,
    people,
    people_list,
    rejections,
    sightings,
    stored_media,
    strangers,
    transcripts,
    visits,
)
from gallery.records.clock import ClockJump
from gallery.records.feed import PersonRef
from gallery.records.people import NewPerson, PersonChanges
from gallery.records.people_list import PeopleQuery
from gallery.results import PeoplePage, Person
from gallery.transactions.base import Erasure, Transactions
from utils.errors import InvalidRequestError, PersonNotFoundError, ThumbnailNotFoundError

log = logging.getLogger("duet.gallery")
LOOK_AGAIN_S = 86_400.0
"""Seconds between two looks for people who have expired, where no end is nearer."""

CLOCK_LOOK_S = 3600.0
DOUBT_LOOK_S = 60.0
"""Seconds between two looks at the clock, and those while it cannot be trusted."""


class PeopleTransactions(Transactions):
    """Transactions on people."""

    # Time of the next look for people who have expired, by the clock.
    _look_at = 0.0
    # Time of the last look, by a clock that is never set.
    _looked_at = -LOOK_AGAIN_S
    _clock_looked_at = -LOOK_AGAIN_S
    _clock_shown = 0.0

    clock_jump: ClockJump | None = None
    """What is wrong with the clock, by the last look. Nothing is deleted by term then."""

    def create_person(
        self,
        person_id: str | None = None,
        name: str | None = None,
        note: str = "",
        *,
        consent: str = "",
        retention_days: int | None = None,
        unique_name: bool = False,
    ) -> Person:
        """Create a person without templates.

        `person_id` None = a random id, `name` None = the id. `unique_name`: only if
        nobody else has the name. Raises InvalidNameError, InvalidRequestError,
        PersonExistsError, NameTakenError.
        """
        new = NewPerson(
            person_id=new_person_id() if person_id is None else person_id,
            name=name,
            note=note,
            consent=consent,
            retention_days=retention_days,
            unique_name=unique_name,
        )
        with self.database.write() as connection:
            return people.person_of(connection, people.create(connection, new))

    def get_person(self, person_id: str) -> Person:
        """Read a person. Raises PersonNotFoundError, InvalidNameError."""
        with self.database.read() as connection:
            return people.person_of(connection, people.key_of(connection, person_id))

    def find_person(self, person_id: str) -> Person | None:
        """Read a person (None = nobody has this id). Raises InvalidNameError."""
        try:
            return self.get_person(person_id)
        except PersonNotFoundError:
            return None

    def list_people(self, **part: Unpack[PeopleQuery]) -> PeoplePage:
        """List a part of the people. Raises InvalidRequestError."""
        with self.database.read() as connection:
            return people_list.page_of(connection, part)

    def count(self) -> int:
        """Count the people."""
        with self.database.read() as connection:
            return people.count(connection)

    def update_person(self, person_id: str, **changes: Unpack[PersonChanges]) -> Person:
        """Change name, note, consent or retention_days.

        What is not given stays. Raises PersonNotFoundError, InvalidNameError,
        InvalidRequestError.
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
        self, person_id: str, guard: Callable[[Person, datetime], None] = lambda *_: None
    ) -> None:
        """Delete a person and everything on them, also from the bytes of the files.

        `guard` gets the person once nobody else can change them, with the time by which
        terms count, and may raise to stop the deletion. Raises PersonNotFoundError.
        """
        with self.erasing() as (connection, erasure):
            key = people.key_of(connection, person_id)
            guard(people.person_of(connection, key), clock.now_for_terms(connection))
            _delete(connection, key, "delete_person", erasure)

    def merge_people(self, person_id: str, other: str) -> Person:
        """Merge two entries of one person into the first.

        `gallery.records.merging.merge` has the rules. Nothing else of the other is
        left, also not in the bytes of the files. Raises PersonNotFoundError,
        InvalidNameError, InvalidRequestError, EncoderMismatchError.
        """
        if person_id == other:
            raise InvalidRequestError(
                f"A person cannot be merged with itself. Received: {person_id[:128]!r} twice"
            )
        with self.erasing() as (connection, erasure):
            key = people.key_of(connection, person_id)
            second = people.key_of(connection, other)
            before = forgetting.all_of(connection, second)
            erasure.uploads += merging.merge(connection, key, second)
            erasure.traces = before - forgetting.all_of(connection, key)
            return people.person_of(connection, key)

    def mark_distinct(self, person_id: str, other: str) -> None:
        """Remember that two entries that look alike are two people.

        Raises PersonNotFoundError, InvalidNameError, InvalidRequestError.
        """
        if person_id == other:
            raise InvalidRequestError(
                f"A person cannot differ from itself. Received: {person_id[:128]!a} twice"
            )
        with self.database.write() as connection:
            key = people.key_of(connection, person_id)
            second = people.key_of(connection, other)
            if distinct.remember(connection, key, second):
                people.note_change(
                    connection,
                    key,
                    action="mark_distinct",
                    outcome="stored",
                    detail={"other": second},
                )

    def distinct_pairs(self) -> frozenset[distinct.Pair]:
        """Read which entries are two people by the operator's word."""
        with self.database.read() as connection:
            return distinct.read(connection)

    def export_person(self, person_id: str) -> dict[str, Any]:
        """Export everything that is stored on a person.

        `gallery.records.export.document` has the form. Raises PersonNotFoundError,
        StoreUnavailableError.
        """
        with self.database.read() as connection:
            key = people.key_of(connection, person_id)
            document = export.document(connection, self.codec, key)
        self.record("export_person", "exported", person_id)
        return document

    def person_ids(self) -> list[str]:
        """List the ids of all people, in no order. Raises StoreUnavailableError."""
        with self.database.read() as connection:
            return people.list_ids(connection)

    def people_of(self, keys: Collection[int]) -> dict[int, PersonRef]:
        """Read those of these people who are still there, by internal number.

        Raises StoreUnavailableError.
        """
        with self.database.read() as connection:
            return feed.read_people(connection, list(keys))

    def keys_fitting(self, search: str, limit: int | None = None) -> list[int]:
        """List the internal numbers of the people who match `search`, by id.

        Raises InvalidRequestError, StoreUnavailableError.
        """
        with self.database.read() as connection:
            return people_list.list_keys(connection, search, limit)

    def thumbnail(self, person_id: str) -> bytes:
        """Read the picture (WebP) of a person.

        Raises PersonNotFoundError, ThumbnailNotFoundError, StoreUnavailableError.
        """
        with self.database.read() as connection:
            key = people.key_of(connection, person_id)
            picture = stored_media.read_thumbnail(connection, self.codec, key)
        if picture is None:
            raise ThumbnailNotFoundError(
                f"No picture of this person is stored. Received: {person_id!r}"
            )
        return picture

    def forget_expired(self) -> int:
        """Delete the people whose retention is over, and return how many.

        Transcripts, visits, strangers and sightings whose term is over go, too, and answers
        that were remembered for too long. While the clock cannot be trusted, nothing is deleted.
        """
        if self.look_at_clock():
            return 0
        now = clock.now()
        with self.erasing() as (connection, erasure):
            ends = people.with_end(connection)
            due = [key for key, end in ends if end <= now]
            for key in due:
                _delete(connection, key, "forget_expired", erasure)
            feedback.forget_old(connection, self._terms.feedback_days)
            sightings.forget_old(connection, self.rules)
            challenges.sweep(connection, now)
            rejections.sweep(connection, now)
            erasure.traces |= transcripts.forget_old(connection, self._terms.transcript_days, now)
            dates = transcripts.list_ends(connection, self._terms.transcript_days)
            erasure.traces |= visits.forget_old(connection, self._terms.visit_days, now)
            dates += clock.find_end(connection, tables.visits, self._terms.visit_days, now)
            erasure.traces |= strangers.forget_old(connection, self._terms.stranger_days, now)
            dates += clock.find_end(
                connection, tables.stranger_values, self._terms.stranger_days, now
            )
        dates += [end for _, end in ends]
        coming = [end.timestamp() for end in dates if end > now]
        self._look_at = min([time.time() + LOOK_AGAIN_S, *coming])
        return len(due)

    def forget_expired_when_due(self) -> None:
        """Call `forget_expired` when somebody's time has come, and once a day.

        That is so also when the clock was set back. Otherwise it costs nothing.
        """
        if self._is_clock_due():
            was_wrong = self.clock_jump is not None
            if self.look_at_clock():
                return
            if was_wrong:
                self._look_at = 0.0
        if time.time() < self._look_at and time.monotonic() < self._looked_at + LOOK_AGAIN_S:
            return
        # Other requests of this moment go on.
        self._look_at = time.time() + LOOK_AGAIN_S
        self._looked_at = time.monotonic()
        actor = audit.ACTOR.set("service")
        try:
            self.forget_expired()
        finally:
            audit.ACTOR.reset(actor)

    def look_at_clock(self) -> ClockJump | None:
        """Compare the clock with the time that has passed (`gallery.records.clock`)."""
        self._clock_looked_at = time.monotonic()
        self._clock_shown = time.time()
        with self.database.write() as connection:
            jump = clock.look(connection)
            if (jump is None) != (self.clock_jump is None):
                outcome = "agrees" if jump is None else "doubted"
                detail = {"days": round(jump.days, 1)} if jump else {}
                audit.append(connection, "clock", outcome, detail=detail)
        if jump and not self.clock_jump:
            log.error("%s. Nothing is deleted by term.", jump)
        if self.clock_jump and not jump:
            log.warning("The clock agrees again.")
        self.clock_jump = jump
        return jump

    def find_clock_jump(self) -> ClockJump | None:
        """Compare the clock with the time that has passed, and note nothing."""
        with self.database.read() as connection:
            return clock.find_jump(connection)

    def trust_clock(self) -> ClockJump | None:
        """Take the clock for right from now on, and return how far it was off."""
        with self.database.write() as connection:
            jump = clock.trust(connection)
        self.clock_jump = None
        return jump

    def _is_clock_due(self) -> bool:
        """Whether the last look at the clock is long ago, or the clock was set since."""
        passed_s = time.monotonic() - self._clock_looked_at
        off_s = abs(time.time() - self._clock_shown - passed_s)
        again_s = DOUBT_LOOK_S if self.clock_jump else CLOCK_LOOK_S
        return passed_s >= again_s or off_s > clock.JUMP.total_seconds()


def _delete(connection: Connection, key: int, action: str, erasure: Erasure) -> None:
    """Delete a person in this transaction, under the name `action` in the audit."""
    try:
        erasure.traces |= forgetting.all_of(connection, key)
    except (DamagedError, OperationalError) as error:
        if not is_damage(error):
            raise
        erasure.has_unknown = True
    erasure.uploads += people.remove(connection, key)
    people.note_change(connection, key, action=action, outcome="deleted")
