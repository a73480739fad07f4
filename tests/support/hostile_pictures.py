"""A program that decodes a picture, and dies after its first look."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

from align.decoder_program import serve_in_steps
from align.picture_program import answer


def die_after_a_look(*arguments: Any, memory: memoryview) -> Iterator[dict[str, Any]]:
    """Yield the first of the answers."""
    yield next(answer(*arguments, memory=memory))
    ctypes.string_at(1)


if __name__ == "__main__":
    serve_in_steps(die_after_a_look)
