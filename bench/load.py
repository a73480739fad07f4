"""Throughput of a running service with 1, 2, 4 and 8 clients at once.

Each client posts a 5 s clip again and again, for a bounded time.

For each number of recognition slots (DUET_SLOTS) a service is started on a free port
with an empty data folder and the clip of `bench identify`; it has one process of eight
threads, as it is served. Prints clips/s, time of a request at the median, the 95th and
the 99th percentile, requests that failed or were told to come later (503 `busy`),
resident memory after each step, and whether every answer equals the one that a single
client got before. With `--processes 2` two
services share the gallery and the clients are dealt out to them: what a second gunicorn
worker would give.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import requests

from bench.clips import ask_for_answer, enroll_each, make_clip, people_to_enroll, resident_mb
from tests.support.service import Service, running


@dataclass(frozen=True)
class Question:
    """A clip, and the answer that a single client got."""

    clip: Path
    expected: dict[str, Any]


@dataclass
class Tally:
    """Requests of one client, or of all clients.

    Holds times in seconds of answered requests, failures, answers 503 `busy`, and answers
    unlike the first.
    """

    times: list[float] = field(default_factory=list)
    failed: int = 0
    busy: int = 0
    unlike: int = 0

    def add(self, other: Tally) -> None:
        """Join another client's."""
        self.times += other.times
        self.failed += other.failed
        self.busy += other.busy
        self.unlike += other.unlike


def ask_until(end: float, service: Service, question: Question, tally: Tally) -> None:
    """Ask again and again until the time is over."""
    while time.perf_counter() < end:
        started = time.perf_counter()
        try:
            unlike = ask_for_answer(service, question.clip) != question.expected
        except requests.RequestException as error:
            if _is_busy(error):
                tally.busy += 1
                time.sleep(1)
            else:
                tally.failed += 1
            continue
        tally.times.append(time.perf_counter() - started)
        tally.unlike += unlike


def _is_busy(error: requests.RequestException) -> bool:
    """Whether the service has asked to come again later."""
    answer = error.response
    return answer is not None and answer.status_code == 503 and "Retry-After" in answer.headers


def load(
    services: Sequence[Service], question: Question, clients: int, seconds: float
) -> tuple[Tally, float]:
    """Run that many clients at once. Returns their requests and the duration."""
    tallies = [Tally() for _ in range(clients)]
    started = time.perf_counter()
    threads = []
    for number, tally in enumerate(tallies):
        arguments = (started + seconds, services[number % len(services)], question, tally)
        threads.append(threading.Thread(target=ask_until, args=arguments))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole, time.perf_counter() - started


def measure(slots: int, processes: int, clients: Sequence[int], seconds: float) -> None:
    """Print one table row for each number of clients."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clip, _ = make_clip(folder)
        settings = {"slots": slots, "rate_limit": "100000/minute"}
        services = [
            stack.enter_context(running(folder, "app.py", **settings)) for _ in range(processes)
        ]
        enroll_each(services[0], people_to_enroll(folder))
        # Each has loaded its gallery then.
        answers = [ask_for_answer(service, clip) for service in services]
        for count in clients:
            tally, took = load(services, Question(clip, answers[0]), count, seconds)
            p50, p95, p99 = 1000 * np.percentile(tally.times or [np.nan], [50, 95, 99])
            memory = sum(map(resident_mb, services))
            print(
                f"| {processes} | {slots} | {count} | {len(tally.times) / took:.2f} | {p50:.0f} |"
                f" {p95:.0f} | {p99:.0f} | {tally.failed} | {tally.busy} | {tally.unlike} |"
                f" {memory:.0f} |",
                flush=True,
            )


@click.command(help=__doc__)
@click.option("--seconds", default=30.0, show_default=True, help="Length of each step.")
@click.option(
    "--clients",
    multiple=True,
    default=[1, 2, 4, 8],
    show_default=True,
    help="Clients at once. May be repeated.",
)
@click.option(
    "--slots",
    multiple=True,
    default=[1, 2, 4],
    show_default=True,
    help="Value of DUET_SLOTS. May be repeated.",
)
@click.option("--processes", default=1, show_default=True, help="Services that share the gallery.")
def main(seconds: float, clients: Sequence[int], slots: Sequence[int], processes: int) -> None:
    """Print the table."""
    print(f"{os.cpu_count()} cores, load before: {os.getloadavg()[0]:.1f}; {seconds:g} s a step\n")
    print(
        "| processes | slots | clients | clips/s | p50 ms | p95 ms | p99 ms | failed | busy |"
        " answers unlike the serial one | resident MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for number in slots:
        measure(number, processes, clients, seconds)


if __name__ == "__main__":
    main()
