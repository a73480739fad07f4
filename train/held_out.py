"""Embeddings of the held-out people under every measured condition, as serving would make them: for choosing, calibrating and reporting."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from network.encoder import FaceEncoder, VoiceEncoder
from train.conditions import FACE_CONDITIONS, VOICE_CONDITIONS, NoiseBank
from train.datasets import Listing, read_listing
from train.tables import Recipe, Table, face_table, select, voice_table

CACHE = Path("data/cache/fusion")
PHOTOS_A_CLIP = 3
"""Photographs of a person that make a clip: a clip's frames may show different scenes, and the unit-length mean of different pictures
scores higher with everybody, impostors too, than a single picture does."""


def held_out_faces(encoder: FaceEncoder, source: Path, files: int, match: str = "", cache: Path | None = CACHE) -> Table:
    """Clips of `PHOTOS_A_CLIP` photographs each: faces of the split `dev` of `source` (as `read_listing` takes it), `files` photographs of
    each person, whose paths contain `match`."""
    listing = select(_matching(read_listing(source, "image", "dev"), match), files)
    return as_clips(face_table(encoder, listing, Recipe(FACE_CONDITIONS), cache), PHOTOS_A_CLIP)


def as_clips(table: Table, size: int) -> Table:
    """Each run of `size` files of a person becomes one, in every condition: the mean of their vectors, at unit length. What is left over
    is dropped."""
    files, first = np.unique(table.file, return_index=True)
    owner = table.person[first]
    place = np.array([np.count_nonzero(owner[:i] == p) for i, p in enumerate(owner)])
    whole = np.array([np.count_nonzero(owner == p) // size for p in owner])
    clip = dict(zip(files.tolist(), np.where(place // size < whole, owner * len(files) + place // size, -1).tolist(), strict=True))
    clips = np.array([clip[f] for f in table.file.tolist()])
    keys = clips * len(table.conditions) + table.condition
    used, rows, group = np.unique(keys, return_index=True, return_inverse=True)
    sums = np.zeros((len(used), table.vectors.shape[1]), np.float32)
    np.add.at(sums, group, table.vectors)
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    made = Table(sums, table.person[rows], clips[rows], table.condition[rows], table.names, table.conditions)
    return made.rows(made.file >= 0)


def held_out_voices(encoder: VoiceEncoder, source: Path, files: int, noises: NoiseBank, match: str = "",
                    cache: Path | None = CACHE) -> Table:
    """Voices of the split `dev` of `source`, `files` of each person, whose paths contain `match`."""
    listing = select(_matching(read_listing(source, "audio", "dev"), match), files)
    return voice_table(encoder, listing, Recipe(VOICE_CONDITIONS), noises, cache)


def _matching(listing: Listing, match: str) -> Listing:
    return Listing(listing.root, tuple(item for item in listing.items if match in item.path))
