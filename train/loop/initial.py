"""What a training starts from: random weights, or those of a saved network.

A saved face network may have fewer blocks.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from network.backbones.registry import load_network
from network.backbones.voice_common import CENTRE
from network.serving.card import CARD_FILE, read_card
from utils.errors import ModelError

# The last normalisation of a bottleneck. With a scale of 0 the block passes its input
# on, but only if it adds its input.
IDENTITY = "_down_norm"
SHORTCUT = "_add"
# In the folder of a run.
ORIGIN_FILE = "started_from.txt"
RANDOM = "random weights"
Weights = dict[str, list[np.ndarray]]


def begin(
    network: keras.Model,
    init: Path | None,
    run_dir: Path,
    frontend: Mapping[str, Any] | None = None,
    *,
    convert: Callable[[Path, Weights], Weights] | None = None,
) -> None:
    """Put `network` where a new run in `run_dir` starts.

    The origin is saved in the run's folder: a later command may end the run, and need
    not name it again.

    Args:
        network: The network to train.
        init: A model folder whose weights it starts from, None for its random ones.
        run_dir: Folder of the run.
        frontend: What makes its features of sound, None for a network without sound.
        convert: Fits the weights of a network, saved in this folder, to `network`.

    Raises:
        ModelError: As `start_from` and `network.serving.card.read_card` do, or the
            weights learned from another front end.
    """
    if init:
        fit = None if convert is None else partial(convert, init)
        start_from(network, init / "model.keras", fit)
        _check_frontend(init, frontend)
    run_dir.mkdir(parents=True, exist_ok=True)
    origin = _model_name(init) if init else RANDOM
    (run_dir / ORIGIN_FILE).write_text(f"{origin}\n", encoding="utf-8")


def read_origin(run_dir: Path) -> str:
    """What the run in `run_dir` started from.

    "not recorded" for a run that began before this was saved.
    """
    file = run_dir / ORIGIN_FILE
    return file.read_text(encoding="utf-8").strip() if file.is_file() else "not recorded"


def start_from(
    network: keras.Model, file: Path, fit: Callable[[Weights], Weights] | None = None
) -> None:
    """Copy the weights of the network saved in `file`, layer by layer, by name.

    Bottlenecks with a shortcut that the saved network lacks begin as the identity. So
    the deeper network computes what the saved one does ("Net2Net", Chen et al. 2016,
    arXiv:1511.05641) and learns on from there. Only face networks have such blocks.
    `fit` changes the saved weights first.

    Raises:
        ModelError: The saved network cannot be read, has weights that `network` has no
            place for, or lacks more than such bottlenecks and the centre of a voice
            network.
    """
    saved = _read_weights(file)
    saved = fit(saved) if fit else saved
    layers = {layer.name: layer for layer in network.layers if layer.weights}
    if misfits := _misfits(network, saved):
        raise ModelError(
            "--init needs a network of the same kind, or a face network with fewer blocks."
            f" Received: {_folder_name(file)}, which differs in {', '.join(sorted(misfits)[:3])}",
            "Choose the network's shape in the configuration as it was, or train from random"
            " weights.",
        )
    for name, layer in layers.items():
        if name in saved:
            layer.set_weights(saved[name])
        elif name.endswith(IDENTITY):
            layer.gamma.assign(np.zeros(layer.gamma.shape, np.float32))


def _misfits(network: keras.Model, saved: Weights) -> set[str]:
    """Names of layers that cannot start from the saved weights."""
    layers = {layer.name: layer for layer in network.layers if layer.weights}
    # A new centre is 0, which changes nothing.
    new = set(layers) - set(saved) - {CENTRE}
    shortcuts = [
        layer.name.removesuffix(SHORTCUT)
        for layer in network.layers
        if layer.name.endswith(SHORTCUT)
    ]
    blocks = tuple(f"{name}_" for name in shortcuts if name + IDENTITY in new)
    misfits = set(saved) - set(layers)
    misfits |= {name for name in new if not name.startswith(blocks)}
    for name in set(saved) & set(layers):
        if _shapes(saved[name]) != _shapes(layers[name].get_weights()):
            misfits.add(name)
    return misfits


def _check_frontend(init: Path, frontend: Mapping[str, Any] | None) -> None:
    """Check that weights learned from this front end.

    A model without its card is not checked.
    """
    fed = read_card(init).input if (init / CARD_FILE).is_file() else {}
    learned = fed.get("frontend") or fed.get("kaldi")
    if not frontend or not learned:
        return
    different = sorted(name for name in frontend if frontend[name] != learned.get(name))
    if different:
        changes = ", ".join(
            f"{name}={learned.get(name)} instead of {frontend[name]}" for name in different
        )
        raise ModelError(
            "--init needs weights that learned from the configuration's front end. Received:"
            f" {_model_name(init)}, with {changes}",
            "Set that in the table [frontend] of the configuration.",
        )


def _read_weights(file: Path) -> Weights:
    """Weights of each layer that has some, by its name."""
    try:
        network = load_network(file)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        # TypeError comes for layers of unknown classes. Keras' own text names the file
        # with its whole path.
        raise ModelError(
            f"--init needs a folder with a trained network, model.keras. Received:"
            f" {_folder_name(file)} ({type(error).__name__})",
            "Name the folder of a model, such as best_model/voice, or models/best of a run.",
        ) from error
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def _model_name(folder: Path) -> str:
    """A model's encoder id, or the name of its folder where it has no card."""
    return read_card(folder).encoder_id if (folder / CARD_FILE).is_file() else folder.resolve().name


def _folder_name(file: Path) -> str:
    return file.resolve().parent.name


def _shapes(arrays: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]
