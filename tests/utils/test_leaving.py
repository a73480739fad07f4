"""A process that leaves at once does what was to be done, and frees nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from utils.leaving import leave_at_once, noting_status

leave_at_once()
import atexit, sys

class Kept:
    def __del__(self):
        print("freed")

kept = Kept()
atexit.register(print, "handler")
with noting_status():
    {end}
"""


@pytest.mark.parametrize(
    ("end", "status", "printed"),
    [
        ("sys.exit(3)", 3, "handler\n"),
        ("sys.exit()", 0, "handler\n"),
        ("sys.exit('why')", 1, "handler\n"),
        ("sys.stdout = None; sys.exit(3)", 3, ""),
        ("pass", 0, "handler\nfreed\n"),
    ],
)
def test_leaving(end: str, status: int, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=end)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (status, printed)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", ["app.py", "app_web.py"])
def test_the_service_asks_for_it_before_it_imports_anything(program: str) -> None:
    text = (ROOT / program).read_text()
    assert text.index("    leave_at_once()") < text.index("from utils.python_version")
