"""What all speech has in common is taken out of a trained voice network."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.own_voices import FILES, HELD_OUT, SPEAKERS, context_of, train
from utils.errors import DatasetError

pytestmark = [pytest.mark.tf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_what_all_speech_has_in_common_is_taken_out_before_publishing(
    voices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tomllib

    import keras

    from network.backbones.voice_common import CENTRE, LENGTH
    from train.voice.task import create

    files = [
        f"{(voices / 'speech' / f'person{person}' / f'{take}.wav').as_posix()}\tset/{person}"
        for person, take in itertools.product(range(SPEAKERS), range(FILES))
    ]
    (voices / "set.txt").write_text("\n".join(files), encoding="utf-8")
    config = tomllib.loads((voices / "voice.toml").read_text(encoding="utf-8"))
    config["data"] |= {"train": str(voices / "set.txt"), "disguises": [], "fluent_channels": []}
    config["sampling"] |= {"voice_chances": [0.5, 0.3, 0.2], "channel_chances": [0.5, 0.5]}
    assert create(config, context_of(voices)).finalise_weights() == {}
    config["serving"] = {"time_reversal": True, "centred_on": ["set"], "centring": 1.5}
    task = create(config, context_of(voices))
    monkeypatch.setattr("train.voice.task.CENTRED_S", 1.0)
    speech = task._batches.utterances(("set",), 100)["set"]
    assert len(speech) == (SPEAKERS - HELD_OUT) * FILES
    assert all(len(rows) <= 100 for rows in speech)
    units = keras.Model(task.network.input, task.network.get_layer(LENGTH).output)
    both_ways = itertools.product(speech, (1, -1))
    before = [units(rows[None, ::step]).numpy()[0] for rows, step in both_ways]
    mean = np.mean(before, axis=0)
    assert np.linalg.norm(mean) > 0.1
    assert "held_out_eer" in task.finalise_weights()
    np.testing.assert_allclose(task.network.get_layer(CENTRE).centre.numpy(), 1.5 * mean, atol=1e-5)
    expected = (before[0] - 1.5 * mean) / np.linalg.norm(before[0] - 1.5 * mean)
    np.testing.assert_allclose(task._embed(speech[0][None]).numpy()[0], expected, atol=1e-4)
    for wrong in (
        {"centred_on": "set"},
        {"centred_on": [1]},
        {"centring": "3"},
        {"centring": -1.0},
        {"centring": float("nan")},
    ):
        with pytest.raises(ValueError, match="Received"):
            create({**config, "serving": wrong}, context_of(voices))
    config["serving"]["centred_on"] = ["set", "sets"]
    with pytest.raises(DatasetError, match="Received: sets"):
        create(config, context_of(voices))


def test_own_data_are_not_centred_on_the_research_data(voices: Path) -> None:
    """What was taken off the weights that they start from stays."""
    import keras

    from network.backbones.voice_common import CENTRE

    text = (voices / "voice.toml").read_text(
        encoding="utf-8"
    ) + '[serving]\ncentred_on = ["librispeech_resemblyzer"]\ncentring = 3.0\n'
    (voices / "centred.toml").write_text(text, encoding="utf-8")
    assert train(voices, "centred", "--config", str(voices / "centred.toml")) == 0
    network = keras.saving.load_model(voices / "centred_model" / "model.keras", compile=False)
    assert not network.get_layer(CENTRE).centre.numpy().any()
    card = json.loads((voices / "centred_model" / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["configuration"]["serving"] == {}
    network.get_layer(CENTRE).centre.assign(np.full(32, 0.1))
    network.save(voices / "centred_model" / "model.keras")
    words = ["--config", str(voices / "centred.toml"), "--init", str(voices / "centred_model")]
    assert train(voices, "centred_on", *words) == 0
    network = keras.saving.load_model(voices / "centred_on_model" / "model.keras", compile=False)
    np.testing.assert_allclose(network.get_layer(CENTRE).centre.numpy(), 0.1)


def test_weights_from_before_the_centre_have_none(
    voices: Path, trained_voice: Path, tmp_path: Path
) -> None:
    import keras

    from network.backbones.voice_common import CENTRE
    from train.loop.initial import start_from

    saved = keras.saving.load_model(trained_voice / "model.keras", compile=False)
    features = np.random.default_rng(0).normal(size=(1, 80, 16)).astype(np.float32)
    expected = saved(features).numpy()
    keras.Model(saved.input, saved.get_layer("embed_bn").output).save(tmp_path / "model.keras")
    network = keras.models.clone_model(saved)
    network.get_layer(CENTRE).centre.assign(np.zeros(32))
    start_from(network, tmp_path / "model.keras")
    np.testing.assert_allclose(network(features).numpy(), expected, atol=1e-5)
