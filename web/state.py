"""What one application holds: its settings and its recognizer, found again from inside a request."""
from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from gallery.recognizer import Recognizer
from utils.config import Settings


@dataclass(frozen=True)
class State:
    """Kept in `app.extensions["duet"]`."""

    settings: Settings
    recognizer: Recognizer


def settings() -> Settings:
    """Settings of the application that answers this request."""
    state: State = current_app.extensions["duet"]
    return state.settings


def recognizer() -> Recognizer:
    """Recognizer of the application that answers this request."""
    state: State = current_app.extensions["duet"]
    return state.recognizer
