"""Speech for training, decoded once: waveforms, and log-mel features by channel.

Decoding, resampling, room simulation and codecs cost more than a training step. So they
are done once per data set and `Variant`, and the results are memory-mapped. What is
left for each step is cheap: crop, add noise in the power domain, mask.

A bank on disk is `<name>.npy` (all files one after the other) and the offsets of each
file. Samples are int16, log-mel powers float16 (natural logarithm of the mel power).
Floor and mean normalisation are applied per crop, as the service applies them per
utterance.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from network.frontends.features import Spec, power_of
from network.frontends.log_mel import SILENCE_POWER, FrontendSpec
from train.data.datasets import Listing, cache_key, group_of, hold_out, read_listing
from train.data.npy import write_header
from train.data.sounds import REMOVE_IT, as_float, decode_audio
from train.voice.channels import render, simulate_rooms
from train.voice.variants import Variant
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import DatasetError
from utils.whole_file import whole_files

# Less is no syllable, and codecs make streams of it that cannot be read back.
SHORTEST_MS = 100
ROOMS = 200
# Banks are kept for all runs, whatever the seed of a run
_SEED = 0
CHUNK = 1 << 24


@dataclass(frozen=True)
class Bank:
    """Rows of many files in one array: file i is `data[offsets[i]:offsets[i + 1]]`.

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

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[number] for number in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each file."""
        return np.diff(self.offsets)


def training_files(
    data: Mapping[str, Any], seed: int, shared: Path
) -> tuple[Listing, Listing | None]:
    """The files that a table `[data]` trains on, and those of held-out speakers.

    There are no held-out speakers where the table names trials of its own.
    """
    listing = read_listing(shared / data["train"], "audio")
    left_out = set(data.get("leave_out", ()))
    items = tuple(item for item in listing.items if group_of(item.label) not in left_out)
    listing = Listing(listing.root, items)
    return (listing, None) if data.get("dev_trials") else hold_out(listing, data["held_out"], seed)


def cached_waves(listing: Listing, base: Path, rate_hz: int = RATE_HZ) -> Bank:
    """All files of `listing` as mono int16 at `rate_hz`, decoded on the first call.

    Raises:
        DatasetError: A file holds no sound, or is shorter than `SHORTEST_MS`.
    """
    folder = base / cache_key(listing)
    if not _is_complete(folder, "waves"):
        write_bank(folder, "waves", _decode_all(listing, rate_hz))
    return open_bank(folder, "waves")


def _decode_all(listing: Listing, rate_hz: int) -> Iterator[NDArray[np.int16]]:
    for data, item in zip(listing.read_all(), listing.items, strict=True):
        samples = decode_audio(data, rate_hz, item.path)
        if 1000 * len(samples) < SHORTEST_MS * rate_hz:
            raise DatasetError(
                f"Every listed file must hold sound of at least {SHORTEST_MS} ms. "
                f"Received: {item.path} of {1000 * len(samples) / rate_hz:.1f} ms",
                REMOVE_IT,
            )
        yield samples


def log_power(samples: Float32Array, spec: Spec) -> NDArray[np.float16]:
    """(frames, n_mels) natural logarithm of the mel power of (n,) samples.

    float16, as the banks store it.
    """
    return np.log(np.maximum(power_of(samples, spec), SILENCE_POWER)).astype(np.float16)


def cached_rooms(base: Path, rate_hz: int = RATE_HZ) -> Bank:
    """Impulse responses of `ROOMS` rooms, float32, simulated on the first call."""
    name = f"rooms_{ROOMS}_{rate_hz}_{_SEED}"
    if not _is_complete(base, name):
        write_bank(base, name, simulate_rooms(ROOMS, rate_hz, np.random.default_rng(_SEED)))
    return open_bank(base, name)


def cached_features(
    listing: Listing,
    base: Path,
    variant: Variant,
    spec: Spec,
    *,
    groups: Collection[str] = (),
) -> Bank:
    """Log-mel powers of every file as `variant` hears it, made on the first call.

    That takes minutes for a large data set.

    Args:
        listing: The files.
        base: Folder of the caches.
        variant: Voice and channel.
        spec: The front end.
        groups: Files of speakers outside of these (see `group_of`) are left empty. None
            is left empty where no group is named.
    """
    folder = features_dir(listing, base, spec)
    name = variant.name + subset_mark(groups)
    if not _is_complete(folder, name):
        spoken = [not groups or group_of(item.label) in groups for item in listing.items]
        waves = cached_waves(listing, base, spec.rate_hz)
        rooms = [] if variant.channel == "clean" else list(cached_rooms(base, spec.rate_hz))
        rendering = _Rendering(variant, spec, rooms)
        write_bank(folder, name, rendering.render_all(waves, spoken))
    return open_bank(folder, name)


@dataclass(frozen=True)
class _Rendering:
    """How files are rendered to log-mel powers."""

    variant: Variant
    spec: Spec
    rooms: list[Float32Array]

    def render_all(self, waves: Bank, spoken: Iterable[bool]) -> Iterator[NDArray[np.float16]]:
        """Render the files that are `spoken`, the others to no rows.

        Each has a generator of its own: a file sounds the same whatever comes before it.
        """
        for number, is_spoken in enumerate(spoken):
            if not is_spoken:
                yield np.zeros((0, self.spec.n_mels), np.float16)
                continue
            heard = render(
                as_float(waves[number]),
                self.variant,
                rooms=self.rooms,
                rate_hz=self.spec.rate_hz,
                rng=np.random.default_rng([_SEED, number, *self.variant.name.encode()]),
            )
            yield log_power(heard, self.spec)


def subset_mark(groups: Collection[str]) -> str:
    """A part of file names that says which groups a file holds. "" for all."""
    return f"_{hashlib.sha256(repr(sorted(groups)).encode()).hexdigest()[:6]}" if groups else ""


def features_dir(listing: Listing, base: Path, spec: Spec) -> Path:
    """Folder of the feature banks of a data set under one front end.

    Floor and mean normalisation come later and change nothing in it.
    """
    spec = replace(spec, mean_norm=True)
    if isinstance(spec, FrontendSpec):
        spec = replace(spec, floor_db=70.0)
    return base / cache_key(listing) / f"mel_{hashlib.sha256(repr(spec).encode()).hexdigest()[:8]}"


def write_bank(folder: Path, name: str, rows: Iterable[NDArray[Any]]) -> None:
    """Write arrays one after the other to `<name>.npy`, their offsets beside it.

    `<name>.offsets.npy` appears last and marks completion. Both appear whole: two
    trainings may make one bank at the same time. Nothing is left where it fails.

    Raises:
        DatasetError: There is no array.
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
        write_header(out, shape, dtype)
        shutil.copyfileobj(raw, out, CHUNK)


def open_bank(folder: Path, name: str) -> Bank:
    """Map a bank that `write_bank` wrote."""
    return Bank(
        data=np.load(folder / f"{name}.npy", mmap_mode="r"),
        offsets=np.load(folder / f"{name}.offsets.npy"),
    )


def _is_complete(folder: Path, name: str) -> bool:
    return (folder / f"{name}.offsets.npy").is_file()
