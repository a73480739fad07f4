"""Trainings that fail of how they were set up: one message each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from utils.errors import ConfigError

LONGEST_WORDS = 200


@contextmanager
def as_training_error() -> Iterator[None]:
    """Turn a loss that grows beyond bounds, and too little memory, into ConfigError."""
    try:
        yield
    except FloatingPointError as error:
        raise ConfigError(
            str(error),
            "Lower peak_rate in the configuration, and begin anew with another --run-dir.",
        ) from error
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        words = str(error).partition("\n")[0][:LONGEST_WORDS]
        raise ConfigError(
            f"The memory must hold the network and a batch. It is full: {words}",
            "Lower batch_size in the configuration, and give the command again.",
        ) from error
