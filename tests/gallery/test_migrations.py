"""Schema: revisions and tables agree, and a database of the first release is upgraded.

The upgrade survives a kill, and two starts at once.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, create_engine, text

from gallery import tables
from gallery.database.open import open_database
from gallery.migrations import upgrade
from gallery.store import Store
from tests.support.first_release import old_file
from tests.support.gallery_parts import direction
from utils.errors import ConfigError, StoreUnavailableError
from utils.modality import Modality

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def quick_schema() -> None:
    """Alembic itself makes the tables here."""


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def schema(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as connection:
        return sorted(
            connection.execute(
                "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_auto%'"
            )
        )


def columns(path: Path) -> dict[str, list[tuple[object, ...]]]:
    names = [name for _, name in schema(path)]
    with sqlite3.connect(path) as connection:
        infos = {
            name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names
        }
    return {name: _types(rows) for name, rows in infos.items()}


def _types(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return sorted(row[1:4] for row in rows)


def test_head_is_the_latest_revision() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(Path(upgrade.__file__).parent)).get_current_head() == upgrade.HEAD


def differences(connection: Connection) -> list[object]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(connection)
    return list(compare_metadata(context, tables.metadata))


def test_the_revisions_make_the_tables(tmp_path: Path) -> None:
    open_database(url(tmp_path / "duet.db")).close()
    with create_engine(url(tmp_path / "duet.db")).connect() as connection:
        assert differences(connection) == []
        connection.execute(text("ALTER TABLE people ADD COLUMN odd TEXT"))
        assert differences(connection), "the comparison must see a column"


def test_a_database_of_the_first_release_is_brought_up_to_date(tmp_path: Path) -> None:
    store = Store(open_database(url(old_file(tmp_path))))
    assert [p.person_id for p in store.list_people().people] == ["p1", "p2", "p3"]
    stored = store.vectors_of("p2", {Modality.FACE: "face-1"})
    np.testing.assert_array_equal(stored[Modality.FACE].vectors[0], direction("face", 2))
    assert len(store.events(100)) == 5
    with store.database.read() as connection:
        assert (
            connection.scalar(text("SELECT value FROM meta WHERE name = 'gallery_id'"))
            == "00112233445566778899aabbccddeeff"
        )
        assert connection.scalar(text("SELECT enrolled_at FROM people WHERE key = 1")) is not None
    store.create_person("new")
    store.close()


def test_an_upgraded_database_is_like_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    open_database(url(old_file(tmp_path))).close()
    open_database(url(tmp_path / "new" / "duet.db")).close()
    assert schema(tmp_path / "duet.db") == schema(tmp_path / "new" / "duet.db")
    assert columns(tmp_path / "duet.db") == columns(tmp_path / "new" / "duet.db")


def test_the_audit_stays_append_only(tmp_path: Path) -> None:
    open_database(url(old_file(tmp_path))).close()
    with (
        sqlite3.connect(tmp_path / "duet.db") as connection,
        pytest.raises(sqlite3.DatabaseError, match="append-only"),
    ):
        connection.execute("DELETE FROM events")


def test_a_later_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_database(url(tmp_path / "duet.db")).close()
    with sqlite3.connect(tmp_path / "duet.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9001'")
    with pytest.raises(ConfigError, match="9001"):
        open_database(url(tmp_path / "duet.db"))
    with sqlite3.connect(tmp_path / "duet.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9001",)


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "duet.db") as connection:
        connection.execute("CREATE TABLE people (who TEXT)")
    with pytest.raises(ConfigError, match="another program"):
        open_database(url(tmp_path / "duet.db"))
    assert schema(tmp_path / "duet.db") == [("table", "people")]


def test_a_failed_upgrade_leaves_the_old_state(tmp_path: Path) -> None:
    path = old_file(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE api_keys (odd TEXT)")  # the revision cannot create its own
    before = schema(path)
    with pytest.raises(StoreUnavailableError, match="not one of this service"):
        open_database(url(path))
    assert schema(path) == before


UPGRADE = """
import sys, alembic.command, alembic.config, alembic.autogenerate
from gallery.database.open import open_database
print('go', flush=True)
open_database(sys.argv[1]).close()
"""


def start_upgrade(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", UPGRADE, url(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    return process


@pytest.mark.parametrize("wait_s", [0.02, 0.1, 0.3, 0.6])
def test_killed_in_the_middle_the_database_is_old_or_new(tmp_path: Path, wait_s: float) -> None:
    path = old_file(tmp_path, people=200, events=2000)
    process = start_upgrade(path)
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with sqlite3.connect(path) as connection:
        version = connection.execute(
            "SELECT value FROM meta WHERE name = 'schema_version'"
        ).fetchone()[0]
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (2000,)
    new = ("table", "api_keys") in schema(path)
    assert new == (version != "1") == (("table", "alembic_version") in schema(path))
    with open_database(url(path)).read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM people")) == 200


def test_two_starts_at_once_upgrade_once(tmp_path: Path) -> None:
    path = old_file(tmp_path, people=200, events=2000)
    processes = [start_upgrade(path) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=120)
    assert [p.returncode for p in processes] == [0, 0, 0]
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (upgrade.HEAD,)
        ]


def test_a_start_waits_for_the_upgrade_of_another_process(tmp_path: Path) -> None:
    path = old_file(tmp_path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.8, other.execute, ["COMMIT"])
    timer.start()
    open_database(url(path), busy_timeout_s=0.1).close()
    timer.join()
    other.close()


def test_a_start_on_a_current_database_imports_no_alembic(tmp_path: Path) -> None:
    open_database(url(tmp_path / "duet.db")).close()
    code = (
        "import sys; from gallery.database.open import open_database;"
        " open_database(sys.argv[1]).close(); sys.exit('alembic' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code, url(tmp_path / "duet.db")], check=False
        ).returncode
        == 0
    )
