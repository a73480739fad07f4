"""The folder of a backup: its files, its manifest, and whether they are whole.

    DUET_BACKUP_DIR/
      deletions-3f0c....jsonl        what was deleted since (gallery/ledger.py)
      duet-20261129T020000Z/
        backup.json                  the manifest: what is in it, and SHA-256 of each file
        gallery.db                   all rows but those of batch jobs, in one SQLite file
        settings.env                 settings that are not the default, without secrets
        encryption-key.json          only if asked for, sealed with a passphrase

A backup that is being made is named `*.partial`, and nobody reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gallery.records import clock
from gallery.records.clock import JUMP
from utils.errors import BackupUnusableError

FORMAT = 1
MANIFEST = "backup.json"
GALLERY = "gallery.db"
SETTINGS = "settings.env"
SEALED_KEY = "encryption-key.json"
PARTIAL = ".partial"
"""Ends the name of a backup that is being made."""
_NAME = re.compile(r"duet-\d{8}T\d{6}Z(-\d+)?")
_LINEAGE = re.compile("[0-9a-f]*")  # which names the ledger


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    Attributes:
        made_at: when the gallery was as it is in the backup.
        schema: revision of its tables.
        lineage: what all copies of this gallery share.
        head: last row of its audit.
        encryption_key: id of the key that its values are sealed with (None = plain).
        encoder_ids: the models in use, by modality.
        rows: number of rows by table.
        files: SHA-256 in hex by name.
    """

    made_at: datetime
    schema: str
    lineage: str
    head: str
    encryption_key: str | None
    encoder_ids: Mapping[str, str]
    rows: Mapping[str, int]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Backup:
    """A backup that was finished."""

    path: Path
    manifest: Manifest

    @property
    def gallery(self) -> Path:
        """File with the rows."""
        return self.path / GALLERY

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.stat().st_size for file in self.path.iterdir())


@contextmanager
def new_folder(parent: Path, made_at: datetime) -> Iterator[Path]:
    """Yield a folder to write a backup to, which gets its name when the block ends.

    When the block fails, the folder is deleted. What a killed process left is deleted
    before.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in parent.glob(f"duet-*{PARTIAL}"):
        shutil.rmtree(left, ignore_errors=True)
    path = _free_name(parent, f"duet-{made_at:%Y%m%dT%H%M%SZ}")
    partial = path.with_name(path.name + PARTIAL)
    partial.mkdir(mode=0o700)
    try:
        yield partial
        for file in (*partial.iterdir(), partial):
            _flush(file)
        partial.rename(path)
        _flush(parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, the last file of a backup."""
    content = {"format": FORMAT, **asdict(manifest), "made_at": manifest.made_at.isoformat()}
    (folder / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 in hex of each file of a folder, by name."""
    return {file.name: _sha256(file) for file in sorted(folder.iterdir())}


def find_backups(parent: Path) -> list[Backup]:
    """Find the finished backups of a folder, oldest first. Others are passed over."""
    if not parent.is_dir():
        return []
    backups = list[Backup]()
    for path in sorted(path for path in parent.iterdir() if _NAME.fullmatch(path.name)):
        with suppress(BackupUnusableError):
            backups.append(Backup(path, read_manifest(path)))
    return backups


def open_backup(path: Path) -> Backup:
    """Read a backup and check every byte of it. Raises BackupUnusableError."""
    backup = Backup(path, read_manifest(path))
    for name, expected in backup.manifest.files.items():
        file = path / Path(name).name
        if not file.is_file():
            raise BackupUnusableError(f"A file of the backup is missing. Received: no {file.name}")
        if _sha256(file) != expected:
            raise BackupUnusableError(
                f"Every file of a backup must be as it was written. Received: {file.name} with"
                " other bytes",
                "Take another copy of this backup, or an earlier backup.",
            )
    return backup


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a backup. Raises BackupUnusableError."""
    try:
        content: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        written = content.pop("format")
        if written != FORMAT:
            raise BackupUnusableError(
                f"The backup must be of format {FORMAT}. Received: {written!r:.20}",
                "A later release of the service wrote it: use that release.",
            )
        made_at = datetime.fromisoformat(content.pop("made_at"))
        return _check(Manifest(made_at=made_at, **content))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupUnusableError(
            f"A backup is a folder with a file {MANIFEST} that the service wrote. Received:"
            f" {path.name} with {_name_fault(error)}",
            "Name the folder of one backup, such as duet-20261129T020000Z.",
        ) from error


def _check(manifest: Manifest) -> Manifest:
    """Raise TypeError for a manifest that no service wrote, as far as it is read here."""
    m = manifest
    values = (*m.files, *m.files.values(), m.schema, m.head, m.encryption_key or "")
    if not all(isinstance(value, str) for value in values) or GALLERY not in m.files:
        raise TypeError("files and schema are texts, and one file is the gallery")
    if not all(type(count) is int and count >= 0 for count in m.rows.values()):
        raise TypeError("rows are counts")
    if not _LINEAGE.fullmatch(m.lineage) or m.made_at.tzinfo is None:
        raise TypeError("lineage is a hash, and the time is one of a time zone")
    return manifest


def _name_fault(error: Exception) -> str:
    return "none" if isinstance(error, OSError) else "another"


def find_past_backups(parent: Path, now: datetime) -> list[Backup]:
    """The backups in a folder that were made until `now`, oldest first.

    Those from the future were made by a wrong clock: how old they are nobody knows.
    """
    return [backup for backup in find_backups(parent) if backup.manifest.made_at <= now + JUMP]


def remove_oldest(parent: Path, keep: int) -> int:
    """Remove all backups but the latest `keep`, and return how many were removed.

    Those from the future stay, and are not counted.
    """
    old = find_past_backups(parent, clock.now())[:-keep]
    for backup in old:
        shutil.rmtree(backup.path)
    return len(old)


def _free_name(parent: Path, name: str) -> Path:
    path = parent / name
    number = 1
    while path.exists():
        number += 1
        path = parent / f"{name}-{number}"
    return path


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
