"""The audit: who did what, when."""

from __future__ import annotations

import json

import click

from commands.shared import refusals, store
from gallery.results import MAX_PAGE


@click.group()
def audit() -> None:
    """Show the audit, and check that nothing of it was changed (docs/security.md)."""


@audit.command("show")
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, MAX_PAGE),
    help="At most so many rows.",
)
@click.option("--before", type=int, help="Only rows of a number below this one.")
@click.option("--action", help="Only rows of this action, as `identify`.")
@refusals
def audit_show(limit: int, before: int | None, action: str | None) -> None:
    """The latest rows, newest first: number, time, who, action, outcome, internal
    number of the person, more.
    """
    with store() as known:
        for e in known.events(limit, before, action):
            person = "-" if e.person_key is None else f"person {e.person_key}"
            click.echo(
                f"{e.event_id}\t{e.at:%Y-%m-%d %H:%M:%S}\t{e.actor}\t{e.action}\t{e.outcome}\t{person}\t{json.dumps(e.detail)}"
            )


@audit.command("verify")
@click.option(
    "--noted", help="A head that an earlier call printed: its row must still be the same."
)
@refusals
def audit_verify(noted: str | None) -> None:
    """Follow the chain of hashes; exit status 1 and the place if a row was changed,
    removed, inserted or moved.
    """
    from gallery.audit import Head

    with store() as known:
        found = known.verify_audit(Head.parse(noted) if noted else None)
    for problem in found.problems:
        click.echo(problem.text, err=True)
    click.echo(
        f"{found.events} rows, {'not whole' if found.problems else 'whole'}. Head: {found.head}"
    )
    if found.problems:
        raise click.exceptions.Exit(1)
