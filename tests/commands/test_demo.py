"""The first trial: every answer is seen, and the gallery of the operator is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from commands.demo import SCENES


@pytest.mark.slow
def test_every_answer_is_the_expected_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DUET_FPIR", "0.3")
    monkeypatch.setenv("DUET_PORT", "5600")
    result = CliRunner().invoke(cli.cli, ["demo", "--keep", str(tmp_path / "trial")])
    assert result.exit_code == 0, result.output
    assert "not expected" not in result.output
    assert "compressed" not in result.output
    assert "open http://127.0.0.1:5600/kiosk" in result.output
    assert all(scene.about in result.output for scene in SCENES)
    assert {"conflict", "unknown"} <= {scene.outcome for scene in SCENES}
    assert not (tmp_path / "data").exists()
    kept = {path.name for path in (tmp_path / "trial/asked").iterdir()}
    assert kept == {scene.file for scene in SCENES}
    again = CliRunner().invoke(cli.cli, ["demo", "--keep", str(tmp_path / "trial")])
    assert (again.exit_code, "output_refused" in again.output) == (1, True)
