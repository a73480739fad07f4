"""Mouth and sound of people who talk: single words of the research data.

A word is one second. Several words of one person make a clip that is long enough to be
judged: they are put one after the other as signals, so that no picture jumps.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from align.aligner import Aligner
from liveness.audio_visual_sync import cut_speech
from liveness.sync_signals import Stretch, measure_stretch
from utils.errors import DatasetError
from utils.media import Capture, MouthFilm, SpeechSegment, Waveform

LEAST_MOUTHS = 8


@dataclass(frozen=True)
class Talk:
    """A stretch in which somebody talks.

    Attributes:
        speaker: who talks.
        film: the mouth and the sound.
        segments: the speech in the sound.
    """

    speaker: str
    film: MouthFilm
    segments: tuple[SpeechSegment, ...]

    @property
    def is_seen(self) -> bool:
        """Whether there are mouths enough to be measured."""
        return len(cut_speech(self.film, self.segments).times_s) >= 2

    @cached_property
    def whole(self) -> Stretch:
        """Signals of all frames, also before and after the speech: what is learned from."""
        return measure_stretch(self.film)

    @cached_property
    def stretch(self) -> Stretch:
        """Signals of the frames that the service looks at."""
        return measure_stretch(cut_speech(self.film, self.segments))

    def dub(self, other: Talk) -> Talk:
        """Put the sound of another talk under the film."""
        film = replace(self.film, sound=other.film.sound)
        return replace(self, film=film, segments=other.segments)

    def delay(self, late_s: float) -> Talk:
        """Play the sound `late_s` later."""
        sound = self.film.sound
        silence = np.zeros(round(late_s * sound.rate_hz), np.float32)
        samples = np.concatenate([silence, sound.samples])
        segments = (SpeechSegment(s.start_s + late_s, s.end_s + late_s) for s in self.segments)
        film = replace(self.film, sound=Waveform(samples, sound.rate_hz))
        return replace(self, film=film, segments=tuple(segments))


def read_talk(speaker: str, capture: Capture) -> Talk | None:
    """Read the talk of a clip. None where the mouth is hardly seen, or nothing heard."""
    film = capture.mouth_film
    if film is None or len(film.times_s) < LEAST_MOUTHS:
        return None
    return Talk(speaker, film, capture.speech_analysis.segments)


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
        names = [name for name in words.namelist() if name.endswith(".mp4")]
        for name in tqdm(names, unit="word", disable=None):
            path = Path(words.extract(name, scratch))
            yield read_talk(name.split("/")[0], aligner.analyse(path))
            path.unlink()
