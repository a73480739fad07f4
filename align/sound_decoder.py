"""Recordings decoded apart from the service, block by block.

A file that crashes its decoder, or hangs it, costs its own transcript and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from align.confinement import Confinement
from align.decoder_process import DecoderProcess, SharedMemory
from align.decoders import check_answer, refuse_nonsense
from align.sound_stream import BLOCK, MOST_CHANNELS, SoundStream
from utils.arrays import Float32Array

_BLOCK_BYTES = BLOCK * np.dtype(np.float32).itemsize


@contextmanager
def open_sound_apart(
    path: Path,
    *,
    max_s: float,
    filename: str | None = None,
    is_separate: bool = False,
) -> Iterator[SoundStream]:
    """Open a recording as `align.sound_stream.open_sound` does, in another process.

    Raises:
        MediaUnreadableError: the process died, hung, or wanted too much.
        MediaError: what `open_sound` raises.
    """
    bounds = Confinement()
    memory = SharedMemory(_BLOCK_BYTES * (MOST_CHANNELS if is_separate else 1))
    process = DecoderProcess(memory, bounds, "align.sound_program")
    try:
        opened = process.ask(path.absolute(), max_s, filename, is_separate)
        check_answer(opened, bounds)
        with refuse_nonsense():
            channels = opened["channels"]
            blocks = _receive(process, memory, bounds, channels)
            sound = SoundStream(blocks, opened["duration_s"], channels, opened["has_picture"])
        yield sound
    finally:
        process.end()


def _receive(
    process: DecoderProcess, memory: SharedMemory, bounds: Confinement, channels: int
) -> Iterator[Float32Array]:
    while True:
        answer = process.ask()
        check_answer(answer, bounds)
        with refuse_nonsense():
            count = answer["count"]
            samples = np.frombuffer(memory.view, np.float32, count * channels).copy()
        if not count:
            process.end()  # what is done with the sound may take long
            return
        yield samples if channels == 1 else samples.reshape(count, channels)
