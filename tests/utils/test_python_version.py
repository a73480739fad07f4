"""Which Python the product runs on, and what others are told."""

from __future__ import annotations

import pytest

from tests.support.documentation import ROOT
from utils.python_version import FIRST, LAST, check_python


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 14), (4, 0)])
def test_another_python_is_stopped_with_the_versions_that_work(version: tuple[int, int]) -> None:
    with pytest.raises(
        SystemExit, match=r"3\.11, 3\.12 and 3\.13.*Received: Python \d\.\d+"
    ) as end:
        check_python(version)
    assert "TensorFlow" in str(end.value)


@pytest.mark.parametrize("version", [(3, 11), (3, 12, 4), (3, 13)])
def test_a_python_that_works_goes_on(version: tuple[int, ...]) -> None:
    check_python(version)


def test_the_makefile_and_the_package_state_the_same() -> None:
    beyond = (LAST[0], LAST[1] + 1)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"not {FIRST} <= sys.version_info < {beyond}" in makefile
    package = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">={}.{},<{}.{}"'.format(*FIRST, *beyond) in package
