"""What a training configuration may say: slips of the pen are named, none is passed over."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from train.configuration import (
    CONFIG_FILE,
    TASK_NAMES,
    as_config_error,
    read_config,
    read_inheriting,
    save_config,
)
from train.known_keys import CONFIGS, OF_BACKBONES, OF_LOOP, PLAIN, check_keys, examples
from train.loop.options import LoopOptions
from utils.errors import ConfigError, DatasetError

JUNK: tuple[object, ...] = (None, -1, True, "x", [], {}, float("nan"), float("inf"), -0.5, 10**400)
LENGTHS = ("epochs", "total_steps", "budget_minutes")


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_configuration_that_is_shipped_says_what_it_may(file: Path) -> None:
    config = tomllib.loads(file.read_text("utf-8"))
    read = read_config(config["task"], file)
    assert set(read) == set(config)
    for name in set(read) - {"task", "data"}:
        assert read[name] == config[name]


@pytest.mark.parametrize("task", TASK_NAMES)
def test_a_value_is_of_the_kind_of_the_example(task: str) -> None:
    tables = examples(task)
    if task in OF_BACKBONES:
        del (tables := dict(tables))["network"]
    for name, table in tables.items():
        for key, example in table.items():
            for value in (junk for junk in JUNK if _differs(junk, example)):
                with pytest.raises(ConfigError, match=f"{key} of .{name}. must be"):
                    check_keys({"task": task, name: {key: value}}, task, "mine.toml")


def _differs(junk: Any, example: Any) -> bool:
    return type(junk) in (int, float) or type(junk) is not type(example)


@pytest.mark.parametrize("task", TASK_NAMES)
def test_what_nothing_reads_is_refused(task: str) -> None:
    for name in PLAIN.get(task, ("data",)):
        with pytest.raises(ConfigError, match=r"no such keys of .*bacth_size") as caught:
            check_keys({"task": task, name: {"bacth_size": 4}}, task, "mine.toml")
        assert "Known are " in caught.value.hint
    for name in set(OF_LOOP) & set(examples(task)):
        with pytest.raises(ConfigError, match=rf"no such keys of .{name}.\. Received: epocs"):
            check_keys({"task": task, name: {"epocs": 4}}, task, "mine.toml")
    with pytest.raises(ConfigError, match=r"no such tables\. Received: lop in"):
        check_keys({"task": task, "lop": {}}, task, "mine.toml")
    with pytest.raises(ConfigError, match="must be a table"):
        check_keys({"task": task, "loop": 3}, task, "mine.toml")


def test_a_whole_number_counts_as_a_number() -> None:
    config: dict[str, Any] = {"task": "face", "loop": {"peak_rate": 1}, "data": {"held_out": 0}}
    check_keys(config, "face", "mine.toml")
    assert type(config["loop"]["peak_rate"]) is float


@pytest.mark.parametrize("name", ["loop", "fine_tune"])
def test_a_fraction_of_an_epoch_is_a_length(name: str) -> None:
    config: dict[str, Any] = {"task": "face", name: {"epochs": 2.5}}
    check_keys(config, "face", "mine.toml")
    assert config[name]["epochs"] == 2.5


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_the_configuration_in_the_folder_of_a_run_is_one(
    file: Path, length: str, tmp_path: Path
) -> None:
    task = tomllib.loads(file.read_text("utf-8"))["task"]
    config = read_config(task, file)
    loop = LoopOptions(**(config["loop"] | dict.fromkeys(LENGTHS, 0) | {length: 2}))
    save_config(tmp_path, config, loop)
    again = read_config(task, tmp_path / CONFIG_FILE)
    assert LoopOptions(**(again["loop"] | {"step_at": loop.step_at})) == loop
    assert {**again, "loop": config["loop"]} == config


def test_an_empty_path_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('task = "voice"\n[data]\ntrain = "x"\ncache = " "\n')
    with pytest.raises(ConfigError, match=r"Received: cache = ' ' in .data. of mine.toml"):
        read_config("voice", file)


def test_a_list_in_the_place_of_a_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('task = "voice"\n[data]\ntrain = "x"\ndev_trials = ["y"]\n')
    with pytest.raises(ConfigError, match=r"dev_trials of .data. must be a table"):
        read_config("voice", file)


@pytest.mark.parametrize(
    ("task", "content", "rule"),
    [
        ("voice", {"speeds": ["x"]}, "a list, each a number"),
        ("voice", {"speeds": []}, "a list, each a number"),
        ("voice", {"disguises": [1.0]}, "a list, each a list"),
        ("voice", {"disguises": [[1.0, "x"]]}, "a list, each a number"),
        ("voice", {"dev_trials": {"mine": 3}}, "a table, each a text"),
        ("face", {"unlabelled": [True]}, "a list, each a text"),
        ("face", {"resolutions": [[0.0, float("nan")]]}, "a list, each a number"),
    ],
)
def test_parts_of_lists_and_tables_are_named(task: str, content: dict[str, Any], rule: str) -> None:
    (key,) = content
    with pytest.raises(ConfigError, match=f"{key} of .data. must be {rule}.*Received: "):
        check_keys({"task": task, "data": content}, task, "mine.toml")


def test_names_may_be_none_and_numbers_in_lists_negative() -> None:
    check_keys({"task": "voice", "data": {"fluent": []}}, "voice", "mine.toml")
    check_keys({"task": "voice", "augment": {"snr_db": [-5, 20]}}, "voice", "mine.toml")


def test_a_fusion_of_all_files_is_said_by_an_empty_part_of_paths(tmp_path: Path) -> None:
    text = (CONFIGS / "fusion.toml").read_text("utf-8")
    file = tmp_path / "mine.toml"
    for name in ("frontal", "speechocean762"):
        text = text.replace(f'"{name}"', '""')
    file.write_text(text)
    assert read_config("fusion", file)["data"]["dev_face_match"] == ""


@pytest.mark.tf
@pytest.mark.parametrize(
    ("task", "table", "key", "value"),
    [
        ("face", "augment", "flipp", 0.5),
        ("face", "pairs", "shaer", 0.5),
        ("voice", "augment", "nois_chance", 0.5),
        ("voice", "sampling", "bacth_size", 4),
        ("voice", "data", "channels", ["clean", "fone"]),
    ],
)
def test_a_slip_is_told_before_the_data_are_read(
    tmp_path: Path, task: str, table: str, key: str, value: object
) -> None:
    from train.loop.task import TaskContext
    from train.tasks import create_task

    config = read_config(task)
    config.setdefault(table, {})[key] = value
    slip = "fone" if key == "channels" else key
    with pytest.raises(ConfigError, match=slip):
        create_task(task, config, TaskContext(seed=1, shared=tmp_path, min_speech_s=0.5))


@pytest.mark.tf
@pytest.mark.parametrize(
    ("file", "changed", "told"),
    [
        ("face", {"view": "chached"}, "view must be"),
        ("face", {"networks": [{"path": "x", "wieght": 1.0}]}, "Received: wieght"),
        ("face", {"networks": [{"path": "x", "weight": 0.0}]}, "weight must be positive"),
        ("face", {"networks": [{"path": "no_such"}]}, "no_such"),
        ("voice_campplus", {"network": "no_such.keras"}, "no_such.keras"),
        ("voice_campplus", {"views": 0}, "views must be"),
    ],
)
def test_a_teacher_that_cannot_teach_is_told_before_the_data_are_read(
    tmp_path: Path, file: str, changed: dict[str, Any], told: str
) -> None:
    from train.loop.task import TaskContext
    from train.tasks import create_task

    task = file.partition("_")[0]
    config = read_config(task, CONFIGS / f"{file}.toml")
    config["teacher"] |= changed
    with pytest.raises((ConfigError, DatasetError), match=told):
        create_task(task, config, TaskContext(seed=1, shared=tmp_path, min_speech_s=0.5))


def test_a_key_that_options_lack_is_named_without_their_class() -> None:
    with pytest.raises(ConfigError) as caught, as_config_error():
        LoopOptions(total_steps=1, epocs=4)  # type: ignore[call-arg]
    assert caught.value.message.endswith("Received: epocs")
    assert "__init__" not in caught.value.message


def test_a_mark_at_the_start_of_a_file_is_passed_over(tmp_path: Path) -> None:
    """Notepad and PowerShell put one there."""
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (CONFIGS / "ecapa_tdnn.toml").read_bytes())
    assert read_config("voice", file) == read_config("voice", CONFIGS / "ecapa_tdnn.toml")


def test_only_a_network_that_can_inherit_does(tmp_path: Path) -> None:
    assert read_inheriting(CONFIGS / "voice_campplus.toml", None)["task"] == "voice"
    with pytest.raises(ConfigError, match="Received: backbone='ecapa_tdnn'"):
        read_inheriting(CONFIGS / "ecapa_tdnn.toml", None)
    text = (CONFIGS / "voice_campplus.toml").read_text("utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("network = ", "# network = "), encoding="utf-8")
    with pytest.raises(ConfigError, match="names the file for CAM"):
        read_inheriting(file, None)
