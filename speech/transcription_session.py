"""One recording, from sound to text.

All state of a recording is here. The engine is shared and holds none. Each sample is
decoded once for the final text.
"""

from __future__ import annotations

from speech.filters import filter_passage
from speech.lines import Line, make_lines
from speech.listener import Listener
from speech.ports import Transcriber
from speech.windows import Packer, Window
from utils.arrays import RATE_HZ, Float32Array


class TranscriptionSession:
    """Writes down what is said in one stream, however it is cut into blocks.

    Attributes:
        language: code of the language that was stated, or detected in the first window.
            None before.
        windows: number of windows that are written down.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        *,
        language: str | None = None,
        prompt: str = "",
        skipped: int = 0,
    ) -> None:
        """Begin a stream.

        `skipped` windows at its start were written down before: they are found again,
        but not decoded.
        """
        self.language = language
        self.windows = 0
        self._skipped = skipped
        self._transcriber = transcriber
        self._prompt = prompt
        self._listener = Listener()
        self._packer = Packer()
        self._count = 0

    @property
    def heard_s(self) -> float:
        """Seconds of the stream so far."""
        return self._count / RATE_HZ

    def accept(self, samples: Float32Array) -> list[Line]:
        """Take the next samples (n,), 16 kHz mono, and return the lines that are done.

        Raises what the engine raises.
        """
        self._count += len(samples)
        return self._write(self._packer.accept(self._listener.accept(samples)))

    def finish(self) -> list[Line]:
        """End the stream and return the lines that are left."""
        pieces = self._listener.finish()
        return self._write([*self._packer.accept(pieces), *self._packer.finish()])

    def _write(self, windows: list[Window]) -> list[Line]:
        lines: list[Line] = []
        for window in windows:
            self.windows += 1
            if self.windows > self._skipped:
                lines += self._write_one(window)
        return lines

    def _write_one(self, window: Window) -> list[Line]:
        passage = self._transcriber.transcribe(
            window.samples, language=self.language, prompt=self._prompt
        )
        if self.language is None:
            self.language = passage.language
        spoken = filter_passage(passage, window.speech_s)
        return make_lines(map(window.place, spoken.words), spoken)
