"""Options and markers of the whole suite. Fixtures are in the conftest of each folder."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
MARKER_OF_FOLDER = {"browser": pytest.mark.browser, "e2e": pytest.mark.e2e}
TENSORFLOW = "tensorflow"

# Numba caches what it compiles for librosa. The cache breaks where two processes write it at once
os.environ["NUMBA_CACHE_DIR"] = str(
    ROOT.parent / ".pytest_cache" / "numba" / os.environ.get("PYTEST_XDIST_WORKER", "main")
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    parser.addoption(
        "--kills",
        type=int,
        default=50,
        help="how often test_kills.py kills its process; test_backup.py a 25th of that",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of a folder, and run those of TensorFlow last.

    Until the first of them nothing may load it: see `pytest_runtest_teardown`. Files of
    few tests come first, as those have the long ones: so none is long at the end, when
    the other processes have nothing left.
    """
    for item in items:
        folder = item.path.relative_to(ROOT).parts[0]
        if marker := MARKER_OF_FOLDER.get(folder):
            item.add_marker(marker)
        if _uses_postgres(item):
            item.add_marker(pytest.mark.postgres)
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (_needs_tensorflow(item), sizes[item.path]))


def pytest_collection_finish() -> None:
    """Check that no test module loads TensorFlow when it is imported."""
    if TENSORFLOW in sys.modules:
        raise pytest.UsageError("A test module loads TensorFlow before its tests run.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Remember whether TensorFlow was loaded, and PostgreSQL asked for, before the test."""
    item.stash[_LOADED_BEFORE] = TENSORFLOW in sys.modules
    item.stash[_ASKED_BEFORE] = _uses_of_postgres()
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test that loads TensorFlow without the marker `tf`, or PostgreSQL without its own."""
    yield
    loads = TENSORFLOW in sys.modules and not item.stash[_LOADED_BEFORE]
    if loads and not _needs_tensorflow(item):
        pytest.fail("This test loads TensorFlow: mark it with `pytest.mark.tf`.", pytrace=False)
    asks = _uses_of_postgres() != item.stash[_ASKED_BEFORE]
    if asks and item.get_closest_marker("postgres") is None:
        pytest.fail(
            "This test uses PostgreSQL: let it ask for `postgres_url`,"
            " or mark it with `pytest.mark.postgres`.",
            pytrace=False,
        )


@pytest.fixture
def in_terminal() -> Iterator[None]:
    """Let signals arrive as in a terminal, even where the tests run behind `nohup`."""
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGHUP, hung_up)


def _uses_postgres(item: pytest.Item) -> bool:
    """Whether a test asks for a database in PostgreSQL, itself or by a parameter."""
    if "postgres_url" in getattr(item, "fixturenames", ()):
        return True
    parameters = getattr(item, "callspec", None)
    if parameters is None:
        return False
    # A parameter may be an array, which has no truth value to compare by.
    return any(isinstance(v, str) and v == "postgres" for v in parameters.params.values())


def _uses_of_postgres() -> str:
    """How often the server was asked for in this process."""
    return repr(getattr(sys.modules.get("tests.support.postgres"), "USES", None))


_LOADED_BEFORE = pytest.StashKey[bool]()
_ASKED_BEFORE = pytest.StashKey[str]()


def _needs_tensorflow(item: pytest.Item) -> bool:
    return item.get_closest_marker("tf") is not None
