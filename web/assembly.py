"""Puts the product together: settings → store, aligner, encoders → `Recognizer`. Knows no HTTP; the command line uses it too."""
from __future__ import annotations

from align.aligner import Aligner
from gallery.recognizer import Recognizer
from gallery.store import open_store
from network.encoder import load_encoders
from utils.config import Settings


def build_recognizer(settings: Settings, *, load_detector: bool = False) -> Recognizer:
    """The recognizer that `settings` describe. The face detector is loaded when the first clip is read, or now with `load_detector`.

    Raises ModelError, StoreUnavailableError. Call it after a fork, never before.
    """
    encoders = load_encoders(settings.model_dir)
    aligner = Aligner(settings)
    if load_detector:
        aligner.load()
    return Recognizer(aligner, encoders, open_store(settings), settings)
