"""Which Python the product runs on.

This module must parse and run on any Python 3.
"""

from __future__ import annotations

import sys

FIRST = (3, 11)
LAST = (3, 13)


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """End the program with one sentence on a Python that the packages do not run on."""
    if not FIRST <= version[:2] <= LAST:
        received = ".".join(map(str, version[:2]))
        sys.exit(
            "Duet ID runs on Python 3.11, 3.12 and 3.13. TensorFlow has no package for others."
            f" Received: Python {received}. Make an environment with one of them:"
            " rm -rf .venv && make PYTHON=python3.12 run"
        )
