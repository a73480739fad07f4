"""A program that decodes a picture, and dies after its first look."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from align.confinement import Confinement
from align.decoder_process import DecoderProcess, SharedMemory
from align.decoder_program import serve_in_steps
from align.picture_program import answer


def die_after_a_look(*arguments: Any, memory: memoryview) -> Iterator[dict[str, Any]]:
    """Yield the first of the answers."""
    yield next(answer(*arguments, memory=memory))
    ctypes.string_at(1)


def run_hostile_pictures(monkeypatch: pytest.MonkeyPatch) -> list[DecoderProcess]:
    """Decode pictures by this program. Returns the processes, once they are started."""
    started: list[DecoderProcess] = []

    def start(memory: SharedMemory, bounds: Confinement, program: str) -> DecoderProcess:
        assert program == "align.picture_program"
        started.append(DecoderProcess(memory, bounds, __name__))
        return started[-1]

    monkeypatch.setattr("align.picture_decoder.DecoderProcess", start)
    return started


if __name__ == "__main__":
    serve_in_steps(die_after_a_look)
