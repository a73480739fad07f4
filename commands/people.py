"""The people of the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commands.people_list import format_counts, people_duplicates, people_list, warn_of_clock
from commands.shared import open_store, output_file, print_lines, refusals, to_json
from gallery.results import TemplateInfo
from utils.moments import format_moment
from utils.path_option import PathOption
from utils.wording import count_noun

NO_END = "none"


class Days(click.ParamType[int | None]):
    """Number of days, or `none` for no end."""

    name = "days"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Parse a number of days. None stands for no end."""
        if value == NO_END:
            return None
        try:
            return int(value)
        except ValueError:
            self.fail(
                f"This must be a whole number of days or `{NO_END}`. Received: {value!r}",
                param,
                ctx,
            )


NAME = click.option("--name", help="Display name.")
NOTE = click.option("--note", help="The operator's note.")
CONSENT = click.option("--consent", help="What the person agreed to.")
RETENTION = click.option(
    "--retention-days",
    type=Days(),
    help=f"Forget the person so many days after the enrolment; `{NO_END}` = never.",
)


@click.group()
def people() -> None:
    """The people of the gallery: list, show, create, change, merge, compare, export, delete."""


people.add_command(people_list)
people.add_command(people_duplicates)


@people.command("trust-clock")
@click.option("--yes", is_flag=True, help="Do not ask.")
@refusals
def people_trust_clock(yes: bool) -> None:
    """Take the clock of this machine for right, so that people are deleted by term again.

    The service doubts a clock that is more than a day off the time that has passed, as
    after a long time switched off.
    """
    with open_store() as store:
        jump = store.find_clock_jump()
        if jump is None:
            click.echo("The clock is trusted already.")
            return
        if not yes:
            click.confirm(f"{jump}. Is it right?", abort=True)
        store.trust_clock()
    click.echo("The clock is trusted.")


@people.command("show")
@click.argument("person_id")
@refusals
def people_show(person_id: str) -> None:
    """All that is stored on a person, without the vectors."""
    with open_store() as store:
        person = store.get_person(person_id)
        templates = store.list_templates(person_id)
    click.echo(
        f"{person.person_id}: {person.name}\nnote: {person.note or '-'}\nconsent:"
        f" {person.consent or '-'}"
    )
    for what in ("created", "enrolled", "expires", "last_seen"):
        at = getattr(person, f"{what}_at")
        click.echo(f"{what.replace('_', ' ')}: {format_moment(at) if at else '-'}")
    for t in templates:
        click.echo(
            f"  {t.template_id}  {t.modality:5}  quality {t.quality:.2f} "
            f" {format_moment(t.created_at)}  {t.encoder_id}"
        )


@people.command("create")
@click.argument("person_id")
@NAME
@NOTE
@CONSENT
@RETENTION
@refusals
def people_create(person_id: str, **options: Any) -> None:
    """Create a person. Clips are enrolled afterwards (`cli.py enroll`)."""
    with open_store() as store:
        store.create_person(person_id, **_read_changes(options))
    click.echo(f"Created {person_id}.")


@people.command("update")
@click.argument("person_id")
@NAME
@NOTE
@CONSENT
@RETENTION
@refusals
def people_update(person_id: str, **options: Any) -> None:
    """Change name, note, consent or retention of a person. What is not given stays."""
    changes = _read_changes(options)
    if not changes:
        raise click.UsageError(
            "Nothing to change: give --name, --note, --consent or --retention-days."
        )
    with open_store() as store:
        store.update_person(person_id, **changes)
    click.echo(f"Changed {person_id}.")


@people.command("merge")
@click.argument("person_id")
@click.argument("other")
@click.option("--yes", is_flag=True, help="Do not ask.")
@refusals
def people_merge(person_id: str, other: str, yes: bool) -> None:
    """Make OTHER part of PERSON_ID: two entries of one person become one."""
    with open_store() as store:
        first = store.get_person(person_id)
        second = store.get_person(other)
        if not yes:
            click.confirm(
                f"Make {second.name} ({other}) part of {first.name} ({person_id})? This cannot be"
                " undone.",
                abort=True,
            )
        merged = store.merge_people(person_id, other)
    click.echo(f"Merged {other} into {person_id}: {format_counts(merged)}.")


@people.command("distinct")
@click.argument("person_id")
@click.argument("other")
@refusals
def people_distinct(person_id: str, other: str) -> None:
    """Remember that PERSON_ID and OTHER, who look alike, are two people."""
    with open_store() as store:
        store.mark_distinct(person_id, other)
    click.echo(f"{person_id} and {other} are two people.")


@people.command("templates")
@click.argument("person_id")
@click.option("--delete", "deleted", metavar="TEMPLATE_ID", help="Forget this template.")
@click.option(
    "--move", "moved", metavar="TEMPLATE_ID", help="Give this template to another person."
)
@click.option("--to", help="Who gets it.")
@click.option("--create", is_flag=True, help="Make the person who gets it.")
@refusals
def people_templates(
    *, person_id: str, deleted: str | None, moved: str | None, to: str | None, create: bool
) -> None:
    """List the templates of a person, or forget or move one."""
    from gallery.records.people import NewPerson

    if (moved is None) != (to is None) or (create and not moved) or (moved and deleted):
        raise click.UsageError(
            "Give --delete TEMPLATE_ID, or --move TEMPLATE_ID with --to PERSON_ID (and --create),"
            " or neither."
        )
    with open_store() as store:
        if deleted:
            store.delete_template(person_id, deleted)
        if moved and to:
            store.move_template(person_id, moved, NewPerson(to) if create else to)
        print_lines(map(_format, store.list_templates(person_id)), "The person has no template.")


def _format(t: TemplateInfo) -> str:
    at = format_moment(t.created_at)
    return "\t".join([t.template_id, t.modality, f"{t.quality:.2f}", at, t.encoder_id])


@people.command("export")
@click.argument("person_id")
@click.option(
    "--to",
    "file",
    type=PathOption(dir_okay=False, path_type=Path),
    help="File to write, for its owner only; default: print.",
)
@refusals
def people_export(person_id: str, file: Path | None) -> None:
    """Export everything that is stored on a person, as JSON: vectors and media too."""
    with open_store() as store:
        text = to_json(store.export_person(person_id), indent=1, is_printed=file is None)
    if file is None:
        click.echo(text)
        return
    with output_file(file) as draft:
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
    click.echo(f"Wrote {file}.")


@people.command("feedback")
@click.argument("request_id")
@click.argument("person_id")
@click.argument("truth", type=click.Choice(["same", "different"]))
@refusals
def people_feedback(request_id: str, person_id: str, truth: str) -> None:
    """Say whether an answer was right about a person, for the next calibration.

    `same`: the answer REQUEST_ID named PERSON_ID rightly. `different`: it did not.
    """
    with open_store() as store:
        modalities = store.give_feedback(request_id, person_id, truth == "same")
    click.echo(f"Kept for the next calibration: {', '.join(modalities)}.")


@people.command("purge")
@refusals
def people_purge() -> None:
    """Forget the people whose retention is over, and transcripts whose term is.

    The service does the same at its start and while it runs.
    """
    with open_store() as store:
        warn_of_clock(store)
        forgotten = store.forget_expired()
    click.echo(f"{count_noun(forgotten, 'person', 'people')} forgotten.")


@people.command("delete")
@click.argument("person_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@refusals
def people_delete(person_id: str, yes: bool) -> None:
    """Forget a person and everything that is stored on them."""
    with open_store() as store:
        person = store.get_person(person_id)
        if not yes:
            click.confirm(
                f"Delete {person.name} ({person.person_id}) and everything that is stored on them?"
                " This cannot be undone.",
                abort=True,
            )
        store.delete_person(person_id)
    click.echo(f"Deleted {person_id}.")


def _read_changes(options: dict[str, Any]) -> dict[str, Any]:
    """Read the options that were given. `--retention-days none` is given, and None."""
    changes = {
        name: value
        for name, value in options.items()
        if value is not None and name != "retention_days"
    }
    source = click.get_current_context().get_parameter_source("retention_days")
    if source is not click.core.ParameterSource.DEFAULT:
        changes["retention_days"] = options["retention_days"]
    return changes
