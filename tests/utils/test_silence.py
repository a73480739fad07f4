"""Nothing leaves the machine: libraries keep their usage data to themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "best_model" / "segmentation" / "model.onnx"
RUN = "import utils, onnxruntime, sys; onnxruntime.InferenceSession(sys.argv[1])"


@pytest.mark.skipif(not MODEL.exists(), reason="no weights in best_model/")
def test_onnx_runtime_collects_no_usage_data(tmp_path: Path) -> None:
    """It would keep an identifier and what it sends in the home folder."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    env = {**others, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    words = [sys.executable, "-B", "-c", RUN, str(MODEL)]
    subprocess.run(words, cwd=ROOT, env=env, check=True)
    assert list(tmp_path.rglob("*")) == []
