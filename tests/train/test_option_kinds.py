"""A value of another kind in a table of a configuration is named, whichever key it is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from importlib import import_module
from typing import Any

import pytest

from train.configuration import COPY, as_config_error
from utils.errors import ConfigError
from utils.fields import fit_fields

JUNK: tuple[object, ...] = (-1, True, "x", [], {}, float("nan"), float("inf"), -0.5, 10**400)
CLASSES = (
    "network.backbones.speech_deepspeech2.Shape",
    "network.backbones.voice_campplus.Shape",
    "network.backbones.voice_ecapa.Shape",
    "network.backbones.voice_resnet.Shape",
    "network.backbones.voice_separable.Shape",
    "network.frontends.kaldi.KaldiSpec",
    "network.frontends.log_mel.FrontendSpec",
    "train.face.augment.AugmentOptions",
    "train.face.batches.TeacherOptions",
    "train.face.pairs.PairOptions",
    "train.face.task.FaceOptions",
    "train.fusion.batches.Draw",
    "train.loop.losses.LossOptions",
    "train.speech.batches.BatchOptions",
    "train.voice.augment.MelAugment",
    "train.voice.distil.DistilOptions",
    "train.voice.sampling.SampleOptions",
    "train.voice.task.ServingOptions",
)
# Names of data sets, of which there may be none
NAMES = "centred_on"


def wrong_values(field: Field[Any]) -> Iterator[object]:
    """Values that no field of its kind has."""
    kind = type(field.default)
    for junk in JUNK:
        is_text = kind is str and isinstance(junk, str)
        is_flag = kind is bool and isinstance(junk, bool)
        is_none = field.name == NAMES and junk == []
        if not (is_text or is_flag or is_none):
            yield junk


@pytest.mark.tf
@pytest.mark.parametrize("path", CLASSES)
def test_a_value_of_another_kind_is_named(path: str) -> None:
    module, _, name = path.rpartition(".")
    options = getattr(import_module(module), name)
    for field in (one for one in fields(options) if one.default is not MISSING):
        fit_fields(options, {field.name: field.default}, signed=("fmax_hz",))
        for value in wrong_values(field):
            named = pytest.raises(ConfigError, match=rf"{field.name} must .*Received: ")
            with named as caught, as_config_error():
                fit_fields(options, {field.name: value})
            assert caught.value.hint == COPY


@pytest.mark.tf
def test_a_backbone_of_another_kind_is_refused() -> None:
    from network.backbones.registry import build_backbone, build_speech_network
    from utils.modality import Modality

    for value in JUNK:
        name: Any = value
        with pytest.raises(ValueError, match=r"must be one of .*Received: backbone="):
            build_speech_network(name)
        with pytest.raises(ValueError, match=r"must be one of .*Received: backbone="):
            build_backbone(name, Modality.VOICE)
    with pytest.raises(ValueError, match=r"channels must be a whole number\. Received: channels="):
        build_backbone("ecapa_tdnn", Modality.VOICE, channels="x")


@pytest.mark.tf
def test_lists_and_tables_are_read_to_their_elements() -> None:
    from network.backbones import voice_campplus
    from train.voice.sampling import SampleOptions

    for wrong in ([["x"]], [1, 2, 3], [[1], [2.5]]):
        with pytest.raises(
            ValueError, match="bottlenecks must be a list of 3, each a list, each a whole number"
        ):
            fit_fields(voice_campplus.Shape, {"bottlenecks": wrong})
    with pytest.raises(ValueError, match="group_weights must be a table, each a number"):
        fit_fields(SampleOptions, {"group_weights": {"mine": "much"}})
    fitted = fit_fields(SampleOptions, {"group_weights": {"mine": 2}, "crop_frames": [160]})
    assert fitted == {"group_weights": {"mine": 2}, "crop_frames": (160,)}


@pytest.mark.tf
def test_numbers_that_go_together_are_checked_together() -> None:
    from train.face.batches import BatchOptions
    from train.voice.augment import MelAugment
    from train.voice.sampling import SampleOptions

    for sizes in (
        (),
        ((0.5, 112),),
        ((0.0, 112), (0.6, 56), (0.3, 64)),
        ((0.0, 8),),
        ((0.0, 224),),
    ):
        with pytest.raises(ValueError, match="resolutions must rise"):
            BatchOptions(batch_size=4, seed=0, resolutions=sizes)
    with pytest.raises(ValueError, match="snr_db must be a lowest and a highest"):
        MelAugment(snr_db=(30.0, 5.0))
    for chances in ((0.5, 0.5), (0.0, 0.0, 0.0, 0.0)):
        with pytest.raises(ValueError, match="crop_end must be one chance for each"):
            SampleOptions(crop_end=chances)
