"""How small and how large the numbers of a training configuration may be.

Both ends are far from what is sensible. Beyond them a training fails where the number is
used first, fills the memory, or goes on and learns nothing. What numbers mean together,
such as two that rise, the options check by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from utils.arrays import RATE_HZ
from utils.errors import ConfigError

Range = tuple[float, float]

# Parts of a whole. So are all names that end in "_chance" or "_share"
SHARE: Range = (0, 1)
WEIGHT: Range = (0, 1e6)
COUNT: Range = (1, 1e6)
SIZE: Range = (1, 8192)
RATIO: Range = (0.5, 2)
DECIBELS: Range = (0, 120)
MINUTES: Range = (0, 1_000_000)
_SHARES = ("_chance", "_share")

_LOOP: Mapping[str, Range] = {
    "total_steps": (0, 1e9),
    "epochs": (0, 1e6),
    "budget_minutes": MINUTES,
    "momentum": (0, 0.9999),
    "peak_rate": (0, 10),
    "final_rate": (0, 10),
    "step_at": SHARE,
    "step_factor": SHARE,
    "warmup": SHARE,
    "weight_decay": (0, 10),
    "clip_norm": (1e-6, 1e6),
    "ema_decay": (0, 0.999999),
    "keep_epochs": (0, 1e6),
    "log_steps": (0, 1e6),
    "validate_minutes": MINUTES,
    "checkpoint_minutes": MINUTES,
    "workers": (1, 64),
}
RANGES: Mapping[str, Mapping[str, Range]] = {
    "data": {
        "batch_size": (2, 8192),
        "held_out": SHARE,
        "speeds": RATIO,
        "disguises": RATIO,
        "prosody": RATIO,
        "face_people": COUNT,
        "face_files": COUNT,
        "voice_people": COUNT,
        "voice_files": COUNT,
        "dev_face_files": COUNT,
        "dev_voice_files": COUNT,
    },
    "network": {
        "channels": SIZE,
        "scale": (2, 64),
        "squeezed": SIZE,
        "joined_channels": SIZE,
        "embedding_size": (1, 512),
        "width": (16, 1024),
        "blocks": (1, 100),
        "stem": (1, 1024),
        "kernel": (1, 99),
        "pooled_channels": SIZE,
        "context": SIZE,
        "bottlenecks": (1, 1024),
        "filters": (1, 1024),
        "time_stride": (1, 16),
        "recurrent": (1, 12),
        "units": SIZE,
    },
    "frontend": {
        "rate_hz": (RATE_HZ, RATE_HZ),
        "n_mels": (8, 512),
        "window_ms": (1, 1000),
        "hop_ms": (1, 1000),
        "n_fft": (2, 65_536),
        "fmin_hz": (0, RATE_HZ / 2),
        "fmax_hz": (-RATE_HZ / 2, RATE_HZ / 2),
        "floor_db": (1, 300),
        "preemphasis": SHARE,
        "scale": (1e-6, 1e6),
    },
    "augment": {
        "rotation_deg": (0, 180),
        "scale": SHARE,
        "shift_px": (0, 112),
        **dict.fromkeys(("misaligned", "shrunk", "coded", "blurred"), SHARE),
        **dict.fromkeys(("lit", "tinted", "covered", "grey"), SHARE),
        "snr_db": (-60, 120),
        "trim_db": DECIBELS,
        "floor_db": (1, 300),
        "tilt_db": DECIBELS,
        "time_masks": (0, 100),
        "time_mask_frames": (0, 10_000),
        "band_masks": (0, 100),
        "band_mask_bands": (0, 512),
    },
    "teacher": {
        "blends": (0, 1e7),
        "side_blends": (0, 1e7),
        "cosine": WEIGHT,
        "relation": WEIGHT,
        "views": (1, 64),
    },
    "pairs": {"share": SHARE, "weight": WEIGHT, "centre": SHARE, "turned": SHARE},
    "sampling": {
        "batch_size": (2, 8192),
        "crop_frames": (10, 10_000),
        "crop_start": WEIGHT,
        "crop_end": WEIGHT,
        "speaker_power": (0, 4),
        "group_weights": WEIGHT,
        "voice_chances": WEIGHT,
        "channel_chances": WEIGHT,
    },
    "batches": {"batch_size": (1, 8192), "buckets": (1, 1000), "longest_s": (0, 600)},
    "model": {"hidden": SIZE, "bound": (0, 20)},
    "draw": {
        "people": (2, 8192),
        "degraded_probe": SHARE,
        "degraded_template": SHARE,
        "missing": SHARE,
    },
    "loss": {
        **dict.fromkeys(("teacher", "relation", "margin_head", "cllr", "contrast"), WEIGHT),
        "margin": (0, 2),
        "margin_ramp": SHARE,
        "scale": (0.1, 1000),
        "sub_centres": (1, 100),
        "balance": SHARE,
        "power": (0.1, 100),
    },
    "serving": {"teacher_emphasis": (0, 100), "centring": (0, 100)},
    "loop": _LOOP,
    "fine_tune": {**_LOOP, "keep": WEIGHT},
}


def range_of(table: str, key: str) -> Range | None:
    """The smallest and the largest number of a key, None where it is none that is known."""
    if key.endswith(_SHARES):
        return SHARE
    return RANGES.get(table, {}).get(key)


def check_range(value: object, table: str, key: str, file: str) -> None:
    """Check the numbers of a value, also those in lists and tables. Raises ConfigError."""
    ends = range_of(table, key)
    if ends is None:
        return
    least, most = ends
    for number in _numbers(value):
        if not least <= number <= most:
            rule = f"lie between {least:g} and {most:g}" if least < most else f"be {most:g}"
            raise ConfigError(
                f"{key} of [{table}] must {rule} in {file}. Received: {str(value)[:60]}",
                "The configurations in train/configs/ are examples.",
            )


def _numbers(value: Any) -> Iterable[float]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
