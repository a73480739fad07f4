"""A user's own speech.

A few people's made-up voices, and a network of a few weights that is trained on them
through the entry point.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from tests.support import media_sound
from train.train_nets import run_options, train_network, training_command
from train.voice.banks import write_bank
from utils.settings.capture import CaptureSettings

if TYPE_CHECKING:
    from train.loop.task import TaskContext

SPEAKERS = 9
FILES = 2
HELD_OUT = 5
CONFIG = """
[data]
train = "unused"
held_out = 0.1
cache = "{cache}"
speeds = [1.0, 0.9]
disguises = [[1.1, 0.9]]
prosody = [1.25]
channels = ["clean", "phone"]
fluent_channels = ["codec"]
[frontend]
n_mels = 16
[network]
stem = [4, 6]
channels = 16
blocks = 1
pooled_channels = 24
embedding_size = 32
[sampling]
batch_size = 8
crop_frames = [60, 80]
crop_start = [0.5, 0.5]
crop_end = [0.5, 0.5]
voice_chances = [0.4, 0.2, 0.2, 0.2]
channel_chances = [0.4, 0.3, 0.3]
[loop]
total_steps = 6
keep_epochs = 0
"""


def write_voices(root: Path) -> Path:
    """A folder with `speech`, a configuration voice.toml and rooms in its cache."""
    for person, take in itertools.product(range(SPEAKERS), range(FILES)):
        (root / "speech" / f"person{person}").mkdir(parents=True, exist_ok=True)
        samples = media_sound.speech(person, 1.2, take=take, rate_hz=16000)
        soundfile.write(root / "speech" / f"person{person}" / f"{take}.wav", samples, 16000)
    # 200 simulated ones take a minute
    rooms = [np.eye(1, 400 * place, dtype=np.float32)[0] for place in (1, 2)]
    write_bank(root / "cache", "rooms_200_16000_0", rooms)
    (root / "voice.toml").write_text(
        CONFIG.format(cache=(root / "cache").as_posix()), encoding="utf-8"
    )
    return root


def context_of(voices: Path) -> TaskContext:
    """What a task is made in, beside its configuration."""
    from train.loop.task import TaskContext

    return TaskContext(seed=1, shared=voices, min_speech_s=0.5)


def train(folder: Path, run: str, *more: str) -> int:
    """Train without a teacher in the folder `run`, to publish to `<run>_model`.

    Returns the exit status.
    """
    words = ["--config", folder / "voice.toml", "--data", folder / "speech", "--no-teacher"]
    words += ["--run-dir", folder / run, "--out", folder / f"{run}_model"]
    return train_with("voice", [*map(str, words), *more])


def train_with(name: str, words: Sequence[str]) -> int:
    """Train the network `name` with these words of the command line.

    Returns the exit status. Raises what a training raises.
    """
    context = training_command(name).make_context(name, list(words))
    return train_network(run_options(name, context.params), CaptureSettings().min_speech_s)
