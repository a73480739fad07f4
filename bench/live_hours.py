"""Two parts of `bench live` that need no words: hours of one session, and clips beside one.

- `hours`: a session of so many minutes in this process, half of it speech, as fast as it
  goes, with a clock of its own. Voice activity and voices are the real ones, and a
  stand-in writes the words. Memory after ten minutes and at the end.
- `beside`: how long an identification takes while a session is written down, by how long
  it takes alone.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from assembly import build_recognizer
from bench.clips import ask, enroll_each, make_clip, people_to_enroll
from bench.live_talks import make_dialogue, talk_to
from speech.live_options import LiveOptions
from speech.live_sound import to_pcm16
from speech.session import LiveSession
from tests.support.recordings import WordyEngine
from tests.support.service import Service
from utils.arrays import RATE_HZ, Float32Array
from utils.config import Settings

_WARM_UP_S = 600
_TALK_MINUTES = 4.0
_TIMES = 12


def measure_hours(minutes: float) -> None:
    """Print the memory of a long session."""
    with tempfile.TemporaryDirectory() as folder:
        recognizer = build_recognizer(Settings.from_env().replace(data_dir=Path(folder)))
        clock_s = 0.0
        engine = WordyEngine()
        session = LiveSession(engine, recognizer.voices, LiveOptions(), clock=lambda: clock_s)
        session.start()
        first_mb = 0.0
        for second in _say_half(round(minutes * 60)):
            clock_s += 1.0
            session.accept(to_pcm16(second))
            engine.windows.clear()  # what it notes for tests
            engine.languages.clear()
            if clock_s == _WARM_UP_S:
                first_mb = own_mb()
        more_mb = own_mb() - first_mb
        session.finish()
        recognizer.close()
    click.echo(
        f"{minutes:g} minutes, {session.turns} turns: {first_mb:.0f} MB after 10 minutes,"
        f" {more_mb:+.1f} MB at the end"
    )


def _say_half(seconds: int) -> Iterator[Float32Array]:
    """Yield seconds (16000,) of a dialogue, half of them silent: half a minute in turns."""
    talk = make_dialogue(0, _TALK_MINUTES).samples
    spoken = 0
    for second in range(seconds):
        if second // 30 % 2:
            yield np.zeros(RATE_HZ, np.float32)
            continue
        start = spoken * RATE_HZ % (len(talk) - RATE_HZ)
        spoken += 1
        yield talk[start : start + RATE_HZ]


def own_mb() -> float:
    """Memory of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def measure_beside(service: Service, minutes: float) -> None:
    """Print how long identifications take alone, and beside a session at real time."""
    with tempfile.TemporaryDirectory() as folder:
        clip, _ = make_clip(Path(folder))
        enroll_each(service, people_to_enroll(Path(folder)))
        alone = _time(service, clip)
        talk = make_dialogue(0, minutes)
        player = threading.Thread(
            target=talk_to, args=(service, talk, 1.0), kwargs={"language": "ko"}
        )
        player.start()
        beside: list[float] = []
        while player.is_alive():
            beside += _time(service, clip)
        player.join()
    alone_s = statistics.median(alone)
    ratio = statistics.median(beside) / alone_s
    click.echo(
        f"identification: {1000 * alone_s:.0f} ms alone, {ratio:.2f} times as long beside a"
        f" session ({len(beside)} clips)"
    )


def _time(service: Service, clip: Path) -> list[float]:
    """Wall time in seconds of identifications, one a second."""
    taken: list[float] = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        ask(service, clip)
        taken.append(time.perf_counter() - started)
        time.sleep(max(0.0, 1.0 - taken[-1]))
    return taken
