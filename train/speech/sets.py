"""What a speech training reads: recordings with words, those held out, signs and sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network.frontends.features import Spec
from speech.ctc.vocabulary import JAMO_VOCABULARY, Vocabulary, collect_signs, read_vocabulary
from train.data.corpora import Corpus, Utterance, read_corpus
from train.voice.banks import Bank, cached_features
from train.voice.sources import read_noise
from train.voice.variants import Variant
from utils.errors import DatasetError

JAMO = "jamo"
SYLLABLES = "syllables"
CLEAN = Variant(1.0, "clean")


@dataclass(frozen=True)
class SpeechSets:
    """Recordings to learn from, those that measure it, and noise.

    Attributes:
        train: What is learned from.
        dev: What measures it: people that are not trained on, unless named otherwise.
        banks: Log-mel powers of `train`, for each voice.
        dev_bank: The same of `dev`, as it was recorded.
        noise: Log-mel powers of noises, perhaps none.
    """

    train: Corpus
    dev: Corpus
    banks: list[Bank]
    dev_bank: Bank
    noise: list[NDArray[Any]]


def read_sets(data: Mapping[str, Any], seed: int, shared: Path, spec: Spec) -> SpeechSets:
    """Read what a table `[data]` names. Sounds are decoded on the first call.

    Raises:
        DatasetError: A corpus cannot be read, or is too small to hold people out.
    """
    cache = Path(data["cache"])
    train, dev = split_corpus(data, seed, shared)
    voices = [Variant(speed, "clean") for speed in data.get("speeds", (1.0,))]
    noise: list[NDArray[Any]] = []
    if data.get("noise"):
        noise = read_noise(shared / data["noise"], cache, spec)
    return SpeechSets(
        train=train,
        dev=dev,
        banks=[cached_features(train.listing, cache, voice, spec) for voice in voices],
        dev_bank=cached_features(dev.listing, cache, CLEAN, spec),
        noise=noise,
    )


def split_corpus(data: Mapping[str, Any], seed: int, shared: Path) -> tuple[Corpus, Corpus]:
    """The corpus to learn from and the one that measures it.

    Without a corpus `dev`, a share of the speakers is held out.
    """
    corpus = read_corpus(shared / data["train"])
    if data.get("dev"):
        return corpus, read_corpus(shared / data["dev"], "dev")
    return hold_out(corpus, data["held_out"], seed)


def hold_out(corpus: Corpus, share: float, seed: int) -> tuple[Corpus, Corpus]:
    """Split a corpus by speaker. Recordings without one count as speakers of their own.

    Raises:
        DatasetError: There are fewer than two speakers.
    """
    speakers = sorted({_speaker_of(one) for one in corpus.utterances})
    if len(speakers) < 2:
        raise DatasetError(
            f"Speakers are held out of at least 2. Received: {len(speakers)}",
            "Name a corpus of its own with dev in the table [data].",
        )
    number = min(max(1, round(share * len(speakers))), len(speakers) - 1)
    held_out = set(np.random.default_rng(seed).permutation(speakers)[:number].tolist())
    dev = [one for one in corpus.utterances if _speaker_of(one) in held_out]
    rest = [one for one in corpus.utterances if _speaker_of(one) not in held_out]
    return corpus.select(rest), corpus.select(dev)


def choose_vocabulary(data: Mapping[str, Any], corpus: Corpus, shared: Path) -> Vocabulary:
    """The signs that a table `[data]` names.

    "jamo", "syllables" (all signs of the training texts), or a CSV file. Raises
    DatasetError.
    """
    kind = data.get("vocabulary", JAMO)
    if kind == JAMO:
        return JAMO_VOCABULARY
    if kind == SYLLABLES:
        return collect_signs(one.text for one in corpus.utterances)
    return read_vocabulary(shared / kind)


def _speaker_of(utterance: Utterance) -> str:
    return utterance.speaker or utterance.path
