"""A decoder that misbehaves when a file asks it to, in the process of a real one.

`Decoders(..., program="tests.support.hostile_decoder")` runs it. A file that begins with
one of the words of `TRICKS` or `LIES`, or with `late`, sets it off. Other files are
decoded as usual.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from align.audience import Audience
from align.decode import read_timed
from align.decoder_program import serve
from align.handover import Sender
from align.limits import ReadLimits
from utils.media import Clip, Frame


def _segfault() -> None:
    ctypes.string_at(1)


def _loop() -> None:
    while True:
        pass


def _hang() -> None:
    signal.pause()


def _eat_memory() -> None:
    pieces = []
    while True:
        pieces.append(bytearray(64 << 20))


def _abort_for_memory() -> None:
    try:
        _eat_memory()
    except MemoryError:
        os.abort()


def _exit() -> None:
    os._exit(3)


def _fail() -> None:
    raise RuntimeError("/a/path")


def _use_network() -> None:
    try:
        socket.socket()
    except PermissionError:
        raise RuntimeError from None


def _run_a_program() -> None:
    try:
        subprocess.run(["/bin/true"], check=False)
    except PermissionError:
        raise RuntimeError from None


def _write_a_file() -> None:
    with Path(f"/tmp/duet-hostile-{os.getpid()}").open("wb", buffering=0) as file:
        Path(file.name).unlink()
        try:
            file.write(b"x")
        except OSError:
            raise RuntimeError from None


def _read_secrets() -> None:
    if "DUET_API_KEY" not in os.environ:
        raise RuntimeError


def _import_heavy() -> None:
    if not {"tensorflow", "onnxruntime", "sqlalchemy", "flask", "cv2"} & sys.modules.keys():
        raise RuntimeError


TRICKS: dict[bytes, Callable[[], None]] = {
    b"segfault": _segfault,
    b"loop": _loop,
    b"hang": _hang,
    b"memory": _eat_memory,
    b"abort": _abort_for_memory,
    b"exit": _exit,
    b"fail": _fail,
    b"network": _use_network,
    b"program": _run_a_program,
    b"write": _write_a_file,
    b"secrets": _read_secrets,
    b"heavy": _import_heavy,
}

LIES: dict[bytes, dict[str, Any]] = {
    b"nothing": {},
    b"no place": {"frame": {"time_s": 0.0}},
    b"no number": {"sounds": [{"start": "0", "count": 1, "rate_hz": 1}]},
    b"beyond": {"frame": {"start": 1 << 40, "shape": [8, 8, 3], "time_s": 0.0}},
}
"""What is told of a file, and cannot be true."""


def read(
    path: Path, limits: ReadLimits, filename: str | None, audience: Audience
) -> tuple[Clip, dict[str, float]]:
    """Do what the file asks for, or else read it."""
    if path.is_file():
        word = path.read_bytes()[:16].split(b"\n")[0]
        if word == b"late":
            audience.see(Frame(np.zeros((8, 8, 3), np.uint8), 0.0))
            _segfault()
        if word == b"wait":
            audience.see(Frame(np.zeros((8, 8, 3), np.uint8), 0.0))
            path.with_suffix(".go").open("rb").close()  # a pipe, which somebody must write to
        if word in LIES:
            assert isinstance(audience, Sender)
            audience._send(LIES[word])
        TRICKS.get(word, lambda: None)()
    return read_timed(path, limits, filename, audience)


if __name__ == "__main__":
    serve(read)
