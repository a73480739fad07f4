"""Cost of the search for suspects: everybody compared with everybody, then lists and changes.

Fills a gallery with a face and a voice each. One person in a hundred has a copy of the
face of another, and as many of face and voice. All are compared on one thread, with the
calibrations of the networks in use, until nobody is left. Ten are compared with
everybody, as `people list --kind --search` does, and ten anew after they have changed.
Lists are the median of so many rounds. Searches of the same gallery are timed while all
are compared once more, and afterwards.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import click
from sqlalchemy import insert, select, true, update
from threadpoolctl import threadpool_limits

from bench.crowds import probe_of
from bench.gallery import fill
from bench.operator import read, show, time_s
from gallery import tables
from gallery.records.people_list import PeopleQuery
from gallery.results import SUSPECTS, Kind
from gallery.search.choose import GrowingIndex, open_index
from gallery.store import Store, open_store
from network.serving.encoder import load_encoders
from recognition.duplicates import DuplicateSearch
from recognition.suspects import SuspectSearch
from tests.support.gallery_parts import StubEncoders
from utils.config import Settings
from utils.modality import SINGLE, Modality, PerModality

CHANGED = 10
PROBES = 20


def copy_vectors(store: Store) -> None:
    """Give one person in a hundred the face of another, and one both face and voice."""
    mine = tables.templates
    other = mine.alias()
    theirs = select(other.c.vector).where(
        other.c.person_key == mine.c.person_key - 1, other.c.modality == mine.c.modality
    )
    is_face = mine.c.modality == Modality.FACE
    with store.database.write() as connection:
        for rest, which in ((4, true()), (54, is_face)):
            chosen = (mine.c.person_key % 100 == rest) & which
            connection.execute(update(mine).where(chosen).values(vector=theirs.scalar_subquery()))


def open_search(store: Store, index: GrowingIndex) -> SuspectSearch:
    """Open the search of suspects, with the calibrations of the networks in use."""
    encoders = load_encoders(Settings.from_env().storage.model_dir)
    calibrations = PerModality(
        fused=encoders.fusion.calibration,
        face=encoders.face.calibration,
        voice=encoders.voice.calibration,
    )
    return SuspectSearch(store, index, {m: f"{m}-1" for m in SINGLE}, calibrations)


def list_suspects(search: SuspectSearch, store: Store, kind: Kind) -> int:
    """List suspects as the service does, and return how many there are."""
    latest = search.look().latest
    assert latest is not None
    part: PeopleQuery = {"limit": 20, "kind": kind, "suspects": search.keys_of(kind, latest)}
    read(store, part)
    return len(part["suspects"])


def note_changes(store: Store) -> None:
    """Have ten people compared again."""
    rows = [{"person_key": key} for key in range(1, CHANGED + 1)]
    with store.database.write() as connection:
        connection.execute(insert(tables.changes), rows)


def search_ms(index: GrowingIndex, people: int) -> float:
    """Median time of a search by face."""
    times = []
    for number in range(PROBES):
        probe = probe_of(number, [Modality.FACE], people)
        started = time.perf_counter()
        index.near(probe)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def search_beside(search: SuspectSearch, index: GrowingIndex, people: int, rounds: int) -> None:
    """Compare everybody in the background, and time searches meanwhile and afterwards."""
    search_ms(index, people)
    latest = search.look()
    beside: list[float] = []
    while latest.is_checking and len(beside) < rounds:
        beside.append(search_ms(index, people))
        latest = search.look()
    for thread in threading.enumerate():
        if thread.name == "suspects":
            thread.join()
    alone = [search_ms(index, people) for _ in range(max(1, len(beside)))]
    if beside:
        ratio = statistics.median(beside) / statistics.median(alone)
        print(f"a search beside it: {statistics.median(beside):.1f} ms, {ratio:.2f} of one alone")


@click.command(help=__doc__)
@click.option("--people", default=10_000, show_default=True, help="Size of the gallery.")
@click.option("--rounds", default=5, show_default=True, help="Times that a list is read.")
def main(people: int, rounds: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1, user_api="blas"):
        store = open_store(Settings.of(data_dir=Path(folder)))
        fill(store, people, SINGLE)
        copy_vectors(store)
        index = open_index(store, StubEncoders())
        index.in_memory().snapshot()
        print(f"{people} people, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        search = open_search(store, index)
        show("comparison of all", [time_s(search.check)])
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"memory at the most: {more / 1024:.0f} MB more")
        asked = open_search(store, index)
        asked.ask_about(range(1, CHANGED + 1))
        show(f"{CHANGED} with everybody", [time_s(asked.check)])
        note_changes(store)
        show(f"comparison of {CHANGED}", [time_s(search.check)])
        for kind in SUSPECTS:
            list_some = partial(list_suspects, search, store, kind)
            show(f"kind {kind}", [time_s(list_some) for _ in range(rounds)])
            print(f"{kind}: {list_some()} people")
        duplicates = DuplicateSearch(store, search)
        list_pairs = partial(duplicates.find, search.look().latest)
        show("duplicates", [time_s(list_pairs) for _ in range(rounds)])
        search_beside(open_search(store, index), index, people, rounds)
        store.close()


if __name__ == "__main__":
    main()
