"""Time and memory of a running service that identifies a clip.

Also checks that parallel answers equal serial ones.

Starts a service on a free port with an empty data folder. The clip is 5 s, 1280 × 720,
30 fps, H.264 with AAC sound: a real face from the research clips (DUET_SHARED_DATA)
scaled up where they are, a drawn one elsewhere. Prints the time of each stage of a warm
request, the total as a ratio to `ffmpeg -threads 2 -i clip -f null -` (decoding alone,
taken in turns with the requests so that both meet the same load), and resident memory
after 10, 50 and 200 requests. Times are wall time in milliseconds unless called
processor time.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import click

from bench.clips import (
    FPS,
    SECONDS,
    ask,
    ask_for_answer,
    enroll_each,
    ffmpeg,
    make_clip,
    people_to_enroll,
    resident_mb,
)
from tests.support.service import Service, running
from utils.path_option import PathOption

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TARGET_RATIO = 3.0
TARGET_MS = 600.0
TARGET_MB = 1200.0
AT_ONCE = 8


def decode_only(clip: Path) -> tuple[float, float]:
    """Wall and processor time of decoding alone, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    ffmpeg("-threads 2", clip, "-f null", "-")
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * wall, 1000 * processor


def processor_ms(service: Service) -> float:
    """Processor time that the serving process and its decoders have used so far."""
    ticks = 0
    for pid in [*service.worker_pids(), *service.decoder_pids()]:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return 1000 * ticks / TICKS_PER_S


def print_row(name: str, times: Sequence[float]) -> None:
    """One row: the best and the median of these times."""
    print(f"{name:24}{min(times):10.1f}{statistics.median(times):11.1f}")


def time_requests(service: Service, clip: Path, repeat: int) -> None:
    """Print the table of stages and the ratio to decoding alone."""
    walls = []
    processor = []
    decodes = []
    stages = []
    for _ in range(repeat):
        decodes.append(decode_only(clip))
        before = processor_ms(service)
        started = time.perf_counter()
        stages.append(ask(service, clip)["timings_ms"])
        walls.append(1000 * (time.perf_counter() - started))
        processor.append(processor_ms(service) - before)
    alone, alone_processor = zip(*decodes, strict=True)
    print(f"\n{'stage':24}{'best ms':>10}{'median ms':>11}")
    for name in stages[0]:
        print_row(name, [times[name] for times in stages])
    print_row("whole request", walls)
    print_row("  processor time", processor)
    print_row("ffmpeg decoding alone", alone)
    print_row("  processor time", alone_processor)
    ratio = statistics.median(walls) / statistics.median(alone)
    print(f"{'ratio':24}{min(walls) / min(alone):10.2f}{ratio:11.2f}")
    limit = max(TARGET_RATIO * min(alone), TARGET_MS)
    print(
        f"target: {limit:.0f} ms at most (the larger of {TARGET_RATIO:g} × decoding and"
        f" {TARGET_MS:g} ms): {'reached' if min(walls) <= limit else 'MISSED'} by the best request"
    )


def watch_memory(service: Service, clip: Path, done: int, counts: Sequence[int]) -> None:
    """Print resident memory after `counts` requests in all.

    `done` of them were made before.
    """
    print(f"\n{'requests':>10}{'resident MB':>13}")
    for count in counts:
        for _ in range(done, count):
            ask(service, clip)
        done = max(done, count)
        print(f"{done:10}{resident_mb(service):13.0f}")


def compare_parallel(service: Service, clips: Sequence[Path]) -> None:
    """Print whether requests at once answer what they answer one after another."""
    several = [clips[place % len(clips)] for place in range(AT_ONCE)]
    answer = partial(ask_for_answer, service)
    started = time.perf_counter()
    serial = list(map(answer, several))
    between = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parallel = list(pool.map(answer, several))
    ended = time.perf_counter()
    same = sum(one == other for one, other in zip(serial, parallel, strict=True))
    print(
        f"\n{AT_ONCE} at once: {same} of {AT_ONCE} answers equal those one after another; "
        f"{between - started:.2f} s one after another, {ended - between:.2f} s at once"
    )


@click.command(help=__doc__)
@click.option("--repeat", default=9, show_default=True, help="Timed requests.")
@click.option(
    "--requests", "last", default=200, show_default=True, help="Requests for the memory test."
)
@click.option(
    "--model-dir",
    type=PathOption(path_type=Path, file_okay=False, resolve_path=True),
    help="Other networks than best_model/.",
)
def main(repeat: int, last: int, model_dir: Path | None) -> None:
    """Print the figures."""
    settings = {"model_dir": model_dir} if model_dir else {}
    with (
        tempfile.TemporaryDirectory() as name,
        running(Path(name), "app.py", **settings) as service,
    ):
        clip, what = make_clip(Path(name))
        people = people_to_enroll(Path(name))
        print(
            f"clip: {SECONDS} s, {FPS} fps, {what}; {os.cpu_count()} cores, load before:"
            f" {os.getloadavg()[0]:.1f}; {len(people)} people enrolled"
        )
        enroll_each(service, people)
        watch_memory(service, clip, len(people), [10])
        time_requests(service, clip, repeat)
        compare_parallel(service, [clip, *people])
        watch_memory(service, clip, 10 + repeat + 2 * AT_ONCE, [50, last])
        print(f"target: {TARGET_MB:g} MB at most, no growth after the first 50")


if __name__ == "__main__":
    main()
