"""Makes a backup of a gallery while it serves.

One transaction reads the gallery, so a backup shows one moment of it, in a database of
either kind. Its copy is an SQLite file, which holds what is there and no trace of what
was deleted before.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from gallery.backup import folder
from gallery.backup.folder import Backup, Manifest
from gallery.database.open import open_database
from gallery.ledger import Ledger
from gallery.migrations import upgrade
from gallery.records import clock, deletions
from gallery.store import Store
from gallery.upkeep.copying import Progress, copy_gallery, writing_copy
from utils.config import Settings
from utils.settings.subject import PREFIX
from utils.settings.values import url_of


@dataclass(frozen=True)
class Beside:
    """What a backup holds beside the rows.

    Attributes:
        settings: those of the service. Secrets are left out.
        encoder_ids: models in use, by modality.
        sealed_key: the encryption key, sealed with a passphrase ("" = left out).
    """

    settings: Settings
    encoder_ids: Mapping[str, str]
    sealed_key: str = ""


def make_backup(
    store: Store,
    parent: Path,
    beside: Beside,
    progress: Progress = lambda _table, _rows: None,
) -> Backup:
    """Make a backup of the gallery in a new folder below `parent`.

    A process that is killed at any moment leaves a whole backup or none. Raises
    StoreUnavailableError, StorageFullError, OSError.
    """
    made_at = clock.now()
    with folder.new_folder(parent, made_at) as partial:
        manifest = _write_gallery(store, partial, made_at, progress)
        (partial / folder.SETTINGS).write_text(describe(beside.settings), encoding="utf-8")
        if beside.sealed_key:
            (partial / folder.SEALED_KEY).write_text(beside.sealed_key, encoding="utf-8")
        manifest = dataclasses.replace(
            manifest,
            encoder_ids=dict(beside.encoder_ids),
            files=folder.hash_files(partial),
        )
        folder.write_manifest(partial, manifest)
    Ledger(parent).update(store.database)
    made = partial.with_name(partial.name.removesuffix(folder.PARTIAL))
    return Backup(made, folder.read_manifest(made))


def _write_gallery(store: Store, partial: Path, made_at: datetime, progress: Progress) -> Manifest:
    """Copy the rows, and describe what arrived."""
    with writing_copy():
        target = Store(open_database(url_of(partial / folder.GALLERY)), store.codec)
    try:
        rows = copy_gallery(store, target, progress, action="backup")
        with target.database.read() as connection:
            lineage = deletions.lineage_of(connection)
        head = target.verify_audit().head
    finally:
        target.close()
    return Manifest(
        made_at=made_at,
        schema=upgrade.HEAD,
        lineage=lineage,
        head=str(head),
        encryption_key=store.codec.key_id,
        encoder_ids={},
        rows=rows,
        files={},
    )


def describe(settings: Settings) -> str:
    """Settings that are not the default, as lines of a shell. Secrets are named only."""
    subjects = [getattr(settings, subject.name) for subject in dataclasses.fields(settings)]
    lines = chain.from_iterable(map(_describe_subject, subjects))
    return "".join(f"{line}\n" for line in lines)


def _describe_subject(subject: Any) -> Iterator[str]:
    for setting in dataclasses.fields(subject):
        value = getattr(subject, setting.name)
        variable = PREFIX + setting.name.upper()
        if value == setting.default:
            continue
        if not setting.repr:
            yield f"# {variable} was set. It is a secret, and not kept here."
            continue
        text = str(int(value)) if isinstance(value, bool) else str(value)
        yield f"{variable}={shlex.quote(text)}"
