"""Training on a folder of speakers through the shared entry point.

It learns, publishes, serves, and is fine-tuned from what it published.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support import media_sound
from tests.support.own_voices import HELD_OUT, SPEAKERS, context_of, train
from train.configuration import read_config
from utils.errors import ModelError

pytestmark = [pytest.mark.tf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_the_card_says_what_was_trained(trained_voice: Path) -> None:
    card = json.loads((trained_voice / "card.json").read_text(encoding="utf-8"))
    assert card["modality"] == "voice"
    assert card["input"]["frontend"]["n_mels"] == 16
    assert card["training"]["samples"] == 6 * 8
    assert card["multiply_adds"] > 0
    assert {"held_out_eer", "held_out_1s_eer", "mean_score"} <= set(card["metrics"]["dev"])


def test_what_was_published_serves(trained_voice: Path) -> None:
    from network.serving.encoder import load_voice_encoder
    from utils.media import Waveform

    encoder = load_voice_encoder(trained_voice)
    vectors = [
        encoder.embed(Waveform(media_sound.speech(p, 1.5, rate_hz=16000), 16000)).vector
        for p in (0, 0, 1)
    ]
    assert np.allclose(vectors[0], vectors[1])
    assert vectors[0] @ vectors[2] < 0.9999
    assert np.linalg.norm(vectors[0]) == pytest.approx(1.0, abs=1e-5)


def test_what_was_trained_backwards_too_serves_and_is_validated_as_the_mean_of_both(
    voices: Path,
) -> None:
    import tomllib

    from network.frontends.features import features_of
    from network.serving.encoder import load_voice_encoder
    from train.voice.task import create
    from utils.media import Waveform

    text = (voices / "voice.toml").read_text(
        encoding="utf-8"
    ) + "[augment]\nreversed_chance = 0.5\n[serving]\ntime_reversal = true\n"
    (voices / "backwards.toml").write_text(text, encoding="utf-8")
    assert train(voices, "backwards", "--config", str(voices / "backwards.toml")) == 0
    encoder = load_voice_encoder(voices / "backwards_model")
    config = tomllib.loads(text)
    assert encoder.encoder_id.endswith("-reversal")
    config["data"]["train"] = str(voices / "speech")
    task = create(config, context_of(voices))
    task.network.load_weights(voices / "backwards_model" / "model.keras")
    sound = media_sound.speech(3, 1.5, rate_hz=16000)
    expected = encoder.embed(Waveform(sound, 16000)).vector[:32]
    features = features_of(sound, task.spec)[None]
    asked = []

    def error_rates(embed: Callable[[np.ndarray], Any], **_: object) -> dict[str, float]:
        asked.append(embed(features)[0])
        return {"held_out_eer": 0.5}

    trials: Any = SimpleNamespace(error_rates=error_rates)
    task._trials = trials
    task.validate(full=False)
    np.testing.assert_allclose(asked[0], expected, atol=1e-4)
    assert np.abs(task._embed(features).numpy()[0] - expected).max() > 1e-3, (
        "forwards alone it is another one"
    )
    config["serving"]["time_reversal"] = "yes"
    with pytest.raises(ValueError, match="true or false"):
        create(config, context_of(voices))


def test_fine_tuning_starts_from_the_published_weights(voices: Path, trained_voice: Path) -> None:
    import keras

    words = ["--init", str(trained_voice), "--total-steps", "1", "--force", "--seed", "2"]
    assert train(voices, "second", *words) == 0
    before, after = (
        keras.saving.load_model(path / "model.keras", compile=False)
        for path in (trained_voice, voices / "second_model")
    )
    for old, new in zip(before.trainable_variables, after.trainable_variables, strict=True):
        np.testing.assert_allclose(
            old.numpy(),
            new.numpy(),
            atol=1e-3,
            err_msg="random weights of another seed are far from these",
        )


def test_weights_of_another_front_end_are_refused(voices: Path, trained_voice: Path) -> None:
    """Of the same size, they would be tuned on features that they never saw."""
    text = (
        (voices / "voice.toml")
        .read_text(encoding="utf-8")
        .replace("n_mels = 16", "n_mels = 16\nhop_ms = 12.5")
    )
    (voices / "hop.toml").write_text(text, encoding="utf-8")
    words = ["--config", str(voices / "hop.toml"), "--init", str(trained_voice)]
    with pytest.raises(ModelError, match=r"hop_ms=10\.0 instead of 12\.5") as caught:
        train(voices, "hop", *words)
    assert "[frontend]" in caught.value.hint
    assert not (voices / "hop").exists()


def test_speakers_held_out_are_not_trained_on(voices: Path) -> None:
    import tomllib

    from train.voice.task import create

    config = tomllib.loads((voices / "voice.toml").read_text(encoding="utf-8"))
    config["data"]["train"] = str(voices / "speech")
    task = create(config, context_of(voices))
    classes = max(int(task.batch(step, 0.5)["label"].max()) for step in range(20)) + 1
    assert classes == 3 * (SPEAKERS - HELD_OUT)


def test_a_full_validation_may_measure_more_than_the_ones_before(tmp_path: Path) -> None:
    from train.loop.journal import Journal, Position, read_log

    journal = Journal(tmp_path)
    journal.record_metrics(Position(1, 64, 1.0), {"eer": 0.2})
    journal.record_metrics(Position(2, 128, 2.0), {"eer": 0.1, "eer_1s": 0.3})
    assert [row.get("eer_1s") for row in read_log(tmp_path / "validation.csv")] == [None, 0.3]
    assert [row["eer"] for row in read_log(tmp_path / "validation.csv")] == [0.2, 0.1]
    journal.draw()
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_disguise_is_clean_and_of_fluent_speech_whatever_its_formants(voices: Path) -> None:
    from network.frontends.log_mel import FrontendSpec
    from train.data.datasets import read_listing
    from train.voice.sources import open_banks

    listing = read_listing(voices / "speech", "audio")
    data = {
        "speeds": [1.0, 0.9],
        "disguises": [[1.2, 1.0], [1.1, 0.9]],
        "channels": ["clean", "phone"],
        "cache": str(voices / "cache"),
    }
    assert [len(channels) for channels in open_banks(data, listing, FrontendSpec(n_mels=16))] == [
        2,
        2,
        1,
        1,
    ]
    (disguise,) = open_banks({**data, "fluent": ["nobody"]}, listing, FrontendSpec(n_mels=16))[2]
    assert not disguise.lengths.any()


@pytest.mark.parametrize("ramp", [(0, 0), (0.5, 0.1), (0.5,)])
def test_a_margin_that_does_not_rise_is_refused(ramp: tuple[float, ...]) -> None:
    from train.loop.losses import FACE_LOSSES

    with pytest.raises(ValueError, match="margin_ramp must be a start and an end"):
        dataclasses.replace(FACE_LOSSES, margin_ramp=ramp)


def test_the_defaults_of_the_losses_are_those_of_the_configurations() -> None:
    from train.loop.losses import FACE_LOSSES, VOICE_LOSSES

    for name, losses in (("face", FACE_LOSSES), ("voice", VOICE_LOSSES)):
        table = read_config(name)["loss"]
        needed = {x.name for x in dataclasses.fields(losses) if x.default is dataclasses.MISSING}
        assert set(table) == needed - {"scale"}
        assert (
            dataclasses.replace(losses, **table | {"margin_ramp": tuple(table["margin_ramp"])})
            == losses
        )


def test_how_fast_it_trains_can_be_measured(voices: Path) -> None:
    import tomllib

    from bench.training import measure

    config = tomllib.loads((voices / "voice.toml").read_text(encoding="utf-8"))
    config["data"]["train"] = str(voices / "speech")
    rates = measure("voice", config, 0.05)
    assert set(rates) == {"batches", "step", "all"}
    assert min(rates.values()) > 0
