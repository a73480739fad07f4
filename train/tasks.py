"""The tasks that can be trained, by name.

A task's module, with TensorFlow and its data, is imported when the task is created.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from train.configuration import as_config_error

if TYPE_CHECKING:
    from train.loop.task import Task, TaskContext


def create_task(name: str, config: Mapping[str, Any], context: TaskContext) -> Task:
    """Create the named task.

    Chance is seeded first, so that the first weights are the same each time.

    Args:
        name: "face", "voice", "fusion" or "speech".
        config: Parsed configuration.
        context: Seed, folder of the research data, and serving settings.

    Raises:
        ConfigError: The task does not take a key or a value of the configuration.
        DatasetError: The data cannot be read.
    """
    # Keras takes seconds to import.
    import keras

    keras.utils.set_random_seed(context.seed)
    with as_config_error():
        return CREATORS[name](config, context)


def _create_face(config: Mapping[str, Any], context: TaskContext) -> Task:
    from train.face.task import create

    return create(config, context)


def _create_voice(config: Mapping[str, Any], context: TaskContext) -> Task:
    from train.voice import distil, task

    taught_by_network = "network" in config.get("teacher", {})
    return (distil if taught_by_network else task).create(config, context)


def _create_fusion(config: Mapping[str, Any], context: TaskContext) -> Task:
    from train.fusion.task import create

    return create(config, context)


def _create_speech(config: Mapping[str, Any], context: TaskContext) -> Task:
    from train.speech.task import create

    return create(config, context)


CREATORS: Mapping[str, Callable[[Mapping[str, Any], TaskContext], Task]] = {
    "face": _create_face,
    "voice": _create_voice,
    "fusion": _create_fusion,
    "speech": _create_speech,
}
