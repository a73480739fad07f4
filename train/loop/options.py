"""Settings of the training loop (table `[loop]` of a training configuration)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from train.loop.schedules import SCHEDULES, Rates, learning_rate

OPTIMIZER_NAMES = ("adamw", "relative_adam", "adam", "sgd")


@dataclass(frozen=True)
class LoopOptions:
    """Settings of the loop.

    Attributes:
        total_steps: Length of the schedule in steps.
        epochs: Length of the schedule in epochs, each of about as many samples as there
            are training files.
        budget_minutes: Length of the schedule in minutes of training (validation
            counts, pauses between runs do not). Such a run adapts to the machine but is
            not repeatable bit by bit.
        optimizer: "adamw", "relative_adam", "adam" or "sgd" (`train.loop.optimizers`).
        momentum: Of "sgd".
        schedule: Of the learning rate: a name in `train.loop.schedules`.
        peak_rate: Highest learning rate, after the warm-up.
        final_rate: Learning rate at the end of "cosine" and "exponential".
        step_at, step_factor: Of "step": points of progress after the warm-up, and what
            the rate is multiplied with at each.
        warmup: Part of the schedule in which the learning rate rises linearly, in
            [0, 1).
        weight_decay: Decay of the kernels, decoupled in "adamw".
        clip_norm: Largest global norm of the gradient.
        ema_decay: Decay of the weights' moving average per step (smaller in the first
            steps).
        keep_epochs: Models of the last so many epochs are kept in the run's folder.
        validate_minutes: How often the network is validated, 0 for after each epoch.
        log_steps, checkpoint_minutes: How often each happens. A line comes twice a
            minute at least.
        workers: Threads that prepare batches ahead.

    Raises:
        ValueError: Not exactly one length is set, or a value is impossible.
    """

    total_steps: int = 0
    epochs: float = 0.0
    budget_minutes: float = 0.0
    optimizer: str = "adamw"
    momentum: float = 0.9
    schedule: str = "cosine"
    peak_rate: float = 2e-3
    final_rate: float = 1e-5
    step_at: Sequence[float] = (0.5, 0.75, 0.9)
    step_factor: float = 0.1
    warmup: float = 0.01
    weight_decay: float = 0.02
    clip_norm: float = 5.0
    ema_decay: float = 0.999
    keep_epochs: int = 3
    log_steps: int = 20
    validate_minutes: float = 8.0
    checkpoint_minutes: float = 4.0
    workers: int = 1

    def __post_init__(self) -> None:
        lengths = (self.total_steps, self.epochs, self.budget_minutes)
        if sum(length > 0 for length in lengths) != 1:
            raise ValueError(
                "Exactly one of total_steps, epochs and budget_minutes must be above 0. "
                f"Received: total_steps={self.total_steps}, epochs={self.epochs},"
                f" budget_minutes={self.budget_minutes}"
            )
        for key, value, names in (
            ("optimizer", self.optimizer, OPTIMIZER_NAMES),
            ("schedule", self.schedule, tuple(SCHEDULES)),
        ):
            if value not in names:
                raise ValueError(
                    f"{key} must be one of {', '.join(names)}. Received: {key}={value!r}"
                )
        self._check_rates()

    def _check_rates(self) -> None:
        if not 0 <= self.warmup < 1 or self.peak_rate <= 0 or self.final_rate < 0:
            raise ValueError(
                "warmup must lie in [0, 1), peak_rate be positive and final_rate not negative."
                f" Received: warmup={self.warmup}, peak_rate={self.peak_rate},"
                f" final_rate={self.final_rate}"
            )
        if self.schedule == "exponential" and not self.final_rate:
            raise ValueError("An exponential schedule needs a final_rate above 0. Received: 0")

    def progress(self, step: int, seconds: float, epoch_steps: int = 1) -> float:
        """The part of the schedule that is over, in [0, 1].

        It follows from `step` steps, of which an epoch has `epoch_steps`, or from
        `seconds` of training.
        """
        if self.budget_minutes:
            return min(seconds / (60 * self.budget_minutes), 1.0)
        return min(step / (self.total_steps or self.epochs * epoch_steps), 1.0)

    def learning_rate(self, progress: float) -> float:
        """The learning rate at a point of progress in [0, 1]."""
        rates = Rates(
            peak=self.peak_rate,
            final=self.final_rate,
            step_at=self.step_at,
            step_factor=self.step_factor,
        )
        return learning_rate(self.schedule, rates, progress, self.warmup)
