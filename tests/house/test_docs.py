"""What README.md says is true: every setting, command, route and error code of the
product is in it, and its examples parse.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
import Request
import web.wire.errors
from utils import errors
from utils.config import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> str:
    """The table of settings as README.md must hold it (print it with `python -m
    tests.house.test_docs`).
    """
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for f in dataclasses.fields(Settings):
        default = (
            f.default.relative_to(ROOT)
            if isinstance(f.default, Path)
            else int(f.default)
            if f.default is False
            else f.default
        )
        rows.append(
            f"| `{PREFIX}{f.name.upper()}` | {f'`{default}`' if default not in ('', None) else '-'}"
            f" | {f.metadata['help']} |"
        )
    return "\n".join(rows)


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.S)
    return [
        line.split("  #")[0].strip()
        for block in blocks
        for line in block.splitlines()
        if line.strip()
    ]


def commands(group: click.Group, prefix: str = "") -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += (
            commands(command, f"{prefix}{name} ")
            if isinstance(command, click.Group)
            else [prefix + name]
        )
    return found


def test_every_setting_is_in_the_table() -> None:
    assert settings_table() in README, "run `python -m tests.house.test_docs` and paste the table"


@pytest.mark.parametrize("command", commands(cli.cli))
def test_every_command_is_shown_and_has_help(command: str) -> None:
    assert f"cli.py {command}" in README
    result = CliRunner().invoke(cli.cli, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 3


def test_every_error_code_is_listed() -> None:
    named = [*vars(errors).values(), *vars(web.wire.errors).values()]
    classes = [c for c in named if isinstance(c, type) and issubclass(c, errors.DuetError)]
    # No request is ever answered with these
    internal = {"internal", "config", "gallery", "checkpoint", "dataset", "output_refused"}
    missing = {c.code for c in classes if f"`{c.code}`" not in README} - internal
    assert not missing


@pytest.mark.parametrize("line", [x for x in shell_lines() if "cli.py" in x])
def test_examples_of_the_command_line_parse(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example is parsed by the real command with files of those names; the work
    itself is tested elsewhere.
    """
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    words = words[words.index("cli.py") + 1 :]
    for word in words:
        if word.endswith("/"):
            Path(word).mkdir()
        elif re.search(r"\.(mp4|wav|onnx)$", word):
            Path(word).touch()
    group: click.Command = cli.cli
    while isinstance(group, click.Group):
        group = group.commands[words[0]]
        words = words[1:]
    group.make_context(group.name, list(words))


@pytest.mark.parametrize("line", [x for x in shell_lines() if "Request.py" in x])
def test_examples_of_the_client_parse(line: str) -> None:
    assert Request.parse(shlex.split(line)[2:]).clip.suffix == ".mp4"


@pytest.mark.parametrize("line", [x for x in shell_lines() if x.startswith("make")])
def test_make_targets_exist(line: str) -> None:
    assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


if __name__ == "__main__":
    print(settings_table())
