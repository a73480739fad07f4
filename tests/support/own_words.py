"""A user's own recordings with words, and a network of a few weights that learns to write them."""

from __future__ import annotations

from pathlib import Path

import soundfile

from tests.support import media_sound
from utils.arrays import RATE_HZ

SPEAKERS = 4
TEXTS = ("가나 다", "나라", "마음 바다", "가다", "다시 나가")
CONFIG = """
task = "speech"
[data]
train = "{folder}/words.csv"
held_out = 0.25
language = "ko"
vocabulary = "jamo"
speeds = [1.0, 0.9]
cache = "{folder}/cache"
[frontend]
n_mels = 16
[network]
filters = [3]
time_stride = 2
recurrent = 1
units = 6
[batches]
batch_size = 4
buckets = 1
[loop]
total_steps = 5
peak_rate = 0.01
validate_minutes = 0
log_steps = 1
keep_epochs = 1
[card]
terms = "Made up."
"""


def write_words(folder: Path) -> Path:
    """A folder with words.csv, its sounds, and a configuration speech.toml."""
    rows = ["path,text,speaker"]
    for person in range(SPEAKERS):
        for take, text in enumerate(TEXTS):
            path = f"{person}-{take}.wav"
            samples = media_sound.speech(person, 1.2, take=take, rate_hz=RATE_HZ)
            soundfile.write(folder / path, samples, RATE_HZ)
            rows.append(f"{path},{text}.,person{person}")
    (folder / "words.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "speech.toml").write_text(CONFIG.format(folder=folder.as_posix()), encoding="utf-8")
    return folder
