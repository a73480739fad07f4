"""The training loop on a small task: exact resume, schedule, averages, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from utils.errors import ConfigError

if TYPE_CHECKING:
    from train.loop.trainer import Trainer

pytestmark = pytest.mark.tf


class Line:
    """Learn y = x W from noisy samples.

    The dev metric is minus the mean squared error.
    """

    name = "line"
    metric = "score"
    serving_shape: tuple[int | None, ...] | None = (None, 4)
    example_length = 1
    epoch_steps = 10

    def __init__(self, poison: bool = False) -> None:
        import keras

        keras.utils.set_random_seed(3)
        features = keras.Input((4,), name="features")
        self.network = keras.Model(
            features, keras.layers.Dense(2, name="out")(features), name="line_toy"
        )
        self.heads: Sequence[Any] = [keras.layers.Dense(2, name="head")]
        self.heads[0].build((None, 2))
        self._truth = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
        self._poison = poison

    def batch(self, step: int, progress: float) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((9, step))
        x = rng.normal(size=(16, 4)).astype(np.float32)
        y = x @ self._truth + rng.normal(0, 0.1, (16, 2)).astype(np.float32)
        return {"x": x, "y": y * np.float32(np.nan if self._poison else 1)}

    def loss(self, batch: Mapping[str, Any], progress: Any) -> dict[str, Any]:
        import tensorflow as tf

        direct = tf.reduce_mean(tf.square(self.network(batch["x"], training=True) - batch["y"]))
        return {
            "loss": direct + 0.1 * tf.reduce_mean(tf.square(self.heads[0](batch["y"]))),
            "direct": direct,
        }

    def validate(self, full: bool, progress: float) -> dict[str, float]:
        x = np.random.default_rng(1).normal(size=(64, 4)).astype(np.float32)
        return {"score": -float(np.mean((np.asarray(self.network(x)) - x @ self._truth) ** 2))}

    def card_input(self) -> dict[str, Any]:
        return {}


def trainer(folder: Path, task: Line | None = None, **changes: Any) -> Trainer:
    from train.loop.options import LoopOptions
    from train.loop.trainer import Trainer

    options = {
        "total_steps": 30,
        "peak_rate": 0.05,
        "warmup": 0.1,
        "log_steps": 1,
        "workers": 2,
    } | changes
    return Trainer(task or Line(), LoopOptions(**options), folder)


def stopped_at(folder: Path, step: int) -> Trainer:
    """A run that is asked to stop after `step` steps."""
    run = trainer(folder)
    run.run(lambda _: run.stop() if run.step >= step else None)
    return run


def test_validations_of_more_metrics_widen_the_journal(tmp_path: Path) -> None:
    from train.loop.journal import Journal, Position, read_log

    journal = Journal(tmp_path)
    journal.record_metrics(Position(1, 16, 2.5), {"score": 0.25})
    journal.record_metrics(Position(2, 32, 5.0), {"score": 0.5, "mirror": 0.75})
    journal.record_metrics(Position(3, 48, 7.5), {"score": 0.5})
    assert read_log(tmp_path / "validation.csv") == [
        {"step": 1, "samples": 16, "seconds": 2.5, "score": 0.25},
        {"step": 2, "samples": 32, "seconds": 5.0, "score": 0.5, "mirror": 0.75},
        {"step": 3, "samples": 48, "seconds": 7.5, "score": 0.5},
    ]


def shapes_of(group: Sequence[Any]) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in group]


def state(run: Trainer) -> list[np.ndarray]:
    variables = itertools.chain.from_iterable(run._groups().values())
    return [variable.numpy() for variable in variables]


def test_learns_and_writes_its_journal(tmp_path: Path) -> None:
    from train.loop.journal import read_log

    before = Line().validate(True, 0.0)["score"]
    after = trainer(tmp_path, total_steps=120).run(lambda _: None)["score"]
    assert after > before / 10
    rows = read_log(tmp_path / "log.csv")
    assert rows[-1]["step"] == 120
    assert rows[-1]["samples"] == 120 * 16
    assert rows[-1]["direct"] < rows[0]["direct"]
    assert read_log(tmp_path / "validation.csv")[-1]["score"] == pytest.approx(after, rel=1e-4)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_stopped_run_goes_on_exactly(tmp_path: Path) -> None:
    straight = trainer(tmp_path / "straight")
    straight.run(lambda _: None)
    assert stopped_at(tmp_path / "broken", 7).step == 7
    resumed = trainer(tmp_path / "broken")
    assert (resumed.step, resumed.samples) == (7, 7 * 16)
    resumed.run(lambda _: None)
    assert resumed.step == straight.step == 30
    assert all(np.array_equal(a, b) for a, b in zip(state(straight), state(resumed), strict=True))


def test_curves_do_not_double_back_after_a_kill(tmp_path: Path) -> None:
    from train.loop.journal import Journal, Position, read_log

    stopped_at(tmp_path, 7)
    journal = Journal(tmp_path)  # of a run that was killed two steps after its checkpoint
    journal.record_metrics(Position(7, 7 * 16, 1.0), {"score": -0.5})
    for step in (8, 9):
        at = Position(step, 16 * step, 1.0 + step)
        journal.record(at, {"loss": 1e-7, "extra": 1e6}, every=1)
    journal.record_metrics(Position(9, 9 * 16, 2.0), {"score": -0.25})
    before = (tmp_path / "log.csv").read_text(encoding="utf-8")
    run = trainer(tmp_path)
    assert (tmp_path / "log.csv").read_text(encoding="utf-8") == before, (
        "who only publishes a run leaves its logs alone"
    )
    run.run(lambda _: None)
    steps = [row["step"] for row in read_log(tmp_path / "log.csv")]
    assert steps == sorted(set(steps))
    assert {7, 30} <= set(steps)
    assert [row["step"] for row in read_log(tmp_path / "validation.csv")] == [7, 30]


def test_a_run_without_a_checkpoint_begins_its_logs_anew(tmp_path: Path) -> None:
    from train.loop.journal import Journal, Position, read_log

    Journal(tmp_path).record_metrics(Position(3, 48, 1.0), {"score": 0.0})
    trainer(tmp_path).run(lambda _: None)
    assert [row["step"] for row in read_log(tmp_path / "validation.csv")] == [30]


def test_a_kill_while_writing_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    stopped_at(tmp_path, 5)
    (tmp_path / "checkpoint.1.partial.npz").write_bytes(b"half of it")
    assert trainer(tmp_path).step == 5


@pytest.mark.parametrize("damage", ["cut", "other network"])
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path, damage: str) -> None:
    from train.loop.checkpoint import save_checkpoint
    from utils.errors import CheckpointError

    file = tmp_path / "checkpoint.npz"
    if damage == "cut":
        stopped_at(tmp_path, 3)
        file.write_bytes(file.read_bytes()[:200])
    else:
        save_checkpoint(file, {"step": 1}, {"network": [np.zeros(3)]})
    with pytest.raises(CheckpointError):
        trainer(tmp_path)


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path: Path) -> None:
    from train.loop.checkpoint import load_checkpoint, save_checkpoint
    from utils.errors import CheckpointError

    stopped_at(tmp_path, 3)
    file = tmp_path / "checkpoint.npz"
    shapes = {name: shapes_of(group) for name, group in trainer(tmp_path)._groups().items()}
    counters, groups = load_checkpoint(file, shapes)
    groups["network"][0] = np.zeros((5, 2), np.float32)
    save_checkpoint(file, counters, groups)
    with pytest.raises(CheckpointError, match="same network"):
        trainer(tmp_path)


def test_validation_uses_the_average_and_puts_the_weights_back(tmp_path: Path) -> None:
    run = stopped_at(tmp_path, 10)
    before = [variable.numpy() for variable in run.task.network.variables]
    score = run.validate(full=False)["score"]
    assert all(
        np.array_equal(a, b.numpy())
        for a, b in zip(before, run.task.network.variables, strict=True)
    )
    assert score != run.task.validate(False, 0.0)["score"]
    run.use_average()
    assert score == run.task.validate(False, 0.0)["score"]


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    from train.loop.failures import as_training_error

    run = trainer(tmp_path, Line(poison=True))
    with pytest.raises(ConfigError, match="step 0") as caught, as_training_error():
        run.run(lambda _: None)
    assert "peak_rate" in caught.value.hint


def test_a_batch_beyond_the_memory_is_named() -> None:
    from train.loop.failures import as_training_error

    with pytest.raises(ConfigError, match="is full: 3 TB") as caught, as_training_error():
        raise MemoryError("3 TB\nof more words")
    assert "batch_size" in caught.value.hint


def test_schedule_in_steps_and_in_minutes() -> None:
    from train.loop.options import LoopOptions

    steps = LoopOptions(total_steps=100, peak_rate=1.0, final_rate=0.1, warmup=0.1)
    assert steps.progress(50, 1e9) == 0.5
    assert steps.learning_rate(0.05) == pytest.approx(0.5)
    assert steps.learning_rate(0.1) == pytest.approx(1.0)
    assert steps.learning_rate(1.0) == pytest.approx(0.1)
    assert LoopOptions(budget_minutes=2).progress(10**9, 30.0) == 0.25
    for wrong in ({}, {"total_steps": 5, "budget_minutes": 1.0}):
        with pytest.raises(ValueError, match="Exactly one"):
            LoopOptions(**wrong)  # type: ignore[arg-type]


def test_a_budget_in_minutes_ends_the_run(tmp_path: Path) -> None:
    run = trainer(tmp_path, total_steps=0, budget_minutes=0.02)
    run.run(lambda _: None)
    assert run.seconds >= 1.2
    assert run.step > 0
