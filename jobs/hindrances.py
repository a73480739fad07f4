"""What hinders a service that goes on: health tells it, and `cli.py doctor` too."""

from __future__ import annotations

import shutil
import time

from gallery.records.clock import now
from gallery.store import Store
from jobs.backups import OLD, last_backup
from utils.config import Settings

SLOW_S = 1.0
"""A database that takes longer for a small question is called slow."""

LEAST_ROOM_BYTES = 256 << 20


def find_hindrances(store: Store, settings: Settings) -> dict[str, str]:
    """Find what hinders the service, a sentence for each code.

    Raises StoreUnavailableError.
    """
    started = time.perf_counter()
    store.check()
    answer_s = time.perf_counter() - started
    jump = store.clock_jump
    sentences = {
        "database_slow": f"The database took {answer_s:.1f} s." if answer_s > SLOW_S else "",
        "disk_full": describe_room(settings),
        "clock": f"{jump}. Nothing is deleted by term." if jump else "",
        "backup_old": describe_backup(settings),
    }
    return {code: text for code, text in sentences.items() if text}


def describe_room(settings: Settings) -> str:
    """Say how little room there is for data ("" = enough)."""
    free = shutil.disk_usage(settings.storage.data_dir).free
    return f"{free / 1e6:.0f} MB are free." if free < LEAST_ROOM_BYTES else ""


def describe_backup(settings: Settings) -> str:
    """Say what is wrong with the backups ("" = nothing, or none are wanted)."""
    if settings.backup.backup_dir is None:
        return ""
    made_at = last_backup(settings)
    if made_at is None:
        return "There is no backup yet."
    return f"The last backup is of {made_at:%Y-%m-%d}." if now() - made_at > OLD else ""
