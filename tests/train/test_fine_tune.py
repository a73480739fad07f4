"""Fine-tuning of a network.

It is held to what it knew, its classes start where their people are, and weights that got worse
are not published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.own_voices import CONFIG, train
from train.configuration import RunOptions, read_config

if TYPE_CHECKING:
    from train.loop.fine_tune import Start
    from train.loop.trainer import Trainer

pytestmark = pytest.mark.tf
TABLE = "[fine_tune]\nkeep = {keep}\ntotal_steps = {steps}\npeak_rate = {rate}\n"


def config_of(
    voices: Path, name: str, keep: float | str, *, steps: int = 40, rate: float = 0.003
) -> list[str]:
    text = CONFIG.format(cache=(voices / "cache").as_posix())
    text += TABLE.format(keep=keep, steps=steps, rate=rate)
    (voices / f"{name}.toml").write_text(text, encoding="utf-8")
    return ["--config", str(voices / f"{name}.toml")]


def weights(model: Path) -> list[np.ndarray]:
    import keras

    return keras.saving.load_model(model / "model.keras", compile=False).get_weights()


class Toy:
    """A network of one layer, that learns points about the middle of their class.

    There are fewer classes than the last class says.
    """

    name = "toy"
    metric = "none"
    inputs = "point"
    serving_shape: tuple[int | None, ...] | None = (None, 6)
    example_length = 1
    epoch_steps = 10

    def __init__(self) -> None:
        import keras

        from network.backbones.classifiers import AngularMargin

        keras.utils.set_random_seed(0)
        point = keras.Input((6,))
        self.network = keras.Model(
            point, keras.layers.UnitNormalization()(keras.layers.Dense(8)(point))
        )
        self.classifier = AngularMargin(5, name="classifier")
        self.classifier.build((None, 8))
        self.heads: Sequence[Any] = [self.classifier]
        self.start: Start | None = None
        self.middles = np.random.default_rng(0).normal(size=(4, 6))

    def batch(self, step: int, progress: float) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([1, step])
        label = rng.integers(-1, 4, 16)
        return {
            "point": (self.middles[label] + rng.normal(0, 0.3, (16, 6))).astype(np.float32),
            "label": label.astype(np.int32),
        }

    def embed(self, inputs: np.ndarray) -> np.ndarray:
        return self.network(inputs).numpy()

    def loss(self, batch: Mapping[str, Any], progress: float) -> dict[str, Any]:
        import tensorflow as tf

        vectors = self.network(batch["point"], training=self.start is None)
        labelled = batch["label"] >= 0
        labels = tf.boolean_mask(batch["label"], labelled)
        total = self.classifier.loss(tf.boolean_mask(vectors, labelled), labels, 0.2)
        if self.start:
            total += self.start.keep * self.start.loss(batch["point"], vectors)
        return {"loss": total}

    def validate(self, full: bool, progress: float) -> dict[str, float]:
        return {"none": 0.0}

    def card_input(self) -> dict[str, Any]:
        return {}


def test_what_was_known_is_kept_the_more_the_more_it_counts(tmp_path: Path) -> None:
    from train.loop.fine_tune import attach_start
    from train.loop.options import LoopOptions
    from train.loop.trainer import Trainer

    moved = []
    for keep in (0.0, 20.0, 500.0):
        task = Toy()
        points = np.random.default_rng(2).normal(size=(20, 6)).astype(np.float32)
        before = task.embed(points) @ task.embed(points).T
        attach_start(task, keep)
        trainer = Trainer(task, LoopOptions(total_steps=60, peak_rate=0.01), tmp_path / f"{keep:g}")
        trainer.run(lambda line: None)
        trainer.use_average()
        moved.append(float(np.abs(task.embed(points) @ task.embed(points).T - before).mean()))
    assert moved[2] < 0.5 * moved[1] < 0.5 * moved[0]


def test_classes_start_where_their_people_are() -> None:
    """And those that nobody is met of are left as they were."""
    from train.loop.fine_tune import imprint

    task = Toy()
    before = task.classifier.kernel.numpy()
    imprint(task)
    kernel = task.classifier.kernel.numpy()
    centres = task.embed(task.middles.astype(np.float32))
    assert (np.einsum("ij,ji->i", centres, kernel[:, :4]) > 0.9).all()
    np.testing.assert_allclose(np.linalg.norm(kernel[:, :4], axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(kernel[:, 4], before[:, 4])


def test_a_run_that_was_stopped_goes_on_being_held(voices: Path, trained_voice: Path) -> None:
    """The weights that it started from are in its checkpoint.

    Neither --init nor the model need be there any more.
    """
    for run in ("whole", "halves"):
        config_of(voices, run, 500.0, steps=8)
    whole, halves = (
        ["--config", str(voices / f"{run}.toml"), "--force"] for run in ("whole", "halves")
    )
    assert train(voices, "whole", *whole, "--init", str(trained_voice)) == 0
    stop_after(voices, "halves", halves, trained_voice, steps=4)
    assert train(voices, "halves", *halves) == 0
    for one, other in zip(
        weights(voices / "whole_model"), weights(voices / "halves_model"), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)
    card = json.loads((voices / "halves_model" / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["before"] == json.loads(
        (voices / "halves" / "before.json").read_text(encoding="utf-8")
    )


def stop_after(voices: Path, run: str, options: list[str], init: Path, steps: int) -> None:
    from train.loop.trainer import Trainer

    step = Trainer.train_step

    def stopping(self: Trainer, number: int, progress: Any, batch: Any) -> Any:
        if number + 1 == steps:
            self.stop()
        return step(self, number, progress, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", stopping)
        assert train(voices, run, *options, "--init", str(init)) == 0
    assert not (voices / f"{run}_model").exists()


def test_weights_that_got_worse_stay_aside(
    voices: Path,
    trained_voice: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.loop import fine_tune

    assert not fine_tune.explain_decline("eer", {"eer": 0.9}, {"eer": 0.9})
    assert not fine_tune.explain_decline("eer", {}, {"eer": 0.9})
    save = fine_tune.save_start_metrics
    monkeypatch.setattr(
        fine_tune,
        "save_start_metrics",
        lambda run_dir, metrics: save(run_dir, metrics | {"mean_score": 1.5}),
    )
    config = config_of(voices, "worse", 500.0, steps=2)
    assert train(voices, "worse", *config, "--init", str(trained_voice)) == 3
    output = capsys.readouterr().out
    reason = "started from are better on the people held out: mean_score 1.5000, the new ones"
    assert reason in output
    assert "before the fine-tuning: held_out_eer" in output
    assert not (voices / "worse_model").exists()
    assert (voices / "worse" / "model" / "model.onnx").is_file()
    assert train(voices, "worse", *config, "--publish", "--force") == 0
    card = json.loads((voices / "worse_model" / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["before"]["mean_score"] == 1.5


@pytest.mark.parametrize("keep", ["-1", "nan", "'much'"])
def test_a_weight_that_is_no_number_is_refused(
    voices: Path, trained_voice: Path, keep: str
) -> None:
    from utils.errors import ConfigError

    with pytest.raises(ConfigError, match=r"keep.* must be a number"):
        train(voices, "wrong", *config_of(voices, "wrong", keep), "--init", str(trained_voice))


@pytest.mark.parametrize("name", ["face", "voice"])
def test_the_shipped_configurations_are_slower_and_shorter_for_it(name: str) -> None:
    from train.run import loop_options

    config = read_config(name)
    assert config["fine_tune"]["keep"] > 0
    assert config["fine_tune"]["peak_rate"] < config["loop"]["peak_rate"]
    options = RunOptions(name, init=Path("best_model/voice"))
    tuned = loop_options(config, options, tuned=True)
    assert tuned.total_steps == config["fine_tune"]["total_steps"] > 0
    assert loop_options(config, options, tuned=False).total_steps == 0
    options = RunOptions(name, init=Path("best_model/voice"), budget_minutes=3)
    assert loop_options(config, options, tuned=True).budget_minutes == 3
