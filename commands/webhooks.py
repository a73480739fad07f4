"""Events, and their receivers: what happened, what waits, what was given up, and a trial."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from commands.shared import limit_option, open_store, print_lines, refusals, report
from utils.config import Settings
from utils.errors import ConfigError
from utils.moments import format_moment
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.records.sightings import Delivery, Sighting


@click.command("events")
@limit_option
@refusals
def events(limit: int) -> None:
    """List the latest events: whoever of a watched group was seen, and who is unknown.

    Newest first. Columns: event, time, where, group, person (or unknown), name.
    """
    with open_store() as store:
        print_lines(map(_format_event, store.list_latest_sightings(limit)), "There is no event.")


def _format_event(one: Sighting) -> str:
    at = format_moment(one.at)
    who = (one.group_id or "-", one.person_id or "unknown", one.name or "-")
    return "\t".join((str(one.number), at, one.source, *who))


@click.group()
def webhooks() -> None:
    """Look after events that are posted to DUET_WEBHOOK_URLS (docs/groups.md)."""


@webhooks.command("list")
@refusals
def webhooks_list() -> None:
    """List events that a receiver has not taken yet.

    Columns: event, receiver, state, attempts, next attempt, why it was not taken.
    """
    with open_store() as store:
        waiting = map(_format_delivery, store.list_deliveries())
        print_lines(waiting, "No event waits for a receiver, and none was given up.")


def _format_delivery(one: Delivery) -> str:
    state = "waiting" if one.next_at else "given up"
    again = format_moment(one.next_at) if one.next_at else "-"
    number = str(one.sighting.number)
    columns = (number, one.receiver, state, str(one.attempts), again, one.error or "-")
    return "\t".join(columns)


@webhooks.command("resend")
@refusals
def webhooks_resend() -> None:
    """Send the events again that were given up. The service sends them at once."""
    with open_store() as store:
        count = store.resend_deliveries(datetime.now(UTC))
    click.echo(f"{count_noun(count, 'event')} will be sent again.")


@webhooks.command("test")
@refusals
def webhooks_test() -> None:
    """Post a made-up event to every receiver now, and say what it answers."""
    from gallery.records.sightings import Sighting
    from jobs.webhooks import encode, post

    events = Settings.from_env().events
    if not events.receivers:
        raise ConfigError("No receiver is set.", "Set DUET_WEBHOOK_URLS.")
    made_up = Sighting(number=0, at=datetime.now(UTC), source="test")
    failures = []
    for receiver, url in events.receivers.items():
        error = post(url, encode(made_up), events.webhook_secret)
        if error:
            failures.append(f"{receiver}: {error}")
        else:
            click.echo(f"{receiver} takes events.")
    report(failures)
