"""Backups of the gallery: make, list and restore them, and check a gallery."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from commands.shared import (
    FILE,
    is_at_terminal,
    open_store,
    open_target,
    output_to,
    refusals,
)
from utils.config import Settings
from utils.errors import BackupOffError, BackupUnusableError, ConfigError, InvalidRequestError
from utils.modality import SINGLE
from utils.path_option import PathOption
from utils.short_file import read_short
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.backup.folder import Backup
    from gallery.backup.restoring import Restored

FOLDER = PathOption(file_okay=False, path_type=Path)
PASSPHRASE = click.option(
    "--passphrase-file", type=FILE, help="File with the passphrase; default: it is asked for."
)


@click.command("backup")
@click.argument("folder", type=FOLDER)
@click.option("--with-key", is_flag=True, help="Add the encryption key, sealed with a passphrase.")
@PASSPHRASE
@click.option("--keep", type=click.IntRange(1), help="Remove all backups in FOLDER but so many.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
@refusals
def backup(
    folder: Path,
    *,
    with_key: bool,
    passphrase_file: Path | None,
    keep: int | None,
    as_json: bool,
) -> None:
    """Make a backup in a new folder below FOLDER, while the service goes on.

    It holds people, templates, kept media and transcripts, API keys, the audit and the
    settings without secrets. Batch jobs are left out. What is encrypted stays so.
    """
    from gallery.backup.folder import remove_oldest
    from gallery.backup.making import Beside, make_backup
    from gallery.upkeep.copying import count_rows

    settings = Settings.from_env()
    sealed_key = _seal_key(settings, passphrase_file) if with_key else ""
    beside = Beside(settings, encoder_ids(settings), sealed_key)
    with (
        open_store() as store,
        output_to(folder, "folder"),
        tqdm(total=count_rows(store), unit="rows", disable=None) as bar,
    ):
        made = make_backup(store, folder, beside, lambda _table, rows: bar.update(rows))
        if keep:
            remove_oldest(folder, keep)
    click.echo((made.path / "backup.json").read_text() if as_json else _describe(made))


@click.command("backups")
@click.argument("folder", type=FOLDER, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the manifests.")
@refusals
def backups(folder: Path | None, *, as_json: bool) -> None:
    """List the backups below FOLDER, newest first. Default: the folder of DUET_BACKUP_DIR."""
    from gallery.backup.folder import MANIFEST, find_backups

    if folder is not None and not folder.is_dir():
        raise InvalidRequestError(
            f"Backups are listed of a folder that is there. Received: {folder}",
            "Name the folder that backups are made in.",
        )
    folder = folder or Settings.from_env().backup.backup_dir
    if folder is None:
        raise BackupOffError("No folder for backups is set.")
    listed = find_backups(folder)[::-1]
    if as_json:
        contents = {one.path.name: json.loads((one.path / MANIFEST).read_text()) for one in listed}
        click.echo(json.dumps(contents, indent=2))
        return
    if not listed:
        click.echo(f"There is no backup below {folder}.", err=True)
    for one in listed:
        click.echo(_describe(one))


@click.command("restore")
@click.argument("folder", type=FOLDER)
@click.option(
    "--to",
    "target",
    help="Empty place: a data folder, or the URL of a database; default: that of the settings.",
)
@click.option(
    "--key-to",
    type=PathOption(dir_okay=False, path_type=Path),
    help="New file for the encryption key that the backup holds.",
)
@PASSPHRASE
@refusals
def restore(
    folder: Path, target: str | None, key_to: Path | None, passphrase_file: Path | None
) -> None:
    """Restore the backup FOLDER into an empty gallery, never over one in use.

    Who was deleted after the backup was made stays deleted, as far as the ledger beside
    the backup tells. Every byte of the backup is checked before.
    """
    from gallery.backup.folder import open_backup

    settings = Settings.from_env()
    with _reading(folder):
        chosen = open_backup(folder)
    if key_to is not None:
        _write_key(chosen, key_to, passphrase_file)
        settings = settings.replace(encryption_key="", encryption_key_file=key_to)
    settings = _at(settings, target)
    with _reading(folder), output_to(settings.storage.data_dir, "folder"):
        done = _restore_to(settings, chosen)
    click.echo(
        f"{_describe(chosen)} is restored:"
        f" {count_noun(done.rows['people'], 'person', 'people')}."
        f" {count_noun(done.deletions, 'later deletion')} done again."
    )


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Raise BackupUnusableError where a backup, or the ledger beside it, cannot be read."""
    try:
        yield
    except OSError as error:
        raise BackupUnusableError(
            f"The backup {folder} cannot be read: {error.strerror}. Received: {error.filename}",
            "Let the user of this command read the folder and the ledger beside it.",
        ) from error


def _restore_to(settings: Settings, chosen: Backup) -> Restored:
    from gallery.backup.restoring import restore as restore_backup
    from gallery.encryption.rotation import check_same_key
    from gallery.encryption.sealing import codec_of
    from gallery.store import Store

    codec = codec_of(settings)
    # Before the target is opened: an empty gallery takes the first key that opens it.
    check_same_key(chosen.manifest.encryption_key, codec.key_id)
    settings.storage.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = settings.storage.temporary_folder
    temporary.mkdir(mode=0o700, exist_ok=True)
    store = Store(open_target(settings.storage.gallery_url), codec)
    try:
        total = sum(chosen.manifest.rows.values())
        with tqdm(total=total, unit="rows", disable=None) as bar:
            return restore_backup(chosen, store, temporary, lambda _table, rows: bar.update(rows))
    finally:
        store.close()


def _at(settings: Settings, target: str | None) -> Settings:
    """Settings with the gallery at `target`."""
    if target is None:
        return settings
    if not target.strip():
        raise InvalidRequestError(
            f"--to is not empty. Received: {target!r}",
            "Name an empty folder, or the URL of an empty database.",
        )
    if "://" in target:
        return settings.replace(database_url=target)
    return settings.replace(database_url="", data_dir=Path(target).resolve())


def _seal_key(settings: Settings, passphrase_file: Path | None) -> str:
    from gallery.backup.sealed_key import seal_key
    from gallery.encryption.sealing import codec_of, key_text

    if codec_of(settings).key_id is None:
        raise ConfigError("The gallery is stored in the clear: it has no key to keep.")
    return seal_key(key_text(settings), _passphrase(passphrase_file, confirm=True))


def _write_key(chosen: Backup, path: Path, passphrase_file: Path | None) -> None:
    from commands.encryption import write_new
    from gallery.backup.folder import SEALED_KEY
    from gallery.backup.sealed_key import open_key

    file = chosen.path / SEALED_KEY
    if not file.exists():
        raise InvalidRequestError(
            "This backup holds no encryption key.",
            "Leave --key-to out, and set DUET_ENCRYPTION_KEY_FILE to the key of the gallery.",
        )
    write_new(path, open_key(file.read_text(), _passphrase(passphrase_file, confirm=False)))


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is not None:
        return _read_passphrase(file)
    if not is_at_terminal():  # getpass would warn of what it cannot hide
        return _take_passphrase()
    text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
    return text


def _take_passphrase() -> str:
    """Read a passphrase from a pipe, or refuse where there is none."""
    try:
        text = sys.stdin.readline().rstrip("\r\n") if sys.stdin else ""
        text.encode()  # some locales let other bytes pass
    except UnicodeError as error:
        raise InvalidRequestError(
            "A passphrase is a short text in UTF-8. What was piped in is none."
        ) from error
    if not text:
        raise InvalidRequestError(
            "A passphrase is asked for in a terminal, and there is none.",
            "Name a file with --passphrase-file, or pipe the passphrase in.",
        )
    return text


def _read_passphrase(file: Path) -> str:
    try:
        return read_short(file)
    except ValueError as error:
        raise InvalidRequestError(
            f"A passphrase is a short text in UTF-8. Received: {file.name}, which is none"
        ) from error


def _describe(made: Backup) -> str:
    rows = made.manifest.rows
    return (
        f"{made.path.name}: {count_noun(rows.get('people', 0), 'person', 'people')},"
        f" {count_noun(rows.get('templates', 0), 'template')}, {made.bytes / 1e6:.1f} MB"
    )


@click.command("check")
@click.option("--backup", "folder", type=FOLDER, help="Check a backup instead of the gallery.")
@click.option("--json", "as_json", is_flag=True, help="Print what is found as JSON.")
@refusals
def check(folder: Path | None, as_json: bool) -> None:
    """Check the gallery: audit, sealed values, vectors, index, files and terms.

    The exit status is 1 where something is wrong.
    """
    from gallery.upkeep.checking import check_gallery

    if folder is not None:
        _check_backup(folder)
        return
    settings = Settings.from_env()
    with open_store() as store:
        checks = check_gallery(store, settings.storage.media_folder, encoder_ids(settings))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in checks], indent=2))
    else:
        for one in checks:
            click.echo(f"{'BAD' if one.problems else 'ok '} {one.code}: {one.about}")
            for problem in one.problems:
                click.echo(f"      {problem}")
    if any(one.problems for one in checks):
        raise click.exceptions.Exit(1)


def encoder_ids(settings: Settings) -> dict[str, str]:
    """Ids of the encoders that are installed, by modality. Raises ModelError."""
    from network.serving.card import read_card

    return {
        modality: read_card(settings.storage.model_dir / modality).encoder_id
        for modality in map(str, SINGLE)
    }


def _check_backup(folder: Path) -> None:
    from gallery.backup.folder import open_backup

    with _reading(folder):
        chosen = open_backup(folder)
    click.echo(f"{_describe(chosen)}. Every byte is as it was written.")
