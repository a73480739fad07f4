"""Time of a transcription: the words, the names, and who waits beside it.

- `words`: processor time of the product (voice activity, windows, filters, words) by that
  of faster-whisper, which is asked directly about the same windows. The recording is a
  talk of the Korean dialogue `ko_dialogue` (base) or read English (tiny.en), with pauses
  of 0.3 s, on one thread. Both take turns, so that both meet the same load.
- `names`: processor time of telling voices apart and naming two people, by that of words.
- `beside`: how long identifications last with a transcription in the same process, by how
  long they last alone: all of them, and the slowest tenth. Both ways take turns.
  One follows the other at once, as if many people stood before cameras.
"""

from __future__ import annotations

import csv
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import soundfile

from assembly import build_recognizer
from bench.clips import make_clip, people_to_enroll
from gallery.records.people import NewPerson
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, EnrolmentRequest, IdentificationRequest
from recognition.voices import KnownVoice
from speech.diarise import Diariser, Naming, name_voices
from speech.engines import count_threads
from speech.listener import Listener
from speech.models import load_weights
from speech.transcriber_whisper import WhisperTranscriber
from speech.transcription_session import TranscriptionSession
from speech.windows import Packer, Window
from train.data.datasets import shared_data_dir
from utils.arrays import RATE_HZ, Float32Array
from utils.config import Settings

PAUSE_S = 0.3
ENROLLED_S = 12.0
KOREAN = ("ko_dialogue", "base", "ko")
ENGLISH = ("en_read", "tiny.en", "en")


def read_talk(name: str, seconds: float) -> tuple[Float32Array, dict[str, Float32Array]]:
    """Join recordings of a set to a talk (n,), and read 12 s of each who speaks."""
    folder = shared_data_dir() / "speech"
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.float32)
    parts: list[Float32Array] = []
    own: dict[str, list[Float32Array]] = {}
    while sum(map(len, parts)) < seconds * RATE_HZ:
        row = rows[len(parts) // 2]
        samples, _ = soundfile.read(folder / row["path"], dtype="float32")
        parts += [samples, pause]
        own.setdefault(row.get("speaker") or "reader", []).append(samples)
    most = round(ENROLLED_S * RATE_HZ)
    first = {who: np.concatenate(speech)[:most] for who, speech in own.items()}
    return np.concatenate(parts), first


def in_blocks(samples: Float32Array) -> Iterator[Float32Array]:
    """Cut samples (n,) into seconds, as files are read."""
    for start in range(0, len(samples), RATE_HZ):
        yield samples[start : start + RATE_HZ]


def find_windows(samples: Float32Array) -> list[Window]:
    """The windows that the product asks its engine about."""
    listener = Listener()
    packer = Packer()
    return [*packer.accept([*listener.accept(samples), *listener.finish()]), *packer.finish()]


def time_processor(work: Callable[[], object]) -> float:
    """Processor time of some work, in seconds, of all threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


class Writers:
    """The product and faster-whisper, with the same weights and one thread each."""

    def __init__(self, model: str, language: str) -> None:
        from faster_whisper import WhisperModel

        self._language = language
        weights = load_weights(model)
        self._product = WhisperTranscriber(weights, threads=1)
        self._direct = WhisperModel(
            model,
            device="cpu",
            compute_type="int8",
            cpu_threads=1,
            files=dict(weights.files),
            local_files_only=True,
        )

    def write(self, samples: Float32Array) -> None:
        """Write samples (n,) down as the product does."""
        session = TranscriptionSession(self._product, language=self._language)
        for block in in_blocks(samples):
            session.accept(block)
        session.finish()

    def write_directly(self, windows: Sequence[Window]) -> None:
        """Ask faster-whisper about windows, for words and their times, greedily."""
        for window in windows:
            segments, _ = self._direct.transcribe(
                window.samples,
                language=self._language,
                beam_size=1,
                temperature=0.0,
                without_timestamps=True,
                word_timestamps=True,
                condition_on_previous_text=False,
            )
            list(segments)


def name_speakers(
    samples: Float32Array, recognizer: Recognizer, references: Sequence[KnownVoice]
) -> None:
    """Tell the voices of samples (n,) apart, and name those who are known."""
    naming = Naming(recognizer.voices, recognizer.voices.among((), references))
    diariser = Diariser(naming)
    for block in in_blocks(samples):
        diariser.accept(block)
    name_voices(diariser.finish(), naming)


def print_words(
    recognizer: Recognizer, choice: tuple[str, str, str], *, seconds: float, repeat: int
) -> None:
    """Print what words and names cost."""
    name, model, language = choice
    samples, own = read_talk(name, seconds)
    duration_s = len(samples) / RATE_HZ
    windows = find_windows(samples)
    writers = Writers(model, language)
    references = [KnownVoice(who, recognizer.voices.embed(speech)) for who, speech in own.items()]
    writers.write_directly(windows[:1])  # the first call of an engine builds tables
    writers.write(windows[0].samples)
    words = []
    direct = []
    names = []
    for _ in range(repeat):
        words.append(time_processor(lambda: writers.write(samples)))
        direct.append(time_processor(lambda: writers.write_directly(windows)))
        names.append(time_processor(lambda: name_speakers(samples, recognizer, references)))
    click.echo(f"{name} ({model}): {duration_s:.0f} s in {len(windows)} windows, {repeat} times")
    click.echo(f"  words: {statistics.median(words) / duration_s:.3f} s of processor time a second")
    click.echo(f"  words by faster-whisper: {divide(words, direct):.3f}")
    click.echo(f"  names by words: {divide(names, words):.3f}")


def divide(times: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios of times that were taken in turn."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


@contextmanager
def writing(samples: Float32Array, threads: int) -> Iterator[None]:
    """Write samples (n,) down again and again in another thread while the block lasts."""
    transcriber = WhisperTranscriber(load_weights("base"), threads=threads)
    stopped = threading.Event()
    begun = threading.Event()

    def write() -> None:
        while not stopped.is_set():
            session = TranscriptionSession(transcriber, language="ko")
            for block in in_blocks(samples):
                session.accept(block)
                begun.set()
                if stopped.is_set():
                    return

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def print_beside(recognizer: Recognizer, settings: Settings, *, repeat: int) -> None:
    """Print what a transcription costs an identification in the same process."""
    samples, _ = read_talk("ko_dialogue", 60.0)
    threads = count_threads(settings.speech.speech_threads)
    alone: list[float] = []
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        clip, what = make_clip(Path(folder))
        for number, person in enumerate(people_to_enroll(Path(folder))):
            enrol = EnrolmentRequest(NewPerson(f"p{number}"), (ClipFile(person),), force=True)
            recognizer.enroll(enrol)
        request = IdentificationRequest(ClipFile(clip, clip.name))
        recognizer.identify(request)
        for _ in range(repeat):
            alone += time_wall(lambda: recognizer.identify(request))
            with writing(samples, threads):
                beside += time_wall(lambda: recognizer.identify(request))
    click.echo(f"identification ({what}): {1000 * statistics.median(alone):.0f} ms alone")
    slowest = np.percentile(beside, 90) / statistics.median(alone)
    click.echo(
        f"  beside a transcription with {threads} threads: {sum(beside) / sum(alone):.2f} times,"
        f" {slowest:.2f} times for the slowest tenth"
    )


def time_wall(work: Callable[[], object]) -> list[float]:
    """Wall time of some work in seconds, ten times."""
    taken = []
    for _ in range(10):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


@click.command(help=__doc__)
@click.option("--seconds", default=90.0, show_default=True, help="Length of each talk.")
@click.option("--repeat", default=3, show_default=True, help="How often each is timed.")
def main(seconds: float, repeat: int) -> None:
    """Print the times."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env().replace(data_dir=Path(folder))
        recognizer = build_recognizer(settings, serving=True)
        for choice in (KOREAN, ENGLISH):
            print_words(recognizer, choice, seconds=seconds, repeat=repeat)
        print_beside(recognizer, settings, repeat=2 * repeat)
        recognizer.close()
