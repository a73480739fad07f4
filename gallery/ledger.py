"""The ledger: a file beside the backups that tells what was deleted, and names nobody.

It holds the rows of the audit that delete something, as internal numbers. A backup may be
older than a deletion, and the gallery may be lost before the next one is made. The ledger
outlives both, so that a deleted person stays deleted after a restore.

One line is one deletion, in JSON of ASCII. A line that a killed process left unfinished, or
that is damaged, is passed over: its row is appended again while the gallery is there.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from gallery.database.base import Database
from gallery.records import deletions
from gallery.records.deletions import Deletion

log = logging.getLogger("duet.gallery")


class Ledger:
    """Ledgers of the galleries whose backups lie in a folder, a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._noted = 0
        """Up to this row of the audit everything is noted."""

    def update(self, database: Database) -> None:
        """Append the deletions that are not noted yet, safe on the disk.

        Raises StoreUnavailableError for the database, and OSError for the file, which is
        written after the transaction: inside it an error would pass for the database's.
        """
        with database.read() as connection:
            later = deletions.after(connection, self._noted)
            lineage = deletions.lineage_of(connection)
        if later:
            self._append(self._file_of(lineage), later)
            self._noted = later[-1].event_id

    def _append(self, file: Path, later: tuple[Deletion, ...]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)  # other processes of the gallery
            noted = {deletion.hash for deletion in _read(file)}
            new = [deletion for deletion in later if deletion.hash not in noted]
            # First a line break, which ends a line that was left unfinished
            stream.write("".join(f"\n{_line(deletion)}" for deletion in new))
            stream.flush()
            os.fsync(stream.fileno())

    def read(self, lineage: str) -> list[Deletion]:
        """Read all deletions of a gallery, in the order in which they were noted."""
        file = self._file_of(lineage)
        return _read(file) if file.exists() else []

    def _file_of(self, lineage: str) -> Path:
        return self._folder / f"deletions-{lineage[:16]}.jsonl"


def _line(deletion: Deletion) -> str:
    return json.dumps({**asdict(deletion), "at": deletion.at.isoformat()})


def _read(file: Path) -> list[Deletion]:
    lines = [line for line in file.read_bytes().split(b"\n") if line.strip()]
    rows = [row for row in map(_parse, lines) if row is not None]
    if len(rows) < len(lines):
        left = len(lines) - len(rows)
        log.warning("the ledger of deletions has lines that cannot be read: %d", left)
    return rows


def _parse(line: bytes) -> Deletion | None:
    """Read a line. None: it is unfinished or damaged."""
    with suppress(ValueError, TypeError, KeyError):
        row = json.loads(line.decode("ascii"))
        row["at"] = datetime.fromisoformat(row["at"])
        return _check(Deletion(**row))
    return None


def _check(deletion: Deletion) -> Deletion:
    """Raise TypeError for values that no service wrote."""
    d = deletion
    texts = (d.action, d.hash)
    if not all(isinstance(text, str) for text in texts) or not isinstance(d.detail, dict):
        raise TypeError("action and hash are texts, and detail is an object")
    numbers = [d.event_id, *(d.detail[name] for name in deletions.NUMBERS if name in d.detail)]
    if d.person_key is not None:
        numbers.append(d.person_key)
    if not all(type(number) is int for number in numbers):
        raise TypeError("numbers are whole")
    return deletion
