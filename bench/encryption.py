"""What encryption at rest costs: the start of a gallery, an enrolment and a rotation,
with and without it.

    python -m bench.encryption [--templates 10000] [--enrolments 50]

A gallery of random unit vectors in an SQLite file, half of them faces and half voices.
Start = opening the file and making the memory index. Enrolment = storing a face and a
voice of a new person, to the disk (median). The networks have no part in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from gallery.database.open import open_database
from gallery.encryption.rotation import rotate
from gallery.encryption.sealing import Codec, PlainText, new_key, parse_key
from gallery.search.memory import MemoryIndex
from gallery.store import NewPerson, NewTemplate, Store
from gallery.vectors import unit
from utils.arrays import EMBEDDING_SIZE
from utils.modality import Embedding, Modality

ENCODERS: Any = SimpleNamespace(
    face=SimpleNamespace(encoder_id="face"),
    voice=SimpleNamespace(encoder_id="voice"),
    fusion=SimpleNamespace(encoder_id="fused", fuse=lambda face, voice: unit(face + voice)),
)


def person(rng: np.random.Generator, number: int) -> list[NewTemplate]:
    """A face and a voice of somebody."""
    vectors = unit(rng.standard_normal((2, EMBEDDING_SIZE)).astype(np.float32))
    made = zip(vectors, (Modality.FACE, Modality.VOICE), strict=True)
    return [
        NewTemplate(Embedding(vector, modality, str(modality)), 0.9, f"{number:064d}")
        for vector, modality in made
    ]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def start(url: str, codec: Codec) -> Store:
    """Open the gallery and fill the index."""
    store = Store(open_database(url), codec)
    MemoryIndex(store, ENCODERS).snapshot()
    return store


def measure(url: str, codec: Codec, rng: np.random.Generator, enrolments: int) -> str:
    """Start (best of 3) and enrolment (median) in words."""
    starts = []
    for _ in range(3):
        seconds, store = timed(lambda: start(url, codec))
        store.close()
        starts.append(seconds)
    store = Store(open_database(url), codec)
    took = [
        timed(partial(store.enroll, NewPerson(f"new-{i}"), person(rng, i)))[0]
        for i in range(enrolments)
    ]
    for i in range(enrolments):
        store.delete_person(f"new-{i}")
    store.close()
    return f"start {min(starts):.2f} s, enrolment {1000 * float(np.median(took)):.1f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--templates", type=int, default=10_000)
    parser.add_argument("--enrolments", type=int, default=50)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    key = parse_key(new_key(), "bench")
    other = parse_key(new_key(), "bench")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "duet.db"
        url = f"sqlite:///{path}"
        store = Store(open_database(url))
        for i in range(args.templates // 2):
            store.enroll(NewPerson(f"p{i}"), person(rng, i))
        store.close()
        previous: list[Codec] = []
        for name, codec in (("in the clear", PlainText()), ("sealed", key), ("sealed anew", other)):
            database = open_database(url)
            seconds, done = timed(lambda codec=codec: rotate(database, codec, previous))  # type: ignore[misc]  # noqa: B023
            database.close()
            print(
                f"{name}: rotation {seconds:.1f} s ({done} values), file"
                f" {path.stat().st_size / 1e6:.1f} MB, {measure(url, codec, rng, args.enrolments)}",
                flush=True,
            )
            previous = [codec]


if __name__ == "__main__":
    main()
