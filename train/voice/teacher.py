"""The teacher's embeddings of the training speech: `cli.py train voice-teacher`.

They are made before `cli.py train voice`. The teacher is any voice encoder with a card
(`[teacher] encoder` of the configuration; docs/models.md says where the shipped
network's came from). It hears every file in every voice of the configuration (speeds
and moved formants), without its pauses, in windows of 3 s every 2 s. So a crop is
taught what the teacher says of this very stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network.serving.card import RESTORE
from network.serving.encoder import VoiceEncoder, load_voice_encoder
from train.data.datasets import Listing, cache_key, group_of
from train.data.sounds import as_float
from train.voice.augment import widen
from train.voice.banks import Bank, cached_waves, subset_mark, training_files
from train.voice.prosody import change_speed, warp_formants
from train.voice.variants import Variant, voices
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import DatasetError, ModelError
from utils.media import Waveform
from utils.whole_file import whole_file

Embed = Callable[[Float32Array], Float32Array]
# Samples of a frame at `RATE_HZ`: 10 ms.
HOP = 160
WINDOW_FRAMES = 300
STEP_FRAMES = 200
# A shorter stretch is repeated: speaker networks are trained on seconds.
SHORTEST = RATE_HZ
PAUSE_DB = 40.0
REACH_FRAMES = 12
NO_ENCODER = (
    "docs/training.md says how the shipped network's teacher is made. Without one, `cli.py train"
    " voice --no-teacher` learns from labels alone."
)


def ask_teacher(config: Mapping[str, Any], seed: int, shared: Path) -> Iterator[Path]:
    """Write the embeddings of each voice that are missing, and yield their files.

    Args:
        config: A training configuration with `[teacher] encoder`.
        seed: Seed of the training. It decides which speakers are held out.
        shared: Folder that relative paths of the configuration start from.

    Raises:
        DatasetError: The configuration names no teacher, or the speech cannot be read.
        ModelError: The teacher cannot be loaded.
    """
    data = config["data"]
    encoder = _load_encoder(Path(_encoder_of(config)))
    listing, _ = training_files(data, seed, shared)
    cache = Path(data["cache"])
    waves = cached_waves(listing, cache, RATE_HZ)
    size = encoder.card.embedding_size

    def embed(samples: Float32Array) -> Float32Array:
        return encoder.embed(Waveform(samples, RATE_HZ)).vector[:size]

    for variant, groups in voices(data):
        file = teacher_file(listing, cache, encoder.encoder_id, variant=variant, groups=groups)
        if not file.exists():
            heard = [not groups or group_of(item.label) in groups for item in listing.items]
            save_windows(file, embed_bank(waves, heard, variant, embed=embed, size=size))
        yield file


def teacher_file(
    listing: Listing, cache: Path, encoder_id: str, *, variant: Variant, groups: Collection[str]
) -> Path:
    """Path of a teacher's embeddings of one voice of `listing`."""
    name = f"teacher_{encoder_id}_{variant.voice}{subset_mark(groups)}.npz"
    return cache / cache_key(listing) / name


def embed_bank(
    waves: Bank, heard: Sequence[bool], variant: Variant, *, embed: Embed, size: int
) -> dict[str, NDArray[Any]]:
    """Embed windows of the files of a bank that are `heard`.

    `embed` gives `size` numbers for a stretch of samples.

    Returns:
        `windows` (m, size) float16, `spans` (m, 2) int32 and `offsets` (files + 1,)
        int64. m is 0 where no file is heard.
    """
    vectors: list[Float32Array] = []
    spans = [np.zeros((0, 2), np.int32)]
    offsets = [0]
    for samples, is_heard in zip(waves, heard, strict=True):
        if is_heard:
            voice = change_speed(as_float(samples), variant.speed)
            stretches, span = file_windows(warp_formants(voice, variant.formants))
            vectors += [embed(stretch) for stretch in stretches]
            spans.append(span)
        offsets.append(len(vectors))
    rows = np.array(vectors, np.float16).reshape(len(vectors), size)
    return {"windows": rows, "spans": np.concatenate(spans), "offsets": np.array(offsets, np.int64)}


def file_windows(samples: Float32Array) -> tuple[list[Float32Array], NDArray[np.int32]]:
    """What the teacher hears of a file of at least 10 ms.

    Returns:
        m stretches of samples, and the first and last + 1 frame of each, (m, 2).
    """
    frames = speech_frames(samples)
    speech = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)[frames]
    stretches: list[Float32Array] = []
    spans: list[tuple[int, int]] = []
    for start in window_starts(len(frames)):
        end = min(start + WINDOW_FRAMES, len(frames))
        stretch = speech[start:end].reshape(-1)
        stretches.append(np.resize(stretch, max(len(stretch), SHORTEST)))
        spans.append((frames[start], frames[end - 1] + 1))
    return stretches, np.array(spans, np.int32)


def speech_frames(samples: Float32Array) -> NDArray[np.int64]:
    """Frames of 10 ms of (n,) samples that hold speech.

    They lie within 40 dB of the loudest, or within 0.12 s of such a frame.
    """
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    level_db = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    loud = level_db > level_db.max() - PAUSE_DB
    return np.flatnonzero(widen(loud, REACH_FRAMES))


def window_starts(frames: int) -> list[int]:
    """First frames of the windows over `frames` frames.

    There is one every 2 s, and a last one at the end.
    """
    last = max(0, frames - WINDOW_FRAMES)
    starts = list(range(0, last + 1, STEP_FRAMES))
    return starts if last - starts[-1] < STEP_FRAMES // 4 else [*starts, last]


def save_windows(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write what `embed_bank` returns."""
    with whole_file(file) as partial:
        np.savez(
            partial, windows=arrays["windows"], spans=arrays["spans"], offsets=arrays["offsets"]
        )


def _encoder_of(config: Mapping[str, Any]) -> str:
    encoder = config.get("teacher", {}).get("encoder")
    if not encoder:
        raise DatasetError(
            "The configuration must name a teacher. Its table [teacher] has no encoder."
        )
    return str(encoder)


def _load_encoder(folder: Path) -> VoiceEncoder:
    """Load the teacher. A ModelError's hint speaks of teachers, not of serving models."""
    try:
        return load_voice_encoder(folder)
    except ModelError as error:
        hint = NO_ENCODER if error.hint == RESTORE else error.hint
        raise ModelError(error.message, hint) from error
