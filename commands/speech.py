"""Models of speech to text."""

from __future__ import annotations

import click

from commands.shared import refusals
from utils.config import Settings


@click.group()
def speech() -> None:
    """Look after speech to text (docs/speech.md)."""


@speech.command("models")
@refusals
def speech_models() -> None:
    """List the models of speech to text.

    Each line has name, state, languages, licence and the SHA-256 of the weights. The
    weights that are there are read and checked.
    """
    from speech.models import list_models

    for model in list_models(Settings.from_env().speech.speech_model):
        click.echo(f"{model.name}: {model.state}")
        if model.languages:
            click.echo(f"  languages: {model.languages}. Licence: {model.licence}")
            click.echo(f"  sha256: {model.sha256}")
