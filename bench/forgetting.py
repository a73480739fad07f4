"""How long it takes to forget a person.

The search for what SQLite left of them is included.

Each person has a face and a voice template. Printed: the size of the file, the median
over 20 deletions, and writing the file anew, which is needed where something was left
behind.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from gallery.database.open import open_database
from gallery.records import people, templates
from gallery.records.people import NewPerson
from gallery.store import NewTemplate, Store
from utils.arrays import EMBEDDING_SIZE, unit
from utils.modality import Embedding, Modality

CHUNK = 1000
DELETIONS = 20


def fill(store: Store, count: int) -> None:
    """Store `count` people with random vectors."""
    rng = np.random.default_rng(0)
    for start in range(0, count, CHUNK):
        with store.database.write() as connection:
            for number in range(start, min(count, start + CHUNK)):
                person = NewPerson(f"person-{rng.integers(10**12)}", f"Person {number}")
                key = people.create(connection, person)
                for new in draw_templates(rng, f"{number:064d}"):
                    templates.add(connection, key, new, store.codec)


def draw_templates(rng: np.random.Generator, source: str) -> Iterator[NewTemplate]:
    """A face and a voice, at random. `source` is the hash of the file they came from."""
    for modality in (Modality.FACE, Modality.VOICE):
        vector = unit(rng.standard_normal(EMBEDDING_SIZE)).astype(np.float32)
        yield NewTemplate(Embedding(vector, modality, str(modality)), 0.5, source)


@click.command(help=__doc__)
@click.argument("count", metavar="[PEOPLE]", default=10_000)
def main(count: int) -> None:
    """Fill a gallery of `count` people, forget some, print the times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "duet.db"
        store = Store(open_database(f"sqlite:///{path}"))
        fill(store, count)
        store.database.scrub()
        page = store.list_people(limit=1000).people
        times = []
        for person in page[:: max(1, len(page) // DELETIONS)][:DELETIONS]:
            started = time.perf_counter()
            store.delete_person(person.person_id)
            times.append(time.perf_counter() - started)
        started = time.perf_counter()
        store.database.compact()
        anew = time.perf_counter() - started
        print(
            f"{count} people, {path.stat().st_size / 1e6:.0f} MB: forgotten in"
            f" {np.median(times) * 1000:.0f} ms (median), {max(times) * 1000:.0f} ms (longest);"
            f" file written anew in {anew:.1f} s"
        )
        store.close()


if __name__ == "__main__":
    main()
