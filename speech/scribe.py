"""Recordings in files, written down line by line.

`Scribe` is shared by all requests and threads. It loads its engine at the first
recording and keeps it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from align.sound_decoder import open_sound_apart
from align.sound_stream import SoundStream
from speech.lines import Line
from speech.models import is_installed, load_weights
from speech.ports import SpeechModel, Transcriber
from speech.session import TranscriptionSession
from utils.config import Settings
from utils.errors import BusyError, InvalidRequestError, SpeechUnavailableError

WAIT_S = 60.0


@dataclass(frozen=True)
class Recording:
    """A video or sound file to be written down.

    Attributes:
        path: the file.
        filename: the name that its sender gave it; None = its own.
        language: code of the language that is spoken; None = it is detected, once.
        prompt: names and words that may come up.
    """

    path: Path
    filename: str | None = None
    language: str | None = None
    prompt: str = ""


class Writing:
    """A recording that is being written down.

    Attributes:
        duration_s: length that the file states, 0.0 where it states none.
        session: what was made of the sound so far.
    """

    def __init__(self, sound: SoundStream, session: TranscriptionSession) -> None:
        self.duration_s = sound.duration_s
        self.session = session
        self._sound = sound

    def lines(self) -> Iterator[list[Line]]:
        """Yield the lines that each block of sound completes, mostly none.

        Raises MediaError, and what the engine raises.
        """
        for block in self._sound.blocks:
            yield self.session.accept(block)
        yield self.session.finish()


class Scribe:
    """Writes down recordings, as many at a time as there are slots."""

    def __init__(self, settings: Settings, *, wait_s: float = WAIT_S) -> None:
        self._settings = settings.speech
        self._count = settings.limits.slots
        self._slots = threading.Semaphore(self._count)
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._transcriber: Transcriber | None = None

    @property
    def is_available(self) -> bool:
        """Whether the engine and its weights are installed."""
        return is_installed(self._settings.speech_model)

    @property
    def loaded_model(self) -> SpeechModel | None:
        """What writes. None before the first recording."""
        return self._transcriber.model if self._transcriber else None

    def load(self) -> Transcriber:
        """Load the engine, once. Raises SpeechUnavailableError, ModelError."""
        with self._lock:
            if self._transcriber is None:
                self._transcriber = self._load()
            return self._transcriber

    @contextmanager
    def open(self, recording: Recording) -> Iterator[Writing]:
        """Open a recording to be written down while the block lasts.

        Raises InvalidRequestError for a language that the model does not write,
        SpeechUnavailableError, ModelError, BusyError, MediaError.
        """
        transcriber = self.load()
        _check_language(recording.language, transcriber.model)
        sound = open_sound_apart(
            recording.path, max_s=self._settings.max_speech_s, filename=recording.filename
        )
        with self._slot(), sound as stream:
            session = TranscriptionSession(
                transcriber, language=recording.language, prompt=recording.prompt
            )
            yield Writing(stream, session)

    def _load(self) -> Transcriber:
        if not self.is_available:
            raise SpeechUnavailableError("Speech to text is not installed.")
        from speech.transcriber_whisper import WhisperTranscriber

        threads = self._settings.speech_threads or max(1, (os.cpu_count() or 1) // 2)
        return WhisperTranscriber(load_weights(self._settings.speech_model), threads=threads)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._wait_s):
            raise BusyError(
                f"All {self._count} slots for recordings were taken for {self._wait_s:g} s."
            )
        try:
            yield
        finally:
            self._slots.release()


def _check_language(language: str | None, model: SpeechModel) -> None:
    if language is not None and language not in model.languages:
        raise InvalidRequestError(
            f"The speech model {model.name} does not write this language. Received:"
            f" {language[:20]!r}",
            f"It writes: {', '.join(model.languages)}.",
        )
