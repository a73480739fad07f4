"""Packing pieces of speech into windows of half a minute, and times back again. Pure.

An engine works as long on one second as on thirty. So the pauses between pieces are
left out, and as many pieces as fit make one window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from speech.listener import Piece, raise_whole
from speech.ports import LONGEST_S, Word
from utils.arrays import RATE_HZ, Float32Array

# The last part of a word, in which it is surely said
_LAST_S = 0.1


@dataclass(frozen=True)
class Window:
    """Pieces of speech that an engine is given together."""

    pieces: tuple[Piece, ...]

    @property
    def samples(self) -> Float32Array:
        """The sound of all pieces (n,), raised where all of it is quiet.

        One gain for all: engines stop at a piece that is much quieter than the one
        before it.
        """
        return raise_whole(np.concatenate([piece.samples for piece in self.pieces]))

    @property
    def speech_s(self) -> float:
        """Seconds of net speech."""
        return sum(piece.segment.end_s - piece.segment.start_s for piece in self.pieces)

    def place(self, word: Word) -> Word:
        """Move a word from the time of the window to that of the stream.

        Engines begin a word where the one before it ends, so the first word of a piece
        begins in the piece before. Its last part says where it belongs. Its ends stay
        in there.
        """
        late_s = max(word.end_s - _LAST_S, (word.start_s + word.end_s) / 2)
        before_s = 0.0
        piece = self.pieces[0]
        for piece in self.pieces:
            if late_s < before_s + piece.duration_s or piece is self.pieces[-1]:
                break
            before_s += piece.duration_s
        start_s = min(max(word.start_s - before_s, 0.0), piece.duration_s)
        end_s = min(max(word.end_s - before_s, start_s), piece.duration_s)
        return replace(word, start_s=piece.start_s + start_s, end_s=piece.start_s + end_s)


class Packer:
    """Packs the pieces of one stream."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []

    def accept(self, pieces: list[Piece]) -> list[Window]:
        """Take the next pieces and return the windows that are full."""
        windows: list[Window] = []
        for piece in pieces:
            if self._count() + len(piece.samples) > LONGEST_S * RATE_HZ:
                windows += self.finish()
            self._pieces.append(piece)
        return windows

    def finish(self) -> list[Window]:
        """Return the window that is not full, if there is one."""
        pieces = self._pieces
        self._pieces = []
        return [Window(tuple(pieces))] if pieces else []

    def _count(self) -> int:
        return sum(len(piece.samples) for piece in self._pieces)
