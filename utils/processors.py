"""How many processors this process may use: a container often has fewer than its machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_MEMBERSHIP = Path("/proc/self/cgroup")
_HIERARCHY = Path("/sys/fs/cgroup")


def count_processors(membership: Path = _MEMBERSHIP, hierarchy: Path = _HIERARCHY) -> int:
    """Count the processors that the affinity and the quotas of control groups leave: 1 or more.

    A quota of one and a half counts as two (man 7 cgroups; Linux `cgroup-v2.rst`, cpu.max).
    """
    ask = getattr(os, "sched_getaffinity", None)
    here = len(ask(0)) if ask else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _read_quotas(membership, hierarchy)]
    return max(1, min([here, *quotas]))


def _read_quotas(membership: Path, hierarchy: Path) -> Iterator[float]:
    """Read the quotas of the groups of this process and of all above them, in processors."""
    for folder in _list_groups(membership, hierarchy):
        try:
            if folder.is_relative_to(hierarchy / "cpu"):  # version 1
                quota = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
            else:
                quota, period = (folder / "cpu.max").read_text().split()
            share = int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):  # "max", or nothing is stated there
            continue
        if share > 0:  # version 1 states -1 for no limit
            yield share


def _list_groups(membership: Path, hierarchy: Path) -> Iterator[Path]:
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = hierarchy / "cpu" if controllers else hierarchy
        group = PurePosixPath(path)
        yield from (root / one.relative_to("/") for one in (group, *group.parents))


PROCESSORS = count_processors()
"""Those that this process could use when it started."""
