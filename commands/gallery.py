"""The gallery as a whole."""

from __future__ import annotations

import click
from tqdm import tqdm

from commands.shared import open_store, open_target, refusals
from utils.config import Settings


@click.group()
def gallery() -> None:
    """The gallery as a whole: copy it to another database."""


@gallery.command("copy")
@click.option(
    "--to",
    "url",
    required=True,
    help="SQLAlchemy URL of an empty database: an SQLite file or PostgreSQL.",
)
@refusals
def gallery_copy(url: str) -> None:
    """Copy the gallery of the settings into another database, all of it or nothing.

    Stop the service before. People, templates, kept media, feedback, keys and the audit
    are copied, batch jobs are not. A password is better left out of the URL: PGPASSWORD
    and ~/.pgpass are read.
    """
    from gallery.encryption.sealing import codec_of
    from gallery.store import Store
    from gallery.upkeep.copying import copy_gallery, count_rows

    with open_store() as source:
        target = Store(open_target(url), codec_of(Settings.from_env()))
        try:
            with tqdm(total=count_rows(source), unit="rows") as bar:
                copied = copy_gallery(source, target, lambda _table, rows: bar.update(rows))
        finally:
            target.close()
    click.echo(
        ", ".join(f"{rows} {table}" for table, rows in copied.items() if rows)
        or "the gallery is empty"
    )
