"""Recordings in files, written down line by line.

`Scribe` is shared by all requests and threads. It loads its engine at the first
recording and keeps it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path

import numpy as np

from align.sound_decoder import open_sound_apart
from align.sound_stream import SoundStream
from speech.checkpoints import Checkpoint
from speech.diarise import Heard, Naming
from speech.digits import choose_digits
from speech.engines import count_threads, load_engine
from speech.lines import Line
from speech.models import installed_names, is_installed
from speech.ports import DigitListener, Transcriber, Word
from speech.talkers import Sight, Watcher, add_faces
from speech.track import Track, hear_voices, join_lines, name_lines
from speech.transcription_session import TranscriptionSession
from speech.transcripts import Transcript
from utils.arrays import Float32Array
from utils.config import Settings
from utils.errors import InvalidRequestError, SpeechUnavailableError
from utils.fair_semaphore import FairSemaphore

WAIT_S = 60.0
"""Seconds that a recording waits for a free slot before it is refused."""


@dataclass(frozen=True)
class Recording:
    """A video or sound file to be written down.

    Attributes:
        path: the file.
        filename: the name that its sender gave it; None = its own.
        language: code of the language that is spoken; None = it is detected, once.
        prompt: names and words that may come up.
        naming: how those who speak are named; None = they are not.
        is_separate: each channel holds one person, as in the recording of a call.
        checkpoints: what was written before of each channel; empty = nothing.
    """

    path: Path
    filename: str | None = None
    language: str | None = None
    prompt: str = ""
    naming: Naming | None = None
    is_separate: bool = False
    checkpoints: Sequence[Checkpoint] = ()


class Writing:
    """A recording that is being written down.

    Attributes:
        duration_s: length that the file states, 0.0 where it states none.
    """

    def __init__(
        self,
        sound: SoundStream,
        recording: Recording,
        transcriber: Transcriber,
        watcher: Watcher,
    ) -> None:
        self.duration_s = sound.duration_s
        self._blocks = sound.blocks
        self._has_picture = sound.has_picture
        self._recording = recording
        self._naming = recording.naming
        self._watcher = watcher
        self._heard: Heard | None = None
        self._tracks = [
            _open_track(recording, transcriber, channel) for channel in range(sound.channels)
        ]

    @property
    def heard_s(self) -> float:
        """Seconds of the recording so far."""
        return self._tracks[0].session.heard_s

    @property
    def words(self) -> int:
        """Number of words so far."""
        return sum(track.words for track in self._tracks)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """What is written so far of each channel."""
        return [track.checkpoint for track in self._tracks]

    @property
    def language(self) -> str | None:
        """Code of the language that was stated, or detected so far."""
        return next((t.session.language for t in self._tracks if t.session.language), None)

    def lines(self) -> Iterator[list[Line]]:
        """Yield the lines that each block of sound completes, mostly none.

        At the end each turn of a video that is looked at yields none. Raises MediaError,
        StoreUnavailableError, and what the engine raises.
        """
        for block in self._blocks:
            yield self._accept(block.reshape(len(block), -1))
        yield list(chain.from_iterable(track.finish() for track in self._tracks))
        if self._naming:
            self._heard = hear_voices(self._tracks)
            yield from self._watch(self._heard, self._naming)

    @cached_property
    def transcript(self) -> Transcript:
        """All lines with those who say them, once `lines` has ended.

        Raises EncoderMismatchError, StoreUnavailableError.
        """
        if self._naming and self._heard:
            lines = name_lines(self._tracks, self._heard, self._naming)
        else:
            lines = join_lines(self._tracks)
        return Transcript(tuple(lines), self.language, self.heard_s)

    def _watch(self, heard: Heard, naming: Naming) -> Iterator[list[Line]]:
        """Look for the talking faces, where there is a picture and a face is enrolled."""
        if not (self._has_picture and naming.by_face and naming.voices.has_faces(naming.among)):
            return
        recording = self._recording
        sights: dict[int, Sight] = {}
        for place, sight in self._watcher.watch(
            recording.path, recording.filename, heard.turns, naming.voices
        ):
            sights[place] = sight
            yield []
        self._heard = add_faces(heard, sights, naming.voices)

    def _accept(self, block: Float32Array) -> list[Line]:
        """Take samples (n, channels)."""
        lines: list[Line] = []
        for track, samples in zip(self._tracks, block.T, strict=True):
            lines += track.accept(np.ascontiguousarray(samples))
        return lines


def _open_track(recording: Recording, transcriber: Transcriber, channel: int) -> Track:
    before = Checkpoint(0, None, ())
    if channel < len(recording.checkpoints):
        before = recording.checkpoints[channel]
    session = TranscriptionSession(
        transcriber,
        language=recording.language or before.language,
        prompt=recording.prompt,
        skipped=before.windows,
    )
    naming = recording.naming
    if naming and recording.is_separate:
        naming = replace(naming, count=1)
    return Track(session, naming, before.lines)


class Scribe:
    """Writes down recordings, as many at a time as there are slots."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.speech
        self._count = settings.limits.slots
        self._slots = FairSemaphore(self._count)
        self._lock = threading.Lock()
        self._transcriber: Transcriber | None = None
        self._others: dict[str, Transcriber] = {}
        self._watcher = Watcher(settings.capture.min_face_px)

    @property
    def is_available(self) -> bool:
        """Whether the engine and its weights are installed."""
        return is_installed(self._settings.speech_model)

    def load(self, model: str = "") -> Transcriber:
        """Load the engine, once. `model` names another one than that of the settings.

        Raises SpeechUnavailableError, ModelError, InvalidRequestError.
        """
        with self._lock:
            if self._transcriber is None:
                self._transcriber = self._load()
            if model in ("", self._transcriber.model.name):
                return self._transcriber
            if model not in self._others:
                self._others[model] = self._load_other(model)
            return self._others[model]

    def listen(
        self, speech: Float32Array, language: str, count: int
    ) -> Callable[[str], tuple[Word, ...]]:
        """Listen to about `count` digits in speech (n,) of `LONGEST_S` at most.

        What is returned writes them down, once it is told those that are asked for. An
        engine that cannot be held to digits writes whatever is said. Raises
        SpeechUnavailableError, ModelError.
        """
        engine = self.load()
        if isinstance(engine, DigitListener):
            readings = engine.hear_digits(speech, language, count=count)
            return partial(choose_digits, readings, language)
        words = engine.transcribe(speech, language=language).words
        return lambda _: words

    @contextmanager
    def open(self, recording: Recording) -> Iterator[Writing]:
        """Open a recording to be written down while the block lasts.

        Raises InvalidRequestError for a language that the model does not write,
        SpeechUnavailableError, ModelError, BusyError, MediaError.
        """
        transcriber = self.load()
        transcriber.model.check_language(recording.language)
        taken = f"All {self._count} slots for recordings were taken for {WAIT_S:g} s."
        sound = open_sound_apart(
            recording.path,
            max_s=self._settings.max_speech_s,
            filename=recording.filename,
            is_separate=recording.is_separate,
        )
        with self._slots.hold(WAIT_S, taken), sound as stream:
            yield Writing(stream, recording, transcriber, self._watcher)

    def check(self) -> None:
        """Check that speech to text is installed, without loading it.

        Raises SpeechUnavailableError.
        """
        if not self.is_available:
            raise SpeechUnavailableError("Speech to text is not installed.")

    def _load(self) -> Transcriber:
        self.check()
        return self._load_named(self._settings.speech_model)

    def _load_other(self, model: str) -> Transcriber:
        """Load an engine that a request names. It names no folder of the server."""
        names = installed_names()
        if model not in names:
            raise InvalidRequestError(
                f"There is no such speech model. Received: {model[:40]!r}",
                f"The models are {', '.join(names)}.",
            )
        return self._load_named(model)

    def _load_named(self, model: str) -> Transcriber:
        return load_engine(model, threads=count_threads(self._settings.speech_threads))
