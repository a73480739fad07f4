"""The settings that commands and the service run with."""

from __future__ import annotations

from dataclasses import asdict

import click

from commands.shared import refusals, to_json
from utils.config import Settings
from utils.settings_in_use import SettingInUse, list_settings


@click.command("settings")
@click.option("--changed", is_flag=True, help="Only those that are not the default.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@refusals
def settings(*, changed: bool, as_json: bool) -> None:
    """List the settings of this environment, each with where it comes from.

    Of a secret it is told whether it is set, never its value.
    """
    listed = list_settings(Settings.from_env())
    if changed:
        listed = [one for one in listed if one.source != "default"]
    if as_json:
        click.echo(to_json([asdict(one) for one in listed], indent=2))
        return
    for one in listed:
        click.echo(f"{one.name}\t{_show(one)}\t{one.source}")


def _show(one: SettingInUse) -> str:
    if one.is_secret:
        return "(empty)" if one.source == "default" else "(secret)"
    return "(empty)" if one.value is None else str(one.value)
