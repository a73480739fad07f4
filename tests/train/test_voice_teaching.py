"""Training of a voice network with a teacher."""

from __future__ import annotations

import copy
import dataclasses
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import cli
from tests.support.own_voices import FILES, HELD_OUT, SPEAKERS, context_of

pytestmark = [pytest.mark.tf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def ask(voices: Path, config: Path) -> Result:
    """Ask the teacher about the speech of `voices`, by the command."""
    words = ["train", "voice-teacher", "--config", str(config), "--data", str(voices / "speech")]
    return CliRunner().invoke(cli.cli, words)


@pytest.fixture(scope="module")
def taught(voices: Path, trained_voice: Path) -> dict[str, Any]:
    """A configuration whose teacher tells the speakers apart by the first voice."""
    from network.serving.card import read_card, write_card
    from train.voice.banks import training_files
    from train.voice.teacher import save_windows, teacher_file
    from train.voice.variants import Variant

    encoder = voices / "knowing"
    shutil.copytree(trained_voice, encoder)
    write_card(encoder, dataclasses.replace(read_card(encoder), name="knowing"))
    config = tomllib.loads((voices / "voice.toml").read_text(encoding="utf-8"))
    config["data"]["train"] = str(voices / "speech")
    config["teacher"] = {"encoder": str(encoder)}
    listing, _ = training_files(config["data"], 1, voices)
    files = len(listing.items)
    noise = np.random.default_rng(0).normal(size=(files, SPEAKERS))
    file = teacher_file(
        listing,
        Path(config["data"]["cache"]),
        read_card(encoder).encoder_id,
        variant=Variant(1.0, "clean"),
        groups=(),
    )
    windows: dict[str, np.ndarray] = {
        "windows": np.eye(SPEAKERS)[listing.label_ids()] + 0.01 * noise,
        "spans": np.array([[0, 10**6]] * files, np.int32),
        "offsets": np.arange(files + 1),
    }
    save_windows(file, windows)
    return config


def test_losses_fall_with_a_teacher(
    voices: Path, taught: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The distillation path: a teacher that tells the speakers apart is followed."""
    import tensorflow as tf

    from train.loop.options import LoopOptions
    from train.loop.trainer import Trainer
    from train.voice.task import create

    config = copy.deepcopy(taught)
    # Quick to learn
    config["data"] |= {"channels": ["clean"], "fluent_channels": [], "disguises": [], "prosody": []}
    config["sampling"] |= {"voice_chances": [0.5, 0.5], "channel_chances": [1.0], "batch_size": 32}
    config["augment"] = {"noise_chance": 0.0, "band_chance": 0.0, "tilt_db": 0.0}
    task = create(config, context_of(voices))
    # One batch for ever: what is learned of it hangs on neither weights nor processor
    one = task.batch(0, 0.0)
    monkeypatch.setattr(task, "batch", lambda *_: one)
    batch = {name: tf.constant(value) for name, value in one.items()}
    before = {name: float(value) for name, value in task.loss(batch, tf.constant(0.0)).items()}
    Trainer(task, LoopOptions(total_steps=30, peak_rate=5e-3), voices / "taught").run(
        lambda _: None
    )
    after = {name: float(value) for name, value in task.loss(batch, tf.constant(0.0)).items()}
    assert set(before) == {"loss", "margin_head", "accuracy", "teacher", "relation"}
    for name in ("loss", "teacher", "relation"):
        assert after[name] < 0.5 * before[name]


def test_a_batch_without_any_target_has_finite_losses(voices: Path, taught: dict[str, Any]) -> None:
    import tensorflow as tf

    from train.voice.task import create

    task = create(taught, context_of(voices))
    for count in (0, 1):
        batch = task.batch(0, 0.0)
        batch["target"] = np.zeros_like(batch["target"])
        batch["target"][:count, 0] = 1
        losses = task.loss(
            {name: tf.constant(value) for name, value in batch.items()}, tf.constant(0.5)
        )
        assert all(np.isfinite(float(value)) for value in losses.values())


def test_a_model_with_a_card_teaches_the_next(voices: Path, trained_voice: Path) -> None:
    """The teacher is asked about the files that are trained on, in every voice.

    The training finds what it said.
    """
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
    (archive_file,) = (voices / "cache").glob(f"*/{files[0]}")
    with np.load(archive_file) as archive:
        assert len(archive["offsets"]) == 1 + (SPEAKERS - HELD_OUT) * FILES
        np.testing.assert_allclose(np.linalg.norm(archive["windows"], axis=1), 1, atol=1e-2)
        assert archive["windows"].shape[1] == 32
    written = archive_file.stat().st_mtime_ns
    assert ask(voices, config).exit_code == 0
    assert archive_file.stat().st_mtime_ns == written, "what is there is not made again"
    table = tomllib.loads(config.read_text(encoding="utf-8"))
    table["data"]["train"] = str(voices / "speech")
    targets = create(table, context_of(voices)).batch(0, 0.5)["target"]
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


def test_voices_without_windows_are_counted(voices: Path, caplog: pytest.LogCaptureFixture) -> None:
    from train.data.datasets import read_listing
    from train.voice.sources import find_teacher

    listing = read_listing(voices / "speech", "audio")
    data = {"speeds": [1.0, 0.9], "cache": str(voices / "cache")}
    find_teacher({"encoder": "nowhere"}, data, listing)
    assert "2 of 2 voices have no teacher's windows" in caplog.text


def test_a_configuration_without_a_teacher_cannot_ask_one(voices: Path) -> None:
    result = ask(voices, voices / "voice.toml")
    assert result.exit_code == 1
    assert "must name a teacher" in result.stderr
