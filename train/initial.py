"""The weights that a training starts from: those of a saved network, which may be shallower than the one that is trained."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from utils.errors import ModelError

IDENTITY = "_down_norm"  # the last normalisation of a bottleneck: with a scale of 0 the block passes its input on


def start_from(network: keras.Model, file: Path) -> None:
    """Give `network` the weights of the network saved in `file`, layer by layer, by name.

    Bottlenecks that the saved one lacks begin as the identity, so that the deeper network computes what the saved one does ("Net2Net",
    Chen et al. 2016, arXiv:1511.05641) and learns on from there.

    Raises:
        ModelError: the saved network cannot be read, has weights that `network` has no place for, or lacks more than bottlenecks.
    """
    try:
        saved = {layer.name: layer.get_weights() for layer in keras.saving.load_model(file, compile=False).layers if layer.weights}
    except (OSError, ValueError) as error:
        raise ModelError(f"--init needs a folder with a trained network. Received: {file.parent.name} ({error})") from error
    layers = {layer.name: layer for layer in network.layers if layer.weights}
    new = set(layers) - set(saved)
    blocks = tuple(f"{name.removesuffix(IDENTITY)}_" for name in new if name.endswith(IDENTITY))
    strange = set(saved) - set(layers) | {name for name in new if not name.startswith(blocks)}
    strange |= {name for name in set(saved) & set(layers) if _shapes(saved[name]) != _shapes(layers[name].get_weights())}
    if strange:
        raise ModelError(
            f"--init needs a network of the same kind, or one with fewer blocks. Received: {file.parent.name}, which differs in "
            f"{', '.join(sorted(strange)[:3])}",
            "Choose the network's shape in the configuration as it was, or train from random weights.",
        )
    for name, layer in layers.items():
        if name in saved:
            layer.set_weights(saved[name])
        elif name.endswith(IDENTITY):
            layer.gamma.assign(np.zeros(layer.gamma.shape, np.float32))


def _shapes(arrays: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]
