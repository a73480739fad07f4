"""The teacher's embeddings of the training speech: `python -m train.voice.teacher`,
before `python -m train.train_nets voice`.

The teacher is any voice encoder with a card (`[teacher] encoder` of the configuration;
docs/training.md says where the shipped network's came from). It hears every file in every
voice of the configuration (speeds and moved formants), without its pauses, in windows
of 3 s every 2 s, so that a crop can be taught what the teacher says of this very
stretch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network.serving.card import RESTORE
from network.serving.encoder import VoiceEncoder, load_voice_encoder
from train.data.datasets import Listing, cache_key, shared_data_dir
from train.train_nets import CONFIGS, read_config, told
from train.voice.augment import Variant, change_speed, warp_formants, widened
from train.voice.banks import Bank, as_float, cached_waves, group_of, subset_mark, training_files
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import DatasetError, ModelError
from utils.media import Waveform
from utils.whole_file import whole_file

Embed = Callable[[Float32Array], Float32Array]
HOP = 160
WINDOW_FRAMES = 300
STEP_FRAMES = 200
SHORTEST = RATE_HZ  # less is repeated: speaker networks are trained on seconds
PAUSE_DB = 40.0
REACH_FRAMES = 12
NO_ENCODER = (
    "docs/training.md says how the shipped network's teacher is made. Without one: python -m"
    " train.train_nets voice, which takes the embeddings of whole files where they are there, or"
    " learns from labels alone (--no-teacher)."
)


def teacher_file(
    listing: Listing, cache: Path, encoder_id: str, variant: Variant, groups: Sequence[str]
) -> Path:
    """Where the embeddings that a teacher gave to one voice of `listing` lie."""
    return (
        cache
        / cache_key(listing)
        / f"teacher_{encoder_id}_{variant.voice}{subset_mark(groups)}.npz"
    )


def voices(data: Mapping[str, Any]) -> list[tuple[Variant, Sequence[str]]]:
    """Clean voices of a configuration's table `data`, with the groups that speak so:
    `speeds`, then `disguises` (speed, formants).
    """
    natural: list[tuple[Variant, Sequence[str]]] = [
        (Variant(speed, "clean"), ()) for speed in data["speeds"]
    ]
    fluent = tuple(data.get("fluent", ()))
    return natural + [
        (Variant(speed, "clean", formants), fluent) for speed, formants in data.get("disguises", [])
    ]


def prosodies(data: Mapping[str, Any]) -> list[Variant]:
    """The first voice's people as they speak at other moments: `prosody` of a
    configuration's table `data` holds factors of pitch and tempo. The teacher is not
    asked about these: it said who they are.
    """
    return [Variant(factor, "clean", prosody=True) for factor in data.get("prosody", ())]


def speech_frames(samples: Float32Array) -> NDArray[np.int64]:
    """Frames of 10 ms of (n,) samples that hold speech: within 40 dB of the loudest, or
    0.12 s away from one.
    """
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    level_db = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    loud = level_db > level_db.max() - PAUSE_DB
    return np.flatnonzero(widened(loud, REACH_FRAMES))


def windows(kept: int) -> list[int]:
    """First frames of the windows over `kept` frames: one every 2 s, the last at the
    end.
    """
    last = max(0, kept - WINDOW_FRAMES)
    starts = list(range(0, last + 1, STEP_FRAMES))
    return starts if last - starts[-1] < STEP_FRAMES // 4 else [*starts, last]


def file_windows(samples: Float32Array) -> tuple[list[Float32Array], NDArray[np.int32]]:
    """What the teacher hears of a file of at least 10 ms: m stretches of samples, and
    the first and last + 1 frame of each (m, 2).
    """
    frames = speech_frames(samples)
    speech = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)[frames]
    parts = [
        slice(start, min(start + WINDOW_FRAMES, len(frames))) for start in windows(len(frames))
    ]
    stretches = [speech[part].reshape(-1) for part in parts]
    spans = np.array([(frames[part.start], frames[part.stop - 1] + 1) for part in parts], np.int32)
    return [np.resize(stretch, max(len(stretch), SHORTEST)) for stretch in stretches], spans


def embed_bank(
    waves: Bank, heard: Sequence[bool], variant: Variant, embed: Embed, size: int
) -> dict[str, NDArray[Any]]:
    """Windows of those files of a bank that are `heard`: `windows` (m, size) float16,
    `spans` (m, 2) int32, `offsets` (files + 1,) int64.

    `embed` gives `size` numbers for a stretch of samples. m may be 0: nobody is heard.
    """
    vectors: list[Float32Array] = []
    spans = [np.zeros((0, 2), np.int32)]
    offsets = [0]
    for number in range(len(waves)):
        if heard[number]:
            stretches, span = file_windows(
                warp_formants(
                    change_speed(as_float(waves[number]), variant.speed), variant.formants
                )
            )
            vectors += [embed(stretch) for stretch in stretches]
            spans.append(span)
        offsets.append(len(vectors))
    rows = np.array(vectors, np.float16).reshape(len(vectors), size)
    return {"windows": rows, "spans": np.concatenate(spans), "offsets": np.array(offsets, np.int64)}


def main(arguments: list[str] | None = None) -> int:
    """Write what is missing, voice by voice; returns the exit status."""
    options = _parser().parse_args(arguments)
    config = read_config(options)
    if "encoder" not in config.get("teacher", {}):
        raise DatasetError(
            f"The configuration must name a teacher. Received: {options.config.name} without"
            " encoder in its table [teacher]"
        )
    encoder = _load(Path(config["teacher"]["encoder"]))
    listing, _ = training_files(config["data"], options.seed, shared_data_dir())
    cache = Path(config["data"]["cache"])
    waves = cached_waves(listing, cache, RATE_HZ)
    size = encoder.card.embedding_size

    def embed(samples: Float32Array) -> Float32Array:
        return encoder.embed(Waveform(samples, RATE_HZ)).vector[:size]

    for variant, groups in voices(config["data"]):
        file = teacher_file(listing, cache, encoder.encoder_id, variant, groups)
        if not file.exists():
            heard = [not groups or group_of(item.label) in groups for item in listing.items]
            _save(file, embed_bank(waves, heard, variant, embed, size))
        print(file.name, flush=True)
    return 0


def _load(folder: Path) -> VoiceEncoder:
    """The teacher. Raises ModelError whose hint speaks of teachers, not of the models
    that serve.
    """
    try:
        return load_voice_encoder(folder)
    except ModelError as error:
        raise ModelError(
            error.message, NO_ENCODER if error.hint == RESTORE else error.hint
        ) from error


def _save(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with whole_file(file) as partial:
        np.savez(
            partial, windows=arrays["windows"], spans=arrays["spans"], offsets=arrays["offsets"]
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="voice_teacher", description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIGS / "voice.toml")
    parser.add_argument(
        "--data",
        type=Path,
        help="the folder of speakers or list file that will be trained on instead",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="that of the training: it says which speakers are held out",
    )
    parser.set_defaults(name="voice", no_teacher=False)
    return parser


if __name__ == "__main__":
    sys.exit(told(main))
