"""The table of what can be done where is true of routes, pages and commands."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

import cli
from docs.reference import generate
from web.pages.pages import CONSOLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
CODE = re.compile(r"`([^`]+)`")


def read_row(line: str) -> list[list[str]]:
    """What a row of the table names as pages, as routes and as commands."""
    return [CODE.findall(cell) for cell in line.split("|")[2:5]]


LINES = PAGE.read_text(encoding="utf-8").splitlines()
ROWS = [read_row(line) for line in LINES if line.startswith("| ")]
PAGES, ROUTES, COMMANDS = (set(chain.from_iterable(column)) for column in zip(*ROWS, strict=True))


def test_every_route_is_in_the_table() -> None:
    listed = re.findall(r"^## (\w+ /v1/.*)$", generate.routes_page(), re.MULTILINE)
    assert set(listed) == ROUTES


def test_every_page_of_the_console_is_in_the_table() -> None:
    assert set(CONSOLE.values()) <= PAGES


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_commands_exist(command: str) -> None:
    commands = {path.removeprefix("cli.py ") for path, _ in generate.walk_commands(cli.cli)}
    assert command in commands
