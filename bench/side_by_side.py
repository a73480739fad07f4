"""One table: a release before, this one, ffmpeg's decoding, and parts put together.

The clip and the people are those of `bench identify`. Services of `--before` (a checkout
of another release) and of this one in each way of `DUET_ACCURACY` are asked in turns, with
`ffmpeg -threads 2 -i clip -f null -` before each round, so that all meet the same load.
The parts (`bench.glued`) are asked `--glued` times. Printed are wall and processor time
(the service with its decoders), best and median, their ratios to ffmpeg's medians in this
run, resident memory, seconds from the start until ready, and each stage with its share.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import click
import requests

from bench.clips import ask, enroll_each, make_clip, people_to_enroll, resident_mb
from bench.identify import decode_only, processor_ms
from tests.support.service import ROOT, Service, environment, free_port, running
from utils.path_option import PathOption
from utils.settings.capture import ACCURACIES

WARM = 5
BEFORE = "before"
FFMPEG = "ffmpeg, decoding alone"


@dataclass
class Column:
    """What was measured of one of them: milliseconds by request, and of its stages."""

    name: str
    walls: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)
    memory_mb: float = 0.0
    start_s: float = 0.0

    def add(self, wall: float, work: float) -> None:
        """Note one request."""
        self.walls.append(wall)
        self.work.append(work)

    def row(self, base: Column) -> str:
        """A row of the table, with ratios to `base`."""
        wall = statistics.median(self.walls)
        work = statistics.median(self.work)
        return (
            f"| {self.name} | {min(self.walls):.0f} | {wall:.0f} |"
            f" {wall / statistics.median(base.walls):.2f} | {min(self.work):.0f} | {work:.0f} |"
            f" {work / statistics.median(base.work):.2f} | {self.memory_mb or float('nan'):.0f} |"
            f" {self.start_s or float('nan'):.1f} |"
        )


def ask_service(service: Service, clip: Path, column: Column) -> None:
    """Ask a service once."""
    before = processor_ms(service)
    started = time.perf_counter()
    answer = ask(service, clip)
    wall = 1000 * (time.perf_counter() - started)
    column.add(wall, processor_ms(service) - before)
    column.stages.append(answer["timings_ms"])


@contextmanager
def glued_parts() -> Iterator[Callable[[Path], tuple[float, float]]]:
    """Start `bench.glued`. Gives what asks it for wall and processor time."""
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.glued"],
        cwd=ROOT,
        env=quiet,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def ask_parts(clip: Path) -> tuple[float, float]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{clip}\n")
        process.stdin.flush()
        wall, work = map(float, process.stdout.readline().split())
        return wall, work

    with process:
        yield ask_parts


def ask_glued(clip: Path, count: int) -> Column:
    """Ask the parts `count` times, after once to warm up."""
    column = Column("glued parts")
    with glued_parts() as ask_parts:
        ask_parts(clip)
        for _ in range(count):
            column.add(*ask_parts(clip))
    return column


@contextmanager
def running_other(folder: Path, root: Path) -> Iterator[Service]:
    """Start the service of another checkout, whichever release it is of."""
    port = free_port()
    settings = environment({"port": port, "data_dir": folder / "data"})
    log = folder / "service.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=root, env=settings, stdout=out, stderr=out
        )
    service = Service(f"http://127.0.0.1:{port}", process, folder / "data", log)
    try:
        while not answers(service):
            if process.poll() is not None:
                raise click.ClickException(f"{root}/app.py does not start: {log.read_text()}")
            time.sleep(0.1)
        yield service
    finally:
        process.terminate()
        process.wait()


def answers(service: Service) -> bool:
    """Whether a service answers yet."""
    with suppress(requests.RequestException):
        return requests.get(f"{service.url}/v1/health", timeout=5).ok
    return False


def open_service(stack: ExitStack, column: Column, before: Path | None) -> Callable[[Path], None]:
    """Start a service with a few people, warm. Gives what asks it."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    started = time.perf_counter()
    if before and column.name == BEFORE:
        service = stack.enter_context(running_other(folder, before))
    else:
        service = stack.enter_context(running(folder, "app.py", accuracy=column.name.split()[-1]))
    column.start_s = time.perf_counter() - started
    enroll_each(service, people_to_enroll(folder))
    clip, _ = make_clip(folder)
    for _ in range(WARM):
        ask(service, clip)
    stack.callback(lambda: setattr(column, "memory_mb", resident_mb(service)))
    return partial(ask_service, service, column=column)


def print_stages(columns: Sequence[Column]) -> None:
    """Print the median of every stage, with its share of the request."""
    names = dict.fromkeys(chain.from_iterable(column.stages[0] for column in columns))
    print("\n| stage, ms (share) | " + " | ".join(c.name for c in columns) + " |")
    print("|" + "---|" * (len(columns) + 1))
    for name in names:
        cells = []
        for column in columns:
            total = statistics.median(times["total"] for times in column.stages)
            value = statistics.median(times.get(name, 0.0) for times in column.stages)
            cells.append(f"{value:.1f} ({100 * value / total:.0f} %)")
        print(f"| {name} | " + " | ".join(cells) + " |")


def measure(before: Path | None, repeat: int, glued: int) -> tuple[Column, list[Column]]:
    """Ask all of them in turns. Returns ffmpeg's column and the others."""
    base = Column(FFMPEG)
    columns = [Column(BEFORE)] if before else []
    columns += [Column(f"now, {way}") for way in ACCURACIES[::-1]]
    with ExitStack() as stack:
        clip, what = make_clip(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        print(f"{what}; {os.cpu_count()} cores, load before: {os.getloadavg()[0]:.1f}\n")
        asks = [open_service(stack, column, before) for column in columns]
        for _ in range(repeat):
            base.add(*decode_only(clip))
            for ask_one in asks:
                ask_one(clip)
        if glued:
            columns.append(ask_glued(clip, glued))
    return base, columns


@click.command(help=__doc__)
@click.option(
    "--before",
    type=PathOption(path_type=Path, file_okay=False, exists=True, resolve_path=True),
    help="Checkout of another release.",
)
@click.option("--repeat", default=9, show_default=True, help="Rounds.")
@click.option("--glued", default=2, show_default=True, help="Times that the parts are asked.")
def main(before: Path | None, repeat: int, glued: int) -> None:
    """Print the tables."""
    base, columns = measure(before, repeat, glued)
    print(
        "| | wall ms: best | median | ÷ ffmpeg | processor ms: best | median | ÷ ffmpeg |"
        " resident MB | start s |"
    )
    print("|" + "---|" * 9)
    for column in [*columns, base]:
        print(column.row(base))
    print_stages([column for column in columns if column.stages])


if __name__ == "__main__":
    main()
