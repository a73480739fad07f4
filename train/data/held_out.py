"""Embeddings of the held-out people under every measured condition.

They are made as the service makes them. The fusion is chosen by them, and calibration
and reports are made from them. The cohort also takes speakers of other data sets.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from network.serving.encoder import FaceEncoder, VoiceEncoder
from train.data.conditions import FACE_CONDITIONS, VOICE_CONDITIONS
from train.data.datasets import Item, Listing, group_of, read_listing
from train.data.renderings import Recipe, VoiceOptions
from train.data.tables import Table, face_table, select, voice_table
from utils.arrays import EMBEDDING_SIZE, Float32Array

CACHE = Path("data/cache/fusion")
CLEAN = Recipe(("clean",))
# People of the cohort whom the face network was trained on, by the kind of their set.
COHORT_PEOPLE = 750
COHORT_PORTRAITS = 1200


@dataclass(frozen=True)
class Selection:
    """Files of a data set that are measured.

    Attributes:
        source: The data set, as `read_listing` takes it.
        files: At most so many files of each person.
        match: A part that every path must contain.
    """

    source: Path
    files: int
    match: str = ""

    def listing(self, kind: str) -> Listing:
        """The selected files of the split `dev`, of `kind` "image" or "audio"."""
        listing = read_listing(self.source, kind, "dev")
        items = tuple(item for item in listing.items if self.match in item.path)
        return select(Listing(listing.root, items), self.files)


def held_out_faces(encoder: FaceEncoder, selection: Selection, cache: Path | None = CACHE) -> Table:
    """Embed held-out photographs under every measured condition."""
    return face_table(encoder, selection.listing("image"), Recipe(FACE_CONDITIONS), cache)


def held_out_voices(
    encoder: VoiceEncoder, selection: Selection, options: VoiceOptions, cache: Path | None = CACHE
) -> Table:
    """Embed held-out recordings under every measured condition."""
    return voice_table(
        encoder, selection.listing("audio"), Recipe(VOICE_CONDITIONS), options=options, cache=cache
    )


def cohort_faces(
    encoder: FaceEncoder, faces: Path, portraits: Path, cache: Path | None = CACHE
) -> Float32Array:
    """Embed photographs of other people, for the cohort: one of each person.

    The network was trained on them, so none of them may be measured.

    Args:
        encoder: The face encoder that serves.
        faces: A data set of people, whose split `train` is read.
        portraits: A data set without names, each picture somebody else. It has people
            of more ages and origins than `faces`. It may be missing.
        cache: Folder of the tables, None for no cache.

    Returns:
        (n, 512) float32 of unit length.
    """
    named = select(read_listing(faces, "image", "train"), 1, COHORT_PEOPLE, least=1)
    parts = [face_table(encoder, named, CLEAN, cache).vectors]
    if portraits.exists():
        pictures = read_listing(portraits, "image", "train")
        items = tuple(Item(item.path, item.path) for item in pictures.items)
        drawn = select(Listing(pictures.root, items), 1, COHORT_PORTRAITS, least=1)
        parts.append(face_table(encoder, drawn, CLEAN, cache).vectors)
    return np.concatenate(parts)


def cohort_voices(
    encoder: VoiceEncoder,
    source: Path,
    options: VoiceOptions,
    *,
    groups: Collection[str],
    files: int,
    cache: Path | None = CACHE,
) -> Float32Array:
    """Embed clean speech of training speakers, for the cohort.

    The network was trained on these speakers, so none of them may be measured.

    Args:
        encoder: The voice encoder that serves.
        source: The data set, whose split `train` is read.
        options: How voices are heard.
        groups: The data sets whose speakers are taken.
        files: Files of each speaker.
        cache: Folder of the tables, None for no cache.

    Returns:
        (n, 512) float32 of unit length. n is 0 where there is no such speaker.
    """
    listing = read_listing(source, "audio", "train")
    items = tuple(item for item in listing.items if group_of(item.label) in groups)
    if not items:
        return np.zeros((0, EMBEDDING_SIZE), np.float32)
    speakers = select(Listing(listing.root, items), files, least=1)
    return voice_table(encoder, speakers, CLEAN, options=options, cache=cache).vectors
