"""Numbers of a training configuration beyond what can work are named before anything is read."""

from __future__ import annotations

from dataclasses import MISSING, fields
from importlib import import_module
from itertools import chain, product
from typing import Any

import pytest

from train.configuration import TASK_NAMES
from train.known_keys import check_keys, examples
from train.known_ranges import RANGES, check_range, range_of
from utils.errors import ConfigError

CASES = list(chain.from_iterable(product([table], keys) for table, keys in RANGES.items()))
# Tables whose keys are the fields of a class
CLASSES = {
    "network.backbones.speech_deepspeech2.Shape": "network",
    "network.backbones.voice_campplus.Shape": "network",
    "network.backbones.voice_ecapa.Shape": "network",
    "network.backbones.voice_resnet.Shape": "network",
    "network.backbones.voice_separable.Shape": "network",
    "network.frontends.kaldi.KaldiSpec": "frontend",
    "network.frontends.log_mel.FrontendSpec": "frontend",
    "train.face.augment.AugmentOptions": "augment",
    "train.face.batches.TeacherOptions": "teacher",
    "train.face.pairs.PairOptions": "pairs",
    "train.fusion.batches.Draw": "draw",
    "train.loop.losses.LossOptions": "loss",
    "train.speech.batches.BatchOptions": "batches",
    "train.voice.augment.MelAugment": "augment",
    "train.voice.distil.DistilOptions": "teacher",
    "train.voice.sampling.SampleOptions": "sampling",
    "train.voice.task.ServingOptions": "serving",
}
# Read by the network of the configuration's front end, and by lists of two kinds
ELSEWHERE = ("n_mels", "outputs", "resolutions")


@pytest.mark.parametrize(("table", "key"), CASES)
def test_both_ends_are_taken_and_nothing_beyond_them(table: str, key: str) -> None:
    least, most = RANGES[table][key]
    for fit in (least, most, [least], {"a": most}):
        check_range(fit, table, key, "mine.toml")
    for wrong in (least - 1e-3, most * 1.001 + 1e-3, [least, [most + 1]], {"a": most + 1}, 10**400):
        with pytest.raises(ConfigError, match=rf"{key} of \[{table}\] must .*in mine\.toml\. Rec"):
            check_range(wrong, table, key, "mine.toml")


@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_number_of_the_examples_has_a_range(task: str) -> None:
    for name, table in examples(task).items():
        for key, value in table.items():
            part = value[0] if isinstance(value, list) else value
            is_number = isinstance(part, int | float) and not isinstance(part, bool)
            assert not is_number or range_of(name, key), f"{key} of [{name}]"


@pytest.mark.tf
@pytest.mark.parametrize("path", CLASSES)
def test_every_number_of_the_options_has_a_range(path: str) -> None:
    module, _, name = path.rpartition(".")
    for field in fields(getattr(import_module(module), name)):
        value: Any = field.default
        while isinstance(value, tuple) and value:
            value = value[0]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and field.default is not MISSING and field.name not in ELSEWHERE:
            assert range_of(CLASSES[path], field.name), field.name


@pytest.mark.parametrize(
    ("task", "table", "content"),
    [
        ("voice", "augment", {"noise_chance": 7}),
        ("face", "loop", {"peak_rate": 1e9}),
        ("face", "fine_tune", {"budget_minutes": 1e9}),
        ("speech", "loop", {"workers": 10**9}),
        ("voice", "network", {"channels": 10**9}),
        ("voice", "data", {"disguises": [[1.0, 9.0]]}),
        ("voice", "frontend", {"rate_hz": 8000}),
        ("fusion", "draw", {"people": 10**6}),
    ],
)
def test_a_configuration_is_refused(task: str, table: str, content: dict[str, Any]) -> None:
    (key,) = content
    with pytest.raises(ConfigError, match=rf"{key} of \[{table}\] must "):
        check_keys({"task": task, table: content}, task, "mine.toml")
