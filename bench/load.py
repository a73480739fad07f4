"""Throughput of a running service with 1, 2, 4 and 8 clients at once.

Each client posts a 5 s clip again and again, for a bounded time.

    python -m bench.load [--seconds 30] [--clients 1,2,4,8] [--slots 1,2,4]

For each number of recognition slots (DUET_SLOTS) a service is started on a free port
with an empty data folder and the clip of bench.identify; it has one process of eight
threads, as it is served. Prints clips/s, time of a request at the median, the 95th and
the 99th percentile, requests that failed, resident memory after each step, and whether
every answer equals the one that a single client got before. With `--processes 2` two
services share the gallery and the clients are dealt out to them: what a second gunicorn
worker would give.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import requests

from bench.identify import ANSWER, ask, make_clip, people_to_enroll, resident_mb
from tests.support.service import Service, running


@dataclass
class Tally:
    """Requests of one client, or of all clients.

    Holds times in seconds of answered requests, failures, and answers unlike the first.
    """

    times: list[float] = field(default_factory=list)
    failed: int = 0
    unlike: int = 0

    def add(self, other: Tally) -> None:
        """Join another client's."""
        self.times += other.times
        self.failed += other.failed
        self.unlike += other.unlike


def answer(service: Service, clip: Path) -> dict[str, Any]:
    """The parts of an answer that must not depend on who else asks."""
    return {k: v for k, v in ask(service, clip).items() if k in ANSWER}


def client(
    service: Service, clip: Path, expected: dict[str, Any], until: float, tally: Tally
) -> None:
    """Ask again and again until the time is over."""
    while time.perf_counter() < until:
        started = time.perf_counter()
        try:
            unlike = answer(service, clip) != expected
        except requests.RequestException:
            tally.failed += 1
            continue
        tally.times.append(time.perf_counter() - started)
        tally.unlike += unlike


def load(
    services: list[Service], clip: Path, expected: dict[str, Any], clients: int, seconds: float
) -> tuple[Tally, float]:
    """Run that many clients at once. Returns their requests and the duration."""
    tallies = [Tally() for _ in range(clients)]
    started = time.perf_counter()
    threads = [
        threading.Thread(
            target=client,
            args=(services[n % len(services)], clip, expected, started + seconds, tally),
        )
        for n, tally in enumerate(tallies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole, time.perf_counter() - started


def enroll(service: Service, people: list[Path]) -> None:
    """Somebody to be searched."""
    for number, path in enumerate(people):
        requests.post(
            f"{service.url}/v1/people", json={"person_id": f"p{number}"}, timeout=60
        ).raise_for_status()
        with path.open("rb") as file:
            requests.post(
                f"{service.url}/v1/people/p{number}/templates",
                files={"media": file},
                data={"force": "true"},
                timeout=120,
            ).raise_for_status()


def measure(slots: int, processes: int, clients: list[int], seconds: float) -> None:
    """One table row for each number of clients."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clip, _ = make_clip(folder)
        settings = {"slots": slots, "rate_limit": "100000/minute"}
        services = [
            stack.enter_context(running(folder, "app.py", **settings)) for _ in range(processes)
        ]
        enroll(services[0], people_to_enroll(folder))
        # Each has loaded its gallery then
        expected, *_ = [answer(service, clip) for service in services]
        for count in clients:
            tally, took = load(services, clip, expected, count, seconds)
            p50, p95, p99 = 1000 * np.percentile(tally.times or [np.nan], [50, 95, 99])
            memory = sum(resident_mb(service) for service in services)
            print(
                f"| {processes} | {slots} | {count} | {len(tally.times) / took:.2f} | {p50:.0f} |"
                f" {p95:.0f} | {p99:.0f} | {tally.failed} | {tally.unlike} | {memory:.0f} |",
                flush=True,
            )


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each step")
    parser.add_argument("--clients", default="1,2,4,8", help="clients at once, step after step")
    parser.add_argument("--slots", default="1,2,4", help="values of DUET_SLOTS")
    parser.add_argument("--processes", type=int, default=1, help="services that share the gallery")
    chosen = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, load before: {os.getloadavg()[0]:.1f}; {chosen.seconds:g} s a"
        " step\n"
    )
    print(
        "| processes | slots | clients | clips/s | p50 ms | p95 ms | p99 ms | failed | answers"
        " unlike the serial one | resident MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for slots in chosen.slots.split(","):
        measure(
            int(slots),
            chosen.processes,
            [int(n) for n in chosen.clients.split(",")],
            chosen.seconds,
        )


if __name__ == "__main__":
    main()
