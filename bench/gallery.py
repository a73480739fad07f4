"""How search, memory, enrolment and start grow with the gallery.

Measures a gallery in a file and one in PostgreSQL.

Every person has one face template (with --both a voice template too, and is searched by
face, voice and both). Vectors are random, with as many effective dimensions as those of
the networks on held-out people: 120 for faces, 30 for voices. Half of the probes are
people of the gallery (cosine about 0.6 with their template), half are strangers. A
search is what an identification does: `near` and the ranking. `recall@1`: the share of
probes whose best person is the one of an exact comparison with all vectors in float32.

Start, memory and search are measured in a process of their own, on two threads.
`memory` is what the process holds more once the index is loaded and free memory is given
back, as the service does after a clip; `vectors` are the bytes of the templates.
PostgreSQL's own memory is not in it: its table and indexes are listed by their size.
`p50 ms` is also given for people and for strangers alone, who take different ways.
`processor ms` is the median of the searching thread's own time, without waiting, and in
brackets that of all threads of the process. Neither has the server's. `matrix·vector` is
numpy's product of the same vectors with a probe, before every twentieth search: it tells
how loaded the machine is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
from sqlalchemy import insert, text

from align.heap import release_heap
from gallery.database.open import open_database
from gallery.search.choose import open_index
from gallery.search.memory import Index
from gallery.store import NewPerson, NewTemplate, Store
from gallery.tables import changes, people, templates
from recognition.matching import Search, Side
from tests.support.gallery_parts import StubEncoders
from utils.arrays import EMBEDDING_SIZE, Float32Array, unit
from utils.modality import Embedding, Modality, PerModality
from utils.path_option import PathOption

AT_ONCE = 5000
# So many that a recall of 0.999 can be told from one of 1.
PROBES = 1000
ENROLMENTS = 100
# A probe's length of noise for each length of signal: a cosine of 0.6.
NOISE = 1.33
# Up to which the product of matrix and vector is timed.
EXACT_PEOPLE = 100_000
# Of the process that measures.
THREADS = 2
# When everybody was enrolled.
AT = datetime(2026, 1, 1, tzinfo=UTC)
POSTGRES_SIZE = "SELECT pg_database_size(current_database())"
SQLITE_SIZE = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
ENCODERS = StubEncoders()
CALIBRATIONS = PerModality(
    fused=ENCODERS.fusion.calibration,
    face=ENCODERS.face.calibration,
    voice=ENCODERS.voice.calibration,
)

Vectors = dict[Modality, Float32Array]
"""Probes by modality."""


def vectors(kind: str, first: int, count: int) -> Float32Array:
    """(count, 512) float32 of unit length: those of people `first` and following."""
    rng = np.random.default_rng([ord(kind[0]), first])
    rows = rng.standard_normal((count, EMBEDDING_SIZE), dtype=np.float32)
    # (Σ λ)² / Σ λ² = 30 or 120.
    power = 0.5 if kind == Modality.VOICE else 0.35
    rows /= np.arange(1, EMBEDDING_SIZE + 1, dtype=np.float32) ** power
    return np.asarray(unit(rows), np.float32)


def fill(store: Store, count: int, modalities: Sequence[Modality]) -> None:
    """Write people and templates at once, as a copy of a gallery would.

    It goes on where it was broken off.
    """
    for first in range(store.count(), count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        with store.database.write() as connection:
            connection.execute(insert(people), [row_of_person(number) for number in numbers])
            for modality in modalities:
                rows = zip(numbers, vectors(modality, first, AT_ONCE), strict=False)
                connection.execute(
                    insert(templates),
                    [row_of_template(number, modality, vector) for number, vector in rows],
                )
            connection.execute(insert(changes), [{"person_key": number + 1} for number in numbers])
            store.database.set_last_keys(connection, {"people": numbers[-1] + 1})


def row_of_person(number: int) -> dict[str, Any]:
    """A row of the table `people`."""
    return {
        "key": number + 1,
        "person_id": f"person-{number}",
        "name": f"Person {number}",
        "note": "",
        "search": f"person-{number}",
        "created_at": AT,
        "consent": "",
    }


def row_of_template(number: int, modality: Modality, vector: Float32Array) -> dict[str, Any]:
    """A row of the table `templates`."""
    return {
        "template_id": f"{modality}-{number}",
        "person_key": number + 1,
        "modality": modality,
        "vector": vector.tobytes(),
        "quality": 0.8,
        "encoder_id": f"{modality}-1",
        "source_sha256": f"{number}",
        "created_at": AT,
    }


def probe_of(number: int, modalities: Sequence[Modality], count: int) -> Vectors:
    """An even number is a person of the gallery, an odd one a stranger."""
    rng = np.random.default_rng([7, number])
    probe = {}
    for modality in modalities:
        person = int(rng.integers(count))
        if number % 2 == 0:
            own = vectors(modality, person // AT_ONCE * AT_ONCE, AT_ONCE)[person % AT_ONCE]
        else:
            own = vectors(modality, 10**9 + number, 1)[0]
        noise = vectors("noise", number, 1)[0]
        probe[modality] = np.asarray(unit(own + NOISE * noise), np.float32)
    if len(modalities) == 2:
        pair = (probe[Modality.FACE][None], probe[Modality.VOICE][None])
        probe[Modality.FUSED] = StubEncoders().fusion.fuse(*pair)[0]
    return probe


def best_exactly(modality: Modality, probes: Float32Array, count: int) -> list[int]:
    """Numbers of the people nearest to each of the probes (n, 512).

    Each is compared with everybody.
    """
    best = np.full(len(probes), -np.inf, np.float32)
    numbers = np.zeros(len(probes), np.int64)
    for first in range(0, count, AT_ONCE):
        scores = vectors(modality, first, AT_ONCE)[: count - first] @ probes.T
        here = scores.argmax(axis=0)
        highest = scores[here, np.arange(len(probes))]
        numbers[highest > best] = first + here[highest > best]
        best = np.maximum(best, highest)
    return numbers.tolist()


def resident_mb() -> float:
    """Memory of this process, in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def measure(url: str, count: int, modalities: Sequence[Modality]) -> dict[str, float]:
    """Start, memory, search and enrolment, in this process."""
    first = modalities[0]
    probes = [probe_of(number, modalities, count) for number in range(PROBES)]
    exact = best_exactly(first, np.stack([probe[first] for probe in probes]), count)
    matrix = vectors(Modality.FACE, 0, min(count, EXACT_PEOPLE))
    store = Store(open_database(url))
    index, start = measure_start(store, probes[0])
    times = []
    worked = []
    worked_by_all = []
    products = []
    right = 0
    for number, (probe, best) in enumerate(zip(probes, exact, strict=True)):
        if number % 20 == 0:
            products.append(matrix_product(matrix, probe[first]))
        began = time.perf_counter()
        before = (time.thread_time(), time.process_time())
        sides = {modality: Side(vector) for modality, vector in probe.items()}
        search = Search(index.near(probe), sides, CALIBRATIONS)
        ranked = {modality: search.rank(modality) for modality in probe}
        times.append(time.perf_counter() - began)
        worked.append(time.thread_time() - before[0])
        worked_by_all.append(time.process_time() - before[1])
        right += ranked[first][0].person.person_id == f"person-{best}"
    store.close()
    return start | {
        "p50_ms": 1e3 * float(np.median(times)),
        "people_ms": 1e3 * float(np.median(times[::2])),
        "strangers_ms": 1e3 * float(np.median(times[1::2])),
        "p99_ms": 1e3 * float(np.quantile(times, 0.99)),
        "cpu_ms": 1e3 * float(np.median(worked)),
        "all_cpu_ms": 1e3 * float(np.median(worked_by_all)),
        "recall": right / PROBES,
        "matvec_ms": 1e3 * float(np.median(products)) * count / len(matrix),
        "enrol_per_s": enrol(url, modalities),
    }


def measure_start(store: Store, probe: Vectors) -> tuple[Index, dict[str, float]]:
    """Open the index and search once. Returns it, and what that cost.

    Sketches are made in a thread that the search begins, and are timed from its end on.
    """
    release_heap()
    memory_before = resident_mb()
    began = time.perf_counter()
    before = time.process_time()
    index = open_index(store, ENCODERS)
    index.near(probe)
    started = time.perf_counter()
    worked = time.process_time()
    wait_for_sketches()
    sketched = time.perf_counter()
    worked_more = time.process_time()
    release_heap()
    return index, {
        "start_s": started - began,
        "start_cpu_s": worked - before,
        "sketch_s": sketched - started,
        "sketch_cpu_s": worked_more - worked,
        "memory_mb": resident_mb() - memory_before,
    }


def wait_for_sketches() -> None:
    """Wait until the index has made its sketches, beside which searches scan all codes."""
    for thread in threading.enumerate():
        if thread.name == "sketches":
            thread.join()


def matrix_product(matrix: Float32Array, vector: Float32Array) -> float:
    """Seconds that numpy's product takes.

    Its threads go on spinning for a while, which must not meet the next search.
    """
    began = time.perf_counter()
    matrix @ vector
    seconds = time.perf_counter() - began
    time.sleep(0.1)
    return seconds


def enrol(url: str, modalities: Sequence[Modality]) -> float:
    """Enrolments a second, beside a gallery of the size at hand.

    People have these templates. Each is a transaction of its own.
    """
    store = Store(open_database(url))
    began = time.perf_counter()
    for number in range(ENROLMENTS):
        new = []
        for modality in modalities:
            vector = vectors(modality, 2 * 10**9 + number, 1)[0]
            embedding = Embedding(vector, modality, f"{modality}-1")
            new.append(NewTemplate(embedding, 0.8, f"new-{number}"))
        store.enroll(NewPerson(f"new-{time.time_ns()}"), new)
    rate = ENROLMENTS / (time.perf_counter() - began)
    store.close()
    return rate


def measure_apart(url: str, count: int, modalities: Sequence[Modality]) -> dict[str, float]:
    """`measure` in a fresh process of `THREADS` threads."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(THREADS))
    code = (
        "import json, sys; from bench.gallery import measure;"
        " print(json.dumps(measure(**json.loads(sys.argv[1]))))"
    )
    words = json.dumps({"url": url, "count": count, "modalities": list(modalities)})
    ended = subprocess.run(
        [sys.executable, "-c", code, words],
        env=os.environ | threads,
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return figures


def database_mb(url: str) -> float:
    """Size of the database with its indexes, in MB."""
    database = open_database(url)
    with database.read() as connection:
        query = POSTGRES_SIZE if database.searches else SQLITE_SIZE
        size = connection.scalar(text(query))
    database.close()
    return int(size or 0) / 2**20


def url_of(kind: str, folder: Path, name: str) -> str:
    """The URL of a gallery in a file of the folder, or of a new one in PostgreSQL."""
    if kind == "sqlite":
        return f"sqlite:///{folder / name}.db"
    from tests.support.postgres import new_database

    return new_database()


def measure_row(kind: str, url: str, count: int, modalities: Sequence[Modality]) -> str:
    """One row of the table. The gallery is filled first."""
    store = Store(open_database(url))
    fill(store, count, modalities)
    store.close()
    figures = measure_apart(url, count, modalities)
    vectors_mb = count * len(modalities) * EMBEDDING_SIZE * 4 / 2**20
    return (
        f"| {kind} | {count:,} | {figures['p50_ms']:.1f} ({figures['people_ms']:.1f},"
        f" {figures['strangers_ms']:.1f}) | {figures['p99_ms']:.1f} |"
        f" {figures['cpu_ms']:.1f} ({figures['all_cpu_ms']:.1f}) |"
        f" {figures['matvec_ms']:.1f} | {figures['recall']:.3f} |"
        f" {figures['memory_mb']:.0f} ({figures['memory_mb'] / vectors_mb:.2f} ×) |"
        f" {database_mb(url):.0f} | {figures['enrol_per_s']:.0f} |"
        f" {figures['start_s']:.1f} ({figures['start_cpu_s']:.1f}) |"
        f" {figures['sketch_s']:.1f} ({figures['sketch_cpu_s']:.1f}) |"
    )


@click.command(help=__doc__)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=[1000, 10_000, 100_000],
    show_default=True,
    help="People in the gallery. May be repeated.",
)
@click.option(
    "--store",
    "stores",
    multiple=True,
    type=click.Choice(("sqlite", "postgres")),
    default=["sqlite"],
    show_default=True,
    help="Where the gallery is. May be repeated.",
)
@click.option(
    "--folder",
    type=PathOption(path_type=Path, file_okay=False),
    default=Path("data/bench"),
    show_default=True,
    help="Folder of the files. A gallery that is there is used again.",
)
@click.option("--url", help="Database in PostgreSQL.  [default: a new one]")
@click.option("--both", is_flag=True, help="People have a voice, too.")
def main(
    sizes: Sequence[int], stores: Sequence[str], folder: Path, *, url: str | None, both: bool
) -> None:
    """Print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    print(
        "| store | people | p50 ms (people, strangers) | p99 ms | processor ms (all) |"
        " matrix·vector ms | recall@1 | memory MB (× vectors) | database MB | enrolments/s |"
        " start s (processor s) | sketches s (processor s) |"
    )
    print("|" + "---|" * 12)
    modalities = [Modality.FACE, Modality.VOICE] if both else [Modality.FACE]
    for kind in stores:
        for size in sizes:
            place = (url if kind == "postgres" else None) or url_of(
                kind, folder, f"gallery-{size}-{len(modalities)}"
            )
            print(measure_row(kind, place, size, modalities), flush=True)


if __name__ == "__main__":
    main()
