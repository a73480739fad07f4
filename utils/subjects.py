"""What the settings of one subject are made of: fields with a text and bounds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from utils.setting_values import check_range

PREFIX = "DUET_"


def setting(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    *,
    secret: bool = False,
) -> Any:
    """Make the field of a setting: its default, what it is for, and its bounds."""
    return field(
        default=default, repr=not secret, metadata={"help": text, "low": low, "high": high}
    )


@dataclass(frozen=True)
class Subject:
    """The settings of one subject. Every number is within its bounds."""

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):
            bounds = one.metadata["low"], one.metadata["high"]
            check_range(variable_of(one), getattr(self, one.name), *bounds)


def variable_of(setting: dataclasses.Field[Any]) -> str:
    """Name of the variable of the environment that holds a setting."""
    return PREFIX + setting.name.upper()
