"""Processes that decode, seen by a test."""

from __future__ import annotations

import pytest

from align.confinement import Confinement
from align.decoder_process import DecoderProcess, SharedMemory


def note_processes(
    monkeypatch: pytest.MonkeyPatch, place: str, program: str = ""
) -> list[DecoderProcess]:
    """Have the module `place` run `program` instead of its own, if one is given.

    Returns the processes, each once it is started.
    """
    started: list[DecoderProcess] = []

    def start(memory: SharedMemory, bounds: Confinement, own: str) -> DecoderProcess:
        started.append(DecoderProcess(memory, bounds, program or own))
        return started[-1]

    monkeypatch.setattr(f"{place}.DecoderProcess", start)
    return started
