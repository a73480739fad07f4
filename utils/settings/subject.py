"""What the settings of one subject are made of: fields with a text and bounds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from utils.settings.values import check_choice, check_range

PREFIX = "DUET_"


def setting(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    *,
    secret: bool = False,
    choices: tuple[str, ...] = (),
) -> Any:
    """Make the field of a setting: its default, what it is for, its bounds or its choices."""
    facts = {"help": text, "low": low, "high": high, "choices": choices}
    return field(default=default, repr=not secret, metadata=facts)


@dataclass(frozen=True)
class Subject:
    """The settings of one subject. Every value is within its bounds."""

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):
            bounds = one.metadata["low"], one.metadata["high"]
            value = getattr(self, one.name)
            check_range(variable_of(one), value, *bounds)
            check_choice(variable_of(one), value, one.metadata["choices"])


def variable_of(setting: dataclasses.Field[Any]) -> str:
    """Name of the variable of the environment that holds a setting."""
    return PREFIX + setting.name.upper()
