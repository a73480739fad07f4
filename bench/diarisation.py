"""Who speaks when, and who is named: error rates of diarisation and of names.

Two protocols on the research data:

- `turns`: each talk of speech/turns/ with its RTTM file. With names, people are enrolled
  from what they say alone in their first 12 s of speech, and asked about in the whole.
- `names`: talks put together from the Korean utterances `pansori_ko`. Three people are
  enrolled from three utterances each (12 s at most). They and a stranger take 72 turns
  with pauses of 0.3 s. A turn counts if it has 2 s, and goes by the speaker who is heard
  in most of it.

DER is counted as pyannote.metrics does, with and without a collar of 0.25 s.
"""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import soundfile

from assembly import build_recognizer
from recognition.voices import KnownVoice
from speech.diarisation_errors import DiarisationErrors, Stretch, count_diarisation_errors
from speech.diarise import Diariser, Naming, name_voices
from speech.speakers import Diarisation
from train.data.datasets import shared_data_dir
from utils.arrays import RATE_HZ, Float32Array
from utils.config import Settings
from utils.path_option import PathOption

COLLAR_S = 0.25
ENROLLED_S = 12.0
PAUSE_S = 0.3
TURNS = 72
LONG_S = 2.0
STRANGER = "stranger"


@dataclass(frozen=True)
class Talk:
    """A talk (n,) at 16 kHz, who speaks when, and speech of those who are enrolled."""

    samples: Float32Array
    truth: Sequence[Stretch]
    enrolled: Mapping[str, Float32Array]


@dataclass(frozen=True)
class Answer:
    """What is made of a talk, and the processor time that it took."""

    heard: list[Stretch]
    speakers: int
    processor_s: float


class Bench:
    """Tells the voices of talks apart as the product does."""

    def __init__(self, settings: Settings) -> None:
        self._voices = build_recognizer(settings).voices

    def listen(self, talk: Talk, *, with_names: bool) -> Answer:
        """Tell the voices of a talk apart, and name those who are enrolled."""
        references = [
            KnownVoice(name, self._voices.embed(speech)) for name, speech in talk.enrolled.items()
        ]
        among = self._voices.among((), references) if with_names else None
        started = time.process_time()
        naming = Naming(self._voices, among)
        diariser = Diariser(naming)
        for start in range(0, len(talk.samples), RATE_HZ):
            diariser.accept(talk.samples[start : start + RATE_HZ])
        diarisation = name_voices(diariser.finish(), naming)
        processor_s = time.process_time() - started
        return Answer(to_stretches(diarisation), len(diarisation.speakers), processor_s)


def to_stretches(diarisation: Diarisation) -> list[Stretch]:
    """The turns with the labels of their speakers."""
    return [
        Stretch(turn.start_s, turn.end_s, diarisation.speakers[turn.voice].label)
        for turn in diarisation.turns
    ]


def read_talks(folder: Path) -> Iterator[tuple[str, Talk]]:
    """Read the talks with an RTTM file."""
    for file in sorted(folder.glob("*.rttm")):
        truth = read_rttm(file)
        samples, _ = soundfile.read(file.with_suffix(".opus"), dtype="float32")
        names = {stretch.speaker for stretch in truth}
        enrolled = {name: cut_alone(samples, truth, name) for name in names}
        long_enough = {n: speech for n, speech in enrolled.items() if len(speech) >= RATE_HZ}
        yield file.stem, Talk(samples, truth, long_enough)


def read_rttm(file: Path) -> list[Stretch]:
    """Read who speaks when."""
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line]
    return [Stretch(float(r[3]), float(r[3]) + float(r[4]), r[7]) for r in rows]


def cut_alone(samples: Float32Array, truth: Sequence[Stretch], name: str) -> Float32Array:
    """Cut out the first 12 s that somebody says alone."""
    alone = np.zeros(len(samples), np.bool_)
    for stretch in sorted(truth, key=lambda s: s.speaker != name):
        span = slice(round(stretch.start_s * RATE_HZ), round(stretch.end_s * RATE_HZ))
        alone[span] = stretch.speaker == name
    return samples[alone][: round(ENROLLED_S * RATE_HZ)]


def make_talk(data: Path, seed: int) -> Talk:
    """Put a talk of three people and a stranger together."""
    noise = np.random.default_rng(seed)
    by_speaker = read_utterances(data / "voices.csv")
    chosen = noise.permutation(sorted(s for s in by_speaker if len(by_speaker[s]) >= 10))[:4]
    enrolled: dict[str, Float32Array] = {}
    waiting: dict[str, list[Float32Array]] = {}
    with zipfile.ZipFile(data / "voices.zip") as archive:
        for number, speaker in enumerate(chosen):
            own = [read_member(archive, path) for path in noise.permutation(by_speaker[speaker])]
            if number == len(chosen) - 1:
                waiting[STRANGER] = own
                continue
            enrolled[str(speaker)] = np.concatenate(own[:3])[: round(ENROLLED_S * RATE_HZ)]
            waiting[str(speaker)] = own[3:]
    return Talk(*join_turns(waiting, noise), enrolled)


def join_turns(
    waiting: Mapping[str, list[Float32Array]], noise: np.random.Generator
) -> tuple[Float32Array, list[Stretch]]:
    """Let people take turns at random. Nobody takes two in a row."""
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.float32)
    turns_of: Counter[str] = Counter()
    parts: list[Float32Array] = []
    truth: list[Stretch] = []
    at = 0
    last = ""
    for _ in range(TURNS):
        last = str(noise.choice([name for name in waiting if name != last]))
        speech = waiting[last][turns_of[last] % len(waiting[last])]
        turns_of[last] += 1
        truth.append(Stretch(at / RATE_HZ, (at + len(speech)) / RATE_HZ, last))
        parts += [speech, pause]
        at += len(speech) + len(pause)
    return np.concatenate(parts), truth


def read_utterances(file: Path) -> dict[str, list[str]]:
    """Read the paths of the utterances of each speaker."""
    by_speaker: defaultdict[str, list[str]] = defaultdict(list)
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["dataset"] == "pansori_ko":
                by_speaker[row["speaker"]].append(row["path"])
    return by_speaker


def read_member(archive: zipfile.ZipFile, path: str) -> Float32Array:
    """Read a recording of an archive."""
    samples, _ = soundfile.read(io.BytesIO(archive.read(path)), dtype="float32")
    return np.asarray(samples, np.float32)


def count_names(talk: Talk, heard: Sequence[Stretch]) -> Counter[str]:
    """Count the turns of 2 s and more that are named right, wrongly, or not at all."""
    counts: Counter[str] = Counter()
    for turn in talk.truth:
        if turn.end_s - turn.start_s < LONG_S:
            continue
        name = most_heard(turn, heard)
        if turn.speaker == STRANGER:
            counts["strangers"] += 1
            counts["strangers named"] += name in talk.enrolled
            continue
        counts["turns"] += 1
        kind = "right" if name == turn.speaker else "wrong" if name in talk.enrolled else "missed"
        counts[kind] += 1
    return counts


def most_heard(turn: Stretch, heard: Sequence[Stretch]) -> str:
    """The speaker who is heard in most of a turn. Empty: nobody."""
    shared: defaultdict[str, float] = defaultdict(float)
    for other in heard:
        both_s = min(turn.end_s, other.end_s) - max(turn.start_s, other.start_s)
        shared[other.speaker] += max(both_s, 0.0)
    return max(shared, key=lambda name: shared[name], default="")


def print_talks(bench: Bench, folder: Path) -> None:
    """Print a table of the talks with an RTTM file."""
    click.echo("| talk | speakers | found | DER, collar 0.25 s | DER | DER with names |")
    click.echo("|---|---|---|---|---|---|")
    for name, talk in read_talks(folder):
        apart = bench.listen(talk, with_names=False)
        named = bench.listen(talk, with_names=True)
        rates = [
            count_diarisation_errors(talk.truth, apart.heard, collar_s=COLLAR_S).rate,
            count_diarisation_errors(talk.truth, apart.heard).rate,
            count_diarisation_errors(
                talk.truth, named.heard, collar_s=COLLAR_S, named=list(talk.enrolled)
            ).rate,
        ]
        people = len({s.speaker for s in talk.truth})
        figures = " | ".join(f"{rate:.1%}" for rate in rates)
        click.echo(f"| {name} | {people} | {apart.speakers} | {figures} |")


def print_names(bench: Bench, data: Path, count: int) -> None:
    """Print what becomes of the turns of made-up talks."""
    total: Counter[str] = Counter()
    errors = DiarisationErrors(0.0, 0.0, 0.0, 0.0)
    processor_s = 0.0
    for seed in range(count):
        talk = make_talk(data, seed)
        answer = bench.listen(talk, with_names=True)
        counts = count_names(talk, answer.heard)
        click.echo(f"talk {seed}: {answer.speakers} voices, {dict(counts)}", err=True)
        total += counts
        errors += count_diarisation_errors(talk.truth, answer.heard, collar_s=COLLAR_S)
        processor_s += answer.processor_s / (len(talk.samples) / RATE_HZ) / count
    for kind in ("right", "wrong", "missed"):
        click.echo(f"{kind}: {total[kind] / total['turns']:.1%} of {total['turns']} turns")
    share = total["strangers named"] / total["strangers"]
    click.echo(f"strangers named: {share:.1%} of {total['strangers']} turns")
    click.echo(f"DER (collar 0.25 s): {errors.rate:.1%}")
    click.echo(f"processor time: {processor_s:.3f} s a second")


@click.command()
@click.option("--talks", default=5, show_default=True, help="Made-up talks; 0: none.")
@click.option("--model-dir", type=PathOption(path_type=Path), help="Models to measure.")
def main(talks: int, model_dir: Path | None) -> None:
    """Measure who speaks when, and who is named, on the research data."""
    settings = Settings.from_env()
    bench = Bench(settings.replace(model_dir=model_dir) if model_dir else settings)
    data = shared_data_dir()
    print_talks(bench, data / "speech" / "turns")
    if talks:
        print_names(bench, data, talks)
