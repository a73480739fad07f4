"""Every command in docs/models.md parses with the real program, every option of the
table and every JSON card in it is one that is read.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
from pathlib import Path

import click
import pytest

import cli
from network.serving.card import Card, read_card
from network.serving.inputs import FaceInput, VoiceInput
from utils.config import ROOT

TEXT = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    for line in block.splitlines()
    if line.strip() and line[0] != "#"
]
COMMANDS = [line for line in LINES if line.startswith(".venv/bin/python ")]
SCRIPTS = re.findall(r"```python\n(.*?)```", TEXT, re.S)


def make_paths(words: list[str]) -> None:
    """Files and folders of these names, so that arguments which must exist do."""
    for word in words:
        if re.fullmatch(r"[\w./]+\.(onnx|txt|toml|json)", word):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
        elif re.fullmatch(r"[\w.][\w.-]*(/[\w.-]+)*/?", word):
            Path(word).mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_parse(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line, comments=True)[1:]
    if words[:2] == ["-m", "json.tool"]:
        assert words[2].startswith("best_model/")
        return
    make_paths(words[2:])
    module = None if words[0] == "cli.py" else importlib.import_module(words[1])
    if parser := getattr(module, "_parser", None):  # argparse; the others are click's
        assert parser().parse_args(words[2:])
        return
    command: click.Command = cli.cli if module is None else module.main  # type: ignore[assignment]
    words = words[1:] if words[0] == "cli.py" else words[2:]
    while isinstance(command, click.Group):
        command = command.commands[words[0]]
        words = words[1:]
    command.make_context(command.name, list(words))


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_parse_and_have_a_name_that_a_command_runs(script: str) -> None:
    ast.parse(script)
    name = script.splitlines()[0].removeprefix("# ")
    assert any(line.endswith(f"bin/python {name}") for line in LINES)


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) >= 12
    assert SCRIPTS
    assert any("DUET_MODEL_DIR=" in line for line in LINES)


def test_options_of_the_table_exist() -> None:
    add = cli.cli.commands["models"].commands["add"].commands  # type: ignore[attr-defined]
    known = {name for command in add.values() for option in command.params for name in option.opts}
    table = TEXT[TEXT.index("| authors write |") : TEXT.index("Embeddings may have up to")]
    used = set(re.findall(r"--[a-z-]+", re.sub(r"^\|[-|]+$", "", table, flags=re.M)))
    assert used
    assert used <= known


def test_cards_of_the_page_are_read() -> None:
    cards = [Card(**json.loads(block)) for block in re.findall(r"```json\n(.*?)```", TEXT, re.S)]
    assert [card.modality for card in cards] == ["face", "voice"]
    assert FaceInput.from_dict(cards[0].input).size_px == 112
    assert VoiceInput.from_dict(cards[1].input).frontend.n_mels == 80
    listed = set(
        re.findall(
            r"`(\w+)`",
            TEXT[
                TEXT.index("`kaldi` may also hold") : TEXT.index(
                    "what is missing\nhas Kaldi's default"
                )
            ],
        )
    )
    VoiceInput.from_dict({"kaldi": dict.fromkeys(listed & {"preemphasis"}, 0.5)})
    assert listed - {"kaldi"} < set(VoiceInput.from_dict({"kaldi": {}}).frontend.to_dict())


def test_links_and_files_exist() -> None:
    for target in re.findall(r"`((?:network|utils|train)/\w+\.py)`", TEXT):
        assert (ROOT / target).exists(), target
    headings = {
        re.sub(r"[^\w-]", "", h.lower().replace(" ", "-"))
        for h in re.findall(r"^## (.+)$", TEXT, re.M)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= headings


def test_the_figures_of_the_voice_are_those_of_its_card() -> None:
    """By duration on this page, and without normalisation on that of the norms."""
    dev = read_card(ROOT / "best_model" / "voice").metrics["dev"]
    lists = ("so762", "so762_adult_samegender", "pansori_ko")
    rows = [row for row in TEXT.splitlines() if re.match(r"\| .*: of the file \|", row)]
    for name, row in zip(lists, rows, strict=True):
        told = [float(cell) for cell in row.split("|")[2:7]]
        assert told == [
            pytest.approx(100 * dev[f"{name}{mark}_eer"], abs=0.0501)
            for mark in ("_1s", "_2s", "_3s", "_5s", "")
        ]
    norms = (ROOT / "docs" / "measurements" / "norms.md").read_text(encoding="utf-8")
    for name in lists:
        row = next(line for line in norms.splitlines() if line.startswith(f"| {name}_dev |"))
        assert float(row.split("|")[2]) == pytest.approx(100 * dev[f"{name}_eer"], abs=0.00501)
