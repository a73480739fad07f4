"""Values of a table that become fields of a dataclass, checked by the types of the fields.

A dataclass takes a text for a number, and fails where it is used first, or not at all.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Union, get_args, get_origin, get_type_hints

MOST = 2**63
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "nothing",
}


def fit_fields(
    cls: type, table: Mapping[str, Any], *, signed: Collection[str] = ()
) -> dict[str, Any]:
    """Check that each value is of the type of its field. Lists become tuples.

    Only the numbers of `signed` may be negative. Names that are no fields are left to the
    dataclass. Raises ValueError.
    """
    hints = get_type_hints(cls)
    for name, value in table.items():
        if name not in hints:
            continue
        if not _fits(value, hints[name]):
            raise ValueError(f"{name} must be {_describe(hints[name])}. Received: {name}={value!r}")
        if isinstance(value, Real) and value < 0 and name not in signed:
            raise ValueError(f"{name} must not be negative. Received: {name}={value!r}")
    return {name: _freeze(value) for name, value in table.items()}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, as annotations name them."""
    origin = get_origin(hint)
    parts = get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin in (tuple, Sequence):
        return isinstance(value, list | tuple) and _fit_each(value, parts)
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(one, parts[1]) for one in value.values())
    if hint in (int, float):
        is_number = isinstance(value, Integral if hint is int else Real)
        return is_number and not isinstance(value, bool) and abs(value) < MOST
    return isinstance(value, hint)


def _fit_each(values: Sequence[object], parts: tuple[Any, ...]) -> bool:
    """Whether the values of a list are of these types: each of its own, or all of the first.

    A list of names may be empty, one of numbers may not.
    """
    if len(parts) > 1 and parts[1] is not Ellipsis:
        return len(values) == len(parts) and all(map(_fits, values, parts))
    return (bool(values) or parts[0] is str) and all(_fits(value, parts[0]) for value in values)


def _describe(hint: Any) -> str:
    """Describe a type as whoever writes a table knows it."""
    origin = get_origin(hint)
    parts = get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_describe, parts))
    if origin in (tuple, Sequence):
        several = len(parts) > 1 and parts[1] is not Ellipsis
        return f"a list{f' of {len(parts)}' if several else ''}, each {_describe(parts[0])}"
    if origin is Mapping:
        return f"a table, each {_describe(parts[1])}"
    return _KINDS.get(hint, f"a {getattr(hint, '__name__', hint)}")


def _freeze(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
