"""Clips, recognizer and networks for tests of the service. The recognizer and its SQLite file are real; see also tests/gallery_parts.py.

`clip(face="ann", voice="ann", take=2)` is what somebody sends; `tiny_models(folder)` are real ONNX networks with random weights.
"""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from gallery.recognizer import Recognizer
from network.card import write_card
from tests.gallery_parts import CALIBRATION, ClipAligner, make_recognizer
from tests.test_encoder import make_face, make_fusion, make_voice
from utils.config import Settings
from utils.errors import MediaCorruptError, MediaTypeError
from utils.types import Capture, Hint

NUMBERS = {name: number for number, name in enumerate(("ann", "ben", "cem", "dan", "eve"), 1)}


def clip(face: str | None = None, voice: str | None = None, take: int = 1, hints: tuple[str, ...] = ()) -> bytes:
    """The bytes of a clip."""
    who = {kind: None if name is None else NUMBERS[name] for kind, name in (("face", face), ("voice", voice))}
    return json.dumps({**who, "sample": take, "noise": 0.3, "picture": True, "sound": True, "hints": hints}).encode()


class HintingAligner(ClipAligner):
    """Reads the clips above; refuses what is no clip at all as the real aligner does."""

    def analyse(self, path: Path, *, filename: str | None = None) -> Capture:
        """As align.aligner.Aligner.analyse."""
        try:
            capture = super().analyse(path, filename=filename)
        except MediaCorruptError:
            raise MediaTypeError("This is no media file that is read. Received: something else") from None
        hints = tuple(Hint(code, code.replace("_", " ")) for code in json.loads(path.read_bytes())["hints"])
        return dataclasses.replace(capture, hints=hints)


def tiny_recognizer(settings: Settings) -> Recognizer:
    """The real recognizer over a real database."""
    return make_recognizer(settings.data_dir, aligner=HintingAligner(), database_url=settings.database_url)


def tiny_models(folder: Path) -> Path:
    """A model folder that the real loader takes: random weights, a plausible calibration."""
    face, voice = make_face(folder / "face"), make_voice(folder / "voice")
    fusion = make_fusion(folder / "fusion", face.encoder_id, voice.encoder_id)
    for card, name in ((face, "face"), (voice, "voice"), (fusion, "fusion")):
        write_card(folder / name, dataclasses.replace(card, calibration=CALIBRATION.to_dict()))
    return folder
