"""Texts of the pages, as the pages read them."""

from __future__ import annotations

import json

from utils.config import ROOT

TEXT_FILES = ROOT / "web" / "pages" / "static" / "i18n"


def read_texts(language: str) -> dict[str, str]:
    """Read all texts of a language, of every page, by key."""
    texts: dict[str, str] = {}
    for file in sorted((TEXT_FILES / language).glob("*.json")):
        texts |= json.loads(file.read_text(encoding="utf-8"))
    return texts
