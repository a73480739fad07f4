"""Output that finds no room."""

from __future__ import annotations

import errno
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

from utils.printed import Printed, PrintedGroup


def run(number: int) -> NoReturn:
    raise OSError(number, "of the disk")


@pytest.mark.parametrize("kind", [Printed, PrintedGroup])
def test_a_full_disk_is_one_line(kind: type[Printed]) -> None:
    def ask(number: int) -> tuple[object, str]:
        command = kind("app", callback=lambda: run(number), **options)
        done = CliRunner().invoke(command, [])
        return done.exception, done.stderr

    options: dict[str, Any] = {"invoke_without_command": True} if kind is PrintedGroup else {}
    exit_, line = ask(errno.ENOSPC)
    assert isinstance(exit_, SystemExit)
    assert line == "Error: The disk is full. Free some space, and run it again.\n"
    other, line = ask(errno.EIO)
    assert isinstance(other, OSError)
    assert not line
