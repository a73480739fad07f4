"""What a speech network writes of the recordings that measure it, and its error rates."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from network.frontends.features import Spec, features_of_power
from speech.ctc.decoding import decode_greedily
from speech.ctc.vocabulary import Vocabulary
from speech.error_rates import Errors, count_character_errors, count_word_errors, total
from train.data.corpora import Corpus, Utterance
from train.speech.batches import fill_up
from train.voice.banks import Bank
from utils.arrays import Float32Array
from utils.whole_file import whole_file

COLUMNS = ("path", "speaker", "target", "prediction", "cer")
# Utterances that are heard at a time
TOGETHER = 16

Hear = Callable[
    [Float32Array, NDArray[np.int32]],
    tuple[Float32Array, NDArray[np.int32]],
]
"""From features (n, most frames, n_mels) and the frames (n,) of each to logarithms of
probabilities (n, most steps, outputs) and the steps (n,) of each."""


@dataclass(frozen=True)
class Prediction:
    """What was said, what was written, and the errors: characters (also without spaces), words."""

    utterance: Utterance
    written: str
    characters: Errors
    letters: Errors
    words: Errors


class SpeechDev:
    """The recordings that measure a network."""

    def __init__(self, corpus: Corpus, bank: Bank, vocabulary: Vocabulary, spec: Spec) -> None:
        """Keep the recordings, the shortest first."""
        self._bank = bank
        self._vocabulary = vocabulary
        self._spec = spec
        self._utterances = corpus.utterances
        self._order = np.argsort(bank.lengths, kind="stable")

    def predict(self, hear: Hear) -> Iterator[Prediction]:
        """Write down all recordings, greedily, several of about one length at a time."""
        for start in range(0, len(self._order), TOGETHER):
            yield from self._predict_some(hear, self._order[start : start + TOGETHER])

    def _predict_some(self, hear: Hear, numbers: NDArray[np.intp]) -> Iterator[Prediction]:
        frames = self._bank.lengths[numbers].astype(np.int32)
        features = fill_up([self._features_of(number) for number in numbers], int(frames.max()))
        logarithms, steps = hear(features, frames)
        for number, rows, count in zip(numbers, logarithms, steps, strict=True):
            written = self._vocabulary.decode(decode_greedily(rows[:count]).outputs)
            yield compare(self._utterances[number], written)

    def _features_of(self, number: np.intp) -> Float32Array:
        """Features (frames, n_mels) of a recording, as the service has them."""
        power = np.exp(self._bank[int(number)].astype(np.float32))
        return features_of_power(power, self._spec)


def compare(utterance: Utterance, written: str) -> Prediction:
    """Count the errors of what was written of an utterance."""
    return Prediction(
        utterance=utterance,
        written=" ".join(written.split()),
        characters=count_character_errors(utterance.text, written, spaces=True),
        letters=count_character_errors(utterance.text, written, spaces=False),
        words=count_word_errors(utterance.text, written),
    )


def error_rates(predictions: Collection[Prediction]) -> dict[str, float]:
    """CER, CER without spaces and WER over all predictions."""
    return {
        "cer": total(one.characters for one in predictions).rate,
        "cer_without_spaces": total(one.letters for one in predictions).rate,
        "wer": total(one.words for one in predictions).rate,
    }


def write_predictions(file: Path, predictions: Collection[Prediction]) -> None:
    """Write targets and predictions as CSV, the worst first."""
    rows = sorted(predictions, key=lambda one: -one.characters.rate)
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for one in rows:
            about = one.utterance
            rate = f"{one.characters.rate:.4f}"
            writer.writerow([about.path, about.speaker, about.text, one.written, rate])
