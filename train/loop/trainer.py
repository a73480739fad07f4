"""The training loop that every network shares: what a `Trainer` does with a `Task`.

A task knows its data, network and loss. The trainer owns the optimizer (AdamW),
learning-rate schedule, gradient clipping, the exponential moving average (EMA) of the
weights, prefetching, checkpoints, logs and curves. Everything that a step depends on is
in the checkpoint, and a batch is a pure function of its step number. So a run that was
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
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from train.loop.checkpoint import CHECKPOINT_FILE, load_checkpoint, save_checkpoint
from train.loop.journal import Journal, Position
from train.loop.task import Batch, Task

NO_DECAY = ("bias", "gamma", "beta", "alpha")


@dataclass(frozen=True)
class LoopOptions:
    """Settings of the loop (table `[loop]` of a training configuration).

    Attributes:
        total_steps: Length of the schedule in steps, 0 where `budget_minutes` sets it.
        budget_minutes: Length of the schedule in minutes of training (validation
            counts, pauses between runs do not), 0 where `total_steps` sets it. Such a
            run adapts to the machine but is not repeatable bit by bit.
        peak_rate: Highest learning rate, after the warm-up.
        final_rate: Learning rate at the end of the cosine.
        warmup: Part of the schedule in which the learning rate rises linearly, in
            [0, 1).
        weight_decay: AdamW's decoupled decay, for kernels only.
        clip_norm: Largest global norm of the gradient.
        ema_decay: Decay of the weights' moving average per step (smaller in the first
            steps).
        log_steps, validate_minutes, checkpoint_minutes: How often each happens.
        workers: Threads that prepare batches ahead.

    Raises:
        ValueError: Both lengths are set, or none.
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
        if (self.total_steps > 0) == (self.budget_minutes > 0):
            raise ValueError(
                "Exactly one of total_steps and budget_minutes must be above 0. "
                f"Received: total_steps={self.total_steps}, budget_minutes={self.budget_minutes}"
            )

    def progress(self, step: int, seconds: float) -> float:
        """The part of the schedule that is over, in [0, 1].

        It follows from `step` steps or from `seconds` of training.
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
    """Trains a task's network in a run folder.

    The folder holds checkpoint.npz, log.csv, validation.csv and curves.png.
    """

    def __init__(self, task: Task, options: LoopOptions, run_dir: Path) -> None:
        """Prepare, and load the run folder's checkpoint if there is one.

        Raises:
            CheckpointError: The checkpoint cannot be read, or is of another network.
        """
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

    @property
    def progress(self) -> float:
        """The part of the schedule that is over, in [0, 1]."""
        return self.options.progress(self.step, self.seconds)

    def run(self, report: Callable[[str], None] = print) -> dict[str, float]:
        """Train to the end of the schedule, or until `stop`.

        Returns:
            The metrics of the last validation, which is full at the end.

        Raises:
            FloatingPointError: The loss is not finite.
        """
        self._journal.rewind(self.step)
        metrics: dict[str, float] = {}
        last_validation = last_checkpoint = self.seconds
        started = time.monotonic() - self.seconds
        for step, progress, batch in self.batches():
            losses = self.train_step(step, progress, batch)
            self.seconds = time.monotonic() - started
            if self._journal.record(self._position(), losses, every=self.options.log_steps):
                report(self._journal.line(self.progress))
            if self.seconds - last_validation > 60 * self.options.validate_minutes:
                metrics = self.validate(full=False)
                report(f"validation at step {self.step}: {format_metrics(metrics)}")
                self.seconds = last_validation = time.monotonic() - started
            if self.seconds - last_checkpoint > 60 * self.options.checkpoint_minutes:
                last_checkpoint = self.seconds
                self.checkpoint()
            if self.stopping:
                break
        self.checkpoint()
        return metrics if self.stopping else self.validate(full=True)

    def stop(self) -> None:
        """Ask `run` to end after the present step, with a checkpoint.

        A signal handler may call it.
        """
        self.stopping = True

    def validate(self, full: bool) -> dict[str, float]:
        """Validate with the EMA weights and log the metrics.

        The training weights are put back afterwards.
        """
        raw = [variable.numpy() for variable in self._network]
        self.use_average()
        try:
            metrics = self.task.validate(full, self.progress)
        finally:
            for variable, value in zip(self._network, raw, strict=True):
                variable.assign(value)
        self._journal.record_metrics(self._position(), metrics)
        return metrics

    def use_average(self) -> None:
        """Put the EMA weights into the network (before an export)."""
        for variable, average in zip(self._network, self._average, strict=True):
            variable.assign(average)

    def checkpoint(self) -> None:
        """Write everything that the next step depends on, atomically."""
        counters = {"step": self.step, "seconds": self.seconds, "samples": self.samples}
        groups: dict[str, list[Any]] = {}
        for name, group in self._groups().items():
            groups[name] = [variable.numpy() for variable in group]
        save_checkpoint(self.run_dir / CHECKPOINT_FILE, counters, groups)

    def batches(self) -> Iterator[tuple[int, float, Batch]]:
        """Batches from the present step to the end of the schedule, in order.

        Each comes with its step and its progress. `workers` threads prepare them ahead.
        """
        ahead = 2 * self.options.workers + 1
        step = self.step
        queue: deque[tuple[int, float, Future[Batch]]] = deque()
        with ThreadPoolExecutor(self.options.workers, "batch") as pool:
            try:
                while self.progress < 1:
                    while len(queue) < ahead:
                        progress = self.options.progress(step, self.seconds)
                        queue.append((step, progress, pool.submit(self.task.batch, step, progress)))
                        step += 1
                    number, progress, future = queue.popleft()
                    yield number, progress, future.result()
            finally:
                for _, _, future in queue:
                    future.cancel()

    def train_step(self, step: int, progress: float, batch: Batch) -> dict[str, float]:
        """Train on one batch.

        Returns:
            The losses, the norm of the gradient and the learning rate (`rate`).

        Raises:
            FloatingPointError: The loss is not finite.
        """
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

    def _position(self) -> Position:
        return Position(step=self.step, samples=self.samples, seconds=self.seconds)

    def _build_variables(self) -> None:
        task = self.task
        self._network = list(task.network.variables)
        self._trainable = list(task.network.trainable_variables)
        self._heads: list[Any] = []
        for head in task.heads:
            self._heads += head.variables
            self._trainable += head.trainable_variables
        self._optimizer = keras.optimizers.AdamW(
            self.options.peak_rate, weight_decay=self.options.weight_decay, epsilon=1e-7
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
        file = self.run_dir / CHECKPOINT_FILE
        if not file.exists():
            return
        variables = self._groups()
        shapes: dict[str, list[tuple[int, ...]]] = {}
        for name, group in variables.items():
            shapes[name] = [tuple(value.shape) for value in group]
        counters, values = load_checkpoint(file, shapes)
        for name, group in variables.items():
            for variable, value in zip(group, values[name], strict=True):
                variable.assign(value)
        self.step = int(counters["step"])
        self.samples = int(counters["samples"])
        self.seconds = counters["seconds"]

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


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Metrics in one line."""
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
