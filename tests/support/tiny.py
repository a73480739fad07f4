"""Real networks with random weights: `tiny_models(folder)` is a model folder that the
service loads in a moment.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from network.serving.card import write_card
from tests.network.test_encoder import make_face, make_fusion, make_voice
from tests.support.gallery_parts import CALIBRATION


def tiny_models(folder: Path) -> Path:
    """ONNX networks and cards with a plausible calibration."""
    face = make_face(folder / "face")
    voice = make_voice(folder / "voice")
    fusion = make_fusion(folder / "fusion", face.encoder_id, voice.encoder_id)
    for card, name in ((face, "face"), (voice, "voice"), (fusion, "fusion")):
        write_card(folder / name, dataclasses.replace(card, calibration=CALIBRATION.to_dict()))
    return folder
