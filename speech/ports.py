"""What an engine of speech to text is, and what it makes of speech.

An engine is one file that imports this one alone of its folder. It is shared by all
threads and holds no state between calls: what belongs to a recording is in its
`TranscriptionSession` (speech/transcription_session.py). Times are seconds, samples are
16 kHz mono float32 in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from utils.arrays import Float32Array
from utils.errors import InvalidRequestError

LONGEST_S = 30.0
"""Most seconds of sound that an engine is given at a time."""


@dataclass(frozen=True)
class SpeechModel:
    """What an engine writes with.

    Attributes:
        name: short name, as `base`.
        sha256: hash of the weights, in hexadecimal.
        languages: codes of the languages it writes, such as "ko".
        licence: what the weights may be used for, in words.
    """

    name: str
    sha256: str
    languages: tuple[str, ...]
    licence: str

    def check_language(self, code: str | None) -> None:
        """Refuse a language that is stated but not written. Raises InvalidRequestError."""
        if code is not None and code not in self.languages:
            raise InvalidRequestError(
                f"The speech model {self.name} does not write this language. Received:"
                f" {code[:20]!r}",
                f"It writes: {', '.join(self.languages)}.",
            )


@dataclass(frozen=True)
class Word:
    """A word and when it is said.

    `text` begins with a space where the language sets one before the word.
    `probability` in [0, 1] is the engine's own.
    """

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class Passage:
    """What an engine makes of one window of speech.

    Attributes:
        words: with times from the start of the window.
        language: code of the language that was stated or detected.
        language_probability: 1.0 for a stated language.
        mean_log_probability: natural logarithm, mean over the tokens.
        no_speech_probability: the engine's own guess that nobody speaks.
        compression_ratio: bytes of the text by its compressed bytes. Repetition raises
            it.
    """

    words: tuple[Word, ...]
    language: str
    language_probability: float
    mean_log_probability: float
    no_speech_probability: float
    compression_ratio: float

    @property
    def text(self) -> str:
        """All words."""
        return "".join(word.text for word in self.words).strip()


class Transcriber(Protocol):
    """An engine of speech to text."""

    @property
    def model(self) -> SpeechModel:
        """The weights in use."""

    def transcribe(
        self,
        speech: Float32Array,
        *,
        language: str | None = None,
        prompt: str = "",
        is_live: bool = False,
    ) -> Passage:
        """Write down what is said in `speech` (n,), of `LONGEST_S` at most.

        Args:
            speech: sound with as little else as can be.
            language: one of the model's languages. None: the engine detects it.
            prompt: names and words that may come up.
            is_live: somebody waits. What is faster may be preferred, if hardly worse.
        """


@dataclass(frozen=True)
class DigitReadings:
    """Digits that may be said in a sound.

    Attributes:
        doubts: readings, as "482913", and how much less likely each is than the likeliest
            one: a natural logarithm, 0 for the likeliest. At least one.
        place: writes down a reading, one word for each digit, with its time.
        written: what is written where anything may be said: numbers as they are spoken.
    """

    doubts: Mapping[str, float]
    place: Callable[[str], tuple[Word, ...]]
    written: tuple[Word, ...] = ()


@runtime_checkable
class DigitListener(Protocol):
    """An engine that can be held to digits."""

    def hear_digits(self, speech: Float32Array, language: str, *, count: int) -> DigitReadings:
        """Hear digits, whatever is said.

        Args:
            speech: (n,) of `LONGEST_S` at most.
            language: code of the language they are said in.
            count: how many there should be. The likeliest reading of so many is no doubt,
                and neither is the likeliest of all.
        """
