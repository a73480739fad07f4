"""Talks that are made of known utterances, and what a live session writes of them."""

from __future__ import annotations

import csv
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bench.diarisation import read_member
from speech.diarisation_errors import Stretch
from speech.live_sound import to_pcm16
from speech.registration import find_speech
from tests.support.live import LiveClient
from tests.support.service import Service
from train.data.datasets import shared_data_dir
from utils.arrays import RATE_HZ, Float32Array

PAUSES_S = (0.2, 3.0)
TURNS = 30
REGISTERED_S = 4.0
STRANGER = 2
BLOCK_S = 0.1
# Utterances of one speaker that are joined to register
_FIRST = 3
_LEAST_UTTERANCES = 10
_SHORT_S = (0.7, 3.2)
_MINUTE_S = 60.0


@dataclass(frozen=True)
class Utterance:
    """Something spoken, (n,) at 16 kHz."""

    samples: Float32Array
    speaker: str
    text: str = ""


@dataclass(frozen=True)
class Talk:
    """Utterances one after the other, and when each is said."""

    samples: Float32Array
    utterances: Sequence[Utterance]
    spans: Sequence[tuple[float, float]]

    @property
    def length_s(self) -> float:
        """How long the talk is."""
        return len(self.samples) / RATE_HZ


@dataclass
class Heard:
    """What a session wrote. `at_s` is when each message came, from the first sound on."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)

    def turns(self, *, corrected: bool = True) -> list[dict[str, Any]]:
        """The turns, as they were written or with all corrections."""
        turns: dict[int, dict[str, Any]] = {}
        for message in self.messages:
            if message["type"] == "transcription":
                turns[message["turn_id"]] = message
            elif message["type"] == "relabel" and corrected:
                for turn_id in map(int, message["turns"]):
                    turns[turn_id] = {**turns[turn_id], "speaker": message["speaker"]}
        return list(turns.values())

    def take(self, kind: str) -> Iterator[tuple[dict[str, Any], float]]:
        """Yield the messages of a type, and when each came."""
        for message, at_s in zip(self.messages, self.at_s, strict=True):
            if message["type"] == kind:
                yield message, at_s

    def count(self, kind: str) -> int:
        """Count the messages of a type."""
        return sum(1 for _ in self.take(kind))

    def most_lag_s(self, until_s: float) -> float:
        """Greatest lag of a text in the minute before `until_s`."""
        texts = self.take("transcription")
        return max((m["lag_s"] for m, at in texts if 0 <= until_s - at <= _MINUTE_S), default=0.0)

    def stretches(self, *, corrected: bool = True) -> list[Stretch]:
        """When each speaker is heard."""
        turns = self.turns(corrected=corrected)
        return [Stretch(t["start_s"], t["end_s"], t["speaker"]) for t in turns]


def join(utterances: Sequence[Utterance], seed: int, pauses_s: tuple[float, float]) -> Talk:
    """Put utterances one after the other."""
    noise = np.random.default_rng(seed)
    parts = [np.zeros(RATE_HZ, np.float32)]
    spans = []
    at_s = 1.0
    for one in utterances:
        pause = np.zeros(round(noise.uniform(*pauses_s) * RATE_HZ), np.float32)
        spans.append((at_s, at_s + len(one.samples) / RATE_HZ))
        parts += [one.samples, pause]
        at_s += (len(one.samples) + len(pause)) / RATE_HZ
    return Talk(np.concatenate(parts), utterances, spans)


def talk_to(service: Service, talk: Talk, speed: float, **options: Any) -> Heard:
    """Play a talk to a session. `register` are sounds of speakers 0, 1, ..."""
    client = LiveClient(f"127.0.0.1:{service.port}")
    client.take()
    for number, speech in enumerate(options.pop("register", ())):
        client.send("start_speaker_registration", speaker_id=number)
        client.socket.send(to_pcm16(speech))
        client.send("complete_speaker_registration", speaker_id=number)
        client.until("speaker_registration_completed")
    client.send("start_transcription", **options)
    client.until("transcription_started")
    heard = Heard()
    began = time.monotonic()
    player = threading.Thread(target=_play, args=(client, talk.samples, speed))
    player.start()
    while not heard.messages or heard.messages[-1]["type"] != "transcription_ended":
        heard.messages.append(client.take())
        heard.at_s.append(time.monotonic() - began)
    player.join()
    return heard


def _play(client: LiveClient, samples: Float32Array, speed: float) -> None:
    """Send sound at `speed` times real time, then stop."""
    began = time.monotonic()
    size = round(BLOCK_S * RATE_HZ)
    for start in range(0, len(samples), size):
        due_s = (start + size) / RATE_HZ / speed
        time.sleep(max(0.0, began + due_s - time.monotonic()))
        client.socket.send(to_pcm16(samples[start : start + size]))
    client.send("stop_transcription")


def read_set(name: str, data: Path) -> list[Utterance]:
    """Read utterances with their texts: ko_dialogue, en_read or pansori_ko."""
    if name == "pansori_ko":
        return _read_voices(name, data)
    rows = _rows(data / "speech" / f"{name}.csv")
    return [
        Utterance(read_sound(data / "speech" / r["path"]), r.get("speaker", "reader"), r["text"])
        for r in rows
    ]


def _read_voices(name: str, data: Path) -> list[Utterance]:
    rows = [row for row in _rows(data / "voices.csv") if row["dataset"] == name]
    with zipfile.ZipFile(data / "voices.zip") as archive:
        return [Utterance(read_member(archive, r["path"]), r["speaker"], r["text"]) for r in rows]


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def read_sound(file: Path) -> Float32Array:
    return np.asarray(soundfile.read(file, dtype="float32")[0], np.float32)


def shorten(utterances: Sequence[Utterance], minutes: float) -> list[Utterance]:
    """Take as many utterances as fill the time."""
    chosen: list[Utterance] = []
    left_s = minutes * 60
    for one in utterances:
        left_s -= len(one.samples) / RATE_HZ + float(np.mean(PAUSES_S))
        if left_s < 0:
            break
        chosen.append(one)
    return chosen


def make_names_talk(seed: int, *, short: bool) -> tuple[Talk, list[Float32Array]]:
    """Make a talk, and the speech by which the first two speakers register."""
    noise = np.random.default_rng(seed)
    own = _group(read_set("pansori_ko", shared_data_dir()))
    enough = sorted(who for who, all_said in own.items() if len(all_said) >= _LEAST_UTTERANCES)
    chosen = [own[str(who)] for who in noise.permutation(enough)[: STRANGER + 1]]
    utterances: list[Utterance] = []
    for order in _take_turns(noise):
        spoken = chosen[order][_FIRST:]
        before = sum(one.speaker == str(order) for one in utterances)
        samples = spoken[(before + 1) % len(spoken)].samples
        size = round(noise.uniform(*_SHORT_S) * RATE_HZ) if short else len(samples)
        utterances.append(Utterance(samples[:size], str(order)))
    return join(utterances, seed, PAUSES_S), [_register(own) for own in chosen[:STRANGER]]


def make_dialogue(first: int, minutes: float) -> Talk:
    """Make a talk of Korean utterances, from the one of this number on, again and again."""
    utterances = read_set("ko_dialogue", shared_data_dir())
    turned = [*utterances[first % len(utterances) :], *utterances[: first % len(utterances)]]
    times = 1 + int(minutes * 60 / sum(len(one.samples) / RATE_HZ for one in turned))
    return join(shorten(turned * times, minutes), first, PAUSES_S)


def _group(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Group utterances by who says them."""
    own: dict[str, list[Utterance]] = {}
    for one in utterances:
        own.setdefault(one.speaker, []).append(one)
    return own


def _take_turns(noise: np.random.Generator) -> list[int]:
    """Draw who says each turn. Nobody has two in a row."""
    order: list[int] = []
    for _ in range(TURNS):
        others = [n for n in range(STRANGER + 1) if n not in order[-1:]]
        order.append(int(noise.choice(others)))
    return order


def _register(spoken: Sequence[Utterance]) -> Float32Array:
    """Join the first speech of a speaker, (n,), to register by: some begin with music."""
    speech, _ = find_speech(np.concatenate([one.samples for one in spoken[:_FIRST]]))
    return speech[: round(REGISTERED_S * RATE_HZ)]
