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
def count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of 64 processors a process of this group may use."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    return count_processors(tmp_path / "cgroup", tmp_path / "fs")


@pytest.mark.parametrize(
    ("stated", "processors"),
    [("max 100000", 64), ("200000 100000", 2), ("150000 100000", 2), ("1000 100000", 1)],
)
def test_a_container_has_its_quota(
    tmp_path: Path, request: pytest.FixtureRequest, stated: str, processors: int
) -> None:
    write(tmp_path, cgroup="0::/")
    write(tmp_path / "fs", cpu__max=stated)
    assert request.getfixturevalue("count") == processors


def test_the_least_quota_of_a_unit_and_what_is_above_it_counts(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write(tmp_path, cgroup="0::/system.slice/duet.service")
    write(tmp_path / "fs/system.slice", cpu__max="300000 100000")
    write(tmp_path / "fs/system.slice/duet.service", cpu__max="800000 100000")
    assert request.getfixturevalue("count") == 3


@pytest.mark.parametrize(("quota", "processors"), [("-1", 64), ("400000", 4)])
def test_version_1_has_a_quota_and_a_period(
    tmp_path: Path, request: pytest.FixtureRequest, quota: str, processors: int
) -> None:
    # A container sees its own group as the root, and its path by the name outside
    write(tmp_path, cgroup="4:cpu,cpuacct:/docker/1f\n3:cpuset:/docker/1f\n0::/docker/1f")
    write(tmp_path / "fs/cpu", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    assert request.getfixturevalue("count") == processors


@pytest.mark.parametrize("stated", ["", "100000", "many 100000", "100000 0"])
def test_what_is_not_stated_limits_nothing(
    tmp_path: Path, request: pytest.FixtureRequest, stated: str
) -> None:
    write(tmp_path, cgroup="0::/")
    write(tmp_path / "fs", cpu__max=stated)
    assert request.getfixturevalue("count") == 64


def test_a_machine_without_control_groups_counts_its_processors(tmp_path: Path) -> None:
    assert count_processors(tmp_path / "none", tmp_path) == HERE


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone has an affinity")
def test_a_process_that_is_held_to_one_processor_counts_one() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    code += "import utils.processors; print(utils.processors.PROCESSORS)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "1"
