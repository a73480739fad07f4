"""The teacher's embeddings of the training speech: `python -m train.voice_teacher`, before `python -m train.train_nets voice`.

The teacher is the public GE2E speaker encoder (Wan et al. 2018, "Generalized end-to-end loss for speaker verification") of the
package `resemblyzer`. It hears every file in every voice of the configuration (speeds and moved formants), in windows of 1.6 s
every second, so that a crop can be taught what the teacher says of this very stretch. `resemblyzer` needs PyTorch; it is a
package of this step alone and may live in an environment of its own (numpy, scipy, soxr, librosa, resemblyzer), as long as the
waveforms are in the cache already: `python -m train.voice_teacher --waves` writes those, in the project's environment.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.datasets import Listing, read_listing, shared_data_dir
from train.voice_augment import Variant, change_speed, warp_formants
from train.voice_data import Bank, as_float, cached_waves, group_of, listing_dir, subset_mark
from utils.errors import DatasetError

Rows = NDArray[np.float32]
Embed = Callable[[Rows], Rows]
RATE_HZ, HOP = 16000, 160
WINDOW_FRAMES, STEP_FRAMES, BATCH = 160, 100, 64
PAUSE_DB, REACH_FRAMES = 40.0, 12
LEVEL = 10 ** (-30 / 20)  # what the teacher's authors raise quiet recordings to


def teacher_file(listing: Listing, cache: Path, variant: Variant, groups: Sequence[str]) -> Path:
    """Where the teacher's embeddings of one voice of `listing` lie."""
    return listing_dir(listing, cache) / f"teacher_{variant.voice}{subset_mark(groups)}.npz"


def voices(data: Mapping[str, Any]) -> list[tuple[Variant, Sequence[str]]]:
    """Clean voices of a configuration's table `data`, with the groups that speak so: `speeds`, then `disguises` (speed, formants)."""
    natural: list[tuple[Variant, Sequence[str]]] = [(Variant(speed, "clean"), ()) for speed in data["speeds"]]
    fluent = tuple(data.get("fluent", ()))
    return natural + [(Variant(speed, "clean", formants), fluent) for speed, formants in data.get("disguises", [])]


def speech_frames(samples: Rows) -> NDArray[np.int64]:
    """Frames of 10 ms of (n,) samples that hold speech: within 40 dB of the loudest, or 0.12 s away from one."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    level_db = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    loud = level_db > level_db.max() - PAUSE_DB
    return np.flatnonzero(np.convolve(loud, np.ones(2 * REACH_FRAMES + 1), "same") > 0.5)


def windows(kept: int) -> list[int]:
    """First frames of the windows over `kept` frames: one a second, the last at the end."""
    last = max(0, kept - WINDOW_FRAMES)
    starts = list(range(0, last + 1, STEP_FRAMES))
    return starts if last - starts[-1] < STEP_FRAMES // 4 else [*starts, last]


def file_windows(samples: Rows) -> tuple[Rows, NDArray[np.int32]]:
    """What the teacher hears of one file: (m, 160, 40) mel powers, and the first and last + 1 frame of the file that each covers (m, 2)."""
    import librosa

    samples = samples * np.float32(max(1.0, LEVEL / max(float(np.sqrt(np.mean(samples**2))), 1e-6)))
    frames = speech_frames(samples)
    speech = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)[frames].reshape(-1)
    speech = np.pad(speech, (0, max(0, WINDOW_FRAMES * HOP - len(speech))))
    mel = librosa.feature.melspectrogram(y=speech, sr=RATE_HZ, n_fft=400, hop_length=HOP, n_mels=40).T.astype(np.float32)
    starts = windows(len(frames))
    spans = [(frames[start], frames[min(start + WINDOW_FRAMES, len(frames)) - 1] + 1) for start in starts]
    return np.stack([mel[start : start + WINDOW_FRAMES] for start in starts]), np.array(spans, np.int32)


def embed_bank(waves: Bank, heard: Sequence[bool], variant: Variant, embed: Embed) -> dict[str, NDArray[Any]]:
    """Windows of those files of a bank that are `heard`: `windows` (m, d) float16, `spans` (m, 2) int32, `offsets` (files + 1,) int64."""
    spans: list[NDArray[np.int32]] = []

    def mels() -> Iterator[Rows]:
        for number in range(len(waves)):
            if not heard[number]:
                spans.append(np.zeros((0, 2), np.int32))
                continue
            rows, span = file_windows(warp_formants(change_speed(as_float(waves[number]), variant.speed), variant.formants))
            spans.append(span)
            yield from rows

    vectors = [embed(np.stack(part)).astype(np.float16) for part in _parts(mels(), BATCH)]
    offsets = np.concatenate([[0], np.cumsum([len(span) for span in spans])]).astype(np.int64)
    return {"windows": np.concatenate(vectors), "spans": np.concatenate(spans), "offsets": offsets}


def _parts(rows: Iterator[Rows], size: int) -> Iterator[list[Rows]]:
    part: list[Rows] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def ge2e() -> Embed:
    """The public encoder: (n, 160, 40) mel powers -> (n, 256) of unit norm.

    Raises:
        DatasetError: the package is not installed.
    """
    try:
        import torch
        from resemblyzer import VoiceEncoder
    except ImportError as error:
        raise DatasetError(
            f"The teacher must be installed. Received: no package {error.name}", "pip install resemblyzer, or train with --no-teacher."
        ) from error
    torch.set_num_threads(1)
    encoder = VoiceEncoder("cpu", verbose=False)

    def embed(mels: Rows) -> Rows:
        with torch.no_grad():
            vectors: Rows = encoder(torch.from_numpy(mels)).numpy()
        return vectors

    return embed


def main(arguments: list[str] | None = None) -> int:
    """Write what is missing, voice by voice; returns the exit status."""
    options = _parser().parse_args(arguments)
    data = tomllib.loads(options.config.read_text(encoding="utf-8"))["data"]
    listing, cache = read_listing(shared_data_dir() / data["train"], "audio"), Path(data["cache"])
    waves = cached_waves(listing, cache, RATE_HZ)
    for variant, groups in [] if options.waves else voices(data):
        file = teacher_file(listing, cache, variant, groups)
        if not file.exists():
            heard = [not groups or group_of(item.label) in groups for item in listing.items]
            result = embed_bank(waves, heard, variant, ge2e())
            partial = file.with_suffix(f".{os.getpid()}.partial.npz")
            np.savez(partial, windows=result["windows"], spans=result["spans"], offsets=result["offsets"])
            partial.replace(file)
        print(file, flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="voice_teacher", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "configs" / "voice.toml")
    parser.add_argument("--waves", action="store_true", help="only decode the training files into the cache")
    return parser


if __name__ == "__main__":
    sys.exit(main())
