"""The recognizer and a small gallery."""

from __future__ import annotations

from tests.support.fixtures import clip, gallery, quick_schema, recognizer, settings

__all__ = ["clip", "gallery", "quick_schema", "recognizer", "settings"]
