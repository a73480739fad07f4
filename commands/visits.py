"""Recent visitors: whom answers were about, and what was wrong about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

from commands.audit import read_moment_option
from commands.shared import limit_option, open_store, print_lines, refusals
from utils.moments import format_moment

if TYPE_CHECKING:
    from gallery.records.visits import Visit, VisitFilter


@click.group()
def visits() -> None:
    """Look after the list of recent visitors (DUET_VISIT_DAYS, docs/visitors.md)."""


@visits.command("list")
@limit_option
@click.option("--before", type=int, help="Only visits of a number below this one.")
@click.option("--person", "person_id", help="Only visits that named, or were, this person.")
@click.option("--outcome", help="accepted, unknown, conflict, rejected, or wrong (corrected).")
@click.option(
    "--since",
    callback=read_moment_option,
    help="Only visits from this time on, as 2026-01-31T08:00; without a zone it is UTC.",
)
@click.option("--until", callback=read_moment_option, help="Only visits before this time.")
@refusals
def visits_list(limit: int, person_id: str | None, **wanted: Unpack[VisitFilter]) -> None:
    """List whom the latest answers were about, newest first.

    Columns: number, id, time, who asked, what was asked, outcome, who it is, by what,
    probability, and what was said of the answer.
    """
    with open_store() as store:
        if not store.visit_days:
            click.echo("No visits are kept: set DUET_VISIT_DAYS.", err=True)
        listed = store.list_visits(limit, person_id, **wanted)
        print_lines(map(_format, listed), "There is no such visit.")


def _format(visit: Visit) -> str:
    asked = visit.asked
    remark = "-"
    if visit.corrected_at is not None:
        remark = f"wrong: {visit.actual_id or 'nobody known'}"
    columns = (
        str(visit.number),
        visit.visit_id,
        format_moment(visit.at),
        visit.label or visit.actor,
        asked.source,
        asked.outcome,
        asked.person_id or "-",
        asked.by or "-",
        "-" if asked.probability is None else f"{asked.probability:.3f}",
        remark,
    )
    return "\t".join(columns)


@visits.command("wrong")
@click.argument("visit_id")
@click.option("--person", "person_id", help="Id of who it was [default: nobody known].")
@refusals
def visits_wrong(visit_id: str, person_id: str | None) -> None:
    """Say that an answer is wrong, and who it was. No template changes."""
    with open_store() as store:
        visit = store.correct_visit(visit_id, person_id)
    click.echo(f"Marked as wrong. It was: {visit.actual_id or 'nobody known'}")


@visits.command("right")
@click.argument("visit_id")
@refusals
def visits_right(visit_id: str) -> None:
    """Let an answer stand that was said to be wrong."""
    with open_store() as store:
        store.take_back_correction(visit_id)
    click.echo("The answer stands.")
