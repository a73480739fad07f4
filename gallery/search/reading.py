"""Reads what stands for people from their templates, the same for every index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from gallery.encryption.sealing import Codec
from gallery.ports import Encoders
from gallery.records import feed
from gallery.records.feed import PersonRef
from gallery.vectors import KeyArray, Templates, represent
from utils.arrays import EMBEDDING_SIZE, BoolArray, Float32Array
from utils.modality import SINGLE, Modality

ALL = (*SINGLE, Modality.FUSED)


@dataclass(frozen=True)
class Block:
    """People read from the database, all arrays in the same order.

    Attributes:
        keys: (m,) internal numbers, rising.
        vectors: (m or more, size) float32 by modality, or what an index packs them
            into. Rows behind the m-th are empty.
        has: (m,) whether the person has a vector, by modality.
    """

    keys: KeyArray
    vectors: dict[Modality, Any]
    has: dict[Modality, BoolArray]


def no_room(rows: int, size: int) -> Float32Array:
    """Make (rows, size) of zeros, without room for more."""
    return np.zeros((rows, size), np.float32)


def _as_they_are(vectors: Float32Array) -> Float32Array:
    return vectors


class Reader:
    """Reads templates of these encoders as what stands for each person.

    `codec` opens the stored vectors.
    """

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
        pack: Callable[[Float32Array], Any] = _as_they_are,
    ) -> Block:
        """Read those of `keys` (None = everybody) who have a template.

        `make` gives the array for a number of rows of a size. `pack` turns vectors
        (n, size) into rows of it. Reads in the transaction of the caller.
        """
        pieces: Iterable[dict[Modality, Templates]] = feed.read_templates(
            connection, self._codec, self.encoder_ids, keys
        )
        if keys is None:
            owners = feed.read_keys(connection, self.encoder_ids)
        else:  # few enough to be held at once
            pieces = list(pieces)
            owners = _owners(pieces)
        return self._fill(pieces, owners, make, pack)

    def read_named(
        self, connection: Connection, keys: Sequence[int]
    ) -> tuple[Block, dict[int, PersonRef]]:
        """Read those of `keys` who have a template, and who they are."""
        pieces, refs = feed.read_named(connection, self._codec, self.encoder_ids, keys)
        return self._fill(pieces, _owners(pieces), no_room, _as_they_are), refs

    def _fill(
        self,
        pieces: Iterable[dict[Modality, Templates]],
        owners: KeyArray,
        make: Callable[[int, int], Any],
        pack: Callable[[Float32Array], Any],
    ) -> Block:
        vectors = {m: make(len(owners), self.sizes[m]) for m in ALL}
        has = {m: np.zeros(len(owners), np.bool_) for m in ALL}
        for templates in pieces:
            for m, (people, representatives) in represent(templates, self._fusion.fuse).items():
                rows = np.searchsorted(owners, people)
                vectors[m][rows] = pack(representatives)
                has[m][rows] = True
        return Block(owners, vectors, has)


def _owners(pieces: Sequence[dict[Modality, Templates]]) -> KeyArray:
    """Internal numbers of everybody in these pieces, rising."""
    owners = [np.zeros(0, np.int64)]
    for piece in pieces:
        owners.extend(templates.owners for templates in piece.values())
    return np.unique(np.concatenate(owners))
