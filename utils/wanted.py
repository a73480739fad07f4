"""Whether an answer is still wanted, which only whoever took the question can tell."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

CHECK_WANTED: ContextVar[Callable[[], None]] = ContextVar("wanted", default=lambda: None)
"""Raises once nobody waits for the answer. It is called when the turn of a clip has come."""
