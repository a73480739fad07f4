"""A trained CTC network as an engine: the folder of a model that `cli.py train speech` made.

The network hears a whole window at once. Its signs are decoded greedily, or by a beam
search with a list of words or an n-gram. It writes the one language that it learned.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from network.frontends.features import features_of
from network.serving.card import SPEECH, Card, read_card
from network.serving.inputs import VoiceInput
from network.serving.runtime import OnnxRuntime, Runtime, load_runtime
from speech.ctc.decoding import Spelling, decode_greedily, search_beam
from speech.ctc.guide import FREE, Guide, read_words
from speech.ctc.ngram import read_ngram
from speech.ctc.options import CtcOptions, find_options
from speech.ctc.vocabulary import Vocabulary
from speech.ports import LONGEST_S, Passage, SpeechModel, Word
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import ModelError

DEFAULT_WIDTH = 16


class CtcTranscriber:
    """A CTC network, shared by all threads."""

    def __init__(self, folder: Path, *, threads: int, options: CtcOptions | None = None) -> None:
        """Load the network.

        Args:
            folder: folder of the model.
            threads: threads of one run, 0 for all cores.
            options: how it decodes. None: with the words and the n-gram that lie in the
                folder, and greedily without.

        Raises:
            ModelError: the model, the words or the n-gram cannot be used.
        """
        card = read_ctc_card(folder)
        self._input = _read_frontend(card)
        self._vocabulary = _read_vocabulary(card)
        self._runtime = _open(folder, card, threads)
        self._check_outputs(card)
        options = options or find_options(folder)
        self._width = max(options.width, DEFAULT_WIDTH if options.is_guided else 1)
        self._guide = self._read_guide(options)
        self.model = SpeechModel(
            name=card.name,
            sha256=card.sha256,
            languages=(str(card.input["language"]),),
            licence=card.terms or "The operator's own",
        )

    def transcribe(
        self,
        speech: Float32Array,
        *,
        language: str | None = None,
        prompt: str = "",
        is_live: bool = False,
    ) -> Passage:
        """Write down what is said, as `Transcriber.transcribe` has it, always in the same way."""
        del prompt, is_live
        if len(speech) > LONGEST_S * RATE_HZ:
            raise ValueError(
                f"A window may have {LONGEST_S:g} s. Received: {len(speech) / RATE_HZ:.1f} s"
            )
        logarithms = self._hear(speech)
        spelling = self._decode(logarithms)
        words = tuple(self._words(spelling, len(speech) / RATE_HZ / len(logarithms)))
        return Passage(
            words=words,
            language=language or self.model.languages[0],
            language_probability=1.0,
            mean_log_probability=float(np.mean(spelling.log_probabilities or (0.0,))),
            no_speech_probability=0.0,
            compression_ratio=_compression("".join(word.text for word in words)),
        )

    def _check_outputs(self, card: Card) -> None:
        """Raise ModelError unless the network has an output for each sign."""
        silence = np.zeros(RATE_HZ, np.float32)
        outputs = self._hear(silence).shape[-1]
        if outputs != self._vocabulary.size:
            raise ModelError(
                f"The network {card.name} has {outputs} outputs, but its card lists"
                f" {self._vocabulary.size} with blank and unknown sign."
            )

    def _hear(self, speech: Float32Array) -> Float32Array:
        """Logarithms of probabilities (steps, outputs) of samples (n,)."""
        features = features_of(speech, self._input.frontend)
        return np.asarray(self._runtime.run(features[None])[0], np.float32)

    def _decode(self, logarithms: Float32Array) -> Spelling:
        if self._width == 1:
            return decode_greedily(logarithms)
        return search_beam(logarithms, self._width, self._guide)

    def _words(self, spelling: Spelling, step_s: float) -> Iterator[Word]:
        """Yield the words with their times, a step being `step_s` long."""
        for part in _split(spelling, self._vocabulary):
            text = self._vocabulary.decode(spelling.outputs[part])
            if text:
                steps = spelling.steps[part]
                yield Word(
                    text=f" {text}",
                    start_s=steps[0] * step_s,
                    end_s=(steps[-1] + 1) * step_s,
                    probability=float(np.exp(np.mean(spelling.log_probabilities[part]))),
                )

    def _read_guide(self, options: CtcOptions) -> Guide:
        if not options.is_guided:
            return FREE
        words: frozenset[str] = frozenset()
        if options.words is not None:
            words = read_words(options.words, self._vocabulary)
        ngram = read_ngram(options.ngram) if options.ngram is not None else None
        return Guide(vocabulary=self._vocabulary, words=words, ngram=ngram)


def read_ctc_card(folder: Path) -> Card:
    """Read the card of a CTC model. Raises ModelError."""
    card = read_card(folder)
    if card.modality != SPEECH or not {"signs", "language"} <= set(card.input):
        raise ModelError(
            "A model of speech to text must have been trained for it. Received:"
            f" {folder.name}, of the modality {card.modality}",
            "Train one with: cli.py train speech",
        )
    return card


def _read_frontend(card: Card) -> VoiceInput:
    """Read the front end of a card, as a voice network has it."""
    about = ("language", "signs")
    return VoiceInput.from_dict({n: value for n, value in card.input.items() if n not in about})


def _read_vocabulary(card: Card) -> Vocabulary:
    try:
        return Vocabulary(card.input["signs"])
    except ValueError as error:
        raise ModelError(f"The signs of the card of {card.name} cannot be used: {error}") from error


def _open(folder: Path, card: Card, threads: int) -> Runtime:
    if card.runtime == "onnx":
        return OnnxRuntime(folder / card.file, threads=threads)
    return load_runtime(card.runtime, folder / card.file)


def _split(spelling: Spelling, vocabulary: Vocabulary) -> Iterator[slice]:
    """Yield the places of each word between spaces."""
    start = 0
    for place, output in enumerate(spelling.outputs):
        if vocabulary.sign(output) == " ":
            yield slice(start, place)
            start = place + 1
    yield slice(start, len(spelling.outputs))


def _compression(text: str) -> float:
    data = text.strip().encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0
