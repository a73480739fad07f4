"""The process that decodes one recording for the service, a block whenever it is asked.

`align.sound_decoder` starts it. It may do as little as `align.decoder_program`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from align.decoder_program import serve_in_steps
from align.sound_stream import open_sound


def answer(
    path: Path, max_s: float, filename: str | None, is_separate: bool, *, memory: memoryview
) -> Iterator[dict[str, Any]]:
    """Yield what is known of the sound, then the size of each block, and 0 at the end."""
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


if __name__ == "__main__":
    serve_in_steps(answer)
