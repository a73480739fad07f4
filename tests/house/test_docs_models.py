"""docs/models.md and docs/training.md are true.

Scripts, options and cards in them are ones that the product reads, and the figures are
those of the shipped cards.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from typing import Any

import click
import pytest

import cli
from network.serving.card import Card, read_card
from network.serving.inputs import FaceInput, VoiceInput
from tests.support.documentation import DOCS, code_blocks, examples
from utils.config import ROOT

MODELS = (DOCS / "models.md").read_text(encoding="utf-8")
TRAINING = (DOCS / "training.md").read_text(encoding="utf-8")
LINES = [x.line for x in examples() if x.page.name in ("models.md", "training.md")]
SCRIPTS = code_blocks(TRAINING, "python")
VOICE_LISTS = ("so762", "so762_adult_samegender", "pansori_ko", "msc_ml")


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def table_row(page: str, start: str) -> list[str]:
    """Cells of the first row that starts with these words."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return cells(next(line for line in lines if line.startswith(f"| {start} |")))


@pytest.fixture(scope="module")
def voice_metrics() -> dict[str, Any]:
    metrics: dict[str, Any] = read_card(ROOT / "best_model" / "voice").metrics["dev"]
    return metrics


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_parse_and_have_a_name_that_a_command_runs(script: str) -> None:
    ast.parse(script)
    name = script.splitlines()[0].removeprefix("# ")
    if "/" in name:  # a module of the product: tests/train/test_added_backbone.py
        return
    assert any(line.endswith(f"bin/python {name}") for line in LINES)


def test_there_is_something_to_check() -> None:
    assert len([line for line in LINES if ".venv/bin/python " in line]) >= 20
    assert SCRIPTS
    assert any("DUET_MODEL_DIR=" in line for line in LINES)


def test_options_of_the_table_exist() -> None:
    add = cli.cli.commands["models"]
    assert isinstance(add, click.Group)
    kinds = add.commands["add"]
    assert isinstance(kinds, click.Group)
    parameters = itertools.chain.from_iterable(
        command.params for command in kinds.commands.values()
    )
    options = set(itertools.chain.from_iterable(option.opts for option in parameters))
    table = MODELS[MODELS.index("| authors write |") : MODELS.index("Embeddings may have up to")]
    used = set(re.findall(r"--[a-z-]+", re.sub(r"^\|[-|]+$", "", table, flags=re.MULTILINE)))
    assert used
    assert used <= options


def test_cards_of_the_page_are_read() -> None:
    cards = [Card(**json.loads(block)) for block in code_blocks(MODELS, "json")]
    assert [card.modality for card in cards] == ["face", "voice"]
    assert FaceInput.from_dict(cards[0].input).size_px == 112
    assert VoiceInput.from_dict(cards[1].input).frontend.n_mels == 80


def test_options_of_kaldi_exist() -> None:
    sentence = MODELS[MODELS.index("`kaldi` may also hold") : MODELS.index("What is missing has")]
    named = set(re.findall(r"`(\w+)`", sentence)) - {"kaldi"}
    assert len(named) == 8
    VoiceInput.from_dict({"kaldi": dict.fromkeys(named & {"preemphasis"}, 0.5)})
    assert named < set(VoiceInput.from_dict({"kaldi": {}}).frontend.to_dict())


def test_the_voice_by_duration_is_that_of_its_card(voice_metrics: dict[str, Any]) -> None:
    rows = [cells(x) for x in MODELS.splitlines() if re.match(r"\| .*: of the file \|", x)]
    for name, row in zip(VOICE_LISTS, rows, strict=True):
        expected = [voice_metrics[f"{name}{mark}_eer"] for mark in ("_1s", "_2s", "_3s", "_5s", "")]
        assert [float(cell) / 100 for cell in row[1:]] == pytest.approx(expected, abs=0.000501)


@pytest.mark.parametrize(
    ("start", "mark"), [("whole file", ""), ("3 s", "_3s"), ("2 s", "_2s"), ("1 s", "_1s")]
)
def test_the_voice_by_condition_is_that_of_its_card(
    start: str, mark: str, voice_metrics: dict[str, Any]
) -> None:
    row = table_row("measurements/voice.md", f"{start} | this")
    expected = [voice_metrics[f"{name}{mark}_eer"] for name in VOICE_LISTS[:3]]
    # The card's are in float32. The table is computed in 8 bits, as it serves.
    assert [float(cell.split()[0]) / 100 for cell in row[2:5]] == pytest.approx(expected, abs=0.005)
