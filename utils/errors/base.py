"""What every error of the product has: a code, a message, a hint and facts."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of operating system errors that mean a full disk or quota."""


class DuetError(Exception):
    """Base of every error of the product.

    Neither `message` nor `hint` ever holds a server path, a secret or a vector.

    Attributes:
        code: stable name of the kind of error.
        message: the rule that was broken, and the value that was received.
        hint: advice for this very case, in words that every front can show. Empty where
            the front's own hint for `code` says it all.
        details: facts about the case, as JSON values.
    """

    code = "internal"

    def __init__(
        self, message: str, hint: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or ""
        self.details = dict(details or {})

    def to_dict(self, front_hints: Mapping[str, str] | None = None) -> dict[str, str]:
        """Code, message and hint: the body of an error, the same for every front.

        `front_hints` are the hints of the front by code, for an error without one.
        """
        body = {"code": self.code, "message": self.message, "hint": self.hint}
        return fill_hint(body, front_hints or {})


def say_body(body: Mapping[str, str]) -> str:
    """Say in one line what the body of an error says: its message, then its hint."""
    return f"{body['message'].rstrip('.')}. {body['hint']}".rstrip()


def fill_hint(body: Mapping[str, str], front_hints: Mapping[str, str]) -> dict[str, str]:
    """Give the body of an error the hint of the front, unless it has one of its own."""
    return {**body, "hint": body["hint"] or front_hints.get(body["code"], "")}
