"""What stands for people, read from their templates in the caller's transaction: the
same for every index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from gallery.encryption.sealing import Codec
from gallery.ports import Encoders
from gallery.records import feed
from gallery.vectors import KeyArray, represent
from utils.arrays import EMBEDDING_SIZE, BoolArray, Float32Array
from utils.modality import Modality

SINGLE = (Modality.FACE, Modality.VOICE)
ALL = (*SINGLE, Modality.FUSED)


@dataclass(frozen=True)
class Block:
    """People who were read: `keys` (m,) rising, vectors (m or more, size) float32, or
    what an index packs them into, and presence (m,) by modality, all of the same order;
    rows behind the m-th are empty.
    """

    keys: KeyArray
    vectors: dict[Modality, Any]
    has: dict[Modality, BoolArray]


def no_room(rows: int, size: int) -> Float32Array:
    """(rows, size) of zeros."""
    return np.zeros((rows, size), np.float32)


class Reader:
    """Templates of these encoders, opened by `codec`, as what stands for each person."""

    def __init__(self, codec: Codec, encoders: Encoders) -> None:
        self._codec = codec
        self._fusion = encoders.fusion
        nothing = np.zeros((0, EMBEDDING_SIZE), np.float32)
        self.sizes = {
            **dict.fromkeys(SINGLE, EMBEDDING_SIZE),
            Modality.FUSED: encoders.fusion.fuse(nothing, nothing).shape[1],
        }
        self.encoder_ids = {
            Modality.FACE: encoders.face.encoder_id,
            Modality.VOICE: encoders.voice.encoder_id,
        }
        self.all_ids = {**self.encoder_ids, Modality.FUSED: encoders.fusion.encoder_id}

    def read(
        self,
        connection: Connection,
        keys: Sequence[int] | None,
        make: Callable[[int, int], Any] = no_room,
        pack: Callable[[Float32Array], Any] = lambda vectors: vectors,
    ) -> Block:
        """Those of `keys` (None = everybody) who have a template. `make` gives the
        arrays for so many rows of a size, and `pack` turns vectors (n, size) into their
        rows.
        """
        pieces = feed.read_templates(connection, self._codec, self.encoder_ids, keys)
        if keys is None:
            everyone = feed.read_keys(connection, self.encoder_ids)
        else:  # few enough to be held at once
            pieces = iter(held := list(pieces))
            everyone = np.unique(
                np.concatenate(
                    [np.zeros(0, np.int64), *(t.owners for piece in held for t in piece.values())]
                )
            )
        found = {m: make(len(everyone), self.sizes[m]) for m in ALL}
        has = {m: np.zeros(len(everyone), np.bool_) for m in ALL}
        for templates in pieces:
            for m, (owners, vectors) in represent(templates, self._fusion.fuse).items():
                at = np.searchsorted(everyone, owners)
                found[m][at] = pack(vectors)
                has[m][at] = True
        return Block(everyone, found, has)
