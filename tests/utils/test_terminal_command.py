"""Output that finds no room, and Ctrl+C at a question."""

from __future__ import annotations

import errno
import io
import signal
import sys
from typing import Any, NoReturn

import click
import pytest
from click.testing import CliRunner

from utils.terminal_command import TerminalCommand, TerminalGroup


def run(number: int) -> NoReturn:
    raise OSError(number, "of the disk")


@pytest.mark.parametrize("kind", [TerminalCommand, TerminalGroup])
def test_a_full_disk_is_one_line(kind: type[TerminalCommand]) -> None:
    def ask(number: int) -> tuple[object, str]:
        command = kind("app", callback=lambda: run(number), **options)
        done = CliRunner().invoke(command, [])
        return done.exception, done.stderr

    options: dict[str, Any] = {"invoke_without_command": True} if kind is TerminalGroup else {}
    exit_, line = ask(errno.ENOSPC)
    assert isinstance(exit_, SystemExit)
    assert line == "Error: The disk is full. Free some space, and run it again.\n"
    other, line = ask(errno.EIO)
    assert isinstance(other, OSError)
    assert not line


class Interrupted(io.StringIO):
    """A terminal in which Ctrl+C is pressed at a question."""

    def readline(self, *_: object) -> NoReturn:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError


@pytest.mark.usefixtures("in_terminal")
@pytest.mark.parametrize(("answer", "status"), [(Interrupted(), 130), (io.StringIO("n\n"), 1)])
def test_an_interrupted_question_is_no_answer(
    answer: io.StringIO, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", answer)
    command = TerminalCommand("ask", callback=lambda: click.confirm("Sure?", abort=True))
    with pytest.raises(SystemExit) as ended:
        command.main([])
    assert ended.value.code == status
