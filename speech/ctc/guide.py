"""What guides a beam search: a list of words, and an n-gram. Pure.

A list of words is strict: nothing else is written. An n-gram weighs each word when it
ends, and `bonus` makes up for the words that it makes dear.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from speech.ctc.ngram import NGram, read_text
from speech.ctc.vocabulary import Vocabulary
from speech.error_rates import normalise
from utils.errors import ModelError

NEVER = float("-inf")


@dataclass(frozen=True)
class State:
    """Where a text stands.

    Attributes:
        letters: the signs of the word that is open.
        history: words before it, as many as the n-gram asks for.
        score: what the words so far are worth.
    """

    letters: str = ""
    history: tuple[str, ...] = ()
    score: float = 0.0


@dataclass(frozen=True)
class Guide:
    """Which words there are, and how likely they follow each other.

    Attributes:
        vocabulary: signs of the network. None guides nothing.
        words: the only words that may be written, in its signs; empty for any.
        ngram: probabilities of words, or of the signs of a text.
        weight: what the n-gram counts beside the network.
        bonus: what each word is worth, in natural logarithm.
    """

    vocabulary: Vocabulary | None = None
    words: frozenset[str] = frozenset()
    ngram: NGram | None = None
    weight: float = 0.5
    bonus: float = 1.0
    start: State = field(default=State(), init=False)

    def follow(self, state: State, output: int) -> State | None:
        """Return the state after one more sign. None: no word goes on like this."""
        if self.vocabulary is None or not (self.words or self.ngram):
            return state
        sign = self.vocabulary.sign(output)
        if not sign:
            return None if self.words else state
        if sign == " ":
            return self._end_word(state)
        letters = state.letters + sign
        if self.words and letters not in self._beginnings:
            return None
        return State(letters, state.history, state.score)

    def finish(self, state: State) -> float:
        """Return what a text is worth that ends here, `NEVER` in the middle of a word."""
        end = self._end_word(state)
        return NEVER if end is None else end.score

    def _end_word(self, state: State) -> State | None:
        if self.vocabulary is None or not state.letters:
            return state
        if self.words and state.letters not in self.words:
            return None
        if self.ngram is None:
            return State("", (), state.score)
        word = self.vocabulary.compose(state.letters)
        logarithm, history = self.ngram.score(word, state.history)
        return State("", history, state.score + self.weight * logarithm + self.bonus)

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        starts: set[str] = set()
        for word in self.words:
            starts.update(word[:end] for end in range(1, len(word) + 1))
        return frozenset(starts)


FREE = Guide()


def read_words(file: Path, vocabulary: Vocabulary) -> frozenset[str]:
    """Read a list of words, in the signs of a vocabulary.

    Words are parted by spaces or lines, and normalised as error rates are counted.

    Raises:
        ModelError: It cannot be read, holds no word, or one that the network cannot
            write.
    """
    words = frozenset(map(vocabulary.spell, normalise(read_text(file)).split()))
    foreign = sorted(set("".join(words)) - set(vocabulary.signs))
    if foreign or not words:
        raise ModelError(
            f"A list of words holds words in the signs of the network. Received: {file.name} with"
            f" {''.join(foreign)[:20]!r}"
        )
    return words
