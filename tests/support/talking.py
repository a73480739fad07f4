"""Clips of somebody who talks, or whose picture is shown, for the checks of liveness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from align.mouth import MOUTH
from tests.support.gallery_parts import ClipAligner
from utils.arrays import FACE_SIZE_PX, ImageArray
from utils.media import AlignedFace, Capture

FRAMES = 8


class TalkingAligner(ClipAligner):
    """Shows a face in several frames. `mouth` says whether its mouth moves."""

    mouth = "moves"

    def change(self, capture: Capture) -> Capture:
        """Show the face as often as a camera would."""
        analysis = capture.face_analysis
        if not analysis.faces:
            return capture
        images = draw_faces(analysis.faces[0].image, moves=self.mouth == "moves")
        faces = tuple(_at(analysis.faces[0], image, i) for i, image in enumerate(images))
        # Best first, which is not in order of time
        return replace(capture, face_analysis=replace(analysis, faces=faces[::-1]))


def draw_faces(first: ImageArray, *, moves: bool) -> list[ImageArray]:
    """Draw a face of random texture, whose mouth is drawn anew in each frame if it moves.

    The first pixel, which says who it is, stays as it is.
    """
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (FACE_SIZE_PX, FACE_SIZE_PX, 3), dtype=np.uint8)
    texture[0, 0] = first[0, 0]
    images = [texture.copy() for _ in range(FRAMES)]
    for image in images if moves else ():
        image[MOUTH] = rng.integers(0, 256, image[MOUTH].shape, dtype=np.uint8)
    return images


def _at(face: AlignedFace, image: ImageArray, number: int) -> AlignedFace:
    return replace(face, image=image, time_s=number / 4)
