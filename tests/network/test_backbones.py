"""What every backbone does: any input, unit embeddings, saving, ONNX, size, refusals.

Each is built small where it has options. The same tests run for all names of the
registry, so a new backbone needs a line in `CASES` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.networks import make_uneven
from utils.arrays import EMBEDDING_SIZE, Float32Array
from utils.modality import Modality

if TYPE_CHECKING:
    import keras

pytestmark = pytest.mark.tf
SMALL_SIZE = 24
MELS = 16


@dataclass(frozen=True)
class Case:
    """A backbone with options that make it small."""

    modality: Modality
    small: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "patchface": Case(Modality.FACE),
    "mobileface": Case(Modality.FACE),
    "mobilefacenet": Case(Modality.FACE),
    "voice_separable": Case(
        Modality.VOICE, {"stem": (4, 6), "channels": 16, "blocks": 2, "pooled_channels": 24}
    ),
    "ecapa_tdnn": Case(
        Modality.VOICE, {"channels": 16, "scale": 4, "squeezed": 8, "joined_channels": 24}
    ),
    "resnet34_thin": Case(Modality.VOICE, {"width": 4, "blocks": (1, 1, 1, 1)}),
    "voice_campplus": Case(Modality.VOICE, {"bottlenecks": ((12, 8), (8, 4), (8,)), "context": 6}),
}
VOICES = [name for name, case in CASES.items() if case.modality is Modality.VOICE]
FACES = [name for name, case in CASES.items() if case.modality is Modality.FACE]


def build(name: str, embedding_size: int = SMALL_SIZE) -> keras.Model:
    """The small backbone, with statistics of its normalisations as if it were trained."""
    import keras

    from network.backbones.registry import build_backbone

    keras.utils.set_random_seed(3)
    case = CASES[name]
    mels = {"n_mels": MELS} if case.modality is Modality.VOICE else {}
    model = build_backbone(
        name, case.modality, **{**mels, **case.small, "embedding_size": embedding_size}
    )
    make_uneven(model)
    return model


@pytest.fixture(scope="module", params=CASES)
def network(request: pytest.FixtureRequest) -> keras.Model:
    return build(request.param)


def inputs_for(network: keras.Model, n: int, size: int = 0) -> Float32Array:
    """Patchworks or random features: `size` pixels or frames, 112 or 120 by default."""
    rng = np.random.default_rng(n)
    if len(network.input_shape) == 4:
        cells = rng.integers(0, 256, (n, 4, 4, 3)).astype(np.float32)
        cell = np.ones((1, (size or 112) // 4, (size or 112) // 4, 1), np.float32)
        return np.kron(cells, cell)
    return rng.normal(0, 2, (n, size or 120, MELS)).astype(np.float32)


def embed(network: keras.Model, inputs: Float32Array) -> Float32Array:
    return np.asarray(network(inputs, training=False))


def test_every_backbone_is_tested() -> None:
    from network.backbones.registry import BACKBONES

    one_input = {name for name, one in BACKBONES.items() if one.modality is not Modality.FUSED}
    assert one_input == set(CASES)
    assert all(BACKBONES[name].modality is case.modality for name, case in CASES.items())


def test_embeddings_are_of_unit_length_and_alone_as_in_a_batch(network: keras.Model) -> None:
    inputs = inputs_for(network, 4)
    together = embed(network, inputs)
    assert together.shape == (4, SMALL_SIZE)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    # Untrained networks hardly tell inputs apart, but more than rounding does.
    distances = np.linalg.norm(together[:, None] - together[None], axis=2)
    assert distances[~np.eye(4, dtype=bool)].min() > 1e-4
    np.testing.assert_allclose(embed(network, inputs[1:2]), together[1:2], atol=1e-5)


def test_any_size_is_taken(network: keras.Model) -> None:
    sizes = (64, 80, 112) if len(network.input_shape) == 4 else (1, 2, 7, 501)
    for size in sizes:
        vectors = embed(network, inputs_for(network, 2, size))
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_all_weights_learn(network: keras.Model) -> None:
    import tensorflow as tf

    goal = np.random.default_rng(5).normal(size=(4, SMALL_SIZE)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(inputs_for(network, 4), training=True) * goal)
    gradients = tape.gradient(loss, [variable.value for variable in network.trainable_variables])
    still = [
        variable.path
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
        if gradient is None or not np.isfinite(gradient).all()
    ]
    assert not still


def test_saved_and_exported_it_gives_the_same(network: keras.Model, tmp_path: Path) -> None:
    from network.backbones.registry import load_network
    from network.serving.export import export_onnx
    from tests.support.networks import largest_difference

    network.save(tmp_path / "model.keras")
    inputs = inputs_for(network, 2)
    np.testing.assert_array_equal(
        embed(load_network(tmp_path / "model.keras"), inputs), embed(network, inputs)
    )
    face = len(network.input_shape) == 4
    shape = (None, 112, 112, 3) if face else (None, None, MELS)
    export_onnx(network, tmp_path / "model.onnx", shape)
    for n, size in ((1, 0), (3, 0)) if face else ((1, 1), (1, 48), (3, 131), (2, 500)):
        sample = inputs_for(network, n, size)
        assert largest_difference(network, tmp_path / "model.onnx", [sample]) < 1e-4


@pytest.mark.parametrize("name", CASES)
def test_an_embedding_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Received"):
        build(name, embedding_size=0)


PUBLISHED = [
    ("ecapa_tdnn", {"channels": 512, "embedding_size": 192}, 6.2e6),
    ("ecapa_tdnn", {"channels": 1024, "embedding_size": 192}, 14.7e6),
    ("mobilefacenet", {"embedding_size": 128}, 0.99e6),
]


@pytest.mark.parametrize(("name", "options", "published"), PUBLISHED)
def test_sizes_are_the_published_ones(name: str, options: dict[str, int], published: float) -> None:
    from network.backbones.registry import build_backbone

    model = build_backbone(name, CASES[name].modality, **options)
    learned = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert learned == pytest.approx(published, rel=0.015)


@pytest.mark.parametrize("name", CASES)
def test_by_default_an_embedding_has_the_length_that_is_stored(name: str) -> None:
    from network.backbones.registry import build_backbone

    model = build_backbone(name, CASES[name].modality)
    assert model.output_shape == (None, EMBEDDING_SIZE)


IMPOSSIBLE: list[tuple[str, dict[str, Any]]] = [
    ("ecapa_tdnn", {"channels": 20}),
    ("ecapa_tdnn", {"scale": 1}),
    ("resnet34_thin", {"n_mels": 20}),
    ("resnet34_thin", {"blocks": (1, 1)}),
    ("voice_campplus", {"n_mels": 20}),
    ("voice_campplus", {"context": 0}),
    ("voice_campplus", {"bottlenecks": ((8,), (8,))}),
]


@pytest.mark.parametrize(("name", "options"), IMPOSSIBLE)
def test_impossible_sizes_are_refused(name: str, options: dict[str, Any]) -> None:
    from network.backbones.registry import build_backbone

    with pytest.raises(ValueError, match="Received"):
        build_backbone(name, CASES[name].modality, **options)


def test_attention_with_context_sees_the_whole_utterance() -> None:
    """Far frames change how near ones are weighed, which they do not without context."""
    from network.backbones.voice_common import AttentiveStatistics

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(1, 6, 4)).astype(np.float32)
    changed = inputs.copy()
    changed[0, 5] += 3.0
    for context in (False, True):
        layer = AttentiveStatistics(8, context=context)
        layer.build(inputs.shape)
        ratios = []
        for values in (inputs, changed):
            seen = _seen(values) if context else values
            scores = np.asarray(layer.weight(layer.hidden(seen)))
            ratios.append(scores[0, 0] - scores[0, 1])
        assert np.allclose(ratios[0], ratios[1], atol=1e-6) is not context
        pooled = np.asarray(layer(inputs))[0]
        attention = np.exp(scores_of(layer, inputs, context))
        attention /= attention.sum(axis=0)
        mean = (attention * inputs[0]).sum(axis=0)
        np.testing.assert_allclose(pooled[:4], mean, atol=1e-5)


def scores_of(layer: Any, values: Float32Array, context: bool) -> Float32Array:
    """Scores of the attention (steps, channels), by the layer's own two dense layers."""
    seen = _seen(values) if context else values
    return np.asarray(layer.weight(layer.hidden(seen)))[0]


def _seen(values: Float32Array) -> Float32Array:
    """Each step beside mean and deviation of all."""
    every = np.concatenate([values.mean(axis=1), values.std(axis=1)], axis=1)
    return np.concatenate([values, np.repeat(every[:, None], values.shape[1], axis=1)], axis=2)
