"""What encryption at rest costs.

Measures the start of a gallery, an enrolment and a rotation, with and without it.

A gallery of random unit vectors in an SQLite file, half of them faces and half voices.
Start = opening the file and making the memory index. Enrolment = storing a face and a
voice of a new person, to the disk (median). The networks have no part in it.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np

from gallery.database.open import open_database
from gallery.encryption.rotation import rotate
from gallery.encryption.sealing import Codec, PlainText, new_key, parse_key
from gallery.search.memory import MemoryIndex
from gallery.store import NewPerson, NewTemplate, Store
from utils.arrays import EMBEDDING_SIZE, unit
from utils.modality import Embedding, Modality

ENCODERS: Any = SimpleNamespace(
    face=SimpleNamespace(encoder_id="face"),
    voice=SimpleNamespace(encoder_id="voice"),
    fusion=SimpleNamespace(encoder_id="fused", fuse=lambda face, voice: unit(face + voice)),
)


def person(rng: np.random.Generator, number: int) -> list[NewTemplate]:
    """A face and a voice of somebody."""
    vectors = unit(rng.standard_normal((2, EMBEDDING_SIZE)).astype(np.float32))
    modalities = (Modality.FACE, Modality.VOICE)
    return [
        NewTemplate(Embedding(vector, modality, str(modality)), 0.9, f"{number:064d}")
        for vector, modality in zip(vectors, modalities, strict=True)
    ]


def time_start(url: str, codec: Codec) -> float:
    """Seconds to open the gallery and fill the index."""
    started = time.perf_counter()
    store = Store(open_database(url), codec)
    MemoryIndex(store, ENCODERS).snapshot()
    seconds = time.perf_counter() - started
    store.close()
    return seconds


def time_enrolments(url: str, codec: Codec, rng: np.random.Generator, count: int) -> list[float]:
    """Seconds of each of `count` enrolments. The people are deleted again."""
    times = []
    store = Store(open_database(url), codec)
    for number in range(count):
        new = person(rng, number)
        started = time.perf_counter()
        store.enroll(NewPerson(f"new-{number}"), new)
        times.append(time.perf_counter() - started)
    for number in range(count):
        store.delete_person(f"new-{number}")
    store.close()
    return times


def measure(url: str, codec: Codec, rng: np.random.Generator, enrolments: int) -> str:
    """Start (best of 3) and enrolment (median) in words."""
    start_s = min(time_start(url, codec) for _ in range(3))
    enrolment_s = float(np.median(time_enrolments(url, codec, rng, enrolments)))
    return f"start {start_s:.2f} s, enrolment {1000 * enrolment_s:.1f} ms"


def time_rotation(url: str, codec: Codec, previous: list[Codec]) -> tuple[float, int]:
    """Seconds to write all values by another codec, and how many there are."""
    database = open_database(url)
    started = time.perf_counter()
    count = rotate(database, codec, previous)
    seconds = time.perf_counter() - started
    database.close()
    return seconds, count


@click.command(help=__doc__)
@click.option("--templates", default=10_000, show_default=True, help="Size of the gallery.")
@click.option("--enrolments", default=50, show_default=True, help="Timed enrolments.")
def main(templates: int, enrolments: int) -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    key = parse_key(new_key(), "bench")
    other = parse_key(new_key(), "bench")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "duet.db"
        url = f"sqlite:///{path}"
        store = Store(open_database(url))
        for number in range(templates // 2):
            store.enroll(NewPerson(f"p{number}"), person(rng, number))
        store.close()
        previous: list[Codec] = []
        for name, codec in (("in the clear", PlainText()), ("sealed", key), ("sealed anew", other)):
            seconds, count = time_rotation(url, codec, previous)
            print(
                f"{name}: rotation {seconds:.1f} s ({count} values), file"
                f" {path.stat().st_size / 1e6:.1f} MB, {measure(url, codec, rng, enrolments)}",
                flush=True,
            )
            previous = [codec]


if __name__ == "__main__":
    main()
