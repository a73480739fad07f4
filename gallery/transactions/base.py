"""Base of the transactions of a gallery, and what makes a deletion complete."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from gallery import audit
from gallery.database.base import Database
from gallery.encryption import rotation
from gallery.encryption.sealing import Codec, PlainText
from gallery.ledger import Ledger
from gallery.records import forgetting, job_files, people
from gallery.records.sightings import Rules
from utils.errors import StorageFullError, StoreUnavailableError

log = logging.getLogger("duet.gallery")
_LONG = timedelta(minutes=10)


@dataclass(frozen=True)
class Terms:
    """Days for which something is remembered.

    Attributes:
        feedback_days: whom an answer named, 0 = not at all.
        transcript_days: a kept transcript, 0 = until somebody deletes it.
        visit_days: whom an answer was about, 0 = not at all.
        stranger_days: the embeddings of strangers, 0 = not at all.
    """

    feedback_days: float = 7
    transcript_days: float = 0
    visit_days: float = 0
    stranger_days: float = 0


class Erasure:
    """What a transaction deletes.

    `traces` are fragments of it in the bytes of the database, `uploads` files of jobs
    (paths below the media root). `has_unknown`: not all fragments could be read.
    """

    def __init__(self) -> None:
        self.traces: set[bytes] = set()
        self.has_unknown = False
        self.uploads: list[str] = []


class Transactions:
    """Transactions on one gallery. Shared by all requests and threads.

    Attributes:
        database: where the gallery is stored.
        codec: how vectors and kept media are stored.
        rules: what is a sighting, who is told, and how long it is kept.
    """

    rules = Rules()

    def __init__(
        self,
        database: Database,
        codec: Codec | None = None,
        media_root: Path | None = None,
        terms: Terms = Terms(),
        *,
        ledger: Ledger | None = None,
    ) -> None:
        """Raise ConfigError unless the gallery is stored with `codec`.

        Uploads of jobs lie below `media_root`. Deletions are noted in `ledger`, beside the
        backups.
        """
        self.database = database
        self.codec = codec or PlainText()
        self._media_root = media_root
        self._terms = terms
        self._ledger = ledger
        self._erasing_turn = threading.Lock()
        self._left_traces = False
        with database.write() as connection:
            rotation.check(connection, self.codec)

    def record(
        self,
        action: str,
        outcome: str,
        person_id: str | None = None,
        detail: audit.Detail | None = None,
        *,
        is_needed: bool = False,
    ) -> None:
        """Add a row to the audit.

        Raises PersonNotFoundError where the person `is_needed` and not there.
        """
        with self.database.write() as connection:
            key_of = people.key_of if is_needed else people.find
            key = None if person_id is None else key_of(connection, person_id)
            audit.append(connection, action, outcome, person_key=key, detail=detail)

    @contextmanager
    def erasing(self) -> Iterator[tuple[Connection, Erasure]]:
        """Open a transaction that deletes, and complete the deletion after its commit.

        It also completes an earlier deletion that a killed process left incomplete.
        """
        erasure = Erasure()
        with self._erasing_turn:
            with self.database.write() as connection:
                earlier = forgetting.mark_cleanup_pending(connection)
                yield connection, erasure
            if self._media_root is not None:
                job_files.remove_uploads(self._media_root, erasure.uploads)
            self._clean_up(erasure.traces, earlier=earlier or erasure.has_unknown)
            self.note_deletions()

    def _clean_up(self, traces: set[bytes], *, earlier: bool) -> None:
        """Remove what the file still holds of a deletion, which stands already.

        Where the disk is full or the file is busy, the next deletion does it.
        """
        self._left_traces = True
        try:
            if self.database.forget(traces, earlier=earlier):
                with self.database.write() as connection:
                    forgetting.clear_cleanup_pending(connection)
                self._left_traces = False
        except (StorageFullError, StoreUnavailableError) as error:
            log.error("a deletion leaves traces in the file until the next one (%s)", error.code)

    def holds_traces(self) -> bool:
        """Whether deletions left traces in the file, which nobody has removed since.

        One that is being done does not count: in another process as long as `_LONG`.
        Raises StoreUnavailableError.
        """
        if self._erasing_turn.locked():
            return False
        with self.database.read() as connection:
            longer_than = None if self._left_traces else _LONG
            return forgetting.is_cleanup_pending(connection, longer_than)

    def note_deletions(self) -> None:
        """Note in the ledger what was deleted and is not noted yet.

        Those deletions stand. What stops the note stops nothing else: the next call
        notes them.
        """
        if self._ledger is None:
            return
        try:
            self._ledger.update(self.database)
        except OSError as error:
            log.error("the ledger of deletions took no note (%s)", error.strerror)
        except (StorageFullError, StoreUnavailableError) as error:
            log.error("the ledger of deletions took no note (%s)", error.code)

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, Erasure]]:
        """Open a transaction that deletes nothing, in the form of `erasing`."""
        with self.database.write() as connection:
            yield connection, Erasure()
