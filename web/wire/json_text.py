"""JSON as RFC 8259 has it, read from what a client sends.

Python alone also reads NaN, numbers beyond any float, a field twice, and half of a sign
(a lone surrogate). None of them can stand in an answer.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

from utils.errors import InvalidRequestError

MOST_DEPTH = 100
"""Lists and objects within each other. What is deeper cannot be written again."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def parse_json(text: str) -> Any:
    """Parse JSON whose texts are stored or answered unread.

    Raises ValueError, and InvalidRequestError where a field comes twice.
    """
    value = _load(text)
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # a pair of halves is one sign
    return value


def read_json(data: bytes, what: str) -> Any:
    """Read JSON in UTF-8. Raises InvalidRequestError.

    Half of a sign may stand in a text: the field that it is in has its own error.
    """
    try:
        return _load(data.decode("utf-8-sig"))
    except ValueError as error:
        raise InvalidRequestError(
            f"{what} must be JSON in UTF-8. Received: {_fault_of(error, data)}"
        ) from None


def _fault_of(error: ValueError, data: bytes) -> str:
    """Say why something is no JSON, without what stands in it."""
    if not data.strip():
        return "nothing"
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    if isinstance(error, UnicodeDecodeError):
        return "bytes that are no UTF-8"
    return "lists that are too deep, or a number that is too long or none"


def _load(text: str) -> Any:
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_fields,
            parse_constant=_refuse_constant,
            parse_float=_read_finite,
        )
    except RecursionError:
        raise ValueError("too deep") from None
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    """Raise ValueError where lists or objects are too deep for what reads them later."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = list(chain.from_iterable(map(_open, level)))
    if level:
        raise ValueError("too deep")


def _open(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of which no field is given twice. Raises InvalidRequestError."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidRequestError(
                f"A field of a JSON object must be given once. Received twice: {name[:40]!a}"
            )
        values[name] = value
    return values


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _read_finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("too large")
    return number
