"""Values of settings: read from the text of a variable, and checked against a range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.errors import ConfigError


def parse_value(variable: str, kind: str, text: str) -> Any:
    """Read the value of a variable, of the type that `kind` names. Raises ConfigError."""
    if kind == "bool":
        return _parse_flag(variable, text)
    if kind in ("int", "float"):
        return _parse_number(variable, kind, text)
    return Path(text).resolve() if kind.startswith("Path") else text


def check_range(variable: str, value: Any, low: float | None, high: float | None) -> None:
    """Raise ConfigError for a value that is not from `low` to `high`. None: no bounds."""
    if low is not None and not low <= value <= high:
        raise ConfigError(f"{variable} must be between {low:g} and {high:g}. Received: {value!r}")


def check_choice(variable: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ConfigError for a value that is none of the choices. No choices: any value."""
    if choices and value not in choices:
        raise ConfigError(f"{variable} must be one of {', '.join(choices)}. Received: {value!r}")


def _parse_flag(variable: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise ConfigError(f"{variable} must be 0 or 1. Received: {text!r}")
    return text == "1"


def _parse_number(variable: str, kind: str, text: str) -> int | float:
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError:
        raise ConfigError(f"{variable} must be a number. Received: {text!r}") from None
