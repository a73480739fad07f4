"""The emphasis of a teacher in a network's last layer.

Cosines become what the head of the module says.
"""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.tf
RNG = np.random.default_rng(5)


def test_the_published_network_compares_as_stated() -> None:
    import keras

    from network.backbones.face_patch import build_face_patch
    from train.face.emphasis import DENSE, NORM, emphasise

    face = build_face_patch(embedding_size=24)
    # Of a face network; the layers before them tell nothing apart yet
    last = face.get_layer(DENSE)
    norm = face.get_layer(NORM)
    network = keras.Sequential([keras.Input((512,)), last, norm, keras.layers.UnitNormalization()])
    norm.set_weights(
        [RNG.uniform(0.5, 2, 24), RNG.normal(size=24), RNG.normal(size=24), RNG.uniform(0.5, 2, 24)]
    )
    features = RNG.normal(size=(5, 512)).astype(np.float32)
    before = network(features, training=False).numpy().astype(np.float64)
    projection = RNG.normal(size=(24, 6)).astype(np.float32)
    emphasise(network, projection, 0.8)
    after = network(features, training=False).numpy()

    gram = projection.astype(np.float64) @ projection.T
    products = before @ (np.eye(24) + 0.8 * gram / np.trace(gram) * 24) @ before.T
    lengths = np.sqrt(np.diag(products))
    np.testing.assert_allclose(after @ after.T, products / np.outer(lengths, lengths), atol=1e-4)
    assert np.abs(after @ after.T - before @ before.T).max() > 1e-3


def test_no_weight_changes_nothing() -> None:
    from train.face.emphasis import emphasis

    np.testing.assert_allclose(emphasis(RNG.normal(size=(24, 6)), 0.0), np.eye(24), atol=1e-12)
