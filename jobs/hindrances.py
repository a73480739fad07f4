"""What hinders a service that goes on: health tells it, and `cli.py doctor` too."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gallery.records.clock import ClockJump, now
from gallery.store import Store
from jobs.backups import OLD, last_backup
from utils.config import Settings
from utils.modality import Modality
from utils.wording import count_noun

SLOW_S = 1.0
"""A database that takes longer for a small question is called slow."""

LEAST_ROOM_BYTES = 256 << 20


@dataclass(frozen=True)
class Hindrance:
    """What hinders a service: a code, a sentence, and what a sentence in another language needs.

    `details` are values of JSON by name.
    """

    code: str
    text: str
    details: Mapping[str, Any]


def find_hindrances(store: Store, settings: Settings) -> list[Hindrance]:
    """Find what hinders the service. Raises StoreUnavailableError."""
    started = time.perf_counter()
    store.check()
    answer_s = time.perf_counter() - started
    looked_for = (
        _find_slow_database(answer_s),
        find_lack_of_room(settings),
        _find_jump(store.clock_jump),
        find_old_backup(settings),
        _find_traces(store),
        _find_damage(store),
    )
    return [hindrance for hindrance in looked_for if hindrance]


def find_lack_of_room(settings: Settings) -> Hindrance | None:
    """Find whether there is little room for data."""
    free = shutil.disk_usage(settings.storage.data_dir).free
    if free >= LEAST_ROOM_BYTES:
        return None
    megabytes = round(free / 1e6)
    return Hindrance("disk_full", f"{megabytes} MB are free.", {"megabytes": megabytes})


def find_old_backup(settings: Settings) -> Hindrance | None:
    """Find whether the last backup is old, or there is none, where backups are wanted."""
    if settings.backup.backup_dir is None:
        return None
    made_at = last_backup(settings)
    if made_at is None:
        return Hindrance("backup_old", "There is no backup yet.", {"made_at": None})
    if now() - made_at <= OLD:
        return None
    details = {"made_at": made_at.isoformat(timespec="seconds")}
    return Hindrance("backup_old", f"The last backup is of {made_at:%Y-%m-%d}.", details)


def find_other_models(store: Store, encoder_ids: Mapping[Modality, str]) -> Hindrance | None:
    """Find whether the gallery has templates that a service with these encoders cannot compare.

    Raises StoreUnavailableError.
    """
    stale = store.find_stale(encoder_ids)
    if not stale:
        return None
    count = sum(s.templates for s in stale)
    text = (
        f"{count_noun(count, 'template')} of another model, not compared. After cli.py reembed,"
        " start the service again with the same DUET_MODEL_DIR. Else enrol these people again."
    )
    return Hindrance("other_models", text, {"templates": count})


def _find_slow_database(answer_s: float) -> Hindrance | None:
    if answer_s <= SLOW_S:
        return None
    details = {"seconds": round(answer_s, 1)}
    return Hindrance("database_slow", f"The database took {answer_s:.1f} s.", details)


def _find_jump(jump: ClockJump | None) -> Hindrance | None:
    if jump is None:
        return None
    details = {"shown": jump.shown.isoformat(timespec="seconds"), "days": round(jump.days, 1)}
    return Hindrance("clock", f"{jump}. Nothing is deleted by term.", details)


def _find_traces(store: Store) -> Hindrance | None:
    if not store.holds_traces():
        return None
    return Hindrance("traces_left", "Traces of deleted data are in the file.", {})


def _find_damage(store: Store) -> Hindrance | None:
    count = store.count_left_out()
    if not count:
        return None
    what = "1 template is" if count == 1 else f"{count} templates are"
    text = f"{what} damaged and not searched: cli.py check"
    return Hindrance("damaged", text, {"templates": count})
