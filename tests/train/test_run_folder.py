"""What a run leaves in its folder, and how the command line begins and continues one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

import cli
from network.serving.card import read_card
from tests.train.test_loop import trainer
from train.configuration import MODELS, RunOptions, read_config, read_task
from train.known_keys import CONFIGS
from train.train_nets import run_options, training_command
from utils.errors import CheckpointError, ConfigError


@pytest.mark.tf
def test_every_epoch_leaves_a_model_and_a_row(tmp_path: Path) -> None:
    from network.backbones.registry import load_network
    from train.loop.journal import read_log

    lines: list[str] = []
    run = trainer(tmp_path, validate_minutes=0.0, keep_epochs=2, log_steps=100)
    run.run(lines.append)
    names = sorted(folder.name for folder in (tmp_path / "models").iterdir())
    assert names == ["best", "epoch_0002", "epoch_0003"]
    rows = read_log(tmp_path / "epochs.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["step"] for row in rows] == [10, 20, 30]
    assert rows[-1]["loss"] < rows[0]["loss"]
    card = read_card(tmp_path / "models" / "best")
    assert card.metrics["dev"]["score"] == pytest.approx(
        max(row["score"] for row in rows), rel=1e-3
    )
    places = [re.findall(r"\[(\d+)/(\d+)\]", line) for line in lines if "Train" in line]
    assert places[0] == [("1", "3"), ("1", "10")], "the first step is reported"
    assert places[-1] == [("3", "3"), ("10", "10")]
    assert sum("Test epoch: " in line for line in lines) == 3
    run.choose_saved("epoch_0002")
    run.use_average()
    expected = load_network(tmp_path / "models" / "epoch_0002" / "model.keras").get_weights()
    for made, weights in zip(run.task.network.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(made, weights)
    with pytest.raises(CheckpointError, match="keeps best, epoch_0002, epoch_0003"):
        run.choose_saved("epoch_0001")


@pytest.mark.tf
def test_a_length_in_epochs_ends_the_run(tmp_path: Path) -> None:
    run = trainer(tmp_path, total_steps=0, epochs=1.5, keep_epochs=0)
    run.run(lambda _: None)
    assert run.step == 15
    assert {folder.name for folder in (tmp_path / "models").iterdir()} == {"best"}


@pytest.mark.tf
def test_a_run_can_only_be_resumed_where_it_began(tmp_path: Path) -> None:
    from train.run import begin_run

    task: Any = None
    with pytest.raises(CheckpointError, match="--resume needs a run"):
        begin_run(RunOptions("voice", resume=True), {}, task, tmp_path)


def options_of(*words: str) -> RunOptions:
    context = training_command("voice").make_context("voice", list(words))
    return run_options("voice", context.params)


def test_fine_tuning_starts_from_a_model_without_a_teacher() -> None:
    named = options_of("--fine-tune", "mine/voice")
    assert (named.init, named.no_teacher) == (Path("mine/voice"), True)
    assert options_of("--fine-tune").init == MODELS / "voice"
    assert options_of("--init", "mine").no_teacher is False
    with pytest.raises(click.UsageError, match="leave out"):
        options_of("--fine-tune", "mine", "--resume")


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_configuration_says_what_it_trains(file: Path) -> None:
    assert read_config(read_task(file), file)["data"]


def test_a_configuration_trains_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[data]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="task must be one of"):
        read_task(file)
    with pytest.raises(ConfigError, match="must configure the face network"):
        read_config("face", CONFIGS / "voice.toml")
    refused = CliRunner().invoke(cli.cli, ["train", "--config", str(file)])
    assert refused.exit_code == 1
    assert "Write it in the first line" in refused.output
    misplaced = CliRunner().invoke(cli.cli, ["train", "--seed", "2", "voice"])
    assert misplaced.exit_code == 2
    assert "after the name of the command" in misplaced.output


def test_data_may_lie_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("", encoding="utf-8")
    file = tmp_path / "mine.toml"
    lists = 'dev_trials = { one = "train.txt", far = "trials/far.txt" }'
    file.write_text(f'[data]\ntrain = "train.txt"\ndev = "dev.csv"\n{lists}\n', encoding="utf-8")
    data = read_config("voice", file)["data"]
    assert data["train"] == str(tmp_path / "train.txt")
    assert data["dev"] == "dev.csv", "of the research data"
    assert data["dev_trials"] == {"one": str(tmp_path / "train.txt"), "far": "trials/far.txt"}


@pytest.mark.parametrize("key", ["train_faces", "train_voices", "dev_faces", "dev_voices", "noise"])
def test_data_of_a_fusion_may_lie_there_too(key: str, tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    file = tmp_path / "mine.toml"
    file.write_text(f'[data]\n{key} = "people"\n', encoding="utf-8")
    assert read_config("fusion", file)["data"][key] == str(tmp_path / "people")


def test_lists_of_data_may_lie_there_too(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    file = tmp_path / "mine.toml"
    file.write_text('[data]\nunlabelled = ["more", "faces2.csv"]\n', encoding="utf-8")
    data = read_config("face", file)["data"]
    assert data["unlabelled"] == [str(tmp_path / "more"), "faces2.csv"]


def test_paths_of_a_list_start_from_its_folder_or_from_the_present_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.data.datasets import read_listing

    monkeypatch.chdir(tmp_path)
    for name in ("lists/a.wav", "sounds/b.wav"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"sound")
    for name, path in (("beside", "a.wav"), ("here", "sounds/b.wav")):
        Path(f"lists/{name}.txt").write_text(f"{path}\t0\n", encoding="utf-8")
        listing = read_listing(Path(f"lists/{name}.txt"), "audio")
        assert list(listing.read_all()) == [b"sound"]
