"""A small pool of processes that decode media for the service.

Decoders are programs in C that read what strangers send. One that crashes, loops or eats
memory ends its own process: one file is refused, and a new process takes its place.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from align.audience import Audience, Nobody
from align.confinement import Confinement
from align.decoder_process import DEATHS, DecoderProcess, SharedMemory
from align.handover import needed_bytes, take_news, take_over
from align.limits import ReadLimits
from utils import errors
from utils.errors import MediaError, MediaUnreadableError
from utils.media import Clip
from utils.settings.capture import CaptureSettings

# Of each process this much shared memory stays in use between two files. It is what a
# clip of 1280 × 720 takes, with its film.
_LASTING_BYTES = 48 << 20


class Decoders:
    """Reads clips in processes of their own. One instance serves all threads."""

    def __init__(
        self,
        settings: CaptureSettings,
        count: int,
        *,
        bounds: Confinement | None = None,
        program: str = "align.decoder_program",
        film_s: float = 0.0,
    ) -> None:
        """Start `count` processes that run the module `program`.

        `film_s` seconds of each clip are kept as small grey frames, too.
        """
        limits = ReadLimits.from_settings(settings, film_s)
        self._decoders = [_Decoder(limits, bounds or Confinement(), program) for _ in range(count)]
        self._idle: queue.LifoQueue[_Decoder] = queue.LifoQueue()
        for decoder in self._decoders:
            self._idle.put(decoder)

    @contextmanager
    def read(
        self,
        path: Path,
        filename: str | None,
        limits: ReadLimits | None = None,
        audience: Audience | None = None,
    ) -> Iterator[tuple[Clip, dict[str, float]]]:
        """Read a clip as `align.decode.read_timed` does, in one of the processes.

        While `audience` looks at a frame, the process decodes the next ones.

        The arrays of the clip are valid within the context only. `limits` are at most
        those of the settings, which hold otherwise.

        Raises:
            MediaUnreadableError: the process died, hung, or wanted too much.
            MediaError: what `read_timed` raises.
        """
        decoder = self._idle.get()
        try:
            yield decoder.read(path, filename, limits, audience or Nobody())
        finally:
            decoder.tidy()
            self._idle.put(decoder)

    @property
    def pids(self) -> list[int]:
        """Ids of the processes."""
        return [decoder.process.pid for decoder in self._decoders]

    def close(self) -> None:
        """End the processes."""
        for decoder in self._decoders:
            decoder.process.end()


class _Decoder:
    """A process, the one that comes after it, and the memory that they share with us."""

    def __init__(self, limits: ReadLimits, bounds: Confinement, program: str) -> None:
        self._limits = limits
        self._bounds = bounds
        self._program = program
        self._memory = SharedMemory(needed_bytes(limits))
        self.process = self._start()

    def read(
        self, path: Path, filename: str | None, limits: ReadLimits | None, audience: Audience
    ) -> tuple[Clip, dict[str, float]]:
        if not self.process.is_alive:  # it died idle
            DEATHS.add()
            self.process = self._start()
        try:
            answer = self.process.ask(path.absolute(), limits or self._limits, filename)
            while "news" in answer:
                with refuse_nonsense():
                    tell = take_news(answer["news"], self._memory.view, audience)
                reply = tell()
                is_asked = "opening" in answer["news"]
                answer = self.process.ask(reply) if is_asked else self._listen(audience)
            with refuse_nonsense():
                if "clip" in answer:
                    return take_over(answer["clip"], self._memory.view), answer["timings_ms"]
            error = to_error(answer, self._bounds)
        except BaseException:
            self.process.end()  # it goes on to speak of this file, or is damaged
            raise
        raise error

    def _listen(self, audience: Audience) -> dict[str, Any]:
        """Wait for what the process says next. Meanwhile the audience may work."""
        while not self.process.has_spoken and audience.spend_time():
            pass
        return self.process.listen()

    def tidy(self) -> None:
        """Give memory back, and start a new process where this one has ended."""
        self._memory.release(_LASTING_BYTES)
        if not self.process.is_alive:
            self.process = self._start()

    def _start(self) -> DecoderProcess:
        return DecoderProcess(self._memory, self._bounds, self._program)


@contextmanager
def refuse_nonsense() -> Iterator[None]:
    """Refuse a file that made its decoder say what a sound one never does."""
    try:
        yield
    except (KeyError, TypeError, ValueError):
        raise MediaUnreadableError(
            "The file cannot be decoded: what its decoder says of it makes no sense."
        ) from None


@refuse_nonsense()
def to_error(answer: dict[str, Any], bounds: Confinement) -> MediaError:
    """Make the error that the answer of a process describes."""
    kind = getattr(errors, str(answer.get("error")), None)
    if isinstance(kind, type) and issubclass(kind, MediaError):
        return kind(answer["message"], answer["hint"], answer["details"])
    if answer.get("failure") == "memory":
        what = f"needs more than {bounds.memory_mb} MB of memory"
    else:
        what = f"failed ({answer.get('failure')})"
    return MediaUnreadableError(f"The file cannot be decoded: its decoder {what}.")


def check_answer(answer: dict[str, Any], bounds: Confinement) -> None:
    """Raise the error that the answer of a process describes, if it does."""
    if "error" in answer or "failure" in answer:
        raise to_error(answer, bounds)
