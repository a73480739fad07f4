"""What is told to stop removes its copies. What is killed has them removed later."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gallery.backup.restoring import remove_left_copies
from tests.support.service import ROOT


@pytest.mark.parametrize(
    ("before", "number", "status"),
    [
        ("SIG_DFL", signal.SIGTERM, 143),
        ("SIG_DFL", signal.SIGHUP, 129),
        ("SIG_IGN", signal.SIGHUP, 0),
    ],
)
def test_a_program_leaves_in_order(
    tmp_path: Path, before: str, number: signal.Signals, status: int
) -> None:
    text = (
        "import os, signal, sys, tempfile; from utils.interrupts import leave_in_order;"
        f" signal.signal({int(number)}, signal.{before}); leave_in_order();"
        " kept = tempfile.TemporaryDirectory(dir=sys.argv[1]);"
        f" kept.__enter__(); os.kill(os.getpid(), {int(number)}); kept.cleanup()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (status, "")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_restore_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    used, left, filled = (
        Path(tempfile.mkdtemp(prefix=".restoring-", dir=tmp_path)) for _ in range(3)
    )
    backup = tmp_path / "duet-20261129T020000Z"
    own = tmp_path / "duet-20261129"
    for folder in (backup, own):
        folder.mkdir()
    for folder in (used, left, filled, backup, own):
        (folder / "gallery.db").touch()
    (left / "gallery.db-wal").touch()
    (filled / "letters").mkdir()
    descriptor = os.open(used, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    remove_left_copies(tmp_path)
    os.close(descriptor)
    assert set(tmp_path.iterdir()) == {used, filled, backup, own}
