"""Errors of programs: of their settings, models and extras, of training and of files."""

from __future__ import annotations

from utils.errors.base import DuetError


class ModelError(DuetError):
    """Weights or card are missing, or are not what the card says."""

    code = "model_unavailable"


class SpeechUnavailableError(DuetError):
    """Speech to text is an extra that is not installed."""

    code = "speech_unavailable"


class ConfigError(DuetError):
    """A setting that cannot be used."""

    code = "config"


class DatasetError(DuetError):
    """Training or evaluation data that cannot be read or used."""

    code = "dataset"


class OutputError(DuetError):
    """A file that would be written is there already, or cannot be written."""

    code = "output_refused"


class CheckpointError(DuetError):
    """A training checkpoint that cannot be continued from."""

    code = "checkpoint"
