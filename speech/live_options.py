"""Options of a live session: those of the settings, and what a client sends instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from speech.turn_cutter import CutRule
from utils.errors import InvalidRequestError
from utils.settings.live import NAMES, LiveSettings

RATES_HZ = (8000, 96000)
"""Lowest and highest rate of the sound that a client may state."""


@dataclass(frozen=True)
class LiveOptions:
    """How a session hears, writes and names. Fields as of `LiveSettings`."""

    language: str = ""
    model: str = ""
    min_seg_duration: float = 0.2
    silence_duration: float = 0.5
    max_segment_duration: float = 12.0
    rms_threshold: float = -60.0
    var_threshold: float = 20.0
    vad_mode: int = 2
    num_speakers: int = 0
    similarity_threshold: float = 0.0
    names: str = "all"
    partials: bool = True

    @property
    def cut_rule(self) -> CutRule:
        """The options that say what is speech, and where it is cut."""
        return CutRule(**{f.name: getattr(self, f.name) for f in dataclasses.fields(CutRule)})


def options_of(settings: LiveSettings) -> LiveOptions:
    """Take the options from the settings."""
    names = [f.name for f in dataclasses.fields(LiveOptions) if f.name != "partials"]
    return LiveOptions(**{name: getattr(settings, f"live_{name}") for name in names})


def change_options(options: LiveOptions, sent: Mapping[str, Any]) -> LiveOptions:
    """Take what a client sends instead. Raises InvalidRequestError."""
    fields = {f.name: f for f in dataclasses.fields(LiveOptions)}
    unknown = sorted(set(sent) - fields.keys())
    if unknown:
        raise InvalidRequestError(
            f"There is no such option. Received: {', '.join(unknown)[:80]}",
            f"The options are {', '.join(fields)}.",
        )
    return dataclasses.replace(
        options, **{name: _read(fields[name], value) for name, value in sent.items()}
    )


def read_rate(value: Any) -> int:
    """Read the rate of the sound in Hz. Raises InvalidRequestError."""
    low, high = RATES_HZ
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InvalidRequestError(
            f"`sample_rate` must be a whole number of Hz from {low} to {high}. Received:"
            f" {str(value)[:40]!r}"
        )
    return value


def _read(field: dataclasses.Field[Any], value: Any) -> Any:
    kind = str(field.type)
    if kind == "bool":
        if not isinstance(value, bool):
            raise _refuse(field.name, "true or false", value)
        return value
    if kind == "str":
        return _read_text(field.name, value)
    return _read_number(field.name, kind, value)


def _read_text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 40:
        raise _refuse(name, "a short text", value)
    if name == "names" and value not in NAMES:
        raise _refuse(name, f"one of {', '.join(NAMES)}", value)
    return value


def _read_number(name: str, kind: str, value: Any) -> float | int:
    bounds = _SETTINGS[f"live_{name}"].metadata
    is_number = isinstance(value, int if kind == "int" else (int, float))
    is_number = is_number and not isinstance(value, bool)
    if not is_number or not bounds["low"] <= value <= bounds["high"]:
        what = "a whole number" if kind == "int" else "a number"
        raise _refuse(name, f"{what} from {bounds['low']:g} to {bounds['high']:g}", value)
    return int(value) if kind == "int" else float(value)


def _refuse(name: str, rule: str, value: Any) -> InvalidRequestError:
    return InvalidRequestError(f"`{name}` must be {rule}. Received: {str(value)[:40]!r}")


_SETTINGS = {field.name: field for field in dataclasses.fields(LiveSettings)}
