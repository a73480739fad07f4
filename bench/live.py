"""Live transcription over real sockets, by a service in a process of its own.

- `text`: known utterances with pauses of 0.2 to 3 s between them. The joined final texts
  are compared with those of the same utterances, asked one by one.
- `names`: two speakers register by 4 s of speech. They and a stranger take 30 turns
  (pansori_ko), whole or cut to 0.7 to 3.2 s. A turn goes by the speaker who is heard in
  most of it, when it is written (`first`) and in the end, after corrections.
- `telephone`: the talk `speech/turns/sample`, DER with a collar of 0.25 s.
- `load`: sessions at once in real time: how long after the end of a turn its text comes,
  and after the end of an utterance, which may be one turn with the next. Lag and memory.
- `memory`: sessions that are opened and dropped, with the threads and connections that are
  left, then one of silence and speech.
- `hours` and `beside`: as `bench.live_hours` has them.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any

import click
import numpy as np
import requests
import soundfile
from simple_websocket import ConnectionError as NoConnectionError

from bench.diarisation import COLLAR_S, most_heard
from bench.live_hours import measure_beside, measure_hours
from bench.live_talks import (
    PAUSES_S,
    STRANGER,
    Heard,
    Talk,
    Utterance,
    join,
    make_dialogue,
    make_names_talk,
    read_set,
    read_sound,
    shorten,
    talk_to,
)
from speech.diarisation_errors import Stretch, count_diarisation_errors
from speech.error_rates import Errors, count_character_errors, normalise, total
from speech.live_sound import to_pcm16
from tests.support.live import LiveClient
from tests.support.service import Service, running
from train.data.datasets import shared_data_dir
from utils.arrays import RATE_HZ

LONG_S = 2.0
_RUN = 4
_WARM_UP = 50
# In which the last connection ends
_A_MOMENT_S = 2.0


def measure_text(service: Service, name: str, minutes: float, speed: float) -> None:
    """Print the character errors of a talk, live and one by one."""
    utterances = shorten(read_set(name, shared_data_dir()), minutes)
    talk = join(utterances, 0, PAUSES_S)
    language = "en" if name == "en_read" else "ko"
    started_s = processor_s(service)
    heard = talk_to(service, talk, speed, language=language, partials=speed == 1)
    spent = (processor_s(service) - started_s) / talk.length_s
    live = " ".join(turn["text"] for turn in heard.turns())
    spoken = " ".join(one.text for one in utterances)
    errors = count_character_errors(spoken, live, spaces=False)
    apart = total(count_alone(service, one, language) for one in utterances)
    silent = sum(not _is_said(talk, turn) for turn in heard.turns())
    click.echo(
        f"| {name} | {len(utterances)} | {talk.length_s / 60:.1f} | {errors.rate:.1%} |"
        f" {apart.rate:.1%} | {count_repeats(spoken, live)} | {silent} | {spent:.2f} |"
    )


def count_alone(service: Service, one: Utterance, language: str) -> Errors:
    """Count the character errors of one utterance that is written down as a recording."""
    return count_character_errors(one.text, ask_alone(service, one, language), spaces=False)


def ask_alone(service: Service, one: Utterance, language: str) -> str:
    """Have one utterance written down as a recording."""
    file = io.BytesIO()
    soundfile.write(file, one.samples, RATE_HZ, format="WAV")
    answer = requests.post(
        f"{service.url}/v1/audio/transcriptions",
        files={"file": ("one.wav", file.getvalue())},
        data={"model": "whisper-1", "language": language},
        timeout=300,
    )
    answer.raise_for_status()
    return str(answer.json()["text"])


def count_repeats(spoken: str, written: str) -> int:
    """Count the runs of four words that are written more often than they are said."""
    runs = _count_runs(spoken)
    return sum(n > 1 and n > runs[run] for run, n in _count_runs(written).items())


def _count_runs(text: str) -> Counter[tuple[str, ...]]:
    words = normalise(text).split()
    return Counter(tuple(words[n : n + _RUN]) for n in range(len(words) - _RUN + 1))


def _is_said(talk: Talk, turn: Mapping[str, Any]) -> bool:
    """Whether somebody speaks in a turn."""
    return any(turn["start_s"] < end and turn["end_s"] > start for start, end in talk.spans)


def measure_names(service: Service, talks: int, speed: float, *, short: bool) -> None:
    """Print how the turns of two registered speakers and a stranger are named."""
    first: Counter[tuple[str, str]] = Counter()
    last: Counter[tuple[str, str]] = Counter()
    for seed in range(talks):
        talk, register = make_names_talk(seed, short=short)
        heard = talk_to(service, talk, speed, register=register, partials=False)
        first += count_names(talk, heard.stretches(corrected=False))
        last += count_names(talk, heard.stretches())
    for when, counts in (("first", first), ("in the end", last)):
        for kind in ("2 s and more", "1 to 2 s", "below 1 s"):
            _print_names(when, kind, counts)


def _print_names(when: str, kind: str, counts: Counter[tuple[str, str]]) -> None:
    decided = sum(counts[kind, what] for what in ("right", "wrong", "missed")) or 1
    strangers = counts[kind, "stranger"] or 1
    shares = [f"{counts[kind, what] / decided:.1%}" for what in ("right", "wrong", "missed")]
    named = f"{counts[kind, 'stranger named'] / strangers:.1%}"
    click.echo(f"| {kind} | {when} | {decided} | {' | '.join(shares)} | {strangers} | {named} |")


def count_names(talk: Talk, heard: Sequence[Stretch]) -> Counter[tuple[str, str]]:
    """Count turns by their length and by what they are named."""
    counts: Counter[tuple[str, str]] = Counter()
    for one, (start_s, end_s) in zip(talk.utterances, talk.spans, strict=True):
        kind = _kind_of(end_s - start_s)
        name = most_heard(Stretch(start_s, end_s, ""), heard)
        if int(one.speaker) == STRANGER:
            counts[kind, "stranger"] += 1
            counts[kind, "stranger named"] += name.startswith("speaker")
        else:
            counts[kind, _judge(name, int(one.speaker))] += 1
    return counts


def _kind_of(length_s: float) -> str:
    """The row of the table that a turn belongs to."""
    if length_s >= LONG_S:
        return "2 s and more"
    return "1 to 2 s" if length_s >= 1 else "below 1 s"


def _judge(name: str, speaker: int) -> str:
    """Whether a registered speaker is named right."""
    if not name.startswith("speaker"):
        return "missed"
    return "right" if name == f"speaker {speaker + 1}" else "wrong"


def measure_telephone(service: Service) -> None:
    """Print the diarisation error rate of the talk on the telephone."""
    folder = shared_data_dir() / "speech" / "turns"
    rows = [line.split() for line in (folder / "sample.rttm").read_text().splitlines() if line]
    truth = [Stretch(float(r[3]), float(r[3]) + float(r[4]), r[7]) for r in rows]
    talk = Talk(read_sound(folder / "sample.opus"), (), ())
    heard = talk_to(service, talk, 1.0, language="en")
    rate = count_diarisation_errors(truth, heard.stretches(), collar_s=COLLAR_S).rate
    overlaps = sum(turn["overlap"] for turn in heard.turns())
    click.echo(f"DER (collar 0.25 s): {rate:.1%}; {overlaps} turns are marked as overlap")


def measure_load(service: Service, sessions: int, minutes: float) -> None:
    """Print how long texts take, and the lag, of sessions at once in real time."""
    talks = [make_dialogue(3 * n, minutes) for n in range(sessions)]
    started_s = processor_s(service)
    over = Event()
    with ThreadPoolExecutor(sessions + 1) as pool:
        memory = pool.submit(watch_memory, service, over)
        heard = list(pool.map(lambda talk: talk_to(service, talk, 1.0, language="ko"), talks))
        over.set()
    seconds = max(talk.length_s for talk in talks)
    delays = list(chain.from_iterable(map(list_turn_delays, heard)))
    until_words = list(chain.from_iterable(map(list_delays, talks, heard)))
    partials = sum(one.count("partial_transcription") for one in heard)
    click.echo(
        f"| {sessions} | {seconds / 60:.1f} | {len(delays)} | {np.median(delays):.2f} |"
        f" {np.percentile(delays, 95):.2f} | {np.median(until_words):.2f} |"
        f" {np.percentile(until_words, 95):.2f} | {_most_lag_s(heard, 60.0):.2f} |"
        f" {_most_lag_s(heard, seconds):.2f} | {partials} |"
        f" {(processor_s(service) - started_s) / seconds:.2f} |"
    )
    each_mb = memory.result()
    click.echo(f"MB after each minute: {', '.join(f'{mb:.0f}' for mb in each_mb)}")


def watch_memory(service: Service, over: Event) -> list[float]:
    """Memory of the process that answers after each minute and at the end, in MB."""
    each_mb = []
    while not over.wait(60.0):
        each_mb.append(resident_mb(service))
    return [*each_mb, resident_mb(service)]


def _most_lag_s(all_heard: Sequence[Heard], until_s: float) -> float:
    return max(heard.most_lag_s(until_s) for heard in all_heard)


def list_turn_delays(heard: Heard) -> Iterator[float]:
    """Yield the seconds from the end of each turn until its text was there."""
    return (at_s - turn["end_s"] for turn, at_s in heard.take("transcription"))


def list_delays(talk: Talk, heard: Heard) -> Iterator[float]:
    """Yield the seconds from the end of each utterance until its last words were there."""
    turns = list(heard.take("transcription"))
    for start_s, end_s in talk.spans:
        times = [at for m, at in turns if m["start_s"] < end_s and m["end_s"] > start_s]
        if times:
            yield max(times) - end_s


def measure_memory(service: Service, sessions: int, minutes: float) -> None:
    """Print the memory of the service while sessions come and go."""
    utterance = read_set("ko_dialogue", shared_data_dir())[0]
    _drop(service, utterance, _WARM_UP)
    before = list_held(service)
    _drop(service, utterance, sessions)
    time.sleep(_A_MOMENT_S)
    more = np.subtract(list_held(service), before)
    click.echo(
        f"{sessions} sessions dropped: {more[0]:+.1f} MB, {more[1]:+.0f} threads,"
        f" {more[2]:+.0f} open files"
    )
    talk = make_dialogue(0, minutes)
    started = resident_mb(service)
    talk_to(service, talk, 4.0, language="ko", partials=False)
    click.echo(f"{minutes:g} minutes at 4 x: {resident_mb(service) - started:+.1f} MB")


def _drop(service: Service, utterance: Utterance, count: int) -> None:
    for _ in range(count):
        while not _drop_one(service, utterance):
            time.sleep(_A_MOMENT_S)


def _drop_one(service: Service, utterance: Utterance) -> bool:
    """Open a session and leave it in mid-word. False: those before are still being written."""
    try:
        client = LiveClient(f"127.0.0.1:{service.port}")
    except NoConnectionError:
        return False
    client.take()
    client.send("start_transcription", partials=False)
    has_begun = bool(client.take()["type"] == "transcription_started")
    client.socket.send(to_pcm16(utterance.samples[: RATE_HZ // 2]))
    client.close()
    return has_begun


def resident_mb(service: Service) -> float:
    """Memory of the process that answers, in MB."""
    (pid,) = service.worker_pids()
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def list_held(service: Service) -> list[float]:
    """What the process that answers holds: memory in MB, threads, open files."""
    (pid,) = service.worker_pids()
    held = (len(list(Path(f"/proc/{pid}/{kind}").iterdir())) for kind in ("task", "fd"))
    return [resident_mb(service), *held]


def processor_s(service: Service) -> float:
    """Processor time of the process that answers, in seconds."""
    (pid,) = service.worker_pids()
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


PARTS = ("text", "names", "telephone", "load", "memory", "hours", "beside")
HEADERS = {
    "text": (
        "talk",
        "utterances",
        "minutes",
        "CER live",
        "CER one by one",
        "four words twice",
        "turns in silence",
        "processor s a second",
    ),
    "names": ("length", "label", "turns", "right", "wrong", "missed", "of strangers", "named"),
    "load": (
        "sessions",
        "minutes",
        "turns",
        "turn p50 s",
        "turn p95 s",
        "words p50 s",
        "words p95 s",
        "lag s, first minute",
        "lag s, last minute",
        "partials",
        "processor s a second",
    ),
}


@click.command()
@click.option("--part", type=click.Choice(PARTS), multiple=True, help="What to measure.")
@click.option("--minutes", default=10.0, show_default=True, help="Length of talks.")
@click.option("--sessions", default=1, show_default=True, help="Sessions at once, or dropped.")
@click.option("--speed", default=4.0, show_default=True, help="Of text and names.")
@click.option("--talks", default=10, show_default=True, help="Made-up talks with names.")
def main(part: tuple[str, ...], minutes: float, **numbers: Any) -> None:
    """Measure live transcription on the research data."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), live_sessions=8) as service:
        for one in part or PARTS:
            _measure(service, one, minutes, numbers)


def _measure(service: Service, part: str, minutes: float, numbers: Mapping[str, Any]) -> None:
    if part in HEADERS:
        click.echo(f"| {' | '.join(HEADERS[part])} |\n|{'---|' * len(HEADERS[part])}")
    if part == "text":
        for name in ("ko_dialogue", "pansori_ko", "en_read"):
            measure_text(service, name, minutes, numbers["speed"])
    elif part == "names":
        for short in (False, True):
            measure_names(service, numbers["talks"], numbers["speed"], short=short)
    elif part == "telephone":
        measure_telephone(service)
    elif part == "load":
        measure_load(service, numbers["sessions"], minutes)
    elif part == "memory":
        measure_memory(service, numbers["sessions"], minutes)
    elif part == "hours":
        measure_hours(minutes)
    else:
        measure_beside(service, minutes)
