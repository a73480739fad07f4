"""Where the model of a check lies: in the models in use, or else among the shipped ones."""

from __future__ import annotations

from pathlib import Path

from utils.config import ROOT


def find_folder(model_dir: Path, check: str) -> Path:
    """Find the folder of the model of a check. `model_dir` are the models in use."""
    own = model_dir / "liveness" / check
    return own if own.is_dir() else ROOT / "best_model" / "liveness" / check
