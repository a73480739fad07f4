"""PostgreSQL as the database: its schema, its faults, and recovery from them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from gallery.database.open import open_database, read_schema
from gallery.migrations import upgrade
from gallery.search.memory import ALL
from gallery.search.postgres import DatabaseIndex
from gallery.store import NewPerson, Store
from tests.gallery.test_migrations import differences
from tests.support.disk import check_full_disk, small_disk
from tests.support.gallery_parts import StubEncoders, StubFusion
from tests.support.postgres import new_database, run_on_server, server_folder
from tests.support.searching import best, probe
from tests.support.templates import face, templates
from utils.arrays import Float32Array
from utils.errors import ConfigError, StoreUnavailableError

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def quick_schema() -> None:
    """Alembic itself makes the tables here."""


FACE, VOICE, FUSED = ALL


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def store_url(url: str) -> str:
    return url


def name_of(url: str) -> str | None:
    return make_url(url).database


def cut_off(url: str) -> None:
    """End every connection to the database, and wait until they have ended."""
    run_on_server(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname ="
        f" '{name_of(url)}'"
    )


def with_option(url: str, option: str) -> str:
    return (
        make_url(url).update_query_dict({"options": option}).render_as_string(hide_password=False)
    )


# ---- schema


@pytest.mark.filterwarnings("ignore:Did not recognize type 'halfvec'")
def test_the_revisions_make_the_tables(store: Store) -> None:
    with store.database.read() as connection:
        assert [d for d in differences(connection) if "person_codes" not in str(d)] == []
        assert upgrade.version_of(connection) == upgrade.HEAD


def upgrade_to(url: str, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(upgrade._FOLDER))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def first_release(url: str) -> None:
    upgrade_to(url, "0001")
    run(
        url,
        "INSERT INTO people (person_id, name, note, search, created_at) VALUES ('ann', 'Ann', '',"
        " 'ann', now())",
    )


def test_an_earlier_schema_is_brought_up_to_date(url: str) -> None:
    first_release(url)
    store = Store(open_database(url))
    assert store.get_person("ann").consent == ""
    store.create_person("new")
    assert not store.verify_audit().problems
    store.close()


class WideFusion(StubFusion):
    """Of both vectors, side by side."""

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        both = np.concatenate([face, voice], axis=1)
        return np.asarray(both / np.sqrt(2), np.float32)


def test_codes_of_another_size_are_written_where_graphs_were(url: str) -> None:
    """A graph is of vectors of one size, as of a fusion that was trained."""
    run(url, "CREATE EXTENSION vector")
    upgrade_to(url, "0016")
    run(
        url,
        "CREATE INDEX ix_person_codes_fused ON person_codes"
        " USING hnsw ((fused::halfvec(512)) halfvec_ip_ops)",
    )
    store = Store(open_database(url))
    store.enroll(NewPerson("ann"), templates(1))
    index = DatabaseIndex(store, StubEncoders(fusion=WideFusion("fusion-2")))
    index.catch_up()
    asked = probe(1)
    asked[FUSED] = WideFusion().fuse(asked[FACE][None], asked[VOICE][None])[0]
    assert best(index.near(asked), asked, FUSED)[0] == "ann"
    store.close()


def test_starts_at_once_upgrade_once(url: str) -> None:
    first_release(url)
    code = (
        "import sys; from gallery.database.open import open_database;"
        " open_database(sys.argv[1]).close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [(p.communicate(timeout=300)[1], p.returncode)[1] for p in processes] == [0, 0, 0]
    database = open_database(url)
    with database.read() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [
            upgrade.HEAD
        ]
    database.close()


def test_a_later_schema_is_refused(store: Store, url: str) -> None:
    with store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9001'"))
    with pytest.raises(ConfigError, match="9001"):
        open_database(url)


def test_a_failed_upgrade_leaves_the_old_state(url: str) -> None:
    first_release(url)
    run(url, "CREATE TABLE api_keys (odd text)")
    with pytest.raises(StoreUnavailableError):
        open_database(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert upgrade.version_of(connection) == "0001"
        assert not connection.scalar(
            text("SELECT count(*) FROM information_schema.columns WHERE column_name = 'consent'")
        )
    engine.dispose()


def run(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


# ---- pgvector


def test_a_server_without_pgvector_says_how_to_install_it(url: str) -> None:
    run_on_server(f"ALTER DATABASE {name_of(url)} SET extension_control_path = '/nowhere'")
    for look in (open_database, read_schema):
        with pytest.raises(ConfigError, match="server does not have it") as caught:
            look(url)
        assert "CREATE EXTENSION vector" in caught.value.hint
        assert "apt-get install" in caught.value.hint


def test_a_login_that_may_not_create_pgvector_is_told_who_may(url: str) -> None:
    run_on_server(
        "DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    run(url, "GRANT ALL ON SCHEMA public TO plain")
    plain = make_url(url).set(username="plain").render_as_string(hide_password=False)
    for look in (open_database, read_schema):
        with pytest.raises(ConfigError, match="may not create it"):
            look(plain)
    assert read_schema(url) is None
    run(url, "CREATE EXTENSION vector")  # which the look left undone
    open_database(plain).close()


# ---- faults


def test_gone_and_back(store: Store, url: str) -> None:
    store.create_person("ann")
    run_on_server(f"ALTER DATABASE {name_of(url)} ALLOW_CONNECTIONS false")
    cut_off(url)
    for call in (store.count, lambda: store.create_person("bob")):
        with pytest.raises(StoreUnavailableError):
            call()
    run_on_server(f"ALTER DATABASE {name_of(url)} ALLOW_CONNECTIONS true")
    assert store.count() == 1
    store.create_person("bob")


def test_connections_that_broke_are_replaced_unnoticed(store: Store, url: str) -> None:
    """A server that was restarted between two requests."""
    store.create_person("ann")
    cut_off(url)
    assert store.count() == 1
    store.create_person("bob")


def test_cut_off_in_mid_transaction_nothing_is_stored(store: Store, url: str) -> None:
    with pytest.raises(StoreUnavailableError):
        store.enroll(NewPerson("ann"), [face()], guard=lambda: cut_off(url))
    assert store.count() == 0
    store.enroll(NewPerson("ann"), [face()])


def test_read_only(store: Store, url: str) -> None:
    run_on_server(f"ALTER DATABASE {name_of(url)} SET default_transaction_read_only = on")
    cut_off(url)
    with pytest.raises(StoreUnavailableError, match="read-only"):
        store.create_person("ann")
    assert store.count() == 0
    run_on_server(f"ALTER DATABASE {name_of(url)} RESET default_transaction_read_only")
    cut_off(url)
    store.create_person("ann")


def test_locked_by_another_program(store: Store, url: str) -> None:
    """Whoever waits too long for the writer before gets an error, and may come again."""
    hasty = Store(open_database(with_option(url, "-c lock_timeout=200")))
    started = threading.Event()
    end = threading.Event()

    def write_for_long() -> None:
        with store.database.write():
            started.set()
            end.wait(60)

    thread = threading.Thread(target=write_for_long)
    thread.start()
    started.wait(60)
    with pytest.raises(StoreUnavailableError, match="locked"):
        hasty.create_person("ann")
    assert hasty.count() == 0
    end.set()
    thread.join()
    hasty.create_person("ann")
    hasty.close()


def test_a_statement_that_takes_too_long_is_ended(store: Store, url: str) -> None:
    hasty = open_database(with_option(url, "-c statement_timeout=2000"))
    with pytest.raises(StoreUnavailableError, match="too long"), hasty.read() as connection:
        connection.execute(text("SELECT pg_sleep(30)"))
    with hasty.read() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    hasty.close()


@pytest.mark.postgres
def test_full_disk() -> None:
    folder = server_folder() / "small"
    with small_disk(folder, "16m") as grow:
        owner = (server_folder() / "data").stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        run_on_server(f"CREATE TABLESPACE small LOCATION '{folder}'")
        url = new_database("TABLESPACE small")
        store = Store(open_database(url))
        (folder / "other").write_bytes(bytes(shutil.disk_usage(folder).free - 2_000_000))
        check_full_disk(store, lambda: grow("64m"))
        store.close()
        run_on_server(f"DROP DATABASE {name_of(url)} WITH (FORCE)")
        run_on_server("DROP TABLESPACE small")


def test_nobody_listens() -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        open_database("postgresql+psycopg://nobody:secret@127.0.0.1:1/duet")


def test_a_login_that_is_refused_is_no_server_that_is_gone(url: str) -> None:
    """It is not mended by asking again. The server gives no code for it."""
    run_on_server("DROP ROLE IF EXISTS asked")
    run_on_server("CREATE ROLE asked LOGIN PASSWORD 'right'")
    rules = server_folder() / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all asked scram-sha-256\n{before}")
    run_on_server("SELECT pg_reload_conf()")
    try:
        as_asked = make_url(url).set(username="asked")
        for refused in (as_asked, as_asked.set(password="wrong"), make_url(url).set(database="no")):
            for look in (open_database, read_schema):
                with pytest.raises(StoreUnavailableError, match="refuses the login"):
                    look(refused.render_as_string(hide_password=False))
        run_on_server("ALTER ROLE asked CONNECTION LIMIT 0")
        full = as_asked.set(password="right")
        with pytest.raises(StoreUnavailableError, match="no further connection"):
            open_database(full.render_as_string(hide_password=False))
    finally:
        rules.write_text(before)
        run_on_server("SELECT pg_reload_conf()")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_both_ways_to_write_the_url(url: str, scheme: str) -> None:
    open_database(
        make_url(url).set(drivername=scheme).render_as_string(hide_password=False)
    ).close()


def test_errors_and_logs_hold_no_vectors_or_names(
    store: Store, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with store.database.write() as connection:
        connection.execute(text("ALTER TABLE templates ADD CONSTRAINT odd CHECK (quality < 0)"))
    # An integrity error is a defect of ours: it is passed on as it is
    with pytest.raises(Exception, match="odd") as caught:
        store.enroll(NewPerson("secret", "Secret Name"), [face()])
    texts = str(caught.value).split("DETAIL")[0] + caplog.text
    assert "Secret" not in texts
    assert "\\x" not in texts


def test_killed_in_mid_transaction(store: Store, url: str) -> None:
    script = """
import os, sys
from gallery.records import people
from gallery.database.open import open_database
database = open_database(sys.argv[1])
with database.write() as connection:
    people.create(connection, people.NewPerson("half"))
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, url], check=False, capture_output=True, text=True
    )
    assert done.returncode == -9, done.stderr
    store.create_person("kept")  # the writer's lock of who was killed is free
    assert [p.person_id for p in store.list_people().people] == ["kept"]
    assert not store.verify_audit().problems


def test_tables_of_others_are_left_alone(url: str) -> None:
    run(url, "CREATE TABLE people (who text)")
    with pytest.raises(ConfigError, match="another program"):
        open_database(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert (
            connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
            == 1
        )
    engine.dispose()
