"""Embeddings of the held-out people under every measured condition, as serving would
make them: for choosing, calibrating and reporting. And of speakers of other data sets,
for the cohort.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from network.serving.encoder import FaceEncoder, VoiceEncoder
from train.data.conditions import FACE_CONDITIONS, VOICE_CONDITIONS, NoiseBank
from train.data.datasets import Listing, read_listing
from train.data.tables import Recipe, Table, face_table, select, voice_table
from train.voice.banks import group_of
from utils.arrays import EMBEDDING_SIZE, Float32Array

CACHE = Path("data/cache/fusion")
CLEAN = Recipe(("clean",))


def held_out_faces(
    encoder: FaceEncoder, source: Path, files: int, match: str = "", cache: Path | None = CACHE
) -> Table:
    """Faces of the split `dev` of `source` (as `read_listing` takes it), `files`
    photographs of each person, whose paths contain `match`.
    """
    listing = select(_matching(read_listing(source, "image", "dev"), match), files)
    return face_table(encoder, listing, Recipe(FACE_CONDITIONS), cache)


def held_out_voices(
    encoder: VoiceEncoder,
    source: Path,
    files: int,
    noises: NoiseBank,
    match: str = "",
    cache: Path | None = CACHE,
) -> Table:
    """Voices of the split `dev` of `source`, `files` of each person, whose paths
    contain `match`.
    """
    listing = select(_matching(read_listing(source, "audio", "dev"), match), files)
    return voice_table(encoder, listing, Recipe(VOICE_CONDITIONS), noises, cache)


def cohort_voices(
    encoder: VoiceEncoder,
    source: Path,
    groups: Sequence[str],
    files: int,
    noises: NoiseBank,
    cache: Path | None = CACHE,
) -> Float32Array:
    """Clean embeddings (n, 512) of the split `train` of `source`: `files` of each
    speaker of `groups` (data sets); none where there are none of them. The network
    knows these speakers, so none of them may be measured.
    """
    listing = read_listing(source, "audio", "train")
    theirs = Listing(
        listing.root, tuple(item for item in listing.items if group_of(item.label) in groups)
    )
    if not theirs.items:
        return np.zeros((0, EMBEDDING_SIZE), np.float32)
    return voice_table(encoder, select(theirs, files, least=1), CLEAN, noises, cache).vectors


def _matching(listing: Listing, match: str) -> Listing:
    return Listing(listing.root, tuple(item for item in listing.items if match in item.path))
