"""What a run says and writes when it begins: the network's size, and its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w

from network.serving.card import SPEECH
from network.serving.export import count_parameters
from train.loop.journal import stamp
from train.loop.options import LoopOptions
from train.loop.publish import count_work
from train.loop.task import Task
from utils.whole_file import whole_file

# In the folder of a run: the configuration that it runs with, options filled in.
CONFIG_FILE = "config.toml"


def describe_network(task: Task) -> str:
    """The size of the network, the number of classes and that of batches, in a line."""
    network = task.network
    unit = "second of speech" if task.name in ("voice", SPEECH) else "input"
    written = "signs" if task.name == SPEECH else "embeddings of"
    parts = [
        f"Network {network.name}: {count_parameters(network):,} parameters",
        f"{count_work(task):,} multiply-adds for one {unit}",
        f"{written} {network.output_shape[-1]}",
    ]
    classifier = getattr(task, "classifier", None)
    if classifier is not None:
        parts.append(f"{classifier.classes} classes")
    return stamp(", ".join([*parts, f"{task.epoch_steps} batches an epoch"]))


def save_config(run_dir: Path, config: Mapping[str, Any], loop: LoopOptions) -> None:
    """Write the configuration of a run into its folder, as TOML.

    The table `[loop]` holds every option of the loop. A later command with the same run
    replaces the file.
    """
    with whole_file(run_dir / CONFIG_FILE) as draft:
        draft.write_text(tomli_w.dumps({**config, "loop": asdict(loop)}), encoding="utf-8")
