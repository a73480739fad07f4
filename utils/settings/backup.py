"""Settings of the backups that the service makes by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.settings.subject import Subject, setting


@dataclass(frozen=True)
class BackupSettings(Subject):
    """A backup every night (docs/backup.md)."""

    backup_dir: Path | None = setting(
        None,
        "Folder for a backup every night, better on another disk, and for the ledger of deletions."
        " Empty: no backup.",
    )
    backup_keep: int = setting(14, "Number of backups that are kept there.", 1, 3650)
