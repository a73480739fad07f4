"""What was compared, to be seen: the aligned faces that the network was fed, and when
there was speech. Never stored.
"""

from __future__ import annotations

import base64
from typing import Any

import cv2

from recognition.as_json import number
from recognition.results import VerifyResult
from utils.arrays import ImageArray
from utils.media import Capture

MOST_FACES = 4
WEBP_QUALITY = 85


def compared(result: VerifyResult) -> dict[str, Any]:
    """The field `compared` of POST /v1/verify. The reference is null for a person of
    the gallery, of whom only numbers are kept.
    """
    sides = [_side(capture) for capture in result.captures]
    return {"compared": dict(zip(("media", "reference"), [*sides, None, None], strict=False))}


def _side(capture: Capture) -> dict[str, Any]:
    faces = capture.face_analysis.faces
    return {
        "faces": [webp(face.image) for face in faces[:MOST_FACES]],
        "faces_used": len(faces),
        "speech_s": [
            [number(s.start_s), number(s.end_s)] for s in capture.speech_analysis.segments
        ],
        "duration_s": number(capture.duration_s),
    }


def webp(image: ImageArray) -> str:
    """(h, w, 3) uint8 RGB → WebP in base64."""
    done, data = cv2.imencode(
        ".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]
    )
    assert done
    return base64.b64encode(data.tobytes()).decode("ascii")
