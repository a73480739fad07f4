"""What `cli.py doctor` looks at in the gallery: database, clock, keys, backups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from commands.backup import encoder_ids
from commands.diagnosis import Finding, bad, note, ok, say
from gallery.database.open import read_schema
from gallery.migrations.upgrade import HEAD
from gallery.records.keys import Keys
from gallery.store import Store, open_store
from gallery.upkeep.checking import Check, check_gallery
from jobs.backups import last_backup
from jobs.hindrances import find_old_backup
from utils.config import Settings
from utils.errors import DuetError
from utils.listening import is_reachable


def look_at_gallery(settings: Settings) -> Iterator[Finding]:
    """Look at the database, and into it where nothing must be upgraded for that."""
    yield from _look_at_backups(settings)
    try:
        schema = read_schema(settings.storage.gallery_url)
    except DuetError as error:
        yield bad("database", "unreadable", reason=say(error))
        return
    if schema is None:
        yield ok("database", "new")
        yield from _look_at_sealing(settings)
        yield from _look_at_access(settings, None)
    elif schema > HEAD:
        yield bad("database", "later", schema=schema, head=HEAD)
    elif schema < HEAD:
        yield note("database", "earlier", schema=schema, head=HEAD)
    else:
        yield from _look_into(settings, schema)


def has_key(settings: Settings) -> bool:
    """Whether an encryption key is set."""
    privacy = settings.privacy
    return bool(privacy.encryption_key or privacy.encryption_key_file)


def _look_into(settings: Settings, schema: str) -> Iterator[Finding]:
    try:
        store = open_store(settings)
    except DuetError as error:
        yield bad("key", "wrong" if has_key(settings) else "not_set", reason=say(error))
        return
    try:
        yield from _look_at_sealing(settings)
        yield ok("database", schema=schema, people=store.count())
        yield from _look_at_access(settings, Keys(store.database))
        yield from _look_at_clock(store)
        yield from _check(settings, store)
    except DuetError as error:
        yield bad("database", "unreadable", reason=say(error))
    finally:
        store.close()


def _look_at_sealing(settings: Settings) -> Iterator[Finding]:
    """Tell of a gallery without a key, which opens: so nothing in it is encrypted."""
    if not has_key(settings):
        yield note("key", "none")


def _look_at_access(settings: Settings, keys: Keys | None) -> Iterator[Finding]:
    has_key = bool(settings.server.api_key) or (keys is not None and keys.exist(usable=True))
    if is_reachable(settings) and not has_key:
        yield bad("access", "no_key", host=settings.server.host)
    else:
        yield ok("access", "key" if has_key else "local")


def _look_at_clock(store: Store) -> Iterator[Finding]:
    jump = store.find_clock_jump()
    if jump is None:
        yield ok("clock")
        return
    facts = {"at": f"{jump.shown:%Y-%m-%d %H:%M}", "days": f"{abs(jump.days):.0f}"}
    yield bad("clock", "ahead", **facts) if jump.days > 0 else bad("clock", "behind", **facts)


def _check(settings: Settings, store: Store) -> Iterator[Finding]:
    """Tell what `cli.py check` finds."""
    checks = check_gallery(store, settings.storage.media_folder, _encoders(settings))
    for check in checks:
        for text in check.problems:
            yield bad("gallery", "broken", check=check.code, reason=text)
    if not any(check.problems for check in checks):
        yield ok("gallery", checks=_codes(checks))


def _codes(checks: tuple[Check, ...]) -> str:
    return ", ".join(check.code for check in checks)


def _encoders(settings: Settings) -> dict[str, str]:
    """Ids of the encoders, as far as they can be read."""
    try:
        return encoder_ids(settings)
    except DuetError:  # which the look at the models tells
        return {}


def _look_at_backups(settings: Settings) -> Iterator[Finding]:
    folder = settings.backup.backup_dir
    if folder is None:
        yield note("backups", "none")
        return
    made_at = last_backup(settings)
    at = f"{made_at:%Y-%m-%d %H:%M}" if made_at else ""
    if find_old_backup(settings) is None:
        yield ok("backups", at=at)
    elif made_at:
        yield bad("backups", "old", at=at, folder=folder)
    else:
        yield bad("backups", "missing", folder=folder)
    if _shares_disk(folder, settings.storage.data_dir):
        yield note("backups", "same_disk", folder=folder)


def _shares_disk(folder: Path, data: Path) -> bool:
    return folder.exists() and data.exists() and folder.stat().st_dev == data.stat().st_dev
