"""How search, memory, enrolment and start grow with the gallery.

Measures a gallery in a file and one in PostgreSQL.

Every person has one face template (with --both a voice template too, and is searched by
face, voice and both). Vectors are random, with as many effective dimensions as those of
the networks on held-out people: 120 for faces, 30 for voices. With --crops (and --voices)
they are mixtures of two real faces (or voices) with noise. Half of the probes are people of
the gallery (cosine about 0.6 with their template), half are strangers. A search is what an
identification does: `near` and the ranking, against the shipped cohorts. `recall@1`: the
share of probes whose best person is the one of an exact comparison with all vectors in
float32.

Start, memory and search are measured in a process of their own, where matrix products have
one thread and all threads one heap, as in the service.
`memory` is what the process holds more once the index is loaded and free memory is given
back, as the service does after a clip; `vectors` are the bytes of the templates.
PostgreSQL's own memory is not in it: its table and indexes are listed by their size.
`p50 ms` is also given for people and for strangers alone, who take different ways, and
for `near`: whoever is nearest, by exact templates, before the ranking.
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

from align.heap import bound_heap, keep_heap, release_heap
from bench.crowds import (
    AT_ONCE,
    RANDOM,
    Crowd,
    Vectors,
    best_exactly,
    embed_once,
    open_crowd,
    probe_of,
    vectors,
)
from gallery.database.open import open_database
from gallery.search.choose import open_index
from gallery.search.memory import Index
from gallery.store import NewPerson, NewTemplate, Store
from gallery.tables import changes, people, templates
from network.serving.card import read_card
from recognition.matching import Search
from recognition.sides import Side
from scoring.calibration import Calibration
from scoring.remembering import with_memory
from tests.support.gallery_parts import StubEncoders
from utils.arrays import EMBEDDING_SIZE, Float32Array
from utils.modality import SINGLE, Embedding, Modality, PerModality
from utils.path_option import PathOption

# So many that a recall of 0.999 can be told from one of 1.
PROBES = 1000
ENROLMENTS = 100
# Up to which the product of matrix and vector is timed.
EXACT_PEOPLE = 100_000
# Of the matrix products in the process that measures, as in the service.
BLAS_THREADS = 1
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
MODELS = Path("best_model")

ARCHIVE = PathOption(path_type=Path, dir_okay=False, exists=True)


def fill(store: Store, count: int, modalities: Sequence[Modality], crowd: Crowd = RANDOM) -> None:
    """Write people and templates at once, as a copy of a gallery would.

    It goes on where it was broken off.
    """
    for first in range(store.count(), count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        with store.database.write() as connection:
            connection.execute(insert(people), [row_of_person(number) for number in numbers])
            for modality in modalities:
                rows = zip(numbers, crowd.piece(modality, first), strict=False)
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


def shipped_calibrations() -> PerModality[Calibration]:
    """Those of the shipped networks, with their cohorts. Fused vectors here are a stand-in's."""
    singles = {}
    for modality in SINGLE:
        card = read_card(MODELS / modality)
        singles[modality] = card.require_calibration(card.require_cohort(MODELS / modality))
    return with_memory(
        PerModality(
            fused=CALIBRATIONS.fused, face=singles[Modality.FACE], voice=singles[Modality.VOICE]
        )
    )


def resident_mb() -> float:
    """Memory of this process, in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def measure(
    url: str, count: int, modalities: Sequence[Modality], real: Sequence[str]
) -> dict[str, float]:
    """Start, memory, search and enrolment, in this process. `real` as of `open_crowd`."""
    bound_heap()
    keep_heap()
    first = modalities[0]
    crowd = open_crowd(real)
    calibrations = shipped_calibrations()
    probes = [probe_of(number, modalities, count, crowd) for number in range(PROBES)]
    exact = best_exactly(first, np.stack([probe[first] for probe in probes]), count, crowd)
    matrix = vectors(Modality.FACE, 0, min(count, EXACT_PEOPLE))
    store = Store(open_database(url))
    index, start = measure_start(store, probes[0])
    times = []
    nearest_times = []
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
        nearest = index.near(probe)
        nearest_times.append(time.perf_counter() - began)
        search = Search(nearest, sides, calibrations)
        for modality in probe:
            search.rank(modality)
        times.append(time.perf_counter() - began)
        worked.append(time.thread_time() - before[0])
        worked_by_all.append(time.process_time() - before[1])
        cosines = np.where(nearest.has[first], nearest.vectors[first] @ probe[first], -1)
        right += nearest.keys[cosines.argmax()] == best + 1
    store.close()
    return start | {
        "p50_ms": 1e3 * float(np.median(times)),
        "people_ms": 1e3 * float(np.median(times[::2])),
        "strangers_ms": 1e3 * float(np.median(times[1::2])),
        "near_ms": 1e3 * float(np.median(nearest_times)),
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


def measure_apart(
    url: str, count: int, modalities: Sequence[Modality], real: Sequence[Path]
) -> dict[str, float]:
    """`measure` in a fresh process."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(BLAS_THREADS))
    code = (
        "import json, sys; from bench.gallery import measure;"
        " print(json.dumps(measure(**json.loads(sys.argv[1]))))"
    )
    words = json.dumps(
        {"url": url, "count": count, "modalities": list(modalities), "real": list(map(str, real))}
    )
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


def measure_row(
    kind: str, url: str, count: int, modalities: Sequence[Modality], *, real: Sequence[Path]
) -> str:
    """One row of the table. The gallery is filled first."""
    store = Store(open_database(url))
    fill(store, count, modalities, open_crowd(real))
    store.close()
    figures = measure_apart(url, count, modalities, real)
    vectors_mb = count * len(modalities) * EMBEDDING_SIZE * 4 / 2**20
    return (
        f"| {kind}{', mixtures' if real else ''} | {count:,} |"
        f" {figures['p50_ms']:.1f} ({figures['people_ms']:.1f},"
        f" {figures['strangers_ms']:.1f}) | {figures['near_ms']:.1f} |"
        f" {figures['p99_ms']:.1f} |"
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
@click.option("--crops", type=ARCHIVE, help="Archive of faces, to mix people of.")
@click.option("--voices", type=ARCHIVE, help="Archive of voices, for --both with --crops.")
def main(
    sizes: Sequence[int],
    stores: Sequence[str],
    folder: Path,
    *,
    url: str | None,
    both: bool,
    crops: Path | None,
    voices: Path | None,
) -> None:
    """Print the table."""
    if crops and both and not voices:
        raise click.UsageError("--both with --crops needs --voices.")
    folder.mkdir(parents=True, exist_ok=True)
    print(
        "| store | people | p50 ms (people, strangers) | of it near | p99 ms |"
        " processor ms (all) | matrix·vector ms | recall@1 | memory MB (× vectors) |"
        " database MB | enrolments/s | start s (processor s) |"
        " sketches s (processor s) |"
    )
    print("|" + "---|" * 13)
    modalities = [Modality.FACE, Modality.VOICE] if both else [Modality.FACE]
    archives = {Modality.FACE: crops, Modality.VOICE: voices}
    real = embed_once({m: archive for m in modalities if (archive := archives[m])}, folder)
    for kind in stores:
        for size in sizes:
            name = f"gallery-{size}-{len(modalities)}{'-mixed' if real else ''}"
            place = (url if kind == "postgres" else None) or url_of(kind, folder, name)
            print(measure_row(kind, place, size, modalities, real=real), flush=True)


if __name__ == "__main__":
    main()
