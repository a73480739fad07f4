"""The process that decodes one recording for the service, a block whenever it is asked.

`align.sound_decoder` starts it. It may do as little as `align.decoder_program`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from align.confinement import allow_processor_time
from align.decoder_program import OTHER_END_GONE, describe_failure, get_ready
from align.sound_stream import open_sound


def serve() -> None:
    """Answer until the recording ends, or the other end closes the socket.

    The first message is the arguments of `open_sound`, every other one asks for the
    next block.
    """
    with suppress(*OTHER_END_GONE):
        connection, memory, bounds = get_ready()
        arguments = connection.recv()
        for answer in _answer(*arguments, memory=memory):
            connection.send_bytes(json.dumps(answer).encode())
            connection.recv()
            allow_processor_time(bounds.processor_s)


def _answer(
    path: Path, max_s: float, filename: str | None, is_separate: bool, *, memory: memoryview
) -> Iterator[dict[str, Any]]:
    """Yield what is known of the sound, then the size of each block, and 0 at the end."""
    try:
        with open_sound(path, max_s=max_s, filename=filename, is_separate=is_separate) as sound:
            yield {
                "duration_s": sound.duration_s,
                "channels": sound.channels,
                "has_picture": sound.has_picture,
            }
            for block in sound.blocks:
                memory[: block.nbytes] = block.tobytes()
                yield {"count": len(block)}
            yield {"count": 0}
    except Exception as error:
        yield describe_failure(error)


if __name__ == "__main__":
    serve()
