"""Files and words that no command foresees: one message with status 1, and no traceback."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from commands.faults import refuse
from utils.errors import InvalidRequestError, StorageFullError

NAME = "Zo\u00eb \U0001f600"
WORDS = {
    "backup {loop}": "lead in a circle",
    "convert {text} --to {loop}": "lead in a circle",
    "backups {text}/none": "a folder that is there",
    "backups {long}": "File name too long",
    "audit show --actor \udcff": "U+DCFF",
    "client list --api-key \u202e": "U+202E",
}


@pytest.mark.parametrize("command", WORDS, ids=ascii)
def test_a_command_names_what_it_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    words = command.format(loop=loop, text=text, long="x" * 300).split(" ")
    done = CliRunner().invoke(cli.cli, words)
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code == 1
    assert "Error: invalid_request: " in done.stderr
    assert WORDS[command] in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_no_fault_of_a_file_is_passed_on() -> None:
    assert refuse(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None
    assert refuse(OSError("without a number")) is None
    assert refuse(RuntimeError("of ours")) is None
    assert isinstance(refuse(OSError(errno.ENOSPC, "No space left")), StorageFullError)
    assert isinstance(refuse(OSError(errno.EIO, "Input/output error")), InvalidRequestError)


@pytest.fixture
def zoe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Enrol somebody whose name has signs that cp949 has not, which is what is printed."""
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    runner = CliRunner(charset="cp949")
    made = runner.invoke(cli.cli, ["people", "create", "zoe", "--name", NAME])
    assert made.exit_code == 0, made.output
    return runner


def test_a_terminal_without_a_sign_is_shown_its_number(
    zoe: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    listed = zoe.invoke(cli.cli, ["people", "list"])
    assert listed.exit_code == 0, listed.output
    assert "Zo\\xeb \\U0001f600" in listed.stdout


def test_a_file_without_a_sign_is_refused_and_not_altered(zoe: CliRunner) -> None:
    listed = zoe.invoke(cli.cli, ["people", "list"])
    assert listed.exit_code == 1
    assert listed.stdout == ""
    assert "cp949 has no U+00EB. Set PYTHONIOENCODING=utf-8" in listed.stderr


def test_json_is_whole_in_any_encoding(zoe: CliRunner) -> None:
    exported = zoe.invoke(cli.cli, ["people", "export", "zoe"])
    assert exported.exit_code == 0, exported.output
    assert json.loads(exported.stdout)["person"]["name"] == NAME
