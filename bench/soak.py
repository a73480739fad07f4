"""Soak a service: clients that send good, bad and hostile media for half an hour.

Good clips are asked about, bad ones are those that people send by mistake (a text, a cut
file, an empty room), hostile ones are made to break a decoder (a picture of 3.6 gigapixels,
64 channels, bytes turned over in a real clip). Once a minute a decoder is killed by a
signal of a crash, as a broken codec would be.

Every answer must be one that is promised for its medium: 200, a named refusal with a
status of 4xx, or 503 `busy`. Good clips are answered as a single client was. Memory after
the first five minutes must be flat: the mean of the last five minutes is compared with it.
Prints one line a minute, then the answers by medium. Exit status 1: something else came.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import requests
import soundfile

from bench.clips import (
    ANSWER,
    ask_for_answer,
    enroll_each,
    make_clip,
    people_to_enroll,
    resident_mb,
)
from tests.support.media import (
    scene,
    speech,
    text_as_video,
    truncate,
    write_clip,
    write_photo,
    write_sound,
)
from tests.support.service import Service, running

REFUSALS = {400, 408, 413, 415, 422, 429}
WARM_UP_S = 300.0
FLAT = 1.1
"""How much more memory the last five minutes may take than the first ones after warm-up."""

_LOOK_S = 15.0
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)


@dataclass
class Record:
    """What came of the requests of all clients.

    Attributes:
        answers: by the kind of medium, status and code.
        surprises: answers that are not promised, one line each.
        times_s: of answers 200 to good clips.
    """

    answers: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, medium: Medium, status: int, code: str, surprise: str) -> None:
        """Count an answer. `surprise` says why it is not promised, "" if it is."""
        with self.lock:
            self.answers[medium.kind, status, code] += 1
            if surprise:
                self.surprises.append(f"{medium.path.name}: {status} {code} {surprise}")


@dataclass(frozen=True)
class Medium:
    """A file that is sent, its kind, and the answer to a good one."""

    path: Path
    kind: str
    expected: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Visit:
    """The service, what all clients send to it, and what comes."""

    service: Service
    media: list[Medium]
    record: Record


def make_bad(folder: Path) -> list[Path]:
    """Write what people send by mistake."""
    clip = write_clip(folder / "whole.mp4", person=2)
    empty = folder / "empty.mp4"
    empty.touch()
    return [
        text_as_video(folder / "text.mp4"),
        empty,
        truncate(clip, folder / "cut.mp4", 0.4),
        write_clip(folder / "nobody.webm", person=None, voice=None),
        write_photo(folder / "picture.jpg", scene(None)),
        write_sound(folder / "silence.wav", np.zeros(96_000, np.float32)),
    ]


def make_hostile(folder: Path, clip: Path) -> list[Path]:
    """Write what is made to break a decoder."""
    many = folder / "channels.wav"
    soundfile.write(many, np.tile(speech(0, 4.0)[:, None], 64), 48_000)
    bomb = folder / "gigapixels.png"
    bomb.write_bytes(_png_header(60_000, 60_000))
    long = folder / "hours.wav"
    sound = bytearray(many.read_bytes())
    sound[40:44] = struct.pack("<I", 0xFFFFFFF0)  # the header promises hours
    long.write_bytes(sound)
    return [many, bomb, long, *(_turn_bytes(clip, folder / f"turned-{n}.mp4", n) for n in range(8))]


def _png_header(width: int, height: int) -> bytes:
    """A picture that says how large it is, with little behind it."""
    head = b"IHDR" + struct.pack(">II", width, height) + bytes((8, 2, 0, 0, 0))
    body = b"IDAT" + zlib.compress(bytes(1 << 20))
    chunks = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, body)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _turn_bytes(clip: Path, target: Path, seed: int) -> Path:
    """Copy a clip with a byte in a thousand turned into another."""
    content = bytearray(clip.read_bytes())
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(len(content) // 1000):
        content[chance.randrange(64, len(content))] = chance.randrange(256)
    target.write_bytes(content)
    return target


def ask_until(end: float, visit: Visit, seed: int) -> None:
    """Send media by chance until the time is over. A busy service is left alone for a while."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    while time.monotonic() < end:
        medium = chance.choice(visit.media)
        started = time.monotonic()
        try:
            answer = _send(visit.service, medium.path)
        except requests.RequestException as error:
            visit.record.note(medium, 0, type(error).__name__, "no answer")
            continue
        code = str(_body(answer).get("error", {}).get("code", ""))
        visit.record.note(medium, answer.status_code, code, find_surprise(medium, answer))
        if answer.status_code == 200 and medium.expected:
            visit.record.times_s.append(time.monotonic() - started)
        if code == "busy":
            time.sleep(float(answer.headers["Retry-After"]))


def find_surprise(medium: Medium, answer: requests.Response) -> str:
    """Say why an answer is not one that is promised. Empty if it is."""
    body = _body(answer)
    code = str(body.get("error", {}).get("code", ""))
    if code == "busy":
        return "" if answer.status_code == 503 and "Retry-After" in answer.headers else "not 503"
    if medium.expected is not None:
        if code == "media_unreadable":  # its decoder was killed
            return "" if body["error"]["details"]["signal"] else "no signal is named"
        same = {name: body.get(name) for name in ANSWER} == medium.expected
        return "" if answer.status_code == 200 and same else "another answer than alone"
    promised = answer.status_code == 200 or (answer.status_code in REFUSALS and code)
    return "" if promised else "is not promised"


def _send(service: Service, path: Path) -> requests.Response:
    with path.open("rb") as file:
        url = f"{service.url}/v1/identify"
        return requests.post(url, files={"media": (path.name, file)}, timeout=300)


def _body(answer: requests.Response) -> dict[str, Any]:
    try:
        return dict(answer.json())
    except ValueError:
        return {}


def watch(visit: Visit, seconds: float, crash: bool) -> list[tuple[float, float]]:
    """Print a line a minute, and crash a decoder each time. Returns times and memory in MB."""
    started = time.monotonic()
    memory: list[tuple[float, float]] = []
    minutes = 0
    while (passed := time.monotonic() - started) < seconds:
        time.sleep(min(_LOOK_S, seconds - passed))
        passed = time.monotonic() - started
        with suppress(OSError, StopIteration):  # a decoder has just ended
            memory.append((passed, resident_mb(visit.service)))
        if passed // 60 > minutes:
            minutes += 1
            _print_minute(passed, memory[-1][1], visit.record)
            if crash:
                _crash_decoder(visit.service, minutes)
    return memory


def _print_minute(passed: float, memory_mb: float, record: Record) -> None:
    with record.lock:
        counts = Counter[int]()
        for (_, status, _), number in record.answers.items():
            counts[status] += number
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(counts.items()))
    surprises = len(record.surprises)
    print(
        f"{passed / 60:5.1f} min {memory_mb:6.0f} MB  {answers}; {surprises} surprises", flush=True
    )


def _crash_decoder(service: Service, number: int) -> None:
    pids = service.decoder_pids()
    with suppress(OSError, IndexError):
        os.kill(pids[number % len(pids)], _CRASHES[number % len(_CRASHES)])


def summarise(record: Record, memory: list[tuple[float, float]]) -> bool:
    """Print what came. Returns whether all of it is promised and memory is flat."""
    print("\n| medium | status | code | answers |\n|---|---|---|---|")
    for (kind, status, code), count in sorted(record.answers.items()):
        print(f"| {kind} | {status} | {code or '-'} | {count} |")
    p50, p95 = np.percentile(record.times_s or [np.nan], [50, 95])
    print(f"\nGood clips: p50 {p50:.2f} s, p95 {p95:.2f} s. Surprises: {len(record.surprises)}")
    print("\n".join(record.surprises[:20]))
    end = memory[-1][0] if memory else 0.0
    warm = [mb for at, mb in memory if WARM_UP_S <= at < 2 * WARM_UP_S]
    last = [mb for at, mb in memory if at >= end - WARM_UP_S]
    if end < 3 * WARM_UP_S:
        print("Memory is not judged: the soak was shorter than 15 minutes.")
        return not record.surprises
    print(
        f"Memory: {np.mean(warm):.0f} MB from minute 5 to 10, {np.mean(last):.0f} MB in the last 5"
    )
    return not record.surprises and float(np.mean(last)) <= FLAT * float(np.mean(warm))


def make_media(folder: Path, service: Service) -> list[Medium]:
    """Make all media, and enrol the people who are asked about."""
    clip, _ = make_clip(folder)
    good = people_to_enroll(folder)
    enroll_each(service, good)
    asked = [clip, *good[:3]]
    media = [Medium(path, "good", ask_for_answer(service, path)) for path in asked]
    media += [Medium(path, "bad") for path in make_bad(folder)]
    return media + [Medium(path, "hostile") for path in make_hostile(folder, good[0])]


def run(visit: Visit, clients: int, seconds: float, *, crash: bool) -> list[tuple[float, float]]:
    """Run the clients and watch. Returns times and memory in MB."""
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=ask_until, args=(end, visit, number)) for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    memory = watch(visit, seconds, crash)
    for thread in threads:
        thread.join()
    return memory


@click.command(help=__doc__)
@click.option("--minutes", default=30.0, show_default=True, help="Length.")
@click.option("--clients", default=8, show_default=True, help="Clients at once.")
@click.option("--crash/--no-crash", default=True, show_default=True, help="Kill decoders.")
def main(minutes: float, clients: int, crash: bool) -> None:
    """Run the clients and watch."""
    print(f"{os.cpu_count()} cores, load before: {os.getloadavg()[0]:.1f}", flush=True)
    record = Record()
    with (
        tempfile.TemporaryDirectory() as name,
        running(Path(name), "app.py", rate_limit="100000/minute") as service,
    ):
        visit = Visit(service, make_media(Path(name), service), record)
        memory = run(visit, clients, 60 * minutes, crash=crash)
        ended = service.process.poll() is not None
    if not summarise(record, memory) or ended:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
