"""Values of settings: read from the text of a variable, and checked against a range."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from utils.errors import ConfigError


def parse_value(variable: str, kind: str, text: str) -> Any:
    """Read the value of a variable, of the type that `kind` names. Raises ConfigError."""
    if kind == "bool":
        return _parse_flag(variable, text)
    if kind in ("int", "float"):
        return _parse_number(variable, kind, text)
    return _parse_path(variable, text) if kind.startswith("Path") else text


def url_of(file: Path) -> str:
    """Write the URL of the SQLite database in a file.

    What means something in a URL is escaped: else a database would lie elsewhere.
    """
    return "sqlite:///" + str(file).replace("%", "%25").replace("?", "%3F")


def check_range(variable: str, value: Any, low: float | None, high: float | None) -> None:
    """Raise ConfigError for a value that is not from `low` to `high`. None: no bounds."""
    if low is not None and not low <= value <= high:
        raise ConfigError(f"{variable} must be between {low:g} and {high:g}. Received: {value!r}")


def check_choice(variable: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ConfigError for a value that is none of the choices. No choices: any value."""
    if choices and value not in choices:
        raise ConfigError(f"{variable} must be one of {', '.join(choices)}. Received: {value!r}")


def is_address(url: str) -> bool:
    """Whether something can be posted to an address: http or https, without a user name."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_good = is_good and parts.username is None and not parts.fragment and parts.port != 0
    except ValueError:
        return False
    return is_good and url.isascii() and url.isprintable() and " " not in url


def host_of(url: str) -> str:
    """Scheme and host of an address, for a message: the rest may hold a password or a key."""
    scheme = "".join(re.findall(r"^[A-Za-z][A-Za-z0-9+.-]*://", url))
    rest = url.removeprefix(scheme)
    host = "..." if "@" in rest else re.split(r"[/?#\\]", rest)[0]
    return f"{scheme}{host}"[:80]


def _parse_path(variable: str, text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise ConfigError(f"{variable} must be a path. Received: {text!r}")
    return Path(text).resolve()


def _parse_flag(variable: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise ConfigError(f"{variable} must be 0 or 1. Received: {text!r}")
    return text == "1"


def _parse_number(variable: str, kind: str, text: str) -> int | float:
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError:
        raise ConfigError(f"{variable} must be a number. Received: {text!r}") from None
