"""Lists of the people of the gallery, also of those who may be enrolled twice."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from commands.shared import open_recognizer, open_store, refusals
from gallery.results import MAX_PAGE, SUSPECTS, Kind, Order, Person
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.records.people_list import PeopleQuery
    from gallery.store import Store
    from recognition.recognizer import Recognizer
    from recognition.suspects import Suspects, SuspectSearch


@click.command("list")
@click.option("--search", default="", help="Only people whose id or name holds this text.")
@click.option(
    "--kind",
    type=click.Choice([str(kind) for kind in Kind]),
    default="all",
    show_default=True,
    help="Only these.",
)
@click.option(
    "--sort",
    type=click.Choice([str(order) for order in Order]),
    default="person_id",
    show_default=True,
    help="By what.",
)
@click.option("--descending", is_flag=True, help="The last ones first.")
@refusals
def people_list(*, search: str, kind: str, sort: str, descending: bool) -> None:
    """One line per person: id, name, templates by modality."""
    from gallery.records.people_list import PeopleQuery

    part = PeopleQuery(search=search, kind=Kind(kind), order=Order(sort), limit=MAX_PAGE)
    part["newest_first"] = descending
    part["offset"] = 0
    with _open_list(part) as store:
        warn_of_clock(store)
        while (page := store.list_people(**part)).people:
            for person in page.people:
                click.echo(f"{person.person_id}\t{person.name}\t{format_counts(person)}")
            part["offset"] += MAX_PAGE
    click.echo(count_noun(page.total, "person", "people"), err=True)


@contextmanager
def _open_list(part: PeopleQuery) -> Iterator[Store]:
    """Open the gallery. Who is suspect is found by comparing templates, which takes longer."""
    if part["kind"] not in SUSPECTS:
        with open_store() as store:
            yield store
        return
    with open_recognizer() as opened:
        part["suspects"] = _find_suspects(opened, part["search"], part["kind"])
        yield opened.store


def _find_suspects(opened: Recognizer, search: str, kind: Kind) -> Collection[int]:
    """Compare those whom a search finds with everybody, or everybody with everybody."""
    if search:
        keys = opened.store.keys_fitting(search)
        if not keys:
            return ()
        opened.suspects.ask_about(keys)
    return opened.suspects.keys_of(kind, _check(opened.suspects))


def _check(suspects: SuspectSearch) -> Suspects:
    """Compare people, and show how far that is."""
    _, total = suspects.count(None)
    with click.progressbar(
        length=total,
        label="Comparing people",
        show_eta=False,
        show_pos=True,
        item_show_func=_format_rest,
        file=sys.stderr,
    ) as bar:
        return suspects.check(lambda latest: bar.update(latest.people - bar.pos, latest))


def _format_rest(latest: Suspects | None) -> str:
    left = latest.remaining_s if latest else None
    return f"about {left:.0f} s left" if left else ""


@click.command("duplicates")
@click.option("--search", default="", help="Only people whose id or name holds this text.")
@refusals
def people_duplicates(search: str) -> None:
    """List the pairs of entries that look like one person, one a line: ids, probability.

    Merge them (`people merge`), or say that they are two people (`people distinct`).
    """
    with open_recognizer() as opened:
        alike = opened.duplicates.find(_find_alike(opened, search), search)
    for pair in alike.pairs:
        click.echo(f"{pair.one.person_id}\t{pair.other.person_id}\t{pair.probability:.3f}")
    compared = count_noun(alike.people, "entry", "entries")
    click.echo(f"{count_noun(len(alike.pairs), 'pair')} among {compared}", err=True)


def _find_alike(opened: Recognizer, search: str) -> Suspects | None:
    """Compare everybody, or those whom a search finds. None: it finds nobody."""
    if search:
        keys = opened.store.keys_fitting(search)
        if not keys:
            return None
        opened.suspects.narrow(keys)
    return _check(opened.suspects)


def warn_of_clock(store: Store) -> None:
    """Warn where the clock is not trusted, so that nobody is deleted by term."""
    jump = store.find_clock_jump()
    if jump is not None:
        click.echo(
            f"Warning: {jump}. Nobody is deleted by term until it agrees again. If it is"
            " right: cli.py people trust-clock",
            err=True,
        )


def format_counts(person: Person) -> str:
    """Count the templates of a person by modality, as "2 face, 1 voice"."""
    counts = [f"{n} {modality}" for modality, n in person.templates.items() if n]
    return ", ".join(counts) or "no templates"
