"""What was compared, to be seen: aligned faces, and when there was speech.

Nothing of it is stored.
"""

from __future__ import annotations

import base64
from typing import Any

import cv2

from recognition.as_json import number
from recognition.observation import Observation
from recognition.results import Verification
from utils.arrays import ImageArray

MOST_FACES = 4
WEBP_QUALITY = 85


def show_compared(answer: Verification) -> dict[str, Any]:
    """Show both sides of a verification.

    The reference is null for a person of the gallery, of whom only numbers are kept.
    """
    return {
        "media": _side(answer.observation),
        "reference": None if answer.reference is None else _side(answer.reference),
    }


def _side(observation: Observation) -> dict[str, Any]:
    return {
        "faces": [webp(face.image) for face in observation.faces[:MOST_FACES]],
        "faces_used": len(observation.faces),
        "speech_s": [[number(s.start_s), number(s.end_s)] for s in observation.speech_segments],
        "duration_s": number(observation.duration_s),
    }


def webp(image: ImageArray) -> str:
    """(h, w, 3) uint8 RGB → WebP in base64."""
    done, data = cv2.imencode(
        ".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]
    )
    assert done
    return base64.b64encode(data.tobytes()).decode("ascii")
