"""Embedded clips of a measure in a cache folder, so that it goes on where it stopped.

A file is named by all that its content follows from: the networks and the clips.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from align.aligner import Aligner
from network.serving.encoder import Encoders
from recognition.sides import Side
from train.data.conditions import NoiseBank
from train.data.datasets import Item, Listing, cache_key
from train.measure.real_clips import ClipEmbedder, embed_room, list_clips
from train.measure.room import RoomClip
from utils.arrays import EMBEDDING_SIZE
from utils.modality import Modality
from utils.settings.capture import CaptureSettings
from utils.whole_file import whole_file

# Version of the files. It changes with how a clip is embedded, and with what is kept.
FORMAT = "2"
ByCondition = Mapping[str, Side | None]


@dataclass(frozen=True)
class ClipReader:
    """Embeds folders of clips under all conditions, each folder once.

    Attributes:
        encoders: The encoders that serve.
        capture: How a clip is aligned.
        noises: Recordings that degrade the speech.
        cache: Folder of the embeddings, None for no cache.
    """

    encoders: Encoders
    capture: CaptureSettings
    noises: NoiseBank
    cache: Path | None

    def read(self, folder: Path, report: Callable[[str], None] = tqdm.write) -> list[RoomClip]:
        """Embed the clips of `folder`/<person>/, as `embed_room` does. Raises DatasetError."""
        if self.cache is None:
            return self._embed(folder, report)
        file = self.cache / f"clips-{self._name(folder)}.npz"
        if not file.exists():
            arrays = _as_arrays(self._embed(folder, report))
            with whole_file(file) as partial:
                np.savez(partial, **arrays)
        with np.load(file) as archive:
            return _clips_in(archive)

    def _embed(self, folder: Path, report: Callable[[str], None]) -> list[RoomClip]:
        # One for each folder: its noises do not depend on what was read before.
        embedder = ClipEmbedder(self.encoders, self.noises, self.capture.min_speech_s)
        return embed_room(folder, Aligner(self.capture), embedder, report)

    def _name(self, folder: Path) -> str:
        items = [Item(str(file.relative_to(folder)), name) for file, name in list_clips(folder)]
        key = [FORMAT, *encoder_ids(self.encoders), cache_key(Listing(folder, tuple(items)))]
        return hashlib.sha256("\n".join(key).encode()).hexdigest()[:16]


def encoder_ids(encoders: Encoders) -> list[str]:
    """Names of the encoders of face, voice and fusion."""
    return [encoders.face.encoder_id, encoders.voice.encoder_id, encoders.fusion.encoder_id]


def _as_arrays(clips: Sequence[RoomClip]) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "person": np.array([clip.person for clip in clips]),
        "enrols": np.array([clip.enrols for clip in clips]),
    }
    for name in (Modality.FACE, Modality.VOICE):
        sides: list[ByCondition] = [getattr(clip, name) for clip in clips]
        conditions = list(sides[0])
        arrays[f"{name}_conditions"] = np.array(conditions)
        arrays[f"{name}_rows"] = np.stack([_as_rows(side, conditions) for side in sides])
    return arrays


def _as_rows(sides: ByCondition, conditions: Sequence[str]) -> Any:
    return np.stack([_as_row(sides[condition]) for condition in conditions])


def _as_row(side: Side | None) -> Any:
    """Vector, seconds of speech, frames and quality of a side. NaN for none."""
    if side is None:
        return np.full(EMBEDDING_SIZE + 3, np.nan)
    numbers = [side.speech_s, side.frames, *side.quality]
    return np.append(side.vector.astype(np.float64), numbers)


def _clips_in(archive: Any) -> list[RoomClip]:
    sides = {name: _sides_in(archive, name) for name in (Modality.FACE, Modality.VOICE)}
    return [
        RoomClip(person=str(person), enrols=bool(enrols), face=face, voice=voice)
        for person, enrols, face, voice in zip(
            archive["person"], archive["enrols"], *sides.values(), strict=True
        )
    ]


def _sides_in(archive: Any, name: Modality) -> list[ByCondition]:
    conditions = archive[f"{name}_conditions"].tolist()
    return [
        dict(zip(conditions, map(_side_of, rows), strict=True)) for rows in archive[f"{name}_rows"]
    ]


def _side_of(row: Any) -> Side | None:
    if np.isnan(row[0]):
        return None
    return Side(
        vector=row[:EMBEDDING_SIZE].astype(np.float32),
        speech_s=float(row[EMBEDDING_SIZE]),
        frames=int(row[EMBEDDING_SIZE + 1]),
        quality=(float(row[EMBEDDING_SIZE + 2]),),
    )
