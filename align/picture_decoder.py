"""Pictures of recordings decoded apart from the service, look after look.

A picture that crashes its decoder, or hangs it, costs the faces of its own transcript and
nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from align.confinement import Confinement
from align.decoder_process import DecoderProcess, SharedMemory
from align.decoders import check_answer, refuse_nonsense
from align.handover import needed_bytes, take_over
from align.limits import ReadLimits
from align.picture_stream import LOOK_FRAMES, Looks
from utils.media import Frame

_LIMITS = ReadLimits(max_frames=LOOK_FRAMES, max_sounds=0, kept_photo_px=0)


@contextmanager
def open_pictures_apart(
    path: Path, looks: Looks, filename: str | None = None
) -> Iterator[Iterator[tuple[Frame, ...]]]:
    """Open a picture as `align.picture_stream.open_pictures` does, in another process.

    The frames of a look are valid until the next one is asked for.

    Raises:
        MediaUnreadableError: the process died, hung, or wanted too much.
        MediaError: what `open_pictures` raises. Both come with the first look.
    """
    bounds = Confinement()
    memory = SharedMemory(needed_bytes(_LIMITS))
    process = DecoderProcess(memory, bounds, "align.picture_program")
    try:
        yield _receive(process, memory, bounds, (path.absolute(), looks, filename))
    finally:
        process.end()


def _receive(
    process: DecoderProcess, memory: SharedMemory, bounds: Confinement, first: tuple[object, ...]
) -> Iterator[tuple[Frame, ...]]:
    answer = process.ask(*first)
    while True:
        check_answer(answer, bounds)
        if "clip" not in answer:
            return
        with refuse_nonsense():
            frames = take_over(answer["clip"], memory.view).frames
        yield frames
        answer = process.ask()
