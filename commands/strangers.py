"""Unknown visitors who come by again: list, enrol, hide and delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.shared import limit_option, open_recognizer, open_store, print_lines, refusals
from gallery.names import new_person_id
from utils.moments import format_moment
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.records.strangers import Stranger
    from gallery.store import Store


@click.group()
def strangers() -> None:
    """Look after unknown visitors (DUET_STRANGER_DAYS, docs/visitors.md)."""


@strangers.command("list")
@limit_option
@click.option("--offset", default=0, show_default=True, help="Leave so many out.")
@click.option("--hidden", is_flag=True, help="Those who stay unknown in your word.")
@refusals
def strangers_list(limit: int, offset: int, *, hidden: bool) -> None:
    """List unknown visitors, the one seen last first.

    Columns: id, how often, first and last time, clips kept by face and by voice.
    """
    with open_store() as store:
        if not store.stranger_days:
            click.echo("No unknown visitors are kept: set DUET_STRANGER_DAYS.", err=True)
        listed, _ = store.list_strangers(offset, limit, hidden=hidden)
        print_lines(map(_format, listed), "There is no unknown visitor.")


def _format(one: Stranger) -> str:
    times = (format_moment(at) for at in (one.first_at, one.last_at))
    clips = (str(one.clips.get(kind, 0)) for kind in ("face", "voice"))
    return "\t".join([one.stranger_id, str(one.times), *times, *clips])


@strangers.command("enroll")
@click.argument("stranger_id")
@click.option("--name", help="Name of a new person.")
@click.option("--person", "person_id", help="A person who is there, or the id of the new one.")
@click.option("--consent", required=True, help="What the person agreed to, in your words.")
@click.option("--retention-days", type=int, help="Term of a new person [default: no end].")
@click.option("--force", is_flag=True, help="Pass over what speaks against it.")
@refusals
def strangers_enroll(
    stranger_id: str,
    *,
    name: str | None,
    person_id: str | None,
    consent: str,
    retention_days: int | None,
    force: bool,
) -> None:
    """Enrol an unknown visitor who agreed to it: with --name as a new person, else for --person."""
    from gallery.store import NewPerson
    from recognition.requests import StrangerEnrolment

    if name is None and person_id is None:
        raise click.UsageError("Give --name for a new person, or --person.")
    person: str | NewPerson = person_id or new_person_id()
    if name is not None:
        person = NewPerson(str(person), name, consent=consent, retention_days=retention_days)

    def check(store: Store) -> None:
        store.get_stranger(stranger_id)
        if isinstance(person, str):
            store.get_person(person)

    with open_recognizer(first=check) as recognizer:
        enrolment = recognizer.enroll_stranger(
            StrangerEnrolment(stranger_id, person, consent, force=force)
        )
    stored = count_noun(enrolment.additions, "template")
    already = f", already there: {enrolment.stored_before}" if enrolment.stored_before else ""
    click.echo(f"Enrolled: {enrolment.person.person_id}, {stored}{already}")


@strangers.command("hide")
@click.argument("stranger_id")
@click.option("--show", is_flag=True, help="List it again.")
@refusals
def strangers_hide(stranger_id: str, *, show: bool) -> None:
    """Remember that an unknown visitor stays unknown. It is still deleted with its term."""
    with open_store() as store:
        store.hide_stranger(stranger_id, hidden=not show)
    click.echo("Listed again." if show else "Stays unknown.")


@strangers.command("delete")
@click.argument("stranger_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@refusals
def strangers_delete(stranger_id: str, yes: bool) -> None:
    """Delete an unknown visitor now, also from the bytes of the database."""
    with open_store() as store:
        one = store.get_stranger(stranger_id)
        if not yes:
            seen = count_noun(one.times, "time")
            click.confirm(
                f"Delete the unknown visitor {stranger_id}, seen {seen}? This cannot be undone.",
                abort=True,
            )
        store.delete_stranger(stranger_id)
    click.echo(f"Deleted: {stranger_id}")
