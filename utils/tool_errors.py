"""Errors of training, measuring and writing files: no request is answered with them."""

from __future__ import annotations

from utils.error_base import DuetError


class DatasetError(DuetError):
    """Training or evaluation data that cannot be read or used."""

    code = "dataset"


class OutputError(DuetError):
    """A file that would be written is there already, or cannot be written."""

    code = "output_refused"


class CheckpointError(DuetError):
    """A training checkpoint that cannot be continued from."""

    code = "checkpoint"
