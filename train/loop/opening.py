"""What a run says of its network when it begins."""

from __future__ import annotations

from network.serving.card import SPEECH
from network.serving.export import count_parameters
from train.loop.journal import stamp
from train.loop.publish import count_work
from train.loop.task import Task


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
