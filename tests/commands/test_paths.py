"""Empty paths, as of a variable of a script that is not set, are refused everywhere."""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
from utils.config import ROOT
from utils.path_option import PathOption
from web.server.serve import command

FOLDERS = ("bench", "commands", "demo", "deploy", "train", "web")


@click.command()
@click.argument("place", type=PathOption(path_type=Path))
def say(place: Path) -> None:
    click.echo(repr(place))


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_path_is_not_the_current_folder(empty: str) -> None:
    done = CliRunner().invoke(say, [empty])
    assert done.exit_code == 2
    assert f"A path is not empty. Received: {empty!r}" in done.output
    assert repr(Path()) in CliRunner().invoke(say, ["."]).output


@pytest.mark.parametrize(
    "words",
    [["backup", ""], ["restore", ""], ["check", "--backup", ""], ["enroll", ""]],
)
def test_commands_refuse_it_and_write_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    done = CliRunner().invoke(cli.cli, words)
    assert done.exit_code == 2, done.output
    assert "A path is not empty" in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_service_refuses_it() -> None:
    done = CliRunner().invoke(command("app.py", "Serve.", swagger_ui=False), ["--data-dir", ""])
    assert done.exit_code == 2
    assert "A path is not empty" in done.output


def test_every_path_of_the_command_line_is_one_of_these() -> None:
    files = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS)
    ours = [path for path in files if "node_modules" not in path.parts]
    assert [path for path in ours if _uses_click_path(path)] == []


def _uses_click_path(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "Path"
        and isinstance(node.value, ast.Name)
        and node.value.id == "click"
        for node in nodes
    )
