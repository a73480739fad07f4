"""The faces of one clip that are enough, embedded while the rest of it is still decoded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from gallery.ports import FaceEncoder
from recognition.few_faces import STRETCHES, choose_early
from utils.arrays import Float32Array
from utils.beside import beside
from utils.media import AlignedFace

View = tuple[AlignedFace, bool]
"""A face, and whether it is mirrored."""


class Seeing:
    """Embeds each view of one clip once.

    Each is given to the network by itself. So its vector is the same whenever its turn comes.

    Attributes:
        stretches: of time, of which the best face is embedded (`recognition.few_faces`).
        took_ms: what that took before all faces were there.
    """

    def __init__(self, encoder: FaceEncoder, stretches: int = STRETCHES) -> None:
        self._encoder = encoder
        self.stretches = stretches
        self._views: dict[tuple[int, bool], View] = {}  # so that no other face gets the id
        self._vectors: dict[tuple[int, bool], Float32Array] = {}
        self.took_ms = 0.0

    def watch(self, faces: Sequence[AlignedFace], frames: int) -> bool:
        """Embed one of the faces that will be among the few, as far as can be told.

        Args:
            faces: one of each frame so far, in order of time.
            frames: how many frames there will be.

        Returns:
            Whether there was one that was not embedded yet.
        """
        started = time.perf_counter()
        early = choose_early(faces, frames, self.stretches)
        new = self._select_new(early)
        self._embed(new[:1])
        self.took_ms += (time.perf_counter() - started) * 1000
        return bool(new)

    def embed(self, views: Sequence[View]) -> Float32Array:
        """Embed views, those that are not yet: (n, 512). Two threads share them."""
        new = self._select_new(views)
        middle = len(new) // 2
        with beside(partial(self._embed, new[:middle])) as others:
            self._embed(new[middle:])
            others.result()
        return np.stack([self._vectors[_key_of(view)] for view in views])

    def _select_new(self, views: Sequence[View]) -> list[View]:
        return [view for view in views if _key_of(view) not in self._vectors]

    def _embed(self, views: Sequence[View]) -> None:
        for view in views:
            face, is_turned = view
            turned = np.array([is_turned])
            self._views[_key_of(view)] = view
            (vector,) = self._encoder.embed_each(face.image[None], turned=turned)
            self._vectors[_key_of(view)] = vector


def _key_of(view: View) -> tuple[int, bool]:
    face, is_turned = view
    return id(face), is_turned
