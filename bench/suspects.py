"""Times of the search for suspects: a comparison of all people, then lists of who was found.

Fills a gallery with a face and a voice each. One person in a hundred has a copy of the
face of another, and as many of face and voice. All are compared once, on one thread, with
the calibrations of the networks in use. Lists are the median of so many rounds.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path

import click
from sqlalchemy import select, true, update
from threadpoolctl import threadpool_limits

from bench.gallery import fill
from bench.operator import read, show, time_s
from gallery import tables
from gallery.overview.overview import Overview
from gallery.records.people_list import PeopleQuery
from gallery.results import SUSPECTS, Kind
from gallery.store import Store, open_store
from network.serving.encoder import load_encoders
from recognition.suspects import SuspectSearch
from utils.config import Settings
from utils.modality import SINGLE, Modality, PerModality


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


def open_search(store: Store) -> SuspectSearch:
    """Open the search of suspects, with the calibrations of the networks in use."""
    encoders = load_encoders(Settings.from_env().storage.model_dir)
    calibrations = PerModality(
        fused=encoders.fusion.calibration,
        face=encoders.face.calibration,
        voice=encoders.voice.calibration,
    )
    overview = Overview(store, {m: f"{m}-1" for m in SINGLE}, encoders.fusion.fuse)
    return SuspectSearch(store, overview, calibrations)


def list_suspects(search: SuspectSearch, store: Store, kind: Kind) -> int:
    """List suspects as the service does, and return how many there are."""
    latest = search.look().latest
    assert latest is not None
    part: PeopleQuery = {"limit": 20, "kind": kind, "suspects": search.keys_of(kind, latest)}
    read(store, part)
    return len(part["suspects"])


@click.command(help=__doc__)
@click.option("--people", default=10_000, show_default=True, help="Size of the gallery.")
@click.option("--rounds", default=5, show_default=True, help="Times that a list is read.")
def main(people: int, rounds: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Settings.of(data_dir=Path(folder)))
        fill(store, people, SINGLE)
        copy_vectors(store)
        search = open_search(store)
        print(f"{people} people, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        with threadpool_limits(1, user_api="blas"):
            show("comparison of all", [time_s(search.check)])
        for kind in SUSPECTS:
            list_some = partial(list_suspects, search, store, kind)
            show(f"kind {kind}", [time_s(list_some) for _ in range(rounds)])
            print(f"{kind}: {list_some()} people")
        store.close()


if __name__ == "__main__":
    main()
