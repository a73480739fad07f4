"""What a training starts from: random weights or those of a saved network, of which a
face network may have fewer blocks.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from network.backbones.registry import load_network
from network.backbones.voice_common import CENTRE
from network.serving.card import CARD_FILE, read_card
from utils.errors import ModelError

# The last normalisation of a bottleneck: with a scale of 0 the block passes its input
# on
IDENTITY = "_down_norm"
SHORTCUT = "_add"  # but only a bottleneck that adds its input
ORIGIN_FILE = "started_from.txt"  # in the folder of a run
RANDOM = "random weights"


def begin(
    network: keras.Model,
    init: Path | None,
    run_dir: Path,
    frontend: Mapping[str, Any] | None = None,
) -> None:
    """Put `network` where a new run in `run_dir` starts: on the weights in the model
    folder `init`, for None on its random ones.

    What it was is kept in the run's folder: the run may be ended by a later command,
    which need not name it again. `frontend` is what makes its features of sound; None
    for a network that takes none. Raises ModelError as `start_from` and
    `network.serving.card.read_card` do, and for weights that learned from another front end.
    """
    if init:
        start_from(network, init / "model.keras")
        _check_frontend(init, frontend)
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / ORIGIN_FILE).write_text(f"{_named(init) if init else RANDOM}\n", encoding="utf-8")


def _check_frontend(init: Path, frontend: Mapping[str, Any] | None) -> None:
    """A model that was moved without its card is taken at its word."""
    learned = read_card(init).input.get("frontend") if (init / CARD_FILE).is_file() else None
    if (
        frontend
        and learned
        and (other := sorted(name for name in frontend if frontend[name] != learned.get(name)))
    ):
        told = ", ".join(
            f"{name}={learned.get(name)} instead of {frontend[name]}" for name in other
        )
        raise ModelError(
            "--init needs weights that learned from the configuration's front end. Received:"
            f" {_named(init)}, with {told}",
            "Set that in the table [frontend] of the configuration.",
        )


def origin(run_dir: Path) -> str:
    """What the run in `run_dir` started from; "not recorded" for a run that began
    before this was kept.
    """
    file = run_dir / ORIGIN_FILE
    return file.read_text(encoding="utf-8").strip() if file.is_file() else "not recorded"


def start_from(network: keras.Model, file: Path) -> None:
    """Give `network` the weights of the network saved in `file`, layer by layer, by
    name.

    Bottlenecks with a shortcut that the saved one lacks begin as the identity, so that
    the deeper network computes what the saved one does ("Net2Net", Chen et al. 2016,
    arXiv:1511.05641) and learns on from there. Only face networks have such.

    Raises:
        ModelError: the saved network cannot be read, has weights that `network` has no
            place for, or lacks more than such bottlenecks and the centre of a voice
            network.
    """
    saved = _weights(file)
    layers = {layer.name: layer for layer in network.layers if layer.weights}
    new = set(layers) - set(saved) - {CENTRE}  # 0 where it is new, which changes nothing
    shortcuts = tuple(
        layer.name.removesuffix("add") for layer in network.layers if layer.name.endswith(SHORTCUT)
    )
    blocks = tuple(block for block in shortcuts if block.removesuffix("_") + IDENTITY in new)
    strange = set(saved) - set(layers) | {name for name in new if not name.startswith(blocks)}
    strange |= {
        name
        for name in set(saved) & set(layers)
        if _shapes(saved[name]) != _shapes(layers[name].get_weights())
    }
    if strange:
        raise ModelError(
            "--init needs a network of the same kind, or a face network with fewer blocks."
            f" Received: {_folder(file)}, which differs in {', '.join(sorted(strange)[:3])}",
            "Choose the network's shape in the configuration as it was, or train from random"
            " weights.",
        )
    for name, layer in layers.items():
        if name in saved:
            layer.set_weights(saved[name])
        elif name.endswith(IDENTITY):
            layer.gamma.assign(np.zeros(layer.gamma.shape, np.float32))


def _weights(file: Path) -> dict[str, list[np.ndarray]]:
    """Weights of each layer that has some, by its name."""
    try:
        network = load_network(file)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        # TypeError: layers of unknown classes
        # Keras' own text names the file with its whole path.
        raise ModelError(
            f"--init needs a folder with a trained network, model.keras. Received: {_folder(file)} "
            f"({type(error).__name__})"
        ) from error
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def _named(folder: Path) -> str:
    """A model by its encoder's id, one without a card by its folder's name: a path says
    nothing to others.
    """
    return read_card(folder).encoder_id if (folder / CARD_FILE).is_file() else folder.resolve().name


def _folder(file: Path) -> str:
    return file.resolve().parent.name


def _shapes(arrays: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]
