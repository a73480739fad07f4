"""Mouth and sound of people who talk: single words of the research data.

A word is one second. Several words of one person make a clip that is long enough to be
judged: they are put one after the other as signals, so that no picture jumps.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from align.aligner import Aligner
from liveness.sync_signals import Spectrum, measure_mouths, measure_sound, measure_spectrum
from utils.arrays import Float64Array
from utils.errors import DatasetError
from utils.media import MouthFilm

LEAST_MOUTHS = 8


@dataclass(frozen=True)
class Talk:
    """Signals of a stretch in which somebody talks.

    Attributes:
        speaker: who talks.
        mouths: (n, 280) signals of the mouth.
        times_s: (n,) when it is seen.
        spectrum: of the sound.
    """

    speaker: str
    mouths: Float64Array
    times_s: Float64Array
    spectrum: Spectrum

    def hear(self, other: Talk, late_s: float = 0.0) -> Float64Array:
        """Signals (n, 60) of the sound of `other`, heard `late_s` later than it should be."""
        return measure_sound(other.spectrum, self.times_s, -late_s)


def read_talk(speaker: str, film: MouthFilm | None) -> Talk | None:
    """Make the signals of a clip. None where the mouth is hardly seen, or nothing heard."""
    if film is None or len(film.times_s) < LEAST_MOUTHS:
        return None
    mouths = measure_mouths(film.mouths, film.times_s)
    return Talk(speaker, mouths, film.times_s, measure_spectrum(film.sound))


def read_words(archive: Path, aligner: Aligner) -> list[Talk]:
    """Read the single words in an archive, one folder for each speaker.

    `aligner` films mouths. Raises DatasetError where there is none.
    """
    try:
        talks = [talk for talk in _read(archive, aligner) if talk is not None]
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"The words cannot be read: {error}.") from None
    if not talks:
        raise DatasetError(f"There must be clips of words. Received: {archive.name}")
    return talks


def _read(archive: Path, aligner: Aligner) -> Iterator[Talk | None]:
    with zipfile.ZipFile(archive) as words, tempfile.TemporaryDirectory() as scratch:
        names = sorted(name for name in words.namelist() if name.endswith(".mp4"))
        for name in tqdm(names, unit="word", disable=None):
            path = Path(words.extract(name, scratch))
            yield read_talk(name.split("/")[0], aligner.analyse(path).mouth_film)
            path.unlink()


def join_mouths(talks: Sequence[Talk]) -> Float64Array:
    """Signals of several mouths, one after the other."""
    return np.concatenate([talk.mouths for talk in talks])
