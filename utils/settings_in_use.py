"""The settings that a program runs with, and where each comes from. Secrets are left out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from utils.config import Settings, describe_settings
from utils.settings.subject import PREFIX

Plain = str | int | float | bool | None


@dataclass(frozen=True)
class SettingInUse:
    """A setting as it is in use.

    Attributes:
        name: variable of the environment.
        subject: field of `Settings` that holds it.
        value: None = empty, or a secret.
        default: None = empty.
        source: "environment", "default", or "program" for a value that was given in code.
        is_secret: its value is not told.
        about: what it is for.
    """

    name: str
    subject: str
    value: Plain
    default: Plain
    source: str
    is_secret: bool
    about: str


def list_settings(settings: Settings, env: Mapping[str, str] | None = None) -> list[SettingInUse]:
    """List all settings, by subject and in the order of their fields."""
    env = os.environ if env is None else env
    listed = []
    for one in describe_settings():
        field = one.variable.removeprefix(PREFIX).lower()
        value = getattr(getattr(settings, one.subject), field)
        listed.append(
            SettingInUse(
                name=one.variable,
                subject=one.subject,
                value=None if one.is_secret else _plain(value),
                default=_plain(one.default),
                source=_source(value, one.default, is_in_env=bool(env.get(one.variable))),
                is_secret=one.is_secret,
                about=one.help,
            )
        )
    return listed


def _source(value: object, default: object, *, is_in_env: bool) -> str:
    if is_in_env:
        return "environment"
    return "default" if value == default else "program"


def _plain(value: object) -> Plain:
    """A value as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (bool, int, float)):
        return value
    return str(value) if value else None
