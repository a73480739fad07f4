"""The section "Add a backbone" of docs/training.md, walked with its own example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.documentation import DOCS, code_blocks
from tests.support.own_voices import train
from utils.arrays import RATE_HZ
from utils.media import Waveform
from utils.modality import Modality

pytestmark = pytest.mark.tf
NAME = "voice_toy"
PAGE = (DOCS / "training.md").read_text(encoding="utf-8")


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> str:
    """The backbone of the page, entered in the registry as the page says."""
    from network.backbones.registry import BACKBONES, Backbone

    file = f"# network/backbones/{NAME}.py"
    script = next(x for x in code_blocks(PAGE, "python") if x.startswith(file))
    module: dict[str, Any] = {}
    exec(compile(script, file, "exec"), module)
    builder = module[f"build_{NAME}"]
    assert f'"{NAME}": Backbone(Modality.VOICE, {builder.__name__})' in PAGE
    monkeypatch.setitem(BACKBONES, NAME, Backbone(Modality.VOICE, builder))
    return NAME


def test_the_backbone_of_the_page_is_trained_and_served(
    entered: str, voices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from network.serving.encoder import load_voice_encoder

    text = (voices / "voice.toml").read_text(encoding="utf-8")
    start = text.index("[network]")
    end = text.index("[sampling]")
    network = f'[network]\nbackbone = "{entered}"\nchannels = 32\n'
    config = tmp_path / "toy.toml"
    config.write_text(text[:start] + network + text[end:], encoding="utf-8")
    assert train(voices, "toy", "--config", str(config)) == 0
    assert f"Network {entered}: " in capsys.readouterr().out
    card = json.loads((voices / "toy_model" / "card.json").read_text(encoding="utf-8"))
    assert card["name"] == "voice-toy"
    assert card["training"]["configuration"]["network"]["channels"] == 32
    encoder = load_voice_encoder(voices / "toy_model")
    samples = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    assert np.linalg.norm(encoder.embed(Waveform(samples, RATE_HZ)).vector) == pytest.approx(1)
