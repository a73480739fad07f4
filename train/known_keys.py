"""What a training configuration may say: its tables, their keys, and the kind of each value.

The configurations of `train/configs/` say it: a value is of the kind that theirs is, and
of the loop's options of the kind of their defaults. Tables that become options (such as
`[loss]`) know their keys by themselves, so here the others' are checked. A slip of the
pen would be passed over there, and the default taken.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from train.known_ranges import check_range
from train.loop.options import LoopOptions
from utils.errors import ConfigError

Tables = dict[str, dict[str, Any]]

CONFIGS = Path(__file__).parent / "configs"
# Numbers are smaller
MOST = 2**63
# Texts beside the tables
NAMES = ("task",)
# Tables whose keys are checked here: no options are made of them, or not before data are read
PLAIN = {
    "face": ("data", "network", "teacher"),
    "fusion": ("data", "model"),
    "voice": ("data", "teacher"),
}
# What a backbone takes it checks by itself, as a number or a list
OF_BACKBONES = ("voice", "speech")
# An example of each key that no configuration there has
MORE: Mapping[str, Tables] = {"speech": {"data": {"dev": "dev.csv"}}}
LOOP = asdict(LoopOptions(total_steps=1, step_at=[0.5]))
# A fine-tuning may replace each of the loop's options
OF_LOOP = ("loop", "fine_tune")


def check_keys(config: Mapping[str, Any], task: str, file: str) -> None:
    """Check the tables, keys and values of a configuration.

    Whole numbers become floats where those of the examples are floats. Raises
    ConfigError.
    """
    tables = examples(task)
    _refuse_unknown("tables", set(config) - {*tables, *NAMES}, [*NAMES, *tables], file)
    for name, table in config.items():
        if name in NAMES:
            continue
        if not isinstance(table, dict):
            raise ConfigError(f"[{name}] must be a table in {file}. Received: {name} = {table!r}")
        if name in (*OF_LOOP, *PLAIN.get(task, ("data",))):
            _refuse_unknown(f"keys of [{name}]", set(table) - set(tables[name]), tables[name], file)
        of_backbone = name == "network" and task in OF_BACKBONES
        for key, value in table.items():
            if key in tables[name] and not of_backbone:
                table[key] = _read(value, tables[name][key], f"{key} of [{name}]", file)
            check_range(table[key], name, key, file)


@cache
def examples(task: str) -> Tables:
    """Collect an example of every key of the tables of a task. Floats come before integers."""
    tables: Tables = {}
    configs = [tomllib.loads(file.read_text("utf-8")) for file in sorted(CONFIGS.glob("*.toml"))]
    for config in (*configs, {"task": task, **MORE.get(task, {})}):
        for name, content in config.items():
            if name not in NAMES and config["task"] == task:
                table = tables.setdefault(name, {})
                for key, value in content.items():
                    table[key] = value if isinstance(value, float) else table.get(key, value)
    return tables | {name: tables[name] | LOOP for name in OF_LOOP if name in tables}


def _refuse_unknown(what: str, strange: set[str], names: Iterable[str], file: str) -> None:
    if strange:
        raise ConfigError(
            f"There are no such {what}. Received: {', '.join(sorted(strange))[:100]} in {file}",
            f"Known are {', '.join(names)}.",
        )


def _read(value: Any, example: Any, what: str, file: str) -> Any:
    """Check that a value is of the kind of the example. Raises ConfigError."""
    if isinstance(example, float) and _is_number(value):
        return float(value)
    if _kind(value) != _kind(example):
        raise ConfigError(
            f"{what} must be {_kind(example)} in {file}. Received: {str(value)[:60]!r}",
            "The configurations in train/configs/ are examples.",
        )
    _read_parts(value, example, what, file)
    return value


def _read_parts(value: Any, example: Any, what: str, file: str) -> None:
    """Check that the parts of a list or table are of the kind that the example's are of.

    Numbers may be negative there, and there must be one. Tables of several kinds are
    checked where they are read. Raises ConfigError.
    """
    needed, *others = {_kind_of_part(part) for part in _parts(example)} or {""}
    if others or not needed:
        return
    is_empty = not value and needed == "a number"
    if is_empty or any(_kind_of_part(part) != needed for part in _parts(value)):
        raise ConfigError(
            f"{what} must be {_kind(value)}, each {needed}, in {file}. Received: {str(value)[:60]}",
            "The configurations in train/configs/ are examples.",
        )
    for part in _parts(value):
        _read_parts(part, _parts(example)[0], what, file)


def _parts(value: Any) -> list[Any]:
    """Parts of a list or table, none of what is neither."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _kind_of_part(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "a number" if is_number and abs(value) < MOST else _kind(value)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < MOST


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int) and 0 <= value < MOST:
        return "a whole number from 0"
    if isinstance(value, float) and _is_number(value):
        return "a number from 0"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a text"
    return "a table" if isinstance(value, dict) else "another"
