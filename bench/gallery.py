"""How search, memory, enrolment and start grow with the gallery, for a gallery in a
file and for one in PostgreSQL.

    python -m bench.gallery [--sizes 1000,10000,100000,1000000] [--stores
    sqlite,postgres] [--folder DIR] [--url URL] [--both]

Every person has one face template (with --both a voice template too, and is searched by
face, voice and both). Vectors are random, with as many effective dimensions as those of
the networks on held-out people: 120 for faces, 30 for voices. Half of the probes are
people of the gallery (cosine about 0.6 with their template), half are strangers. A
search is what an identification does: `near` and the ranking. `recall@1`: the share of
probes whose best person is the one of an exact comparison with all vectors in float32.

Start, memory and search are measured in a process of their own, on two threads.
`memory` is what the process holds more once the index is loaded; `vectors` are the
bytes of the templates. PostgreSQL's own memory is not in it: its table and indexes are
listed by their size. `processor ms` is the median of the searching thread's own time,
without the server's and without waiting. `matrix·vector` is numpy's product of the same
vectors with a probe, before every twentieth search: it tells how loaded the machine is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, text

from gallery.database.open import open_database
from gallery.search.choose import open_index
from gallery.store import NewPerson, NewTemplate, Store
from gallery.tables import changes, people, templates
from recognition.matching import Search
from tests.support.gallery_parts import StubEncoders
from utils.arrays import EMBEDDING_SIZE, Float32Array, unit
from utils.modality import Embedding, Modality, PerModality

AT_ONCE = 5000
PROBES = 1000  # so that a recall of 0.999 can be told from one of 1
ENROLMENTS = 100
NOISE = 1.33  # a probe's length of noise for each length of signal: a cosine of 0.6
EXACT_PEOPLE = 100_000  # up to which the product of matrix and vector is timed


def vectors(kind: str, first: int, count: int) -> Float32Array:
    """(count, 512) float32 of unit length: those of people `first` and following."""
    rng = np.random.default_rng([ord(kind[0]), first])
    x = rng.standard_normal((count, EMBEDDING_SIZE), dtype=np.float32)
    # (Σ λ)² / Σ λ² = 30 or 120
    x /= np.arange(1, EMBEDDING_SIZE + 1, dtype=np.float32) ** (
        0.5 if kind == Modality.VOICE else 0.35
    )
    return np.asarray(unit(x), np.float32)


def fill(store: Store, count: int, modalities: Sequence[Modality]) -> None:
    """Write people and templates at once, as a copy of a gallery would."""
    at = datetime.now(UTC)
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        rows = {m: vectors(m, first, AT_ONCE) for m in modalities}
        with store.database.write() as connection:
            connection.execute(
                insert(people),
                [
                    {
                        "key": n + 1,
                        "person_id": f"person-{n}",
                        "name": f"Person {n}",
                        "note": "",
                        "search": f"person-{n}",
                        "created_at": at,
                        "consent": "",
                    }
                    for n in numbers
                ],
            )
            connection.execute(
                insert(templates),
                [
                    {
                        "template_id": f"{m}-{n}",
                        "person_key": n + 1,
                        "modality": m,
                        "vector": rows[m][n - first].tobytes(),
                        "quality": 0.8,
                        "encoder_id": f"{m}-1",
                        "source_sha256": f"{n}",
                        "created_at": at,
                    }
                    for n in numbers
                    for m in modalities
                ],
            )
            connection.execute(insert(changes), [{"person_key": n + 1} for n in numbers])
            store.database.set_last_keys(connection, {"people": numbers[-1] + 1})


def probe_of(
    number: int, modalities: Sequence[Modality], count: int
) -> dict[Modality, Float32Array]:
    """An even number is a person of the gallery, an odd one a stranger."""
    rng = np.random.default_rng([7, number])
    found = {}
    for m in modalities:
        person = int(rng.integers(count))
        own = (
            vectors(m, person // AT_ONCE * AT_ONCE, AT_ONCE)[person % AT_ONCE]
            if number % 2 == 0
            else vectors(m, 10**9 + number, 1)[0]
        )
        noise = vectors("noise", number, 1)[0]
        found[m] = np.asarray(
            (own + NOISE * noise) / np.linalg.norm(own + NOISE * noise), np.float32
        )
    if len(modalities) == 2:
        found[Modality.FUSED] = StubEncoders().fusion.fuse(
            found[Modality.FACE][None], found[Modality.VOICE][None]
        )[0]
    return found


def best_exactly(modality: Modality, probes: Float32Array, count: int) -> list[int]:
    """Numbers of the people nearest to each of the probes (n, 512), by comparison with
    everybody.
    """
    best = np.full(len(probes), -np.inf, np.float32)
    at = np.zeros(len(probes), np.int64)
    for first in range(0, count, AT_ONCE):
        scores = vectors(modality, first, AT_ONCE)[: count - first] @ probes.T
        here = scores.argmax(axis=0)
        highest = scores[here, np.arange(len(probes))]
        at[highest > best] = first + here[highest > best]
        best = np.maximum(best, highest)
    return at.tolist()


def resident_mb() -> float:
    """Memory of this process, in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def measure(url: str, count: int, modalities: Sequence[Modality]) -> dict[str, float]:
    """Start, memory and search, in this process."""
    encoders = StubEncoders()
    calibrations = PerModality(
        fused=encoders.fusion.calibration,
        face=encoders.face.calibration,
        voice=encoders.voice.calibration,
    )
    probes = [probe_of(n, modalities, count) for n in range(PROBES)]
    exact = best_exactly(modalities[0], np.stack([p[modalities[0]] for p in probes]), count)
    matrix = vectors("face", 0, min(count, EXACT_PEOPLE))
    store = Store(open_database(url))
    before = resident_mb()
    began = time.perf_counter()
    worked = time.process_time()
    index = open_index(store, encoders)
    index.near(probes[0])
    start = time.perf_counter() - began
    start_cpu = time.process_time() - worked
    memory = resident_mb() - before
    took = []
    worked_on = []
    products = []
    right = 0
    for number, (probe, best) in enumerate(zip(probes, exact, strict=True)):
        if number % 20 == 0:
            products.append(matrix_product(matrix, probe[modalities[0]]))
        began = time.perf_counter()
        worked = time.thread_time()
        search = Search(index.near(probe), probe, calibrations, speech_s=0.0)
        ranked = {m: search.rank(m) for m in probe}
        took.append(time.perf_counter() - began)
        worked_on.append(time.thread_time() - worked)
        right += ranked[modalities[0]][0].person.person_id == f"person-{best}"
    store.close()
    return {
        "start_s": start,
        "start_cpu_s": start_cpu,
        "memory_mb": memory,
        "p50_ms": 1e3 * float(np.median(took)),
        "p99_ms": 1e3 * float(np.quantile(took, 0.99)),
        "cpu_ms": 1e3 * float(np.median(worked_on)),
        "recall": right / PROBES,
        "matvec_ms": 1e3 * float(np.median(products)) * count / len(matrix),
        "enrol_per_s": enrol(url, modalities),
    }


def matrix_product(matrix: Float32Array, vector: Float32Array) -> float:
    """Seconds that numpy's product takes. Its threads go on spinning for a while, which
    must not meet the next search.
    """
    began = time.perf_counter()
    matrix @ vector
    took = time.perf_counter() - began
    time.sleep(0.1)
    return took


def enrol(url: str, modalities: Sequence[Modality]) -> float:
    """Enrolments a second of people with these templates, each one transaction, beside
    a gallery of the size at hand.
    """
    store = Store(open_database(url))
    began = time.perf_counter()
    for n in range(ENROLMENTS):
        new = [
            NewTemplate(Embedding(vectors(m, 2 * 10**9 + n, 1)[0], m, f"{m}-1"), 0.8, f"new-{n}")
            for m in modalities
        ]
        store.enroll(NewPerson(f"new-{time.time_ns()}"), new)
    rate = ENROLMENTS / (time.perf_counter() - began)
    store.close()
    return rate


def in_a_process(url: str, count: int, modalities: Sequence[Modality]) -> dict[str, float]:
    """`measure` in a fresh process on two threads."""
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    command = [
        sys.executable,
        "-m",
        "bench.gallery",
        "--measure",
        url,
        str(count),
        ",".join(modalities),
    ]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def database_mb(url: str) -> float:
    """Size of the database with its indexes, in MB."""
    database = open_database(url)
    with database.read() as connection:
        if database.searches:
            size = connection.scalar(text("SELECT pg_database_size(current_database())"))
        else:
            size = connection.scalar(
                text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            )
    database.close()
    return int(size or 0) / 2**20


def bench(
    kind: str, count: int, modalities: Sequence[Modality], options: argparse.Namespace
) -> str:
    """One row of the table."""
    if kind == "sqlite":
        url = f"sqlite:///{options.folder / f'gallery-{count}-{len(modalities)}.db'}"
    else:
        from tests.support.postgres import new_database

        url = options.url or new_database()
    store = Store(open_database(url))
    if not store.count():
        fill(store, count, modalities)
    store.close()
    found: dict[str, Any] = in_a_process(url, count, modalities)
    of_vectors = found["memory_mb"] / (count * len(modalities) * EMBEDDING_SIZE * 4 / 2**20)
    return (
        f"| {kind} | {count:,} | {found['p50_ms']:.1f} | {found['p99_ms']:.1f} |"
        f" {found['cpu_ms']:.1f} | {found['matvec_ms']:.1f} | {found['recall']:.3f} |"
        f" {found['memory_mb']:.0f} ({of_vectors:.2f} ×) | {database_mb(url):.0f} |"
        f" {found['enrol_per_s']:.0f} | {found['start_s']:.1f} ({found['start_cpu_s']:.1f}) |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--stores", default="sqlite")
    parser.add_argument("--folder", type=Path, default=Path("data/bench"))
    parser.add_argument("--url", default="")
    parser.add_argument("--both", action="store_true")
    parser.add_argument(
        "--measure", nargs=3, metavar=("URL", "COUNT", "MODALITIES"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.measure:
        url, count, modalities = options.measure
        print(json.dumps(measure(url, int(count), [Modality(m) for m in modalities.split(",")])))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    print(
        "| store | people | p50 ms | p99 ms | processor ms | matrix·vector ms | recall@1 | memory"
        " MB (× vectors) | database MB | enrolments/s | start s (processor s) |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    chosen = [Modality.FACE, Modality.VOICE] if options.both else [Modality.FACE]
    for kind in options.stores.split(","):
        for size in options.sizes.split(","):
            print(bench(kind, int(size), chosen, options), flush=True)


if __name__ == "__main__":
    main()
