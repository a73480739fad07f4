"""The audit: who did what, when."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Unpack

import click

from commands.shared import limit_option, open_store, print_lines, refusals
from gallery.results import ACTIONS, Event
from utils.moments import format_moment, read_moment
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.audit import EventFilter


def read_moment_option(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> datetime | None:
    """Read the moment of an option, or refuse it."""
    if text is None:
        return None
    moment = read_moment(text)
    if moment is None:
        raise click.BadParameter(f"A time is such as 2026-01-31T08:00:00Z. Received: {text!r}")
    return moment


@click.group()
def audit() -> None:
    """Show the audit, and check that nothing of it was changed (docs/security.md)."""


@audit.command("show")
@limit_option
@click.option("--before", type=int, help="Only rows of a number below this one.")
@click.option(
    "--action",
    help=f"Only rows of this action, which another release may have written: {', '.join(ACTIONS)}.",
)
@click.option("--outcome", help="Only rows of this outcome, as `accepted`.")
@click.option("--actor", help="Only rows of this key, or of `local`.")
@click.option("--person", "person_id", help="Only rows on the person of this id.")
@click.option(
    "--since",
    callback=read_moment_option,
    help="Only rows from this time on, as 2026-01-31T08:00; without a zone it is UTC.",
)
@click.option("--until", callback=read_moment_option, help="Only rows before this time.")
@refusals
def audit_show(limit: int, person_id: str | None, **wanted: Unpack[EventFilter]) -> None:
    """List the latest rows, newest first.

    Columns: number, time, who, action, outcome, internal number of the person, more.
    """
    with open_store() as store:
        events = store.events(limit, person_id=person_id, **wanted)
    print_lines(map(_format_event, events), "There is no such row.")
    action = wanted.get("action")
    if not events and action and action not in ACTIONS:
        written = f"This release writes: {', '.join(ACTIONS)}."
        click.echo(f"No row has the action {action!r}. {written}", err=True)


def _format_event(event: Event) -> str:
    person = "-" if event.person_key is None else f"person {event.person_key}"
    columns = (
        str(event.event_id),
        format_moment(event.at),
        event.actor,
        event.action,
        event.outcome,
        person,
        json.dumps(event.detail),
    )
    return "\t".join(columns)


@audit.command("verify")
@click.option(
    "--noted", help="A head that an earlier call printed: its row must still be the same."
)
@refusals
def audit_verify(noted: str | None) -> None:
    """Follow the chain of hashes.

    If a row was changed, removed, inserted or moved, it says where, and the exit status
    is 1.
    """
    from gallery.audit import Head

    with open_store() as store:
        check = store.verify_audit(Head.parse(noted) if noted else None)
    for problem in check.problems:
        click.echo(problem.text, err=True)
    state = "not whole" if check.problems else "whole"
    click.echo(f"{count_noun(check.events, 'row')}, {state}. Head: {check.head}")
    if check.problems:
        raise click.exceptions.Exit(1)
