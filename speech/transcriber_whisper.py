"""Whisper by faster-whisper and CTranslate2, in 8-bit integers, without PyTorch.

Each window of sound is encoded once. It is decoded greedily, and live by a beam. What
Whisper is known to do on sound without words is kept from it:

- No fallback to higher temperatures, and no text of earlier windows as a prompt.
- As many tokens as the seconds of sound can hold, and no more.
- Where it ends after a word or two of several seconds, it must go on. That counts where it
  is sure of what follows.
- Tokens in scripts that the language is not written in are suppressed.

Whisper: A. Radford et al., "Robust Speech Recognition via Large-Scale Weak
Supervision", 2022. The times of words follow its cross-attention.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np

from speech.models import WEIGHTS, Weights
from speech.ports import LONGEST_S, DigitReadings, Passage, SpeechModel, Word
from speech.scripts import is_foreign
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import ModelError, SpeechUnavailableError
from utils.right_of_way import CLIPS

# Nobody says more than so many tokens: fast Korean has about 12 a second
_TOKENS_A_SECOND = 20
_LEAST_TOKENS = 16
_MOST_FRAMES = 3000

# Whisper learned with 30 s, which cost the same whether they are silent or not. Live, speech
# is filled up to half of that: the encoder takes a fifth of the time (docs/live.md)
_SHORT_FRAMES = 1500
_SILENT_FRAMES = 200
# What a live turn lacks in context, a beam makes up for. On so few words it costs nothing
_LIVE_BEAMS = 5

# Whoever says less in so many seconds was not heard to the end. What follows counts from
# this mean log probability on
_FEWEST_TOKENS_A_SECOND = 1
_EARLY_S = 2.0
_LEAST_LOG_PROBABILITY = -0.6
_MOST_GOES = 3
_MOST_DIGITS = 16
# Readings that are told apart
_DIGIT_BEAMS = 20

# Each step of a window waits so long, in seconds, for clips that are identified
_WAIT_S = 2.0
_LIVE_WAIT_S = 0.3

_TO_WORD_START = "\"'“¿([{-"
_TO_WORD_END = "\"'.。,，!！?？:：”)]}、"


class WhisperTranscriber:
    """A Whisper model, shared by all threads."""

    def __init__(self, weights: Weights, *, threads: int) -> None:
        """Load the weights.

        Raises:
            SpeechUnavailableError: faster-whisper is not installed.
            ModelError: the weights cannot be loaded.
        """
        self._whisper = _load(weights, threads)
        languages = tuple(sorted(self._whisper.supported_languages))
        self.model = SpeechModel(
            name=weights.model.name,
            sha256=weights.model.sha256,
            languages=languages,
            licence=weights.model.licence,
        )
        self._tokenizer_of = cache(self._make_tokenizer)
        self._suppressed_of = cache(self._find_suppressed)

    def transcribe(
        self,
        speech: Float32Array,
        *,
        language: str | None = None,
        prompt: str = "",
        is_live: bool = False,
    ) -> Passage:
        """Write down what is said in `speech`, as `Transcriber.transcribe` has it."""
        wait_s = _LIVE_WAIT_S if is_live else _WAIT_S
        CLIPS.give(wait_s)
        encoded, frames = self._encode(speech, is_live=is_live)
        probability = 1.0
        CLIPS.give(wait_s)
        if language is None:
            language, probability = self._detect_language(encoded)
        tokens, scores = self._decode(
            encoded, language, prompt, len(speech) / RATE_HZ, beams=_LIVE_BEAMS if is_live else 1
        )
        CLIPS.give(wait_s)
        return Passage(
            words=self._time_words(encoded, language, tokens, frames),
            language=language,
            language_probability=probability,
            **scores,
        )

    def hear_digits(self, speech: Float32Array, language: str, *, count: int) -> DigitReadings:
        """Hear digits, as `DigitListener.hear_digits` has it.

        Held to digits, it tends to end too early. So it is asked once more, and must write
        `count` of them.
        """
        encoded, frames = self._encode(speech, is_live=True)
        tokens, _ = self._decode(encoded, language, "", len(speech) / RATE_HZ, beams=1)
        written = self._time_words(encoded, language, tokens, frames)
        doubts = self._read_digits(encoded, language)
        for reading, doubt in self._read_digits(encoded, language, count).items():
            doubts[reading] = min(doubt, doubts.get(reading, doubt))

        @cache
        def place(reading: str) -> tuple[Word, ...]:
            digits = [self._digits[digit] for digit in reading]
            return self._time_words(encoded, language, digits, frames)

        return DigitReadings(doubts, place, written)

    def _read_digits(self, encoded: Any, language: str, count: int = 0) -> dict[str, float]:
        """Doubts about readings, of any length or of `count` digits."""
        start = self._whisper.get_prompt(self._tokenizer_of(language), [], without_timestamps=True)
        end = self._tokenizer_of(language).eot
        most = count or _MOST_DIGITS
        result = self._whisper.model.generate(
            encoded,
            [start],
            beam_size=_DIGIT_BEAMS,
            num_hypotheses=_DIGIT_BEAMS,
            length_penalty=0.0,
            max_length=limit_length(len(start), most),
            suppress_tokens=[*self._all_but_digits, end] if count else self._all_but_digits,
            return_scores=True,
            sampling_temperature=0.0,
        )[0]
        texts = map(self._join_digits, result.sequences_ids)
        best = max(result.scores)
        return {text: best - value for text, value in zip(texts, result.scores, strict=True)}

    def _join_digits(self, tokens: Sequence[int]) -> str:
        """Write tokens as digits, without those that are none."""
        digits = {token: digit for digit, token in self._digits.items()}
        return "".join(digits.get(token, "") for token in tokens)

    def _encode(self, speech: Float32Array, *, is_live: bool = False) -> tuple[Any, int]:
        """Encode a window. Returns it with its number of frames."""
        if len(speech) > LONGEST_S * RATE_HZ:
            raise ValueError(
                f"A window may have {LONGEST_S:g} s. Received: {len(speech) / RATE_HZ:.1f} s"
            )
        features = self._whisper.feature_extractor(speech)[:, :_MOST_FRAMES]
        frames = features.shape[1]
        is_short = is_live and frames <= _SHORT_FRAMES - _SILENT_FRAMES
        padded = _pad(features, _SHORT_FRAMES if is_short else _MOST_FRAMES)
        return self._whisper.encode(padded), frames

    @cached_property
    def _digits(self) -> dict[str, int]:
        """Token of each digit after a space."""
        tokenizer = self._tokenizer_of("en")
        return {str(digit): tokenizer.encode(f" {digit}")[0] for digit in range(10)}

    @cached_property
    def _all_but_digits(self) -> list[int]:
        """Tokens that are neither a digit after a space nor the end."""
        allowed = {*self._digits.values(), self._tokenizer_of("en").eot}
        return [i for i in range(self._whisper.hf_tokenizer.get_vocab_size()) if i not in allowed]

    def _detect_language(self, encoded: Any) -> tuple[str, float]:
        if not self._whisper.model.is_multilingual:
            return "en", 1.0
        token, probability = self._whisper.model.detect_language(encoded)[0][0]
        return token[2:-2], float(probability)  # <|ko|>

    def _decode(
        self, encoded: Any, language: str, prompt: str, seconds: float, *, beams: int
    ) -> tuple[list[int], dict[str, float]]:
        """Decode a window to its tokens and what they are worth."""
        from faster_whisper.transcribe import get_compression_ratio

        tokenizer = self._tokenizer_of(language)
        earlier = tokenizer.encode(" " + prompt.strip()) if prompt.strip() else []
        start = self._whisper.get_prompt(tokenizer, earlier, without_timestamps=True)
        budget = _LEAST_TOKENS + int(seconds * _TOKENS_A_SECOND)

        def generate(first: list[int]) -> Any:
            return self._whisper.model.generate(
                encoded,
                [start + first],
                beam_size=beams,
                max_length=min(limit_length(len(start), budget), self._whisper.max_length),
                suppress_tokens=self._suppressed_of(language),
                return_scores=True,
                return_no_speech_prob=True,
                sampling_temperature=0.0,
            )[0]

        result = go_on(generate, seconds)
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        count = len(result.sequences_ids[0])
        text = tokenizer.decode(tokens).strip()
        return tokens, {
            "mean_log_probability": float(result.scores[0]) * count / (count + 1),
            "no_speech_probability": float(result.no_speech_prob),
            "compression_ratio": get_compression_ratio(text) if text else 0.0,
        }

    def _time_words(
        self, encoded: Any, language: str, tokens: list[int], frames: int
    ) -> tuple[Word, ...]:
        from faster_whisper.transcribe import merge_punctuations

        if not tokens:
            return ()
        tokenizer = self._tokenizer_of(language)
        timed = self._whisper.find_alignment(tokenizer, [tokens], encoded, frames)[0]
        merge_punctuations(timed, _TO_WORD_START, _TO_WORD_END)
        return tuple(
            Word(
                text=one["word"],
                start_s=float(one["start"]),
                end_s=float(one["end"]),
                probability=float(one["probability"]),
            )
            for one in timed
            if one["word"]
        )

    def _make_tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        return Tokenizer(
            self._whisper.hf_tokenizer,
            self._whisper.model.is_multilingual,
            task="transcribe",
            language=language,
        )

    def _find_suppressed(self, language: str) -> list[int]:
        """Tokens that are no speech, and those in scripts foreign to the language."""
        from faster_whisper.transcribe import get_suppressed_tokens

        tokenizer = self._tokenizer_of(language)
        texts = self._whisper.hf_tokenizer.decode_batch([[i] for i in range(tokenizer.eot)])
        foreign = [i for i, text in enumerate(texts) if is_foreign(text, language)]
        return list(get_suppressed_tokens(tokenizer, [-1, *foreign]))


def limit_length(prompt: int, budget: int) -> int:
    """Length at which CTranslate2 writes `budget` tokens after a prompt of so many.

    It writes no more than half of the length, however short the prompt is.
    """
    return max(2 * budget, prompt + budget)


def go_on(generate: Callable[[list[int]], Any], seconds: float) -> Any:
    """Decode `seconds` of sound, and go on where the engine ends too early.

    `generate` decodes after the tokens that it is given. Its answer begins with them, and
    their successor is never the end.
    """
    result = generate([])
    for _ in range(_MOST_GOES):
        tokens = result.sequences_ids[0]
        is_early = 0 < len(tokens) < seconds * _FEWEST_TOKENS_A_SECOND
        if not is_early or seconds < _EARLY_S:
            break
        longer = generate(tokens)
        if longer.scores[0] < _LEAST_LOG_PROBABILITY:
            break
        result = longer
    return result


def _load(weights: Weights, threads: int) -> Any:
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise SpeechUnavailableError("The engine of speech to text is not installed.") from error
    try:
        return WhisperModel(
            str(weights.folder or weights.model.name),
            device="cpu",
            compute_type="int8",
            cpu_threads=threads,
            files=dict(weights.files) or None,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise ModelError(
            f"The speech model {weights.model.name} cannot be loaded: its {WEIGHTS} or its"
            " settings are broken."
        ) from error


def _pad(features: Float32Array, frames: int) -> Float32Array:
    """Fill features (mels, n) up with zeros to (mels, frames), as faster-whisper does."""
    missing = frames - features.shape[1]
    return np.pad(features, ((0, 0), (0, missing))).astype(np.float32)
