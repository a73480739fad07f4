"""Who sees the figures of checks for liveness: operators, and nobody else.

Whoever may try again and again and reads how near a fake came, makes a better one.
"""

from __future__ import annotations

from typing import Any

from web.guard.auth import is_staff

_FIGURES = {"score": None, "threshold": None, "lag_ms": None}


def hide_figures(body: dict[str, Any]) -> dict[str, Any]:
    """Take the figures of the checks off an answer, unless an operator asks."""
    checks = body["liveness"]
    if checks is None or is_staff():
        return body
    hidden = {name: _hide(check) for name, check in checks.items()}
    return {**body, "liveness": {**hidden, "digits": []}}


def _hide(check: Any) -> Any:
    return check | _FIGURES if isinstance(check, dict) else check
