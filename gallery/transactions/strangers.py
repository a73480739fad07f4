"""Transactions on strangers: keep their clips, list, hide and delete them."""

from __future__ import annotations

from collections.abc import Collection

from gallery.records import people, strangers, visits
from gallery.records.strangers import NewClip, Stranger, StrangerClip
from gallery.transactions.base import Transactions


class StrangerTransactions(Transactions):
    """Transactions on strangers, who are kept where `DUET_STRANGER_DAYS` says so."""

    @property
    def stranger_days(self) -> float:
        """Days for which the embeddings of strangers are kept, 0 = not at all."""
        return self._terms.stranger_days

    def keep_stranger(self, new: NewClip) -> int | None:
        """Store a clip of a stranger, and return the internal number of the stranger.

        None: it was enrolled or deleted a moment ago, and nothing is stored.
        """
        with self.database.read() as connection:
            is_full = strangers.is_full(connection, new)
        with self.erasing() if is_full else self._writing() as (connection, erasure):
            key, traces = strangers.add(connection, self.codec, new)
            erasure.traces |= traces
        if traces and not is_full:  # others came meanwhile, and something had to go all the same
            with self.erasing() as (_, erasure):
                erasure.traces |= traces
        return key

    def list_strangers(
        self, offset: int = 0, limit: int = 50, *, hidden: bool = False
    ) -> tuple[tuple[Stranger, ...], int]:
        """List strangers, the one seen last first, and count them.

        Raises InvalidRequestError.
        """
        with self.database.read() as connection:
            return strangers.page(connection, offset, limit, hidden=hidden)

    def count_strangers(self) -> int:
        """Count the strangers."""
        with self.database.read() as connection:
            return strangers.count(connection)

    def get_stranger(self, stranger_id: str) -> Stranger:
        """Read a stranger. Raises StrangerNotFoundError."""
        with self.database.read() as connection:
            return strangers.get(connection, stranger_id)

    def hide_stranger(self, stranger_id: str, *, hidden: bool = True) -> Stranger:
        """Remember whether a stranger stays unknown. Raises StrangerNotFoundError."""
        with self.database.write() as connection:
            return strangers.hide(connection, stranger_id, hidden=hidden)

    def delete_stranger(self, stranger_id: str) -> None:
        """Delete a stranger, also from the bytes of the files.

        Raises StrangerNotFoundError.
        """
        with self.erasing() as (connection, erasure):
            key = strangers.get(connection, stranger_id).number
            erasure.traces |= strangers.remove(connection, key, "deleted")

    def read_stranger_clips(self, stranger_id: str) -> tuple[StrangerClip, ...]:
        """Read the clips of a stranger, oldest first.

        Raises StrangerNotFoundError, StoreUnavailableError.
        """
        with self.database.read() as connection:
            key = strangers.get(connection, stranger_id).number
            return strangers.read_clips(connection, self.codec, key)

    def stranger_picture(self, stranger_id: str) -> bytes:
        """Read the picture (WebP) of a stranger.

        Raises StrangerNotFoundError, ThumbnailNotFoundError, StoreUnavailableError.
        """
        with self.database.read() as connection:
            key = strangers.get(connection, stranger_id).number
            return strangers.read_picture(connection, self.codec, key)

    def finish_strangers(self, sources: Collection[str], person_id: str) -> int:
        """Delete the strangers of clips that were enrolled as a person, who gets the visits.

        `sources` are hashes of the clips. Returns how many strangers there were. Raises
        PersonNotFoundError.
        """
        with self.database.read() as connection:
            if not strangers.keys_of(connection, sources):
                return 0
        with self.erasing() as (connection, erasure):
            person_key = people.key_of(connection, person_id)
            keys = strangers.keys_of(connection, sources)
            for key in keys:
                visits.give_to_person(connection, key, person_key)
                erasure.traces |= strangers.remove(connection, key, "enrolled")
        return len(keys)
