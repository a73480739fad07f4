"""Embeddings of the held-out people under every measured condition, as serving would make them: for choosing, calibrating and reporting."""
from __future__ import annotations

from pathlib import Path

from network.encoder import FaceEncoder, VoiceEncoder
from train.conditions import FACE_CONDITIONS, VOICE_CONDITIONS, NoiseBank
from train.datasets import Listing, read_listing
from train.tables import Recipe, Table, face_table, select, voice_table

CACHE = Path("data/cache/fusion")

def held_out_faces(encoder: FaceEncoder, source: Path, files: int, match: str = "", cache: Path | None = CACHE) -> Table:
    """Faces of the split `dev` of `source` (as `read_listing` takes it), `files` photographs of each person, whose paths contain
    `match`."""
    listing = select(_matching(read_listing(source, "image", "dev"), match), files)
    return face_table(encoder, listing, Recipe(FACE_CONDITIONS), cache)


def held_out_voices(encoder: VoiceEncoder, source: Path, files: int, noises: NoiseBank, match: str = "",
                    cache: Path | None = CACHE) -> Table:
    """Voices of the split `dev` of `source`, `files` of each person, whose paths contain `match`."""
    listing = select(_matching(read_listing(source, "audio", "dev"), match), files)
    return voice_table(encoder, listing, Recipe(VOICE_CONDITIONS), noises, cache)


def _matching(listing: Listing, match: str) -> Listing:
    return Listing(listing.root, tuple(item for item in listing.items if match in item.path))
