"""How an answer's time grows: with the clip, the faces, the people, the templates, the clients.

One thing grows at a time, and the rest stays. Clips are the one of `bench identify`, longer
(repeated), or shown several times side by side. People and their templates are those of
`bench gallery`, searched as an identification does, in this process (ten million: `bench
search`). Clients ask one service at the same time, which tells some of them to come later.
Printed are the median wall and processor time of an answer, and both as a multiple of the
first row, beside how much the thing itself has grown: linear or better is a multiple of
that at most. A gallery that is in --folder is used again, and --part takes up a run that
was broken off.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
from sqlalchemy import insert
from threadpoolctl import threadpool_limits

from bench.clips import ask, ask_for_answer, enroll_each, ffmpeg, make_clip, people_to_enroll
from bench.crowds import probe_of, vectors
from bench.gallery import (
    ENCODERS,
    fill,
    row_of_template,
    shipped_calibrations,
    url_of,
    wait_for_sketches,
)
from bench.identify import processor_ms
from bench.load import Question, load
from gallery.database.open import open_database
from gallery.search.choose import open_index
from gallery.store import Store
from gallery.tables import templates
from recognition.matching import Search
from recognition.sides import Side
from tests.support.service import Service, running
from utils.arrays import Float32Array
from utils.modality import Modality
from utils.path_option import PathOption

SECONDS = (2, 5, 10, 30, 60)
FACES = (1, 2, 4, 10)
PEOPLE = (10, 1000, 10_000, 100_000, 1_000_000)
TEMPLATES = (1, 5, 50)
CLIENTS = (1, 2, 8, 32)
PARTS = ("clip", "people", "templates", "clients")
OF_TEMPLATES = 1000
COLUMNS = 5


@dataclass(frozen=True)
class Point:
    """One row: how much of a thing there is, and milliseconds of an answer."""

    what: str
    amount: int
    wall_ms: float
    work_ms: float


def median_of(repeat: int, ask_once: Callable[[int], tuple[float, float]]) -> tuple[float, float]:
    """Median wall and processor time of so many answers, after one to warm up."""
    ask_once(0)
    walls, works = zip(*(ask_once(number) for number in range(repeat)), strict=True)
    return statistics.median(walls), statistics.median(works)


def ask_clip(service: Service, clip: Path, _number: int) -> tuple[float, float]:
    """Ask a service about a clip. Wall and processor time in milliseconds."""
    before = processor_ms(service)
    started = time.perf_counter()
    ask(service, clip)
    wall = 1000 * (time.perf_counter() - started)
    return wall, processor_ms(service) - before


def longer(clip: Path, seconds: int) -> Path:
    """The clip repeated up to so many seconds."""
    path = clip.with_name(f"long{seconds}.mp4")
    ffmpeg("-stream_loop -1", clip, f"-t {seconds} -c:v libx264 -pix_fmt yuv420p -c:a aac", path)
    return path


def several(clip: Path, faces: int) -> Path:
    """The clip side by side so many times, in a picture of about the same size."""
    path = clip.with_name(f"faces{faces}.mp4")
    columns = min(faces, COLUMNS)
    rows = -(-faces // COLUMNS)
    width = 2 * (1280 // columns // 2)
    names = "".join(f"[v{number}]" for number in range(faces))
    places = "|".join(
        f"{number % COLUMNS * width}_{number // COLUMNS * 360}" for number in range(faces)
    )
    shape = f"crop=ih*{width}/360:ih,scale={width}:360" if faces > 1 else "scale=640:360"
    stack = f";{names}xstack=inputs={faces}:layout={places}:fill=black" if faces > 1 else ""
    filters = f"[0:v]{shape},split={faces}{names}{stack}" if faces > 1 else f"[0:v]{shape}"
    coding = "-c:v libx264 -pix_fmt yuv420p -c:a aac"
    ffmpeg("", clip, f"-filter_complex {filters} -map 0:a {coding}", path)
    assert rows * 360 <= 720
    return path


def grow_clip(repeat: int) -> Iterable[Point]:
    """Longer clips, and more faces in view."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(running(folder, "app.py", max_clip_s=120))
        clip, _ = make_clip(folder)
        enroll_each(service, people_to_enroll(folder))
        for seconds in SECONDS:
            path = longer(clip, seconds)
            times = median_of(repeat, partial(ask_clip, service, path))
            yield Point("seconds of the clip", seconds, *times)
        for faces in FACES:
            times = median_of(repeat, partial(ask_clip, service, several(clip, faces)))
            yield Point("faces in view", faces, *times)


def search(store: Store, people: int) -> Callable[[int], tuple[float, float]]:
    """Open the index of a gallery. Gives what searches it once."""
    index = open_index(store, ENCODERS)
    index.near(probe_of(0, [Modality.FACE], people))
    wait_for_sketches()
    calibrations = shipped_calibrations()
    threadpool_limits(1, user_api="blas")  # as in the service

    def search_once(number: int) -> tuple[float, float]:
        probe = probe_of(number, [Modality.FACE], people)
        started = time.perf_counter()
        before = time.process_time()
        sides = {modality: Side(vector) for modality, vector in probe.items()}
        Search(index.near(probe), sides, calibrations).rank(Modality.FACE)
        worked = time.process_time() - before
        return 1000 * (time.perf_counter() - started), 1000 * worked

    return search_once


def add_templates(store: Store, people: int, count: int) -> None:
    """Give each person so many templates more, in one transaction."""
    with store.database.write() as connection:
        for number in range(people):
            more = enumerate(vectors("noise", number, count))
            rows = [row_of_one_more(number, place, vector) for place, vector in more]
            connection.execute(insert(templates), rows)


def row_of_one_more(number: int, place: int, vector: Float32Array) -> dict[str, Any]:
    """A row of a further template of a person, of another recording."""
    name = f"{number}-{place}"
    row = row_of_template(number, Modality.FACE, vector)
    return row | {"template_id": name, "source_sha256": name}


def grow_people(folder: Path, sizes: Sequence[int], repeat: int) -> Iterable[Point]:
    """More people, those of `bench gallery`."""
    folder.mkdir(parents=True, exist_ok=True)
    for people in sizes:
        store = Store(open_database(url_of("sqlite", folder, f"gallery-{people}-1")))
        fill(store, people, [Modality.FACE])
        yield Point("people", people, *median_of(repeat, search(store, people)))
        store.close()


def grow_templates(repeat: int) -> Iterable[Point]:
    """More templates of each person."""
    with tempfile.TemporaryDirectory() as folder:
        for count in TEMPLATES:
            store = Store(open_database(f"sqlite:///{folder}/t{count}.db"))
            fill(store, OF_TEMPLATES, [Modality.FACE])
            if count > 1:
                add_templates(store, OF_TEMPLATES, count - 1)
            times = median_of(repeat, search(store, OF_TEMPLATES))
            yield Point("templates of each of 1,000", count, *times)
            store.close()


def grow_clients(seconds: float) -> Iterable[Point]:
    """More clients at once. The times are those of an answer: duration over answers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(running(folder, "app.py", rate_limit="100000/minute"))
        clip, _ = make_clip(folder)
        enroll_each(service, people_to_enroll(folder))
        question = Question(clip, ask_for_answer(service, clip))
        for clients in CLIENTS:
            before = processor_ms(service)
            tally, took = load([service], question, clients, seconds)
            work = processor_ms(service) - before
            answers = max(1, len(tally.times))
            point = Point("clients at once", clients, 1000 * took / answers, work / answers)
            assert not tally.unlike
            yield point


def print_points(points: Iterable[Point]) -> None:
    """Print rows as they come. The first of each thing is what the others are set against."""
    first: Point | None = None
    for point in points:
        if first is None or first.what != point.what:
            first = point
        print(
            f"| {point.what} | {point.amount:,} | {point.amount / first.amount:,.0f} |"
            f" {point.wall_ms:.1f} | {point.wall_ms / max(first.wall_ms, 1e-9):.2f} |"
            f" {point.work_ms:.1f} | {point.work_ms / max(first.work_ms, 1e-9):.2f} |",
            flush=True,
        )


@click.command(help=__doc__)
@click.option("--repeat", default=5, show_default=True, help="Answers a row, of which the median.")
@click.option(
    "--people",
    "sizes",
    multiple=True,
    type=int,
    default=PEOPLE,
    show_default=True,
    help="People in the gallery. May be repeated.",
)
@click.option("--seconds", default=6.0, show_default=True, help="For each number of clients.")
@click.option(
    "--folder",
    type=PathOption(path_type=Path, file_okay=False),
    default=Path("data/bench"),
    show_default=True,
    help="Folder of the galleries.",
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    default=PARTS,
    show_default=True,
    help="What grows. May be repeated.",
)
def main(
    repeat: int, sizes: Sequence[int], seconds: float, *, folder: Path, parts: Sequence[str]
) -> None:
    """Print the table."""
    print("| what grows | amount | × | wall ms | × | processor ms | × |")
    print("|" + "---|" * 7)
    points = {
        "clip": grow_clip(repeat),
        "people": grow_people(folder, sizes, 20 * repeat),
        "templates": grow_templates(20 * repeat),
        "clients": grow_clients(seconds),
    }
    for part in parts:
        print_points(points[part])


if __name__ == "__main__":
    main()
