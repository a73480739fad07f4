"""What is trained and how: the options of a training, and its configuration file.

Nothing heavy is imported here: options and configurations are checked before
TensorFlow.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from train.known_keys import CONFIGS, check_keys
from train.loop.options import LoopOptions
from utils.errors import ConfigError
from utils.whole_file import whole_file

# Kinds of the files that each network is trained on.
KINDS = {"face": "image", "voice": "audio"}
TASK_NAMES = ("face", "fusion", "speech", "voice")
RUNS = Path("data/runs")
MODELS = Path("best_model")
# Of networks that are not shipped, and serve only where they are named.
OWN_MODELS = Path("data/models")
# Keys of [data] that name a data set.
SOURCES = (
    *("train", "dev", "noise", "vocabulary", "unlabelled"),
    *("train_faces", "train_voices", "dev_faces", "dev_voices"),
)
# Ends of the names of keys of [data] that are no paths. An empty one takes all files.
PARTS_OF_PATHS = "_match"
# In the folder of a run: the configuration that it runs with, options filled in.
CONFIG_FILE = "config.toml"
# What Python says of an option that a dataclass or a backbone lacks.
UNREAD_KEY = re.compile(r"unexpected keyword argument '(\w+)'")
HEIR = "voice_campplus"
# Exit status, with the number of a signal: stopped by it, as shells name that.
STOPPED = 128
COPY = "Copy one from train/configs/ and change that."


@dataclass(frozen=True)
class RunOptions:
    """Options of a training.

    Attributes:
        name: Which network: one of `TASK_NAMES`.
        config: Configuration file, None for train/configs/<name>.toml.
        run_dir: Folder of the run, None for data/runs/<name>.
        data: A folder of identities or a list file to train on instead.
        init: Model folder whose weights it starts from.
        resume: There must be a run to continue.
        no_teacher: Train from labels alone.
        budget_minutes: Length of the schedule in minutes, None for the configuration's.
        total_steps: Length of the schedule in steps, None for the configuration's.
        seed: Seed of all chance.
        out: Folder of the finished model, None for the one of `default_folder`.
        force: Replace a better model too, or one measured on other data.
        publish: Do not train. Publish the last checkpoint.
        weights: Model of the run's folder to publish, such as "best" or "epoch_0003",
            "" for the averaged weights of the end.
        threads: Threads of TensorFlow, 0 for all cores.
    """

    name: str
    config: Path | None = None
    run_dir: Path | None = None
    data: Path | None = None
    init: Path | None = None
    resume: bool = False
    no_teacher: bool = False
    budget_minutes: float | None = None
    total_steps: int | None = None
    seed: int = 1
    out: Path | None = None
    force: bool = False
    publish: bool = False
    weights: str = ""
    threads: int = 0

    @property
    def run_folder(self) -> Path:
        """Where the run lies, unless its task names its own folder."""
        return self.run_dir or RUNS / self.name

    @property
    def model_folder(self) -> Path:
        """Where the finished model goes."""
        return self.out or default_folder(self.name)

    def read_config(self) -> dict[str, Any]:
        """Read the configuration that these options ask for. Raises ConfigError."""
        return read_config(self.name, self.config, data=self.data, no_teacher=self.no_teacher)


def default_folder(name: str) -> Path:
    """Where a finished model goes: best_model/<name>, or data/models/speech."""
    return (OWN_MODELS if name == "speech" else MODELS) / name


def read_config(
    name: str, file: Path | None = None, *, data: Path | None = None, no_teacher: bool = False
) -> dict[str, Any]:
    """Read a training configuration.

    Args:
        name: Which network: one of `TASK_NAMES`.
        file: A TOML file, None for train/configs/<name>.toml.
        data: Data to train on instead. They have their own terms, and pairs or trials
            for validation from among them. Groups of the research data play no part.
        no_teacher: Leave the teacher out.

    Raises:
        ConfigError: The file cannot be read, has no table `[data]`, is of another
            network, or says what no configuration can.
    """
    file = file or CONFIGS / f"{name}.toml"
    config = _parse(file)
    if config.get("task", name) != name:
        raise ConfigError(
            f"{file.name} must configure the {name} network. Received: task={config['task']!r}",
            "Train it with: cli.py train --config FILE",
        )
    check_keys(config, name, file.name)
    _refuse_empty(config["data"], f"[data] of {file.name}")
    _find_data(config["data"], file.parent)
    if data:
        config["data"]["train"] = str(data.resolve())
        for key in ("dev_pairs", "dev_trials", "fluent", "unlabelled"):
            config["data"].pop(key, None)
        for key in ("centred_on", "centring"):
            config.get("serving", {}).pop(key, None)
        config.pop("card", None)
    if no_teacher:
        config.pop("teacher", None)
        config.pop("pairs", None)
    return config


def read_inheriting(file: Path, data: Path | None) -> dict[str, Any]:
    """Read the configuration of a voice network that can inherit CAM++.

    Raises ConfigError, also where its backbone is another or it names no file for CAM++.
    """
    config = read_config("voice", file, data=data)
    backbone = config.get("network", {}).get("backbone")
    if backbone != HEIR:
        raise ConfigError(
            f"Only the backbone {HEIR} inherits CAM++. Received: backbone={backbone!r} in"
            f" {file.name}",
            "Copy train/configs/voice_campplus.toml and change that.",
        )
    if not config.get("teacher", {}).get("network"):
        raise ConfigError(
            f"network of [teacher] names the file for CAM++ itself. {file.name} has none.",
            "Copy train/configs/voice_campplus.toml and change that.",
        )
    return config


def save_config(run_dir: Path, config: Mapping[str, Any], loop: LoopOptions) -> None:
    """Write the configuration of a run into its folder, as TOML.

    The table `[loop]` holds every option of the loop. A later command with the same run
    replaces the file.
    """
    with whole_file(run_dir / CONFIG_FILE) as draft:
        draft.write_text(tomli_w.dumps({**config, "loop": asdict(loop)}), encoding="utf-8")


def read_task(file: Path) -> str:
    """Read which network a configuration trains: one of `TASK_NAMES`. Raises ConfigError."""
    task = _parse(file).get("task")
    if task not in TASK_NAMES:
        raise ConfigError(
            f"task must be one of {', '.join(TASK_NAMES)} in {file.name}. Received: task={task!r}",
            'Write it in the first line: task = "voice"',
        )
    return str(task)


def _refuse_empty(table: dict[str, Any], where: str) -> None:
    """Raise ConfigError for an empty path, which would be the current folder."""
    for key, value in table.items():
        if isinstance(value, dict):
            _refuse_empty(value, f"[{key}] of {where}")
        elif isinstance(value, str) and not value.strip() and not key.endswith(PARTS_OF_PATHS):
            raise ConfigError(
                f"A path is not empty. Received: {key} = {value!r} in {where}",
                "Name a file or folder. . is the current one.",
            )


def _find_data(data: dict[str, Any], folder: Path) -> None:
    """Make paths absolute that lead to files beside the configuration or from here.

    The others start from the research data.
    """
    for table in (data, data.get("dev_trials", {}), data.get("dev_pairs", {})):
        for key, value in table.items():
            if table is not data or key in SOURCES:
                table[key] = _find(value, folder)


def _find(value: Any, folder: Path) -> Any:
    """A path, or each of a list, made absolute where it leads to a file."""
    if isinstance(value, list):
        return [_find(part, folder) for part in value]
    places = (folder / value, Path(value)) if isinstance(value, str) else ()
    return next((str(place.resolve()) for place in places if place.exists()), value)


@contextmanager
def as_config_error() -> Iterator[None]:
    """Turn errors about keys and values of a configuration into ConfigError.

    Dataclasses of options and networks raise TypeError and ValueError.
    """
    try:
        yield
    except KeyError as error:
        raise ConfigError(f"The configuration lacks the key {error}.", COPY) from error
    except (TypeError, ValueError, OverflowError) as error:
        if unread := UNREAD_KEY.search(str(error)):
            raise ConfigError(
                f"A configuration holds only keys that are read. Received: {unread[1]}", COPY
            ) from error
        raise ConfigError(
            f"The configuration has an unknown key or an unfit value: {error}", COPY
        ) from error


def _parse(file: Path) -> dict[str, Any]:
    try:
        config = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # editors of Windows mark it
    except OSError as error:
        raise ConfigError(
            f"A configuration must be a readable file. Received: {file.name} ({error.strerror})",
            COPY,
        ) from error
    except (ValueError, RecursionError) as error:  # also of tables that are too deep
        # A TOMLDecodeError's text ends with line and column.
        raise ConfigError(
            f"A configuration must be TOML in UTF-8. Received: {file.name}: {error}", COPY
        ) from error
    if not isinstance(config.get("data"), dict):
        raise ConfigError(f"A configuration needs a table [data]. {file.name} has none.", COPY)
    return config
