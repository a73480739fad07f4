"""The recognizer and a small gallery."""

from __future__ import annotations

from tests.support.fixtures import clip, gallery, recognizer, settings

__all__ = ["clip", "gallery", "recognizer", "settings"]
