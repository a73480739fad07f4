"""The training loop that every network shares: what a `Trainer` does with a `Task`.

A task knows its data, network and loss. The trainer owns the optimizer, learning-rate
schedule, gradient clipping, the exponential moving average (EMA) of the weights,
prefetching, checkpoints, logs, curves and the models of epochs. Everything that a step
depends on is in the checkpoint, and a batch is a pure function of its step number. So a
run that was killed goes on exactly where its last checkpoint stood.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from network.backbones.registry import load_network
from train.loop import saved
from train.loop.checkpoint import CHECKPOINT_FILE, load_checkpoint, save_checkpoint
from train.loop.journal import DRAW_PAUSE_S, Journal, Place, Position, format_metrics, stamp
from train.loop.optimizers import add_decay, make_optimizer
from train.loop.options import LoopOptions
from train.loop.task import Batch, Task


class Trainer:
    """Trains a task's network in a run folder.

    The folder holds checkpoint.npz, log.csv, validation.csv, epochs.csv, curves.png and
    `models/` (`train.loop.saved`). `about` has the fields of the cards of these models
    (`train.loop.publish.Result`).
    """

    def __init__(self, task: Task, options: LoopOptions, run_dir: Path) -> None:
        """Prepare, and load the run folder's checkpoint if there is one.

        Raises:
            CheckpointError: The checkpoint cannot be read, or is of another network.
        """
        self.task = task
        self.options = options
        self.run_dir = run_dir
        self.about: Mapping[str, Any] = {"training": {}}
        self.step = 0
        self.seconds = 0.0
        self.samples = 0
        self.stopping = False
        self.stop_signal = 0
        self._build_variables()
        self._train_step = tf.function(self._compute_step, reduce_retracing=False)
        self._journal = Journal(run_dir)
        self._resume()

    @property
    def progress(self) -> float:
        """The part of the schedule that is over, in [0, 1]."""
        return self._progress_at(self.step)

    def run(self, report: Callable[[str], None] = print) -> dict[str, float]:
        """Train to the end of the schedule, or until `stop`.

        Returns:
            The metrics of the last validation, which is full at the end.

        Raises:
            FloatingPointError: The loss is not finite.
        """
        self._journal.begin(self._position())
        metrics: dict[str, float] = {}
        last_validation = last_checkpoint = self.seconds
        started = time.monotonic() - self.seconds
        for step, progress, batch in self.batches():
            losses = self.train_step(step, progress, batch)
            self.seconds = time.monotonic() - started
            place = self._place()
            is_over = place.ends_epoch or self.progress >= 1
            every = self.options.log_steps
            if self._journal.record(self._position(), losses, every=every, now=is_over):
                report(self._journal.line(place))
            # The end is validated in full, below.
            if self.progress < 1 and self._must_validate(place, last_validation):
                metrics = self._validate_at(place, report, full=False)
                self.seconds = last_validation = time.monotonic() - started
            elif self.progress < 1 and place.ends_epoch:
                self._save_at(place, {})
            if self.seconds - last_checkpoint > 60 * self.options.checkpoint_minutes:
                last_checkpoint = self.seconds
                self.checkpoint()
            if self.stopping:
                break
        self.checkpoint()
        if not self.stopping:
            metrics = self._validate_at(self._place(), report, full=True)
        self._journal.draw()
        return metrics

    def stop(self, number: int = 0) -> None:
        """Ask `run` to end after the present step, with a checkpoint.

        A signal handler may call it, with the number of its signal.
        """
        self.stopping = True
        self.stop_signal = number

    def validate(self, full: bool) -> dict[str, float]:
        """Validate with the EMA weights and log the metrics.

        The training weights are put back afterwards.
        """
        with self._with_average():
            metrics = self.task.validate(full, self.progress)
        self._journal.record_metrics(self._position(), metrics)
        return metrics

    def use_average(self) -> None:
        """Put the EMA weights into the network (before an export)."""
        for variable, average in zip(self._network, self._average, strict=True):
            variable.assign(average)

    def choose_saved(self, name: str) -> None:
        """Take the weights of a model in the run's folder for the average ones.

        Raises:
            CheckpointError: There is no such model.
        """
        weights = load_network(saved.find_model(self.run_dir, name)).get_weights()
        for average, value in zip(self._average, weights, strict=True):
            average.assign(value)

    @contextmanager
    def _with_average(self) -> Iterator[None]:
        """Work with the EMA weights, and put the training weights back."""
        raw = [variable.numpy() for variable in self._network]
        self.use_average()
        try:
            yield
        finally:
            for variable, value in zip(self._network, raw, strict=True):
                variable.assign(value)

    def _must_validate(self, place: Place, last: float) -> bool:
        """Whether it is time, after a validation at `last` seconds."""
        minutes = self.options.validate_minutes
        return place.ends_epoch if minutes == 0 else self.seconds - last > 60 * minutes

    def _validate_at(
        self, place: Place, report: Callable[[str], None], *, full: bool
    ) -> dict[str, float]:
        """Validate, save what is to be saved, and report the metrics."""
        metrics = self.validate(full)
        if write_report := getattr(self.task, "write_report", None):
            write_report(self.run_dir, place.epoch)
        report(stamp(f"Test epoch: [{place.epoch}/{place.epochs}], {format_metrics(metrics)}"))
        self._save_at(place, metrics)
        return metrics

    def _save_at(self, place: Place, metrics: Mapping[str, float]) -> None:
        """Save the model of an epoch that is over, and the best one so far.

        `metrics` are empty where the network was not validated.
        """
        ends_epoch = place.ends_epoch or self.progress >= 1
        with self._with_average():
            model = saved.SavedModel(self.task, self.about, metrics, self._position())
            if ends_epoch and self.options.keep_epochs:
                saved.save_epoch(model, self.run_dir, place.epoch, self.options.keep_epochs)
            saved.save_if_best(model, self.run_dir)
        if ends_epoch:
            self._journal.record_epoch(place.epoch, self._position(), place.first_step)
        self._journal.draw(pause_s=DRAW_PAUSE_S)

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
                        progress = self._progress_at(step)
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

    def _progress_at(self, step: int) -> float:
        return self.options.progress(step, self.seconds, self.task.epoch_steps)

    def _place(self) -> Place:
        """Where the run stands after its last step, in epochs."""
        each = self.task.epoch_steps
        steps = self.step / max(self.progress, 1e-9)
        epoch = max(math.ceil(self.step / each), 1)
        return Place(
            epoch=epoch,
            epochs=max(math.ceil(round(steps / each, 6)), epoch),
            batch=(self.step - 1) % each + 1,
            batches=each,
            progress=self.progress,
        )

    def _build_variables(self) -> None:
        task = self.task
        # Not `variables`: recurrent layers have counters of chance among those.
        self._network = list(task.network.weights)
        self._trainable = list(task.network.trainable_variables)
        self._heads: list[Any] = []
        for head in task.heads:
            self._heads += head.variables
            self._trainable += head.trainable_variables
        self._optimizer = make_optimizer(self.options, self._trainable)
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
        gradients = add_decay(gradients, self._trainable, self.options)
        self._optimizer.apply(gradients, self._trainable)
        for variable, average in zip(self._network, self._average, strict=True):
            average.assign_add((1 - decay) * (tf.cast(variable.value, average.dtype) - average))
        return losses | {"gradient_norm": norm}
