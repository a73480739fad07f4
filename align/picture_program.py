"""The process that decodes the picture of one video for the service, look after look.

`align.picture_decoder` starts it. It may do as little as `align.decoder_program`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from align.confinement import allow_processor_time
from align.decoder_program import OTHER_END_GONE, describe_failure, get_ready
from align.handover import Sender
from align.picture_stream import Looks, open_pictures
from utils.media import Clip


def serve() -> None:
    """Answer until the picture ends, or the other end closes the socket.

    The first message is the arguments of `open_pictures`, every other one asks for the
    next look.
    """
    with suppress(*OTHER_END_GONE):
        connection, memory, bounds = get_ready()
        arguments = connection.recv()
        for answer in _answer(*arguments, memory=memory):
            connection.send_bytes(json.dumps(answer).encode())
            connection.recv()
            allow_processor_time(bounds.processor_s)


def _answer(
    path: Path, looks: Looks, filename: str | None, *, memory: memoryview
) -> Iterator[dict[str, Any]]:
    """Yield the frames of each look as a clip, and at the end that there is none."""
    try:
        with open_pictures(path, looks, filename) as pictures:
            for frames in pictures:
                yield {"clip": Sender(memory, lambda _: None).finish(Clip(frames, (), 0.0, ""))}
            yield {}
    except Exception as error:
        yield describe_failure(error)


if __name__ == "__main__":
    serve()
