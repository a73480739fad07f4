"""The people of the gallery."""
from __future__ import annotations

import click

from commands.shared import recognizer, refusals


@click.group()
def people() -> None:
    """List, show and delete the people of the gallery."""


@people.command("list")
@click.option("--search", default="", help="Only people whose id or name holds this text.")
@refusals
def people_list(search: str) -> None:
    """One line per person: id, name, templates by modality."""
    page_size, offset = 1000, 0
    with recognizer() as known:
        while (page := known.list_people(search, offset, page_size)).people:
            for person in page.people:
                counts = ", ".join(f"{n} {m}" for m, n in person.templates.items() if n) or "no templates"
                click.echo(f"{person.person_id}\t{person.name}\t{counts}")
            offset += page_size
    click.echo(f"{page.total} people", err=True)


@people.command("show")
@click.argument("person_id")
@refusals
def people_show(person_id: str) -> None:
    """All that is known of a person, without the vectors."""
    with recognizer() as known:
        person, templates = known.get_person(person_id), known.list_templates(person_id)
    click.echo(f"{person.person_id}: {person.name}\ncreated {person.created_at:%Y-%m-%d %H:%M:%S %Z}\nnote: {person.note or '-'}")
    for t in templates:
        click.echo(f"  {t.template_id}  {t.modality:5}  quality {t.quality:.2f}  {t.created_at:%Y-%m-%d %H:%M:%S}  {t.encoder_id}")


@people.command("delete")
@click.argument("person_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@refusals
def people_delete(person_id: str, yes: bool) -> None:
    """Forget a person and everything stored about them."""
    with recognizer() as known:
        person = known.get_person(person_id)
        if not yes:
            click.confirm(f"Delete {person.name} ({person.person_id}) and all templates? This cannot be undone.", abort=True)
        known.delete_person(person_id)
    click.echo(f"Deleted {person_id}.")
