"""Training on a folder of speakers through the shared entry point: learns, publishes,
serves, and is fine-tuned from what it published.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import cli
from tests.support import media_sound
from tests.support.own_voices import FILES, HELD_OUT, SPEAKERS, train
from train.configuration import read_config
from utils.errors import DatasetError, ModelError

if TYPE_CHECKING:
    from train.loop.task import TaskContext

pytestmark = [pytest.mark.tf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def context_of(voices: Path) -> TaskContext:
    from train.loop.task import TaskContext

    return TaskContext(seed=1, shared=voices, min_speech_s=0.5)


def ask(voices: Path, config: Path) -> Result:
    """Ask the teacher about the speech of `voices`, by the command."""
    words = ["train", "voice-teacher", "--config", str(config), "--data", str(voices / "speech")]
    return CliRunner().invoke(cli.cli, words)


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

    from network.frontends.log_mel import log_mel
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
    features = log_mel(sound, task.spec)[None]
    asked = []

    def equal_error_rates(embed: Callable[[np.ndarray], Any], **_: object) -> dict[str, float]:
        asked.append(embed(features)[0])
        return {"held_out": 0.5}

    trials: Any = SimpleNamespace(equal_error_rates=equal_error_rates)
    task._trials = trials
    task.validate(full=False)
    np.testing.assert_allclose(asked[0], expected, atol=1e-4)
    assert np.abs(task._embed(features).numpy()[0] - expected).max() > 1e-3, (
        "forwards alone it is another one"
    )
    config["serving"]["time_reversal"] = "yes"
    with pytest.raises(ValueError, match="true or false"):
        create(config, context_of(voices))


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
    before = [units(rows[None, ::step]).numpy()[0] for rows in speech for step in (1, -1)]
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
    assert (
        train(
            voices,
            "centred_on",
            "--config",
            str(voices / "centred.toml"),
            "--init",
            str(voices / "centred_model"),
        )
        == 0
    )
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


def test_fine_tuning_starts_from_the_published_weights(voices: Path, trained_voice: Path) -> None:
    import keras

    assert (
        train(
            voices,
            "second",
            "--init",
            str(trained_voice),
            "--total-steps",
            "1",
            "--force",
            "--seed",
            "2",
        )
        == 0
    )
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
    with pytest.raises(ModelError, match=r"hop_ms=10\.0 instead of 12\.5") as caught:
        train(voices, "hop", "--config", str(voices / "hop.toml"), "--init", str(trained_voice))
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


def test_losses_fall_with_a_teacher(voices: Path) -> None:
    """The distillation path: a teacher that tells the speakers apart is followed."""
    import tomllib

    import tensorflow as tf

    from train.data.datasets import read_listing
    from train.loop.trainer import LoopOptions, Trainer
    from train.voice.task import create

    listing = read_listing(voices / "speech", "audio")
    rows = np.eye(SPEAKERS)[listing.label_ids()] + 0.01 * np.random.default_rng(0).normal(
        size=(len(listing.items), SPEAKERS)
    )
    np.savez(
        voices / "teacher.npz", path=np.array([item.path for item in listing.items]), embedding=rows
    )
    config = tomllib.loads((voices / "voice.toml").read_text(encoding="utf-8"))
    config["data"]["train"] = str(voices / "speech")
    config["teacher"] = {"whole": "teacher.npz"}
    # Quick to learn
    config["data"] |= {"channels": ["clean"], "fluent_channels": [], "disguises": [], "prosody": []}
    config["sampling"] |= {"voice_chances": [0.5, 0.5], "channel_chances": [1.0], "batch_size": 32}
    config["augment"] = {"noise_chance": 0.0, "band_chance": 0.0, "tilt_db": 0.0}
    task = create(config, context_of(voices))
    batch = {name: tf.constant(value) for name, value in task.batch(0, 0.0).items()}
    before = {name: float(value) for name, value in task.loss(batch, tf.constant(0.0)).items()}
    Trainer(task, LoopOptions(total_steps=60, peak_rate=5e-3), voices / "taught").run(
        lambda _: None
    )
    after = {name: float(value) for name, value in task.loss(batch, tf.constant(0.0)).items()}
    assert set(before) == {"loss", "margin_head", "teacher", "relation"}
    assert after["teacher"] < 0.9 * before["teacher"]
    assert after["loss"] < before["loss"]


def test_a_full_validation_may_measure_more_than_the_ones_before(tmp_path: Path) -> None:
    from train.loop.journal import Journal, Position, read_log

    journal = Journal(tmp_path)
    journal.record_metrics(Position(1, 64, 1.0), {"eer": 0.2})
    journal.record_metrics(Position(2, 128, 2.0), {"eer": 0.1, "eer_1s": 0.3})
    assert [row.get("eer_1s") for row in read_log(tmp_path / "validation.csv")] == [None, 0.3]
    assert [row["eer"] for row in read_log(tmp_path / "validation.csv")] == [0.2, 0.1]
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_batch_without_any_target_has_finite_losses(voices: Path) -> None:
    import tomllib

    import tensorflow as tf

    from train.voice.task import create

    config = tomllib.loads((voices / "voice.toml").read_text(encoding="utf-8"))
    config["data"]["train"] = str(voices / "speech")
    config["teacher"] = {"whole": "teacher.npz"}
    task = create(config, context_of(voices))
    for taught in (0, 1):
        batch = task.batch(0, 0.0)
        batch["target"] = np.zeros_like(batch["target"])
        batch["target"][:taught, 0] = 1
        losses = task.loss(
            {name: tf.constant(value) for name, value in batch.items()}, tf.constant(0.5)
        )
        assert all(np.isfinite(float(value)) for value in losses.values())


def test_a_model_with_a_card_teaches_the_next(voices: Path, trained_voice: Path) -> None:
    """The teacher is asked about the files that are trained on, in every voice, and the
    training finds what it said.
    """
    import tomllib

    from train.voice.task import create

    config = voices / "taught.toml"
    shared = (voices / "voice.toml").read_text(encoding="utf-8")
    config.write_text(
        f'{shared}\n[teacher]\nencoder = "{trained_voice.as_posix()}"\n', encoding="utf-8"
    )
    files = ask(voices, config).output.split()
    assert [file.removesuffix(".npz").rpartition("_")[2] for file in files] == [
        "s100",
        "s090",
        "s110f090",
    ]
    (found,) = (voices / "cache").glob(f"*/{files[0]}")
    with np.load(found) as archive:
        assert len(archive["offsets"]) == 1 + (SPEAKERS - HELD_OUT) * FILES
        np.testing.assert_allclose(np.linalg.norm(archive["windows"], axis=1), 1, atol=1e-2)
        assert archive["windows"].shape[1] == 32
    written = found.stat().st_mtime_ns
    assert ask(voices, config).exit_code == 0
    assert found.stat().st_mtime_ns == written, "what is there is not made again"
    told = tomllib.loads(config.read_text(encoding="utf-8"))
    told["data"]["train"] = str(voices / "speech")
    targets = create(told, context_of(voices)).batch(0, 0.5)["target"]
    assert targets.shape[1] == 32
    np.testing.assert_allclose(np.linalg.norm(targets, axis=1), 1, atol=1e-2)


def test_a_teacher_that_is_not_there_is_asked_for_by_its_own_name(voices: Path) -> None:
    config = voices / "absent.toml"
    shared = (voices / "voice.toml").read_text(encoding="utf-8")
    config.write_text(
        f'{shared}\n[teacher]\nencoder = "{(voices / "absent").as_posix()}"\n', encoding="utf-8"
    )
    result = ask(voices, config)
    assert result.exit_code == 1
    assert "absent/card.json is missing" in result.stderr
    assert "best_model" not in result.stderr
    assert "--no-teacher" in result.stderr


def test_without_windows_it_is_said_what_is_taken_instead(
    voices: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from train.data.datasets import read_listing
    from train.voice.sources import find_teacher

    listing = read_listing(voices / "speech", "audio")
    np.savez(
        voices / "whole.npz",
        path=np.array([item.path for item in listing.items]),
        embedding=np.eye(len(listing.items)),
    )
    data = {"speeds": [1.0, 0.9], "cache": str(voices / "cache")}
    find_teacher({"encoder": "nowhere", "whole": "whole.npz"}, data, listing, voices)
    assert "2 of 2 voices" in caplog.text
    said = (
        "The first voice and its prosodies take another encoder's embeddings of whole files"
        " (whole.npz), the others are learned"
    )
    assert said in caplog.text


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
        assert set(table) == {field.name for field in dataclasses.fields(losses)} - {"scale"}
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


def test_a_configuration_without_a_teacher_cannot_ask_one(voices: Path) -> None:
    result = ask(voices, voices / "voice.toml")
    assert result.exit_code == 1
    assert "must name a teacher" in result.stderr
