"""What the cards of all models of checks hold, read strictly: people edit them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.file_hash import hash_file

CARD_FILE = "card.json"


def read_card(folder: Path, weights: str) -> dict[str, Any]:
    """Read the card of the weights in the file `weights` of a folder.

    Raises OSError, and ValueError where it is none, or that of other weights.
    """
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    if not isinstance(card, dict):
        raise ValueError("its card must be an object")
    if hash_file(folder / weights) != card["sha256"]:
        raise ValueError("its hash is not that of its card")
    return card


def read_name(card: Mapping[str, Any]) -> str:
    """Read the name of a model. Raises ValueError, and KeyError where there is none."""
    name = card["name"]
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"its card must have a name. Received: name={name}")
    return name


def read_threshold(card: Mapping[str, Any], least: float) -> float:
    """Read a threshold, from `least` to 1. Raises ValueError, and KeyError."""
    threshold = card["threshold"]
    if type(threshold) not in (int, float) or not least <= threshold <= 1:
        raise ValueError(
            f"its threshold must be from {least:g} to 1. Received: threshold={threshold}"
        )
    return float(threshold)
