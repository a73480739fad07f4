"""The table of what can be done where is true of routes, pages and commands."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import cli
from docs.reference import generate
from web.pages.pages import CONSOLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
CODE = re.compile(r"`([^`]+)`")


TOOLS = {"bench", "client", "evaluate", "models", "train"}
"""Groups for who measures, trains or writes a client."""
NO_OPERATION = {
    "calibrate",
    "convert",
    "demo",
    "speech evaluate",
    "speech models",
    "worker",
}
"""Commands that touch no gallery, and the process that works on jobs."""


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


def test_the_commands_are_those_of_the_table_and_those_of_others() -> None:
    """A command is an operator's, and in the table, or it is somebody else's, and named here."""
    commands = {path.removeprefix("cli.py ") for path, _ in generate.walk_commands(cli.cli)}
    others = {name for name in commands if name in NO_OPERATION or name.split()[0] in TOOLS}
    assert commands - others == COMMANDS
    assert others >= NO_OPERATION
