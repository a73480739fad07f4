"""Templates of another model are embedded again from kept media."""

from __future__ import annotations

import click
from tqdm import tqdm

from commands.shared import refusals
from utils.config import Settings


@click.command()
@click.option(
    "--drop",
    is_flag=True,
    help="Delete templates without kept media instead of stopping before the switch.",
)
@click.option(
    "--stage-only",
    is_flag=True,
    help="Embed, but do not switch yet: the old templates go on to serve.",
)
@refusals
def reembed(drop: bool, stage_only: bool) -> None:
    """Embed all templates again with the models of DUET_MODEL_DIR, from media kept by
    DUET_KEEP_MEDIA=1.

    A service with the old models may go on meanwhile: its templates serve until the
    switch at the end. Stopped or killed, it goes on when it is run again. After the
    switch, restart the service with the new DUET_MODEL_DIR.
    """
    from gallery.store import open_store
    from gallery.upkeep.reembedding import Reembedding
    from network.serving.encoder import load_encoders

    settings = Settings.from_env()
    store = open_store(settings)
    try:
        work = Reembedding(store, load_encoders(settings.storage.model_dir))
        left = work.left()
        with tqdm(
            total=left.waiting + left.staged, initial=left.staged, unit="template", disable=None
        ) as progress:
            work.stage(progress.update)
        if stage_only:
            left = work.left()
            click.echo(
                f"{left.staged} templates are staged, {left.without_media} have no kept media. Run"
                " it again to switch."
            )
            return
        click.echo(
            f"{work.switch(drop=drop)} templates were embedded anew. Restart the service with this"
            " DUET_MODEL_DIR."
        )
    finally:
        store.close()
