"""People in groups: a site, a department, a watch list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

import click

from commands.shared import describe, open_store, print_lines, refusals, report
from utils.errors import PersonNotFoundError
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.records.groups import Group


@click.group()
def groups() -> None:
    """Put people into groups, such as a site or a watch list (docs/groups.md)."""


@groups.command("list")
@refusals
def groups_list() -> None:
    """List the groups. Columns: id, people, watched, days, name."""
    with open_store() as store:
        print_lines(map(_format, store.list_groups()), "There is no group.")


def _format(group: Group) -> str:
    watched = "watched" if group.watched else "-"
    days = str(group.retention_days or "-")
    return "\t".join([group.group_id, str(group.people), watched, days, group.name])


@groups.command("create")
@click.argument("group_id")
@click.option("--name", help="Display name [default: the id].")
@click.option("--watch", is_flag=True, help="Whoever of it is recognised is an event.")
@click.option(
    "--retention-days",
    type=int,
    help="Whoever is put into it is forgotten so many days after the enrolment at the latest.",
)
@refusals
def groups_create(
    group_id: str, *, name: str | None, watch: bool, retention_days: int | None
) -> None:
    """Make a group without anybody in it."""
    from gallery.records.groups import NewGroup

    with open_store() as store:
        group = store.create_group(
            NewGroup(group_id, name, watched=watch, retention_days=retention_days)
        )
    click.echo(f"Made: {group.group_id}")


@groups.command("show")
@click.argument("group_id")
@refusals
def groups_show(group_id: str) -> None:
    """List the ids of the people in a group, one a line."""
    with open_store() as store:
        print_lines(store.list_group(group_id), "Nobody is in the group.")


@groups.command("add")
@click.argument("group_id")
@click.argument("people", nargs=-1, required=True)
@refusals
def groups_add(group_id: str, people: tuple[str, ...]) -> None:
    """Put PEOPLE, by their ids, into a group. Ids of nobody are named, the others count."""
    with open_store() as store:
        added, failures = _for_each(people, partial(store.add_to_group, group_id))
    click.echo(f"{count_noun(added, 'person', 'people')} added to {group_id}.")
    report(failures)


@groups.command("remove")
@click.argument("group_id")
@click.argument("people", nargs=-1, required=True)
@refusals
def groups_remove(group_id: str, people: tuple[str, ...]) -> None:
    """Take PEOPLE, by their ids, out of a group. They stay in the gallery.

    Ids of nobody are named, the others count.
    """
    with open_store() as store:
        removed, failures = _for_each(people, partial(store.take_from_group, group_id))
    click.echo(f"{count_noun(removed, 'person', 'people')} taken out of {group_id}.")
    report(failures)


def _for_each(people: Iterable[str], change: Callable[[str], bool]) -> tuple[int, list[str]]:
    """Change the place of each person. Returns how many were changed, and who is nobody."""
    changed = 0
    failures: list[str] = []
    for person_id in people:
        try:
            changed += change(person_id)
        except PersonNotFoundError as error:
            failures.append(describe(error))
    return changed, failures


@groups.command("delete")
@click.argument("group_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@refusals
def groups_delete(group_id: str, yes: bool) -> None:
    """Delete a group. The people in it stay in the gallery."""
    with open_store() as store:
        group = store.get_group(group_id)
        if not yes:
            members = count_noun(group.people, "person", "people")
            click.confirm(
                f"Delete the group {group.name} ({group_id}) of {members}, who stay in the"
                " gallery? This cannot be undone.",
                abort=True,
            )
        store.delete_group(group_id)
    click.echo(f"Deleted: {group_id}")
