"""The key that the gallery is encrypted with: making one, and changing it.

Both commands belong to the group `keys`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from commands.shared import FILE, refusals
from utils.config import Settings
from utils.errors import ConfigError
from utils.path_option import PathOption
from utils.settings.subject import PREFIX
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.encryption.sealing import Codec


@click.command("new-encryption-key")
@click.option(
    "--to",
    "path",
    type=PathOption(dir_okay=False, path_type=Path),
    help="New file for the key, readable by you alone; default: print it.",
)
@refusals
def new_encryption_key(path: Path | None) -> None:
    """Make a key for encryption at rest: 32 random bytes in base64."""
    from gallery.encryption.sealing import new_key, parse_key

    text = new_key()
    if path is None:
        click.echo(text)
    else:
        write_new(path, text)
    click.echo(
        f"Key {parse_key(text, 'the new key').key_id}. Keep a copy of it, apart from the backups of"
        " the gallery. Without it nothing in the gallery can be read. Use it with"
        f" {PREFIX}ENCRYPTION_KEY_FILE={path or 'FILE'}.",
        err=True,
    )


def write_new(path: Path, text: str) -> None:
    """Write a key to a new file that its owner alone can read. Raises ConfigError."""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text + "\n")
    except OSError as error:
        raise ConfigError(
            f"The key cannot be written to a new file: {error.strerror}. Received: {path}"
        ) from error


@click.command("rotate-encryption")
@click.option(
    "--old-key-file",
    type=FILE,
    help=f"File with the key before; default: {PREFIX}ENCRYPTION_KEY_OLD.",
)
@click.option(
    "--to-plain",
    is_flag=True,
    help="Store everything in the clear again; the key that is set is then the old one.",
)
@refusals
def rotate_encryption(old_key_file: Path | None, to_plain: bool) -> None:
    """Encrypt a plain gallery with the key that is set, or change its key.

    Stop the service first. If it is interrupted, run it again: it continues.
    """
    from gallery import audit
    from gallery.database.open import open_database
    from gallery.encryption.rotation import rotate

    settings = Settings.from_env()
    new, old = _choose_codecs(settings, old_key_file, to_plain=to_plain)
    database = open_database(settings.storage.gallery_url)
    try:
        with tqdm(unit="value", disable=None) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            count = rotate(database, new, old, show)
        with database.write() as connection:
            outcome = new.key_id or "in_the_clear"
            audit.append(connection, "rotate_encryption", outcome, detail={"values": count})
    finally:
        database.close()
    click.echo(f"{count_noun(count, 'value')} rewritten. {_describe_state(new)}")


def _choose_codecs(
    settings: Settings, old_key_file: Path | None, *, to_plain: bool
) -> tuple[Codec, list[Codec]]:
    """Choose the new codec and the old ones. Raises ConfigError without a new key."""
    from gallery.encryption.sealing import PlainText, codec_of, parse_key, read_key

    current = codec_of(settings)
    if current.key_id is None and not to_plain:
        raise ConfigError(
            f"The new key comes from {PREFIX}ENCRYPTION_KEY_FILE or {PREFIX}ENCRYPTION_KEY."
            " Neither is set.",
            "Set one of them, or say --to-plain to store everything in the clear.",
        )
    old: list[Codec] = [current] if to_plain else []
    if old_key_file:
        old.append(read_key(old_key_file, "--old-key-file"))
    if settings.privacy.encryption_key_old:
        old.append(parse_key(settings.privacy.encryption_key_old, f"{PREFIX}ENCRYPTION_KEY_OLD"))
    return (PlainText() if to_plain else current), old


def _describe_state(codec: Codec) -> str:
    if codec.key_id:
        return f"The gallery is now stored with the key {codec.key_id}."
    return (
        "The gallery is now stored in the clear. Unset"
        f" {PREFIX}ENCRYPTION_KEY and {PREFIX}ENCRYPTION_KEY_FILE."
    )
