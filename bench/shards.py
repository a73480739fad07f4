"""Whether a gallery in parts, with copies of each, answers as one process does.

The people of `bench gallery` are stored once in one gallery, and once dealt out by a hash of
their ids to `--partitions` galleries. Of each part, `--replicas` indexes follow the file,
as so many services would. A front asks one index of every part for the nearest people, in
turns, and ranks those of all parts as those of one gallery (docs/scale.md). Between the
questions people are enrolled and deleted on both sides. Printed is how many answers name
the same two best people with the same scores and strengths, to the last digit or nearly.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import click
import numpy as np
from sqlalchemy import insert

from bench.crowds import AT_ONCE, probe_of, vectors
from bench.gallery import CALIBRATIONS, ENCODERS, row_of_person, row_of_template
from gallery import tables
from gallery.database.open import open_database
from gallery.records.feed import PersonRef
from gallery.search.choose import GrowingIndex
from gallery.search.memory import ALL, Snapshot
from gallery.store import NewPerson, NewTemplate, Store
from recognition.matching import Search
from recognition.sides import Side
from utils.arrays import Float32Array
from utils.modality import Embedding, Modality

BOTH = (Modality.FACE, Modality.VOICE)
# Up to which a part keeps its vectors, beyond which it keeps codes
MANY = 300
NEARLY = 1e-5
# One question in so many is followed by an enrolment and a deletion
CHANGE_EVERY = 10

Probe = dict[Modality, Float32Array]


def part_of(person_id: str, parts: int) -> int:
    """The part that holds a person."""
    return zlib.crc32(person_id.encode()) % parts


def join(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Make one snapshot of those of all parts. The numbers of people are made unique."""
    count = len(snapshots)
    vectors_of = [snapshot.vectors for snapshot in snapshots]
    has_of = [snapshot.has for snapshot in snapshots]
    keys = [np.where(s.keys, s.keys * count + part, 0) for part, s in enumerate(snapshots)]
    moved = chain.from_iterable(
        refs_of(snapshot, part, count) for part, snapshot in enumerate(snapshots)
    )
    return replace(
        snapshots[0],
        keys=np.concatenate(keys),
        vectors={m: stack(m, vectors_of) for m in ALL},
        has={m: stack(m, has_of) for m in ALL},
        refs={ref.key: ref for ref in moved},
        people=sum(s.people for s in snapshots),
        totals={m: count_all(m, snapshots) for m in ALL},
    )


def stack(modality: Modality, arrays: Sequence[Mapping[Modality, Any]]) -> Any:
    """The rows of all parts by one modality."""
    return np.concatenate([of_part[modality] for of_part in arrays])


def count_all(modality: Modality, snapshots: Sequence[Snapshot]) -> int:
    """How many people of all parts can be recognised in one modality."""
    return sum(snapshot.count(modality) for snapshot in snapshots)


def refs_of(snapshot: Snapshot, part: int, count: int) -> list[PersonRef]:
    """The people of a part under their unique numbers."""
    return [replace(ref, key=ref.key * count + part) for ref in snapshot.refs.values()]


def open_indexes(stores: Sequence[Store]) -> list[GrowingIndex]:
    """Open an index of each part."""
    return [GrowingIndex(store, ENCODERS, MANY) for store in stores]


class Front:
    """Asks one index of each part, another one at the next question."""

    def __init__(self, stores: Sequence[Store], replicas: int) -> None:
        self.stores = stores
        self._turns = cycle([open_indexes(stores) for _ in range(replicas)])

    def near(self, probe: Probe) -> Snapshot:
        """The nearest people of all parts."""
        return join([index.near(probe) for index in next(self._turns)])

    def store_of(self, person_id: str) -> Store:
        """Where a person is stored."""
        return self.stores[part_of(person_id, len(self.stores))]


@cache
def everybody(modality: Modality) -> Float32Array:
    """Vectors (n, 512) of all people that `probe_of` knows."""
    return vectors(modality, 0, AT_ONCE)


def write(store: Store, numbers: Sequence[int]) -> None:
    """Write people into an empty gallery in one transaction."""
    with store.database.write() as connection:
        connection.execute(insert(tables.people), [row_of_person(number) for number in numbers])
        for modality in BOTH:
            rows = [row_of_template(n, modality, everybody(modality)[n]) for n in numbers]
            connection.execute(insert(tables.templates), rows)
        connection.execute(insert(tables.changes), [{"person_key": n + 1} for n in numbers])
        store.database.set_last_keys(connection, {"people": numbers[-1] + 1})


def enrol(store: Store, number: int) -> None:
    """Store a person by face and voice."""
    embeddings = [Embedding(everybody(m)[number], m, f"{m}-1") for m in BOTH]
    new = [NewTemplate(embedding, 0.8, f"{number}") for embedding in embeddings]
    store.enroll(NewPerson(f"person-{number}"), new)


def rank(snapshot: Snapshot, probe: Probe) -> list[tuple[str, float]]:
    """The best people by both, with score and strength in one list."""
    search = Search(snapshot, {m: Side(vector) for m, vector in probe.items()}, CALIBRATIONS)
    answer: list[tuple[str, float]] = []
    for modality in ALL:
        for best in search.rank(modality):
            answer += [(best.person.person_id, best.score), (str(modality), best.strength)]
    return answer


def is_same(one: Sequence[tuple[str, float]], other: Sequence[tuple[str, float]]) -> bool:
    """Whether two answers name the same people, with the same numbers but for rounding."""
    names = [name for name, _ in one] == [name for name, _ in other]
    return names and np.allclose([x for _, x in one], [x for _, x in other], atol=NEARLY)


@click.command(help=__doc__)
@click.option("--people", default=1000, show_default=True, help="People at the start.")
@click.option("--partitions", default=2, show_default=True, help="Parts of the gallery.")
@click.option("--replicas", default=3, show_default=True, help="Indexes of each part.")
@click.option("--questions", default=300, show_default=True, help="Probes.")
def main(people: int, partitions: int, replicas: int, questions: int) -> None:
    """Print how many answers are the same."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = Store(open_database(f"sqlite:///{folder / 'whole.db'}"))
        urls = [f"sqlite:///{folder}/part{part}.db" for part in range(partitions)]
        front = Front([Store(open_database(url)) for url in urls], replicas)
        alone = GrowingIndex(whole, ENCODERS, MANY)
        write(whole, range(people))
        for part, store in enumerate(front.stores):
            write(store, [n for n in range(people) if part_of(f"person-{n}", partitions) == part])
        same = 0
        for number in range(questions):
            probe = probe_of(number, BOTH, people)
            same += is_same(rank(alone.near(probe), probe), rank(front.near(probe), probe))
            if number % CHANGE_EVERY == 0:
                change(whole, front, people, number)
        print(
            f"{partitions} parts, {replicas} replicas of each, {people} people: {same} of"
            f" {questions} answers are those of one process"
        )


def change(whole: Store, front: Front, people: int, number: int) -> None:
    """Enrol somebody new on both sides, and delete somebody."""
    enrol(whole, people + number)
    enrol(front.store_of(f"person-{people + number}"), people + number)
    gone = f"person-{number}"
    whole.delete_person(gone)
    front.store_of(gone).delete_person(gone)


if __name__ == "__main__":
    main()
