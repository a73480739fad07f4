"""A network that is exported twice is one file: the id of an encoder is the hash of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils.config import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.tf]
PROGRAM = """
import sys
from pathlib import Path
from network.backbones.registry import load_network
from network.serving.export import export_onnx
export_onnx(load_network(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_equal_weights_are_one_file_in_every_process(tmp_path: Path) -> None:
    """What tf2onnx names goes by sets of text, whose order is another with each seed."""
    network = ROOT / "best_model" / "fusion" / "model.keras"
    contents = []
    for seed in ("1", "2"):
        file = tmp_path / f"{seed}.onnx"
        words = [sys.executable, "-c", PROGRAM, str(network), str(file)]
        subprocess.run(words, check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed})
        contents.append(file.read_bytes())
    assert contents[0] == contents[1]
