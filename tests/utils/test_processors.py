"""The processors that a process may use: by affinity, and by both versions of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils.processors import count_processors

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a process of 64 processors finds its groups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    return tmp_path


def count(folder: Path) -> int:
    return count_processors(folder / "cgroup", folder / "fs")


@pytest.mark.parametrize(
    ("stated", "processors"),
    [("max 100000", 64), ("200000 100000", 2), ("150000 100000", 2), ("1000 100000", 1)],
)
def test_a_container_has_its_quota(folder: Path, stated: str, processors: int) -> None:
    write(folder, cgroup="0::/")
    write(folder / "fs", cpu__max=stated)
    assert count(folder) == processors


def test_the_least_quota_of_a_unit_and_what_is_above_it_counts(folder: Path) -> None:
    write(folder, cgroup="0::/system.slice/duet.service")
    write(folder / "fs/system.slice", cpu__max="300000 100000")
    write(folder / "fs/system.slice/duet.service", cpu__max="800000 100000")
    assert count(folder) == 3


@pytest.mark.parametrize(("quota", "processors"), [("-1", 64), ("400000", 4)])
def test_version_1_has_a_quota_and_a_period(folder: Path, quota: str, processors: int) -> None:
    # A container sees its own group as the root, and its path by the name outside
    write(folder, cgroup="4:cpu,cpuacct:/docker/1f\n3:cpuset:/docker/1f\n0::/docker/1f")
    write(folder / "fs/cpu", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    assert count(folder) == processors


@pytest.mark.parametrize("stated", ["", "100000", "many 100000", "100000 0"])
def test_what_is_not_stated_limits_nothing(folder: Path, stated: str) -> None:
    write(folder, cgroup="0::/")
    write(folder / "fs", cpu__max=stated)
    assert count(folder) == 64


def test_a_machine_without_control_groups_counts_its_processors(tmp_path: Path) -> None:
    assert count_processors(tmp_path / "none", tmp_path) == HERE


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone has an affinity")
def test_a_process_that_is_held_to_one_processor_counts_one() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    code += "import utils.processors; print(utils.processors.PROCESSORS)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "1"
