"""Times of an operator with a large gallery: list, filters, groups, a backup, a restore.

Fills a gallery file of its own with a face and a voice each, so that every kind of the
list has people. It is backed up and restored once. Then parts of the list are read and
written as JSON, as the service does: the median of so many rounds.

A tenth of the people are in a group, a watch list. Its members are listed, and a face and
a voice are searched among them: when the group is first asked about, and afterwards.

As many people again are previewed from a table, with two pictures each. Nothing of them is
enrolled. At last the gallery is checked, as `cli.py check` does.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from sqlalchemy import delete, insert, update

from bench.crowds import Vectors, probe_of
from bench.gallery import CALIBRATIONS, ENCODERS, fill
from gallery import tables
from gallery.backup.folder import open_backup
from gallery.backup.making import Beside, make_backup
from gallery.backup.restoring import restore
from gallery.records.groups import NewGroup
from gallery.records.people_list import PeopleQuery
from gallery.results import SUSPECTS, Kind, Order
from gallery.search.groups import GroupSearch
from gallery.store import Store, open_store
from gallery.upkeep.checking import check_gallery
from jobs.enrolment_people import Plan
from jobs.enrolment_plan import ListedFile, Rules, plan_enrolment
from jobs.people_table import read_table
from recognition import as_json
from recognition.matching import Search
from recognition.sides import Side
from utils.config import Settings
from utils.modality import SINGLE, Modality

GROUP = "watch"
JPEG = b"\xff\xd8\xff\xe0" + bytes(60)
MOST_BYTES = 64_000_000
QUERIES: dict[str, PeopleQuery] = {
    "list, first page": {"limit": 20},
    "list, last page": {"limit": 20, "offset": 9980},
    "list, 1000 at once": {"limit": 1000},
    "search": {"limit": 20, "search": "person-123"},
    **{f"kind {kind}": {"limit": 20, "kind": kind} for kind in Kind if kind not in SUSPECTS},
    **{f"sort {order}": {"limit": 20, "order": order} for order in Order},
}


def vary(store: Store) -> None:
    """Have a tenth of the people lack something, have been seen, or have a term."""
    c = tables.people.c
    voice = tables.templates.c.modality == Modality.VOICE
    with store.database.write() as connection:
        now = datetime.now(UTC)
        seen = {"last_seen_at": now, "retention_days": 20 + c.key % 500}
        connection.execute(update(tables.people).where(c.key % 10 < 5).values(seen))
        connection.execute(
            delete(tables.templates).where(voice, tables.templates.c.person_key % 10 == 1)
        )
        poor = tables.templates.c.person_key % 10 == 2
        connection.execute(update(tables.templates).where(poor).values(quality=0.2))


def time_s(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds that `action` takes: by the clock, and of a processor."""
    started = (time.perf_counter(), time.process_time())
    action()
    return time.perf_counter() - started[0], time.process_time() - started[1]


def show(what: str, times_s: Sequence[tuple[float, float]]) -> None:
    """Print the medians."""
    wall, processor = (1000 * statistics.median(one) for one in zip(*times_s, strict=True))
    print(f"{what:24} {wall:8.0f} ms {processor:8.0f} ms of a processor")


def read(store: Store, part: PeopleQuery) -> None:
    """Read a part of the list, and write it as an answer is."""
    json.dumps(as_json.people(store.list_people(**part)))


def fill_group(store: Store, people: int) -> None:
    """Put every tenth of the people into a watch list, at once."""
    store.create_group(NewGroup(GROUP, "Watch list", watched=True))
    rows = [{"group_key": 1, "person_key": key} for key in range(1, people + 1, 10)]
    with store.database.write() as connection:
        connection.execute(insert(tables.group_members), rows)


def search_group(groups: GroupSearch, probe: Vectors) -> None:
    """Rank a face and a voice among the people of the group, as an identification does."""
    sides = {modality: Side(vector) for modality, vector in probe.items()}
    search = Search(groups.snapshot(GROUP), sides, CALIBRATIONS)
    for modality in sides:
        search.rank(modality)


def measure_groups(store: Store, people: int, rounds: int) -> None:
    """Print the times of a group."""
    fill_group(store, people)
    probe = probe_of(0, SINGLE, people)
    show("groups", [time_s(store.list_groups) for _ in range(rounds)])
    show("members of a group", [time_s(lambda: store.list_group(GROUP)) for _ in range(rounds)])
    first = [GroupSearch(store, ENCODERS) for _ in range(rounds)]
    show("search of a group, first", [time_s(partial(search_group, g, probe)) for g in first])
    again = partial(search_group, first[0], probe)
    show("search of a group, again", [time_s(again) for _ in range(rounds)])


def preview(store: Store, table: bytes, files: Sequence[ListedFile]) -> Plan:
    """Plan an enrolment, as `POST /v1/enrolments/preview` does."""
    return plan_enrolment(files, read_table(table), store.person_ids(), Rules(MOST_BYTES))


def measure_preview(store: Store, people: int, rounds: int) -> None:
    """Print the time of a preview of as many people as the gallery has."""
    rows = [f"new-{n},Person {n},{n}/1.jpg,{n}/2.jpg" for n in range(people)]
    table = "\n".join(["person_id,name,file,file2", *rows]).encode()
    names = [f"{n // 2}/{n % 2 + 1}.jpg" for n in range(2 * people)]
    files = [ListedFile(name, 100_000, JPEG) for name in names]
    assert preview(store, table, files).files == len(files)
    show(
        "preview of a table",
        [time_s(partial(preview, store, table, files)) for _ in range(rounds)],
    )


@click.command(help=__doc__)
@click.option("--people", default=10_000, show_default=True, help="Size of the gallery.")
@click.option("--rounds", default=5, show_default=True, help="Times that each is measured.")
def main(people: int, rounds: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings.of(data_dir=folder / "data")
        store = open_store(settings)
        fill(store, people, SINGLE)
        vary(store)
        beside = Beside(settings, {})
        made_s = time_s(lambda: make_backup(store, folder / "safe", beside))
        store.close()
        (backup,) = (folder / "safe").glob("duet-*")
        target = open_store(Settings.of(data_dir=folder / "new"))
        restored_s = time_s(lambda: restore(open_backup(backup), target, folder))
        target.close()
        print(f"{people} people, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        show("backup", [made_s])
        show("restore", [restored_s])
        store = open_store(settings)
        for what, query in QUERIES.items():
            show(what, [time_s(partial(read, store, query)) for _ in range(rounds)])
        measure_groups(store, people, rounds)
        measure_preview(store, people, rounds)
        show("check", [time_s(lambda: check_gallery(store, folder, {}))])
        store.close()


if __name__ == "__main__":
    main()
