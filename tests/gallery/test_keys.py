"""API keys: shown once, stored hashed, refused once revoked, cheap to check."""

from __future__ import annotations

import io
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner
from sqlalchemy import event, select, update

import cli
from gallery.database.open import open_database
from gallery.records.keys import Keys
from gallery.results import Role
from gallery.store import Store
from gallery.tables import api_keys, metadata
from utils.errors import InvalidRequestError, KeyNotFoundError, LastAdminKeyError


@pytest.fixture
def keys(store: Store) -> Keys:
    return Keys(store.database)


def test_a_key_is_found_by_its_text_alone(keys: Keys) -> None:
    made, text = keys.create(Role.KIOSK, "east door")
    assert keys.find(text) == made
    assert (made.role, made.label, made.revoked_at) == (Role.KIOSK, "east door", None)
    prefix, key_id, secret = text.split("_", 2)
    assert (prefix, key_id) == ("duet", made.key_id)
    assert len(secret) == 43


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "duet",
        "duet_",
        "duet__",
        "{id}",
        "duet_{id}",
        "duet_{id}_",
        "duet_{id}_{secret}x",
        "duet_{id}_{short}",
        "DUET_{id}_{secret}",
        "duet_00000000_{secret}",
        "{secret}",
        "duet_{id}_ключ",
        "duet_{id}_" + "x" * 1000,
        "duet_%_{secret}",
    ],
)
def test_what_is_no_key(keys: Keys, wrong: str) -> None:
    _, text = keys.create(Role.ADMIN)
    _, key_id, secret = text.split("_", 2)
    assert keys.find(wrong.format(id=key_id, secret=secret, short=secret[:-1])) is None


def test_a_revoked_key_says_so_at_once_in_every_process(keys: Keys, store_url: str) -> None:
    made, text = keys.create(Role.ADMIN)
    other_store = Store(open_database(store_url))
    other = Keys(other_store.database)
    assert other.find(text) == keys.find(text) == made
    revoked = keys.revoke(made.key_id)
    assert revoked.revoked_at is not None
    assert other.find(text) == keys.find(text) == revoked
    assert keys.revoke(made.key_id) == revoked, "the first time stands"
    other_store.close()


def test_a_key_that_was_never_made_cannot_be_revoked(keys: Keys) -> None:
    with pytest.raises(KeyNotFoundError, match="no key of this id"):
        keys.revoke("00000000")


def test_the_last_admin_key_stays_where_that_is_asked_for(keys: Keys) -> None:
    with pytest.raises(LastAdminKeyError):
        keys.create(Role.KIOSK, keep_admin=True)
    assert keys.list() == ()
    admin, _ = keys.create(Role.ADMIN, keep_admin=True)
    keys.create(Role.KIOSK, keep_admin=True)
    with pytest.raises(LastAdminKeyError):
        keys.revoke(admin.key_id, keep_admin=True)
    assert keys.list()[0].revoked_at is None
    keys.create(Role.ADMIN)
    assert keys.revoke(admin.key_id, keep_admin=True).revoked_at is not None


def test_the_database_holds_neither_key_nor_secret(keys: Keys, store: Store) -> None:
    made, text = keys.create(Role.ADMIN)
    keys.find(text)
    with store.database.read() as connection:
        rows = [repr(connection.execute(select(table)).all()) for table in metadata.sorted_tables]
        row = connection.execute(select(api_keys)).one()
    assert any(made.key_id in held for held in rows)
    assert not any(text.split("_", 2)[2] in held for held in rows)
    assert (len(row.salt), len(row.hash)) == (16, 32)


def test_the_slow_comparison_is_done_once_a_process(
    keys: Keys, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow: list[int] = []
    _, text = keys.create(Role.ADMIN)
    for _ in range(3):
        keys.find(text, lambda: slow.append(1))
    assert len(slow) == 1
    keys.find("duet_00000000_x", lambda: slow.append(1))
    assert len(slow) == 1, "an id that is not there costs nothing"
    keys.find(text[:-1], lambda: slow.append(1))
    assert len(slow) == 2
    monkeypatch.setattr(
        "gallery.records.keys._slow_hash", lambda *_: pytest.fail("a known key is not hashed again")
    )
    looks: list[str] = []
    event.listen(
        store.database._engine, "before_cursor_execute", lambda *given: looks.append(given[2])
    )
    assert keys.find(text) is not None
    assert ["api_keys" in look for look in looks if look.startswith("SELECT")] == [True], (
        "a known key costs one look into the database"
    )


def test_a_hash_that_was_exchanged_opens_nothing(keys: Keys, store: Store) -> None:
    _, text = keys.create(Role.ADMIN)
    assert keys.find(text) is not None
    with store.database.write() as connection:
        connection.execute(update(api_keys).values(hash=bytes(32)))
    assert keys.find(text) is None


def test_whether_there_are_keys(keys: Keys) -> None:
    assert not keys.exist()
    made, _ = keys.create(Role.AUDITOR)
    assert keys.exist()
    assert keys.exist(usable=True)
    keys.revoke(made.key_id)
    assert keys.exist(), "revoking the last key does not open the service"
    assert not keys.exist(usable=True)


@pytest.mark.parametrize("label", ["a\nb", "\0", "x" * 81])
def test_a_label_that_cannot_be_stored(keys: Keys, label: str) -> None:
    with pytest.raises(InvalidRequestError):
        keys.create(Role.ADMIN, label)


def test_the_audit_says_who_made_and_revoked_which(keys: Keys, store: Store) -> None:
    made, text = keys.create(Role.KIOSK, "east door")
    keys.revoke(made.key_id)
    keys.revoke(made.key_id)
    assert [(e.action, e.outcome, e.detail) for e in store.events()] == [
        ("revoke_key", "revoked", {"key_id": made.key_id}),
        ("create_key", "kiosk", {"key_id": made.key_id}),
    ]
    assert text.split("_", 2)[2] not in repr(store.events())


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    made = CliRunner().invoke(
        cli.cli, ["keys", "create", "--role", "kiosk", "--label", "east door"]
    )
    assert made.exit_code == 0
    assert "keys create --role admin" in made.stderr, "the operator is locked out"
    text = made.stdout.strip()
    key_id = text.split("_")[1]
    assert key_id in made.stderr
    assert text not in made.stderr
    listed = CliRunner().invoke(cli.cli, ["keys", "list"]).output
    assert listed.split("\t")[:3] == [key_id, "kiosk", "in use"]
    assert text.split("_", 2)[2] not in listed
    assert (
        CliRunner().invoke(cli.cli, ["keys", "revoke", key_id]).output
        == f"Revoked {key_id} (kiosk).\n"
    )
    assert "revoked 2" in CliRunner().invoke(cli.cli, ["keys", "list"]).output
    unknown = CliRunner().invoke(cli.cli, ["keys", "revoke", "nobody"])
    assert unknown.exit_code == 1
    assert "no key of this id" in unknown.output
    assert CliRunner().invoke(cli.cli, ["keys", "create", "--role", "king"]).exit_code == 2


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True


def make_key(typed: str | None, *options: str) -> list[str]:
    """Make a key with the command line. Returns the roles of all keys that are there then."""
    words = ["keys", "create", "--role", "kiosk", *options]
    with patch("sys.stdin", Terminal(typed or "")), patch("click.confirm") as confirm:
        confirm.side_effect = lambda *_, **__: typed == "y"
        with pytest.raises(SystemExit) as ended:
            cli.cli(words)
    assert ended.value.code == 0
    assert confirm.called is (typed is not None)
    listed = CliRunner().invoke(cli.cli, ["keys", "list"]).output
    return [line.split("\t")[1] for line in listed.splitlines()]


@pytest.mark.parametrize(
    ("typed", "options", "roles"),
    [
        ("y", (), ["admin", "kiosk"]),
        ("n", (), ["kiosk"]),
        (None, ("--with-admin",), ["admin", "kiosk"]),
        (None, ("--role", "admin"), ["admin"]),
    ],
)
def test_a_first_key_that_locks_the_operator_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str | None,
    options: tuple[str, ...],
    roles: list[str],
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    assert make_key(typed, *options) == roles
    if "admin" in roles:
        assert make_key(None) == sorted([*roles, "kiosk"]), "an operator is not asked again"


def test_the_key_of_the_environment_is_an_admin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DUET_API_KEY", "correct horse battery staple")
    assert make_key(None) == ["kiosk"]


def test_who_revokes_the_last_admin_key_is_told_that_the_service_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("DUET_API_KEY", raising=False)

    def revoke_a_new_one(role: str) -> str:
        made = CliRunner().invoke(cli.cli, ["keys", "create", "--role", role, "--with-admin"])
        key_id = made.stdout.splitlines()[-1].split("_")[1]
        done = CliRunner().invoke(cli.cli, ["keys", "revoke", key_id])
        assert done.exit_code == 0
        assert done.stdout == f"Revoked {key_id} ({role}).\n"
        return done.stderr

    assert "the last key of the role admin" in (closed := revoke_a_new_one("admin"))
    assert "cli.py keys create --role admin" in closed
    assert not revoke_a_new_one("kiosk"), "an admin key was made with it"
    assert not revoke_a_new_one("admin"), "another is in use"
    monkeypatch.setenv("DUET_API_KEY", "x" * 40)
    for line in CliRunner().invoke(cli.cli, ["keys", "list"]).stdout.splitlines():
        assert not CliRunner().invoke(cli.cli, ["keys", "revoke", line.split()[0]]).stderr
