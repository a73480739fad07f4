"""Files and words that no command foresees: one message with status 1, and no traceback."""

from __future__ import annotations

import errno
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from commands.faults import Program, refuse
from commands.shared import print_file
from utils.config import ROOT
from utils.errors import InvalidRequestError, OutputError, StorageFullError
from utils.interrupts import end_at_once, end_in_order
from web.server import serve

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
    given = {"loop": loop, "text": text, "long": "x" * 300}
    words = [word.format_map(given) for word in command.split(" ")]
    done = CliRunner().invoke(cli.cli, words)
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code == 1
    assert "Error: invalid_request: " in done.stderr
    assert WORDS[command] in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_benchmark_names_the_data_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_SHARED_DATA", str(tmp_path))
    done = CliRunner().invoke(cli.cli, ["bench", "voices"])
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code == 1
    assert "Error: dataset: " in done.stderr
    assert str(tmp_path) in done.stderr


def test_what_is_no_fault_of_a_file_is_passed_on() -> None:
    assert refuse(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None
    assert refuse(OSError("without a number")) is None
    assert refuse(RuntimeError("of ours")) is None
    assert isinstance(refuse(OSError(errno.ENOSPC, "No space left")), StorageFullError)
    assert isinstance(refuse(OSError("3010560 requested and 300000 written")), StorageFullError)
    assert isinstance(refuse(OSError(errno.EIO, "Input/output error")), InvalidRequestError)


@pytest.fixture
def zoe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Create Ann, and somebody whose name has signs that cp949 has not, which is printed."""
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    runner = CliRunner(charset="cp949")
    for person_id, name in (("ann", "Ann"), ("zoe", NAME), ("zz", "Zz")):
        made = runner.invoke(cli.cli, ["people", "create", person_id, "--name", name])
        assert made.exit_code == 0, made.output
    return runner


def test_a_terminal_without_a_sign_is_shown_its_number(
    zoe: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    listed = zoe.invoke(cli.cli, ["people", "list"])
    assert listed.exit_code == 0, listed.output
    assert "Zo\\xeb \\U0001f600" in listed.stdout


def test_a_list_without_a_sign_is_written_to_its_end_and_says_so_once(zoe: CliRunner) -> None:
    listed = zoe.invoke(cli.cli, ["people", "list"])
    assert listed.exit_code == 0, listed.output
    names = [line.split("\t")[1] for line in listed.stdout.splitlines()]
    assert names == ["Ann", "Zo\\xeb \\U0001f600", "Zz"]
    assert listed.stderr.count("cp949 has not") == 1
    assert "cp949" not in zoe.invoke(cli.cli, ["people", "list", "--search", "ann"]).stderr


def test_subtitles_are_refused_before_they_are_made(zoe: CliRunner, tmp_path: Path) -> None:
    sound = tmp_path / "a.wav"
    sound.write_text("no sound")
    done = zoe.invoke(cli.cli, ["transcribe", str(sound), "--format", "srt"])
    assert done.exit_code == 1
    assert "Subtitles must be printed in UTF-8." in done.stderr


def test_a_file_is_not_printed_with_other_signs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="cp949 has no U\\+00EB"):
        patch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "cp949"))
        print_file(f"Ann,{NAME}\n")
    print_file(f"Ann,{NAME}\n")
    assert capsys.readouterr().out == f"Ann,{NAME}\n"


def test_json_is_whole_in_any_encoding(zoe: CliRunner) -> None:
    exported = zoe.invoke(cli.cli, ["people", "export", "zoe"])
    assert exported.exit_code == 0, exported.output
    assert json.loads(exported.stdout)["person"]["name"] == NAME


def test_a_command_that_acted_is_done_whatever_it_prints(zoe: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / f"{NAME}.json"
    exported = zoe.invoke(cli.cli, ["people", "export", "zoe", "--to", str(file)])
    assert exported.exit_code == 0, exported.output
    assert exported.stdout.endswith("Zo\\xeb \\U0001f600.json.\n")
    assert f'"{NAME}"' in file.read_text("utf-8"), "JSON in a file has its signs"


def test_a_question_without_any_input() -> None:
    """As where a service runs a command whose input is closed: this is what `input` raises."""
    refusal = refuse(RuntimeError("input(): lost sys.stdin"))
    assert isinstance(refusal, InvalidRequestError)
    assert "--yes" in refusal.hint


@pytest.mark.usefixtures("in_terminal")
@pytest.mark.parametrize(
    ("before", "status", "said"),
    [
        ("", -signal.SIGINT, ""),
        ("end_in_order();", -signal.SIGINT, "KeyboardInterrupt"),
        ("signal.signal(signal.SIGINT, signal.SIG_IGN); end_at_once(); end_in_order();", 0, ""),
    ],
)
def test_an_interrupt_while_the_program_loads_is_no_fault(
    before: str, status: int, said: str
) -> None:
    text = (
        "import os, signal; from utils.interrupts import end_at_once, end_in_order; end_at_once();"
        f" {before} os.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == status
    assert said in done.stderr
    assert bool(done.stderr) is bool(said)


INTERRUPTED = """
import importlib.abc, os, runpy, signal, sys

class Interrupt(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

module, *sys.argv = sys.argv[1:]
sys.meta_path.insert(0, Interrupt())
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program, which is interrupted when it loads a module."""


@pytest.mark.usefixtures("in_terminal")
@pytest.mark.parametrize(
    ("module", "program", "status", "said"),
    [
        ("argparse", "Request.py", -signal.SIGINT, ""),
        ("requests", "Request.py", -signal.SIGINT, ""),
        # Loaded once the clip is about to be sent
        ("netrc", "Request.py cli.py", 130, "Stopped before there was an answer.\n"),
        ("utils.python_version", "cli.py", -signal.SIGINT, ""),
        ("utils.python_version", "app.py", -signal.SIGINT, ""),
        ("click", "app_web.py", -signal.SIGINT, ""),
        ("click", "train/train_nets.py", -signal.SIGINT, ""),
        ("train.run", "train/train_nets.py face", 130, "\nAborted!\n"),
    ],
)
def test_an_interrupt_while_a_module_is_loaded_prints_no_traceback(
    module: str, program: str, status: int, said: str
) -> None:
    words = [sys.executable, "-c", INTERRUPTED, module, *program.split()]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", said)


@pytest.mark.usefixtures("in_terminal")
def test_an_interrupt_ends_a_command_in_order() -> None:
    program = Program("program")
    ended: list[str] = []

    @program.command("wait")
    def wait() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            ended.append("wait")

    end_at_once()
    try:
        done = CliRunner().invoke(program, ["wait"])
    finally:
        end_in_order()
    assert (done.exit_code, ended) == (130, ["wait"])
    assert "Aborted!" in done.output


@pytest.mark.usefixtures("in_terminal")
def test_an_interrupt_ends_the_service_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "run", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    end_at_once()
    try:
        done = CliRunner().invoke(serve.command("app.py", "Serve.", swagger_ui=False), [])
    finally:
        end_in_order()
    assert (done.exit_code, "Aborted!" in done.output) == (130, True)
