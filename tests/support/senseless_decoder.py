"""A program that decodes a file step by step, and says what makes no sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from align.decoder_program import serve_in_steps


def say_nonsense(*_: Any, memory: memoryview) -> Iterator[dict[str, Any]]:
    """Yield neither a clip nor a sound."""
    del memory
    yield {"clip": {}, "channels": "two"}


if __name__ == "__main__":
    serve_in_steps(say_nonsense)
