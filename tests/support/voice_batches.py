"""A few people's made-up speech, and batches of voice training of it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from network.frontends.log_mel import FrontendSpec
from tests.support import media_sound
from train.data.datasets import Listing, read_listing
from train.voice.augment import MelAugment
from train.voice.banks import cached_features
from train.voice.batches import VoiceBatches
from train.voice.sampling import SampleOptions, VoiceSources
from train.voice.targets import Targets
from train.voice.variants import Variant

SPEC = FrontendSpec(n_mels=16)
SPEAKERS = 3
FILES = 2
SECONDS = 1.2


def write_speech(root: Path) -> Listing:
    """A folder of speech with two files of each of three people."""
    for person, take in itertools.product(range(SPEAKERS), range(FILES)):
        folder = root / f"person{person}"
        folder.mkdir(exist_ok=True)
        soundfile.write(
            folder / f"{take}.wav",
            media_sound.speech(person, SECONDS, take=take, rate_hz=16000),
            16000,
        )
    return read_listing(root, "audio")


def make_batches(
    listing: Listing, cache: Path, targets: Targets | None, **options: Any
) -> VoiceBatches:
    """Batches of clean speech at two speeds."""
    banks = [
        [cached_features(listing, cache, Variant(speed, "clean"), SPEC)] for speed in (1.0, 0.9)
    ]
    chosen = SampleOptions(
        batch_size=8, voice_chances=(0.5, 0.5), channel_chances=(1.0,), **options
    )
    sources = VoiceSources(listing, banks, targets=targets)
    return VoiceBatches(sources, chosen, MelAugment(), SPEC, seed=1)


def labels_of(batches: VoiceBatches, steps: int) -> set[int]:
    """The labels in the first batches of a training."""
    labels = [batches.batch(step, 0.0)["label"] for step in range(steps)]
    return set(np.concatenate(labels).tolist())
