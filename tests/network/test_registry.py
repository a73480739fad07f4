"""The registry of backbones: a new one is built, saved, exported and served by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from network.frontends.log_mel import FrontendSpec, log_mel
from network.serving.card import Card, write_card
from network.serving.encoder import load_voice_encoder
from network.serving.runtime import load_runtime
from utils.arrays import RATE_HZ
from utils.file_hash import hash_file
from utils.media import Waveform
from utils.modality import Modality

if TYPE_CHECKING:
    import keras

pytestmark = pytest.mark.tf
SPEC = FrontendSpec(n_mels=16)
SHIPPED = Path(__file__).resolve().parents[2] / "best_model"
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "face": [(2, 112, 112, 3)],
    "voice": [(2, 120, 80)],
    "fusion": [(2, 512), (2, 512)],
}


def build_toy(n_mels: int = 80, width: int = 8) -> keras.Model:
    """Highest features over time, mapped to `width` numbers of unit length."""
    import keras

    features = keras.Input((None, n_mels), name="features")
    x = keras.layers.GlobalMaxPooling1D()(features)
    x = keras.layers.Dense(width, name="embed")(x)
    return keras.Model(features, keras.layers.UnitNormalization(name="embedding")(x), name="toy")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    """A network of a backbone that is entered in the registry for one test."""
    import keras

    from network.backbones.registry import BACKBONES, Backbone, build_backbone

    monkeypatch.setitem(BACKBONES, "toy", Backbone(Modality.VOICE, build_toy))
    keras.utils.set_random_seed(0)
    return build_backbone("toy", Modality.VOICE, n_mels=SPEC.n_mels, width=12)


@pytest.mark.parametrize("runtime", ["onnx", "keras"])
def test_a_new_backbone_is_built_exported_and_served(
    toy: keras.Model, runtime: str, tmp_path: Path
) -> None:
    from network.serving.export import export_onnx

    file = f"model.{runtime}"
    if runtime == "onnx":
        export_onnx(toy, tmp_path / file)
    else:
        toy.save(tmp_path / file)
    card = Card(
        name="toy",
        modality="voice",
        runtime=runtime,
        file=file,
        sha256=hash_file(tmp_path / file),
        embedding_size=12,
        input={"frontend": SPEC.to_dict()},
    )
    write_card(tmp_path, card)
    encoder = load_voice_encoder(tmp_path)
    samples = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    vector = encoder.embed(Waveform(samples, RATE_HZ)).vector
    expected = np.asarray(toy(log_mel(samples, SPEC)[None], training=False))[0]
    np.testing.assert_allclose(vector[:12], expected, atol=1e-5)


def test_a_configuration_chooses_the_backbone_of_the_voice(toy: keras.Model) -> None:
    from train.voice.task import build_network

    network = build_network({"backbone": "toy", "width": 5}, SPEC)
    assert (network.name, network.output_shape) == (toy.name, (None, 5))
    small = {"stem": (4, 4), "channels": 8, "blocks": 1, "pooled_channels": 8}
    assert build_network({**small, "embedding_size": 6}, SPEC).output_shape == (None, 6)


@pytest.mark.parametrize(("name", "modality"), [("vgg", Modality.FACE), ("toy", Modality.FACE)])
def test_a_backbone_of_no_or_another_modality_is_refused(
    toy: keras.Model, name: str, modality: Modality
) -> None:
    from network.backbones.registry import build_backbone

    names = "patchface, mobileface, mobilefacenet"
    with pytest.raises(ValueError, match=f"one of {names}. Received.*{name}"):
        build_backbone(name, modality)


def test_an_option_that_the_backbone_has_not_is_refused(toy: keras.Model) -> None:
    from network.backbones.registry import build_backbone

    with pytest.raises(TypeError, match="depth"):
        build_backbone("toy", Modality.VOICE, depth=3)


@pytest.mark.parametrize("name", SHAPES)
def test_shipped_networks_load_and_agree_with_what_serves(name: str) -> None:
    from network.backbones.registry import load_network

    inputs: list[Any] = [
        np.random.default_rng(1).normal(0, 1, shape).astype(np.float32) for shape in SHAPES[name]
    ]
    network = load_network(SHIPPED / name / "model.keras")
    expected = np.asarray(network(inputs if len(inputs) > 1 else inputs[0], training=False))
    for kind in ("onnx", "keras"):
        made = load_runtime(kind, SHIPPED / name / f"model.{kind}").run(*inputs)
        if (name, kind) == ("voice", "onnx"):  # its convolutions compute in 8 bits
            assert (made * expected).sum(axis=1).min() > 0.98
        else:
            np.testing.assert_allclose(made, expected, atol=1e-4)
