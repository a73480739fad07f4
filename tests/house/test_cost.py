"""What it costs to run one test: a test of pure numbers loads numbers and nothing else.

Each test runs in a process of its own, as a developer runs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    "cv2",
    "flask",
    "hypothesis",
    "keras",
    "onnxruntime",
    "requests",
    "scipy.signal",
    "sqlalchemy",
    "tensorflow",
}
SCRIPT = """
import json, sys, pytest
status = pytest.main([sys.argv[1], "-p", "no:cacheprovider", "-p", "no:cov"])
print(json.dumps({"status": status, "loaded": sorted(sys.modules)}))
"""


@pytest.mark.parametrize(
    "test",
    [
        "tests/scoring/test_calibration.py",
        "tests/align/test_sampling.py",
        "tests/gallery/test_names.py",
    ],
)
def test_a_pure_test_loads_nothing_heavy(test: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, test],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answer = json.loads(process.stdout.splitlines()[-1])
    assert answer["status"] == 0, process.stdout
    assert HEAVY.isdisjoint(answer["loaded"])
