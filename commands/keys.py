"""API keys of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.shared import is_at_terminal, open_store, print_lines, refusals
from gallery.results import Role
from utils.config import Settings
from utils.moments import format_moment
from utils.settings.subject import PREFIX

if TYPE_CHECKING:
    from gallery.records.keys import ApiKey, Keys

LOCKS_OUT = (
    "From the first key on, every request needs one, and no key of the role admin is there: the"
    " page /people and every route for operators would be closed."
)

LAST_REVOKED = (
    "It was the last key of the role admin: the page /people and every route for operators are"
    " closed now."
)
MAKE_ADMIN = (
    f"Make one with `cli.py keys create --role admin`, or set {PREFIX}API_KEY for the service."
)


@click.group()
def keys() -> None:
    """Make, list and revoke API keys (docs/security.md)."""


@keys.command("create")
@click.option(
    "--role",
    required=True,
    type=click.Choice([str(role) for role in Role]),
    help="admin: everything; operator: people, enrolment, jobs and audit; kiosk: identify, and"
    " enrol on first sight; auditor: read the audit.",
)
@click.option("--label", default="", help="What the key is for, as `door at the east side`.")
@click.option(
    "--with-admin",
    is_flag=True,
    help="Make a key of the role admin first, unless there is one.",
)
@refusals
def keys_create(role: str, label: str, with_admin: bool) -> None:
    """Make a key and show it, once: only its hash is stored.

    A first key that is not an admin's would close the service to the operator. The command
    says so, and asks in a terminal whether to make an admin key first.
    """
    from gallery.records.keys import Keys

    with open_store() as store:
        keys = Keys(store.database)
        if Role(role) is not Role.ADMIN and _locks_out(keys) and _wants_admin(with_admin):
            _create(keys, Role.ADMIN, "operator")
        _create(keys, Role(role), label)


def _create(keys: Keys, role: Role, label: str) -> None:
    key, text = keys.create(role, label)
    click.echo(text)
    click.echo(
        f"Key {key.key_id} for {key.role}. It is shown only now: send it in the header X-API-Key.",
        err=True,
    )


def _locks_out(keys: Keys) -> bool:
    """Whether nobody is admin of a service with keys."""
    if Settings.from_env().server.api_key:
        return False
    return not any(key.role is Role.ADMIN and key.revoked_at is None for key in keys.list())


def _wants_admin(with_admin: bool) -> bool:
    """Say that the operator is locked out, and ask whether to make an admin key first."""
    if with_admin:
        return True
    click.echo(LOCKS_OUT, err=True)
    if is_at_terminal():
        return click.confirm("Make a key of the role admin first?", default=True, err=True)
    click.echo(MAKE_ADMIN, err=True)
    return False


@keys.command("list")
@refusals
def keys_list() -> None:
    """One line per key: id, role, state, time, label."""
    from gallery.records.keys import Keys

    with open_store() as store:
        print_lines(map(_format, Keys(store.database).list()), "There is no key.")


def _format(key: ApiKey) -> str:
    state = f"revoked {format_moment(key.revoked_at)}" if key.revoked_at else "in use"
    made = f"made {format_moment(key.created_at)}"
    return f"{key.key_id}\t{key.role}\t{state}\t{made}\t{key.label}"


@keys.command("revoke")
@click.argument("key_id")
@refusals
def keys_revoke(key_id: str) -> None:
    """Refuse a key from now on, also in services that run."""
    from gallery.records.keys import Keys

    with open_store() as store:
        keys = Keys(store.database)
        key = keys.revoke(key_id)
        is_closed = key.role is Role.ADMIN and _locks_out(keys)
    click.echo(f"Revoked {key.key_id} ({key.role}).")
    if is_closed:
        click.echo(f"{LAST_REVOKED}\n{MAKE_ADMIN}", err=True)
