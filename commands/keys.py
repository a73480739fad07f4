"""API keys of the service."""

from __future__ import annotations

import click

from commands.shared import open_store, refusals
from gallery.results import Role


@click.group()
def keys() -> None:
    """Make, list and revoke API keys (docs/security.md)."""


@keys.command("create")
@click.option(
    "--role",
    required=True,
    type=click.Choice([str(role) for role in Role]),
    help="admin: everything; kiosk: identify, and enrol on first sight; auditor: read the audit.",
)
@click.option("--label", default="", help="What the key is for, as `door at the east side`.")
@refusals
def keys_create(role: str, label: str) -> None:
    """Make a key and show it, once: only its hash is stored."""
    from gallery.records.keys import Keys

    with open_store() as store:
        key, text = Keys(store.database).create(Role(role), label)
    click.echo(text)
    click.echo(
        f"Key {key.key_id} for {key.role}. It is shown only now: send it in the header X-API-Key.",
        err=True,
    )


@keys.command("list")
@refusals
def keys_list() -> None:
    """One line per key: id, role, state, time, label."""
    from gallery.records.keys import Keys

    with open_store() as store:
        for key in Keys(store.database).list():
            state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "in use"
            click.echo(
                f"{key.key_id}\t{key.role}\t{state}\tmade"
                f" {key.created_at:%Y-%m-%d %H:%M}\t{key.label}"
            )


@keys.command("revoke")
@click.argument("key_id")
@refusals
def keys_revoke(key_id: str) -> None:
    """Refuse a key from now on, also in services that run."""
    from gallery.records.keys import Keys

    with open_store() as store:
        key = Keys(store.database).revoke(key_id)
    click.echo(f"Revoked {key.key_id} ({key.role}).")
