"""The training loop that every network shares: what a `Task` supplies and what the
`Trainer` does with it.

A task knows its data, network and loss; the trainer owns the optimizer (AdamW),
learning-rate schedule, gradient clipping, the exponential moving average (EMA) of the
weights, prefetching, checkpoints, logs and curves. Everything that a step depends on is
in the checkpoint, and a batch is a pure function of its step number, so a run that was
killed goes on exactly where its last checkpoint stood.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from train.loop.checkpoint import load_checkpoint, save_checkpoint
from train.loop.journal import Journal

Batch = dict[str, npt.NDArray[Any]]
NO_DECAY = ("bias", "gamma", "beta", "alpha")


class Task(Protocol):
    """What is trained: supplied by `train/face/task.py`, `train/voice/task.py` and the
    like.

    Attributes:
        name: Short name, such as "face".
        network: The Keras model that is exported in the end; its EMA weights are
            validated and shipped.
        heads: Layers that exist for training only (classifier, projection to the
            teacher). Already built.
        metric: Key of `validate`'s result that says which of two models is better
            (higher is better).
        serving_shape: Shape of the network's input when it serves, None where it
            varies: the export's signature. None as a whole for a network of several
            inputs, which keep their shapes.
        example_length: What a varying size of it (but the batch) is taken as when
            multiply-adds are counted.
    """

    name: str
    network: keras.Model
    heads: Sequence[keras.layers.Layer]
    metric: str
    serving_shape: tuple[int | None, ...] | None
    example_length: int

    def batch(self, step: int, progress: float) -> Batch:
        """Training batch number `step`; a pure function of (seed, step, progress),
        called from several threads.

        Shapes may change with progress (resolution, clip length), but only between a
        few: each new shape is traced once. Plain numpy and cv2; release the GIL where
        possible. All arrays must have the batch size as first axis.
        """

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scalar float32 losses of a batch, in TensorFlow operations (it is traced);
        "loss" is the one minimised.

        Calls `network(..., training=True)` and the heads itself. The other entries are
        logged.
        """

    def validate(self, full: bool, progress: float) -> dict[str, float]:
        """Metrics on the dev set with the network's present weights (the trainer puts
        the EMA in).

        `full` asks for the whole protocol (at the end); otherwise a quick part of it,
        as fits `progress`.
        """

    def card_input(self) -> dict[str, Any]:
        """The card's `input`: what the network must be fed (see `network.serving.card.Card`)."""


@dataclass(frozen=True)
class LoopOptions:
    """Settings of the loop (table `[loop]` of a training configuration).

    Attributes:
        total_steps: Length of the schedule in steps; 0 where `budget_minutes` sets it.
        budget_minutes: Length of the schedule in minutes of training (validation
            counts, pauses between runs do not); 0 where `total_steps` sets it. Such a
            run adapts to the machine but is not repeatable bit by bit.
        peak_rate: Highest learning rate, after the warm-up.
        final_rate: Learning rate at the end of the cosine.
        warmup: Part of the schedule that the learning rate rises linearly in, in [0,
            1).
        weight_decay: AdamW's decoupled decay, for kernels only.
        clip_norm: Largest global norm of the gradient.
        ema_decay: Decay of the weights' moving average per step (smaller in the first
            steps).
        log_steps, validate_minutes, checkpoint_minutes: How often each happens.
        workers: Threads that prepare batches ahead.
    """

    total_steps: int = 0
    budget_minutes: float = 0.0
    peak_rate: float = 2e-3
    final_rate: float = 1e-5
    warmup: float = 0.01
    weight_decay: float = 0.02
    clip_norm: float = 5.0
    ema_decay: float = 0.999
    log_steps: int = 20
    validate_minutes: float = 8.0
    checkpoint_minutes: float = 4.0
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if (self.total_steps > 0) == (self.budget_minutes > 0):
            raise ValueError(
                "Exactly one of total_steps and budget_minutes must be above 0. "
                f"Received: total_steps={self.total_steps}, budget_minutes={self.budget_minutes}"
            )

    def progress(self, step: int, seconds: float) -> float:
        """How much of the schedule lies behind, in [0, 1], after `step` steps and
        `seconds` of training.
        """
        done = step / self.total_steps if self.total_steps else seconds / (60 * self.budget_minutes)
        return min(done, 1.0)

    def learning_rate(self, progress: float) -> float:
        """Linear warm-up, then half a cosine from `peak_rate` down to `final_rate`."""
        if progress < self.warmup:
            return self.peak_rate * max(progress / self.warmup, 0.01)
        cosine = 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup)))
        return self.final_rate + (self.peak_rate - self.final_rate) * cosine


class Trainer:
    """Trains a task's network in a run folder (checkpoint.npz, log.csv, validation.csv,
    curves.png).
    """

    def __init__(self, task: Task, options: LoopOptions, run_dir: Path) -> None:
        """Prepare; goes on from the run folder's checkpoint where there is one."""
        self.task = task
        self.options = options
        self.run_dir = run_dir
        self.step = 0
        self.seconds = 0.0
        self.samples = 0
        self.stopping = False
        self._build_variables()
        self._train_step = tf.function(self._compute_step, reduce_retracing=False)
        self._journal = Journal(run_dir)
        self._resume()

    def run(self, report: Callable[[str], None] = print) -> dict[str, float]:
        """Train to the end of the schedule or until `stop`; returns the last validation
        (full at the end).
        """
        self._journal.rewind(self.step)
        metrics: dict[str, float] = {}
        last_validation = last_checkpoint = self.seconds
        started = time.monotonic() - self.seconds
        for step, progress, batch in self._batches():
            losses = self._one_step(step, progress, batch)
            self.seconds = time.monotonic() - started
            if self._journal.record(
                self.step, self.samples, self.seconds, losses, self.options.log_steps
            ):
                report(self._journal.line(self.options.progress(self.step, self.seconds)))
            if self.seconds - last_validation > 60 * self.options.validate_minutes:
                metrics = self.validate(full=False)
                report(f"validation at step {self.step}: {_format(metrics)}")
                self.seconds = last_validation = time.monotonic() - started
            if self.seconds - last_checkpoint > 60 * self.options.checkpoint_minutes:
                last_checkpoint = self.seconds
                self.checkpoint()
            if self.stopping:
                break
        self.checkpoint()
        return metrics if self.stopping else self.validate(full=True)

    def stop(self) -> None:
        """Ask `run` to end after the present step, with a checkpoint (from a signal
        handler).
        """
        self.stopping = True

    def validate(self, full: bool) -> dict[str, float]:
        """Validate with the EMA weights, log the metrics, put the training weights
        back.
        """
        raw = [variable.numpy() for variable in self._network]
        self.use_average()
        try:
            metrics = self.task.validate(full, self.options.progress(self.step, self.seconds))
        finally:
            for variable, value in zip(self._network, raw, strict=True):
                variable.assign(value)
        self._journal.validated(self.step, self.samples, self.seconds, metrics)
        return metrics

    def use_average(self) -> None:
        """Put the EMA weights into the network (before an export)."""
        for variable, average in zip(self._network, self._average, strict=True):
            variable.assign(average)

    def checkpoint(self) -> None:
        """Write everything that the next step depends on, atomically."""
        counters = {"step": self.step, "seconds": self.seconds, "samples": self.samples}
        groups = {
            name: [variable.numpy() for variable in group] for name, group in self._groups().items()
        }
        save_checkpoint(self.run_dir / "checkpoint.npz", counters, groups)

    def _build_variables(self) -> None:
        task = self.task
        options = self.options
        self._network = list(task.network.variables)
        self._trainable = [*task.network.trainable_variables]
        self._heads = [variable for head in task.heads for variable in head.variables]
        self._trainable += [
            variable for head in task.heads for variable in head.trainable_variables
        ]
        self._optimizer = keras.optimizers.AdamW(
            options.peak_rate, weight_decay=options.weight_decay, epsilon=1e-7
        )
        self._optimizer.exclude_from_weight_decay(var_names=list(NO_DECAY))
        self._optimizer.build(self._trainable)
        self._average = [
            tf.Variable(variable.numpy(), trainable=False) for variable in self._network
        ]

    def _groups(self) -> dict[str, Sequence[Any]]:
        return {
            "network": self._network,
            "heads": self._heads,
            "average": self._average,
            "optimizer": self._optimizer.variables,
        }

    def _resume(self) -> None:
        file = self.run_dir / "checkpoint.npz"
        if not file.exists():
            return
        shapes = {
            name: [tuple(value.shape) for value in group] for name, group in self._groups().items()
        }
        counters, groups = load_checkpoint(file, shapes)
        for name, group in self._groups().items():
            for variable, value in zip(group, groups[name], strict=True):
                variable.assign(value)
        self.step = int(counters["step"])
        self.samples = int(counters["samples"])
        self.seconds = counters["seconds"]

    def _batches(self) -> Iterator[tuple[int, float, Batch]]:
        """Batches from the present step to the end of the schedule, prepared ahead by
        `workers` threads, in order.
        """
        ahead = 2 * self.options.workers + 1
        step = self.step
        queue: deque[tuple[int, float, Future[Batch]]] = deque()
        with ThreadPoolExecutor(self.options.workers, "batch") as pool:
            try:
                while self.options.progress(self.step, self.seconds) < 1:
                    while len(queue) < ahead:
                        progress = self.options.progress(step, self.seconds)
                        queue.append((step, progress, pool.submit(self.task.batch, step, progress)))
                        step += 1
                    number, progress, future = queue.popleft()
                    yield number, progress, future.result()
            finally:
                for _, _, future in queue:
                    future.cancel()

    def _one_step(self, step: int, progress: float, batch: Batch) -> dict[str, float]:
        self._optimizer.learning_rate.assign(self.options.learning_rate(progress))
        decay = min(self.options.ema_decay, (1 + step) / (10 + step))
        tensors = {name: tf.constant(value) for name, value in batch.items()}
        losses = self._train_step(
            tensors, tf.constant(progress, tf.float32), tf.constant(decay, tf.float32)
        )
        self.step = step + 1
        self.samples += len(next(iter(batch.values())))
        values = {name: float(value) for name, value in losses.items()}
        if not np.isfinite(values["loss"]):
            raise FloatingPointError(
                f"The loss must stay finite. Received: loss={values['loss']} at step {step}"
            )
        return values | {"rate": self.options.learning_rate(progress)}

    def _compute_step(
        self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor, decay: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            losses = self.task.loss(batch, progress)
        variables = [variable.value for variable in self._trainable]
        gradients = tape.gradient(losses["loss"], variables)
        gradients, norm = tf.clip_by_global_norm(gradients, self.options.clip_norm)
        self._optimizer.apply(gradients, self._trainable)
        for variable, average in zip(self._network, self._average, strict=True):
            average.assign_add((1 - decay) * (tf.cast(variable.value, average.dtype) - average))
        return losses | {"gradient_norm": norm}


def _format(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
