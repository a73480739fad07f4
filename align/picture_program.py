"""The process that decodes the picture of one video for the service, look after look.

`align.picture_decoder` starts it. It may do as little as `align.decoder_program`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from align.decoder_program import serve_in_steps
from align.handover import Sender
from align.picture_stream import Looks, open_pictures
from utils.media import Clip


def answer(
    path: Path, looks: Looks, filename: str | None, *, memory: memoryview
) -> Iterator[dict[str, Any]]:
    """Yield the frames of each look as a clip, and at the end that there is none."""
    with open_pictures(path, looks, filename) as pictures:
        for frames in pictures:
            yield {"clip": Sender(memory, lambda _: None).finish(Clip(frames, (), 0.0, ""))}
        yield {}


if __name__ == "__main__":
    serve_in_steps(answer)
