"""Keys and rotation as an operator meets them: at the start, and in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner, Result

import cli
from gallery.encryption.sealing import new_key, parse_key
from tests.support.sealed_gallery import PLAIN, assert_whole, fill
from tests.support.service import free_port, running, start_to_fail
from tests.support.tiny import tiny_models


@pytest.mark.e2e
def test_the_service_says_what_is_wrong_with_the_key(tmp_path: Path) -> None:
    """It prints one line without the key and does not start, until the key is right."""
    tiny_models(tmp_path / "models")
    given = {"data_dir": tmp_path / "data", "model_dir": tmp_path / "models", "port": free_port()}
    key = new_key()
    wrong = new_key()
    fill(tmp_path / "data", parse_key(key, "test"))
    for settings, words in (
        ({}, "encrypted with the key"),
        ({"encryption_key": wrong}, "encrypted with the key"),
        ({"encryption_key": "short"}, "base64"),
        ({"encryption_key_file": tmp_path / "none"}, "file with a key"),
    ):
        failed = start_to_fail("app.py", **given, **settings)
        assert failed.returncode != 0
        line = failed.stderr.strip()
        assert line.startswith("Duet ID cannot start: ")
        assert words in line
        assert "\n" not in line
        assert wrong not in line
    with running(tmp_path, "app.py", model_dir=tmp_path / "models", encryption_key=key) as service:
        assert requests.get(service.url + "/health", timeout=30).json()["people"] == 8


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))

    def invoke(*words: object, **env: object) -> Result:
        for name, value in env.items():
            monkeypatch.setenv(f"DUET_{name}", str(value))
        return CliRunner().invoke(cli.cli, ["keys", *map(str, words)])

    return invoke


def test_command_makes_a_key(run: Callable[..., Result], tmp_path: Path) -> None:
    printed = run("new-encryption-key")
    assert parse_key(printed.stdout, "stdout").key_id in printed.stderr
    path = tmp_path / "key"
    assert run("new-encryption-key", "--to", path).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert parse_key(text, "file")
    again = run("new-encryption-key", "--to", path)
    assert again.exit_code != 0
    assert path.read_text() == text, "a key is never overwritten: what it sealed would be lost"


def test_command_rotates_there_on_and_back(run: Callable[..., Result], tmp_path: Path) -> None:
    fill(tmp_path, PLAIN)
    first = new_key()
    second = tmp_path / "second"
    assert run("rotate-encryption").exit_code != 0, "no key is set and --to-plain not said"
    result = run("rotate-encryption", ENCRYPTION_KEY=first)
    assert result.exit_code == 0, result.output
    assert "24 values" in result.output
    assert_whole(tmp_path, parse_key(first, "x"))
    run("new-encryption-key", "--to", second)
    result = run("rotate-encryption", ENCRYPTION_KEY="", ENCRYPTION_KEY_FILE=second)
    assert "DUET_ENCRYPTION_KEY_OLD" in result.output
    result = run("rotate-encryption", ENCRYPTION_KEY_OLD=first)
    assert result.exit_code == 0, result.output
    assert_whole(tmp_path, parse_key(second.read_text(), "x"))
    (tmp_path / "first").write_text(first)
    (tmp_path / "first").chmod(0o600)
    result = run(
        "rotate-encryption",
        "--old-key-file",
        second,
        ENCRYPTION_KEY=first,
        ENCRYPTION_KEY_FILE="",
        ENCRYPTION_KEY_OLD="",
    )
    assert result.exit_code == 0, result.output
    result = run("rotate-encryption", "--to-plain")
    assert result.exit_code == 0, result.output
    assert "unset" in result.output.lower()
    assert_whole(tmp_path, PLAIN)
