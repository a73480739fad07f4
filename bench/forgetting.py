"""How long it takes to forget a person, the search for what SQLite left of them
included: `python -m bench.forgetting [PEOPLE]`.

Each person has a face and a voice template. Printed: the size of the file, the median
over 20 deletions, and writing the file anew, which is needed where something was left
behind.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gallery.database.open import open_database
from gallery.records import people, templates
from gallery.records.people import NewPerson
from gallery.store import NewTemplate, Store
from utils.arrays import EMBEDDING_SIZE
from utils.modality import Embedding, Modality

CHUNK = 1000
DELETIONS = 20


def fill(store: Store, count: int) -> None:
    """Store `count` people with random vectors."""
    noise = np.random.default_rng(0)
    for start in range(0, count, CHUNK):
        with store.database.write() as connection:
            for number in range(start, min(count, start + CHUNK)):
                key = people.create(
                    connection, NewPerson(f"person-{noise.integers(10**12)}", f"Person {number}")
                )
                for modality in (Modality.FACE, Modality.VOICE):
                    vector = noise.standard_normal(EMBEDDING_SIZE)
                    made = Embedding(
                        (vector / np.linalg.norm(vector)).astype(np.float32),
                        modality,
                        str(modality),
                    )
                    templates.add(
                        connection, key, NewTemplate(made, 0.5, f"{number:064d}"), store.codec
                    )


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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
