"""Speech for training, decoded once: a bank of waveforms, and banks of log-mel features
of each file through several channels.

Decoding, resampling, room simulation and codecs cost more than a training step, so they
are done once per data set, in `voice_augment`'s variants (speed × channel), and the
results are memory-mapped. What is left for each step is cheap: crop, add noise in the
power domain, mask.

A bank on disk is a folder with `<name>.npy` (all files one after the other) and the
offsets of each file. Samples are int16, log-mel powers float16 (natural logarithm of
the mel power, before floor and mean normalisation: those are taken per crop, as serving
takes them per utterance).
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from network.frontends.log_mel import SILENCE_POWER, FrontendSpec, mel_power
from train.data.datasets import Item, Listing, cache_key, hold_out, read_listing
from train.voice import augment
from train.voice.augment import Variant
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import DatasetError
from utils.whole_file import whole_files

SHORTEST_MS = 100  # less is no syllable, and codecs make streams of it that cannot be read back


@dataclass(frozen=True)
class Bank:
    """Rows of many files in one array: file ``i`` is ``data[offsets[i]:offsets[i +
    1]]``.

    Attributes:
        data: (total,) int16 samples, or (total, n_mels) float16 log-mel powers;
            memory-mapped, read-only.
        offsets: (files + 1,) int64.
    """

    data: NDArray[Any]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> NDArray[Any]:
        return self.data[self.offsets[number] : self.offsets[number + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each file."""
        return np.diff(self.offsets)


def training_files(
    data: Mapping[str, Any], seed: int, shared: Path
) -> tuple[Listing, Listing | None]:
    """Files that a configuration's table `data` trains on, and those of held-out
    speakers where it has no trials of its own.
    """
    listing = read_listing(shared / data["train"], "audio")
    return (listing, None) if data.get("dev_trials") else hold_out(listing, data["held_out"], seed)


def cached_waves(listing: Listing, base: Path, rate_hz: int = RATE_HZ) -> Bank:
    """All files of `listing` as mono int16 at `rate_hz`; decoded on the first call.

    Raises:
        DatasetError: a file without decodable sound, or shorter than `SHORTEST_MS`.
    """
    folder = base / cache_key(listing)
    if not _is_complete(folder, "waves"):
        write_bank(folder, "waves", _decoded(listing, rate_hz))
    return open_bank(folder, "waves")


def _decoded(listing: Listing, rate_hz: int) -> Iterator[NDArray[np.int16]]:
    for data, item in zip(listing.read_all(), listing.items, strict=True):
        samples = decode_audio(data, rate_hz, item)
        if 1000 * len(samples) < SHORTEST_MS * rate_hz:
            raise DatasetError(
                f"Every listed file must hold sound of at least {SHORTEST_MS} ms. "
                f"Received: {item.path} of {1000 * len(samples) / rate_hz:.1f} ms",
                "Take it out of the data set.",
            )
        yield samples


def decode_audio(data: bytes, rate_hz: int, item: Item) -> NDArray[np.int16]:
    """Decode a whole audio file to mono int16 at `rate_hz` by PyAV; `item` is for the
    error message only.
    """
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    try:
        with av.open(io.BytesIO(data), "r") as container:
            frames = [
                part for frame in container.decode(audio=0) for part in resampler.resample(frame)
            ]
            frames += resampler.resample(None)
    except (av.FFmpegError, IndexError) as error:
        raise DatasetError(
            f"Every listed file must be decodable sound. Received: {item.path} ({error})"
        ) from error
    if not frames:
        raise DatasetError(
            f"Every listed file must hold sound. Received: {item.path} without any samples"
        )
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def as_float(samples: NDArray[np.int16]) -> Float32Array:
    """int16 samples -> float32 in [-1, 1)."""
    return samples.astype(np.float32) / np.float32(32768)


def log_power(samples: Float32Array, spec: FrontendSpec) -> NDArray[np.float16]:
    """(n,) waveform -> (frames, n_mels) float16 natural logarithm of the mel power, as
    the banks store it.
    """
    return np.log(np.maximum(mel_power(samples, spec), SILENCE_POWER)).astype(np.float16)


def cached_rooms(base: Path, rate_hz: int = RATE_HZ, count: int = 200, seed: int = 0) -> Bank:
    """Impulse responses of `count` simulated rooms, float32; simulated on the first
    call.
    """
    name = f"rooms_{count}_{rate_hz}_{seed}"
    if not _is_complete(base, name):
        write_bank(base, name, augment.simulate_rooms(count, rate_hz, np.random.default_rng(seed)))
    return open_bank(base, name)


def cached_features(
    listing: Listing,
    base: Path,
    variant: Variant,
    spec: FrontendSpec,
    groups: Sequence[str] = (),
    seed: int = 0,
) -> Bank:
    """Log-mel powers of every file of `listing` as `variant` hears it; computed on the
    first call (minutes).

    Files of speakers outside of `groups` (see `group_of`) are left empty; without
    groups there are none of those.
    """
    folder = features_dir(listing, base, spec)
    name = variant.name + subset_mark(groups)
    if not _is_complete(folder, name):
        write_bank(folder, name, _render_all(listing, base, variant, spec, groups, seed))
    return open_bank(folder, name)


def group_of(label: str) -> str:
    """The group of a speaker: what stands before the last "/" of the label (a data
    set).
    """
    return label.rpartition("/")[0]


def subset_mark(groups: Sequence[str]) -> str:
    """What names the files of a cache that hold these groups only; "" for all."""
    return f"_{hashlib.sha256(repr(sorted(groups)).encode()).hexdigest()[:6]}" if groups else ""


def features_dir(listing: Listing, base: Path, spec: FrontendSpec) -> Path:
    """Folder of the feature banks of a data set under one front end; floor and mean
    come later and play no part.
    """
    spec = replace(spec, floor_db=70.0, mean_norm=True)
    return base / cache_key(listing) / f"mel_{hashlib.sha256(repr(spec).encode()).hexdigest()[:8]}"


def _render_all(
    listing: Listing,
    base: Path,
    variant: Variant,
    spec: FrontendSpec,
    groups: Sequence[str],
    seed: int,
) -> Iterator[NDArray[np.float16]]:
    """Each file rendered with a generator of its own, so that a file sounds the same
    whatever stands before it.
    """
    waves = cached_waves(listing, base, spec.rate_hz)
    bank = None if variant.channel == "clean" else cached_rooms(base, spec.rate_hz)
    rooms = [] if bank is None else [bank[number] for number in range(len(bank))]
    for number, item in enumerate(listing.items):
        if groups and group_of(item.label) not in groups:
            yield np.zeros((0, spec.n_mels), np.float16)
            continue
        rng = np.random.default_rng([seed, number, *variant.name.encode()])
        yield log_power(
            augment.render(as_float(waves[number]), variant, rooms, spec.rate_hz, rng), spec
        )


def write_bank(folder: Path, name: str, rows: Iterable[NDArray[Any]]) -> None:
    """Write arrays one after the other to `<name>.npy` and their offsets to
    `<name>.offsets.npy` (last: it marks completion).

    Each appears whole: two trainings may make one bank at the same time. Nothing is
    left of one that fails.

    Raises:
        DatasetError: no array at all.
    """
    files = (folder / f"{name}.npy", folder / f"{name}.offsets.npy")
    with (
        whole_files(*files) as (values, offsets),
        tempfile.TemporaryFile(dir=folder) as raw,
    ):
        _write_parts(raw, values, offsets, rows)


def _write_parts(raw: BinaryIO, values: Path, offsets: Path, rows: Iterable[NDArray[Any]]) -> None:
    """Write arrays to `values` by way of `raw`, and their offsets to `offsets`."""
    lengths: list[int] = []
    first: NDArray[Any] | None = None
    for array in rows:
        first = array[:0] if first is None else first
        raw.write(np.ascontiguousarray(array).tobytes())
        lengths.append(len(array))
    if first is None:
        raise DatasetError("A bank needs at least one file.")
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    _add_header(raw, values, (int(ends[-1]), *first.shape[1:]), first.dtype)
    np.save(offsets, ends)


def _add_header(raw: BinaryIO, target: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Turn a file of bare values into an .npy file without holding it in memory."""
    raw.seek(0)
    with target.open("wb") as out:
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(out, header)
        shutil.copyfileobj(raw, out, 1 << 24)


def open_bank(folder: Path, name: str) -> Bank:
    """Map a bank that `write_bank` wrote."""
    return Bank(
        np.load(folder / f"{name}.npy", mmap_mode="r"), np.load(folder / f"{name}.offsets.npy")
    )


def _is_complete(folder: Path, name: str) -> bool:
    return (folder / f"{name}.offsets.npy").is_file()
