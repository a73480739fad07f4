"""Embedding the templates of another model again, from kept media."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from commands.shared import refusals
from utils.config import Settings
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.upkeep.reembedding import Reembedding


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
    """Embed all templates again with the models of DUET_MODEL_DIR.

    The media must have been kept by DUET_KEEP_MEDIA=1. A service with the old models may
    run meanwhile: its templates serve until the switch at the end. If it is interrupted,
    run it again: it continues. After the switch, restart the service with the new
    DUET_MODEL_DIR.
    """
    from gallery.store import open_store
    from gallery.upkeep.reembedding import Reembedding
    from network.serving.encoder import load_encoders

    settings = Settings.from_env()
    store = open_store(settings)
    try:
        work = Reembedding(store, load_encoders(settings.storage.model_dir))
        _stage(work)
        if stage_only:
            left = work.count_left()
            click.echo(
                f"Staged: {count_noun(left.staged, 'template')}. Without kept media:"
                f" {left.without_media}. Run it again to switch."
            )
            return
        count = work.switch(drop=drop)
        click.echo(
            f"Embedded again: {count_noun(count, 'template')}. Restart the service with this"
            " DUET_MODEL_DIR."
        )
    finally:
        store.close()


def _stage(work: Reembedding) -> None:
    left = work.count_left()
    with tqdm(
        total=left.waiting + left.staged, initial=left.staged, unit="template", disable=None
    ) as progress:
        work.stage(progress.update)
