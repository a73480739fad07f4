"""Turns of a video named by voice, and by voice and talking face together.

Scenes are put together from clips of shared/data/clips and pictures of listeners of
shared/data/liveness. In each, four people take turns with pauses of 0.5 s: one who is
enrolled by face and voice, one by the face alone, one by the voice alone, and a stranger.
A listener, who is enrolled by the face alone, never speaks. A turn shows the talker
alone, or beside the listener, or the listener alone: then the voice is off screen.

The same scenes are named with and without faces. Intervals are Wilson's, of 95 %.
"""

from __future__ import annotations

import csv
import math
import resource
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
import cv2
import numpy as np
import soxr

from align.decode import ReadLimits, read_clip
from align.sound_stream import open_sound
from assembly import build_recognizer
from bench.diarisation import most_heard, to_stretches
from gallery.store import NewPerson
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, EnrolmentRequest
from speech.diarisation_errors import Stretch
from speech.diarise import Diariser, Heard, Naming, name_voices
from speech.scribe import Recording, Scribe
from speech.talkers import Watcher, add_faces
from tests.support.media import RATE_HZ as FILE_HZ
from tests.support.media import write_photo, write_video
from train.data.datasets import shared_data_dir
from utils.arrays import Float32Array, ImageArray
from utils.config import Settings
from utils.media import Clip
from utils.modality import Modality

FPS = 25
SIDE_PX = 320
PAUSE_S = 0.5
TURNS = 12
PLACES = ("alone", "beside", "off screen")
SHARES = (0.4, 0.3, 0.3)
KINDS = ("both", "face", "voice", "stranger")
LISTENER = "listener"
# Frames of a listener, each of them shown for this long
LISTENS_S = 0.2
LEAST_PICTURES = 28


@dataclass(frozen=True)
class Truth:
    """A turn: who speaks, how that person is enrolled, and who is in view."""

    stretch: Stretch
    kind: str
    place: str


@dataclass(frozen=True)
class Scene:
    """A video, its turns, and the clips and photographs that people are enrolled from."""

    path: Path
    turns: Sequence[Truth]
    enrolled: Sequence[tuple[str, str, Path]]


class Director:
    """Makes scenes of the research data."""

    def __init__(self, data: Path, folder: Path) -> None:
        clips = data / "clips"
        self._people = sorted(p for p in (clips / "people").iterdir() if (p / "test").is_dir())
        self._strangers = sorted((clips / "strangers").iterdir())
        self._pictures = data / "liveness" / "prints.zip"
        self._listeners = _list_listeners(data / "liveness" / "prints.csv")
        self._folder = folder

    def make(self, seed: int) -> Scene:
        """Make a scene. The same seed makes the same one."""
        rng = np.random.default_rng(seed)
        people = [self._people[i] for i in rng.permutation(len(self._people))[:3]]
        stranger = self._strangers[rng.integers(len(self._strangers))]
        takes = {p.name: sorted((p / "test").iterdir()) for p in people}
        takes["stranger"] = [stranger]
        kinds = dict(zip(takes, KINDS, strict=True))
        shown, photos = self._choose_listener(rng)
        parts = []
        turns: list[Truth] = []
        at_s = 0.0
        rounds = (rng.permutation(list(takes)).tolist() for _ in range(TURNS // 4))
        order: list[str] = list(chain.from_iterable(rounds))
        for number, name in enumerate(order):
            take = takes[name][number // 4 % len(takes[name])]
            place = str(rng.choice(PLACES, p=SHARES))
            frames, sound = _join(_read(take), shown, place)
            parts.append((frames, sound))
            end_s = at_s + len(frames) / FPS - PAUSE_S
            turns.append(Truth(Stretch(at_s, end_s, name), kinds[name], place))
            at_s = end_s + PAUSE_S
        enrolled = [(p.name, kinds[p.name], next((p / "enroll").iterdir())) for p in people]
        enrolled += [(LISTENER, "face", photo) for photo in photos]
        frames = list(chain.from_iterable(part for part, _ in parts))
        path = self._folder / f"scene-{seed}.mp4"
        write_video(path, frames, np.concatenate([sound for _, sound in parts]), FPS)
        return Scene(path, turns, enrolled)

    def _choose_listener(self, rng: np.random.Generator) -> tuple[list[ImageArray], list[Path]]:
        """Choose somebody who listens: pictures one after the other, and two to enrol."""
        session = self._listeners[rng.integers(len(self._listeners))]
        with zipfile.ZipFile(self._pictures) as archive:
            images = [_read_picture(archive.read(path)) for path in session]
        photos = [self._folder / f"listener-{rng.integers(1 << 30)}-{n}.png" for n in range(2)]
        for photo, image in zip(photos, images[:2], strict=True):
            large = cv2.resize(image, (3 * SIDE_PX, 3 * SIDE_PX))
            write_photo(photo, np.asarray(large, np.uint8))
        return images[2:], photos


def _list_listeners(table: Path) -> list[list[str]]:
    """List the recordings of living people, each as pictures in order of time."""
    sessions: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            name, number = Path(row["path"]).stem.rsplit("_", 1)
            if row["label"] == "live":
                sessions[name].append((int(number), row["path"]))
    long = [sorted(one) for one in sessions.values() if len(one) >= LEAST_PICTURES]
    return [_drop_numbers(session) for session in long]


def _drop_numbers(session: Sequence[tuple[int, str]]) -> list[str]:
    return [path for _, path in session]


def _read_picture(data: bytes) -> ImageArray:
    image = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    return np.asarray(cv2.resize(image[..., ::-1], (SIDE_PX, SIDE_PX)), np.uint8)


def _read(path: Path) -> tuple[list[ImageArray], Float32Array]:
    """Read a clip as frames of `FPS` and sound, with a pause of stillness after it."""
    clip = read_clip(path, ReadLimits(max_frames=2000))
    sound = _read_sound(clip)
    count = int(len(sound) / FILE_HZ * FPS)
    times = np.array([frame.time_s for frame in clip.frames])
    rows = np.searchsorted(times, np.arange(count) / FPS + 1e-3, side="right") - 1
    squares = [_to_square(clip.frames[max(row, 0)].image) for row in rows.tolist()]
    pause = round(PAUSE_S * FPS)
    samples = np.zeros((count + pause) * FILE_HZ // FPS, np.float32)
    samples[: len(sound)] = sound[: len(samples)]
    return squares + squares[-1:] * pause, samples


def _read_sound(clip: Clip) -> Float32Array:
    assert clip.waveform is not None
    sound = soxr.resample(clip.waveform.samples, clip.waveform.rate_hz, FILE_HZ)
    return np.asarray(sound / max(float(np.abs(sound).max()), 1e-3) * 0.5, np.float32)


def _to_square(image: ImageArray) -> ImageArray:
    """Cut out the middle and scale it to `SIDE_PX`."""
    side = min(image.shape[:2])
    top = (image.shape[0] - side) // 2
    left = (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (SIDE_PX, SIDE_PX)), np.uint8)


def _join(
    talker: tuple[list[ImageArray], Float32Array], listener: Sequence[ImageArray], place: str
) -> tuple[list[ImageArray], Float32Array]:
    """Put talker and listener into frames of two squares. What is missing is grey."""
    frames, sound = talker
    grey = np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)
    joined = []
    for number, frame in enumerate(frames):
        # To and fro, as a sequence that begins anew would jump
        step = int(number / FPS / LISTENS_S) % (2 * len(listener) - 2)
        other = listener[min(step, 2 * len(listener) - 2 - step)]
        left = grey if place == "off screen" else frame
        right = grey if place == "alone" else other
        joined.append(np.concatenate([left, right], axis=1))
    return joined, sound


class Bench:
    """Names the turns of scenes, as the product does."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._watcher = Watcher(settings.capture.min_face_px)
        self._scribe = Scribe(settings)
        self.words_s = 0.0
        self.times: defaultdict[str, float] = defaultdict(float)
        self.counts: Counter[tuple[str, ...]] = Counter()

    def add(self, scene: Scene) -> None:
        """Name the turns of a scene with and without faces, and count what is right."""
        settings = self._settings.replace(data_dir=self._folder / scene.path.stem)
        recognizer = build_recognizer(settings)
        try:
            _enrol(recognizer, scene)
            heard = self._hear(recognizer, scene)
            seen = self._see(recognizer, scene, heard)
            self._write(scene)
            for way, one in (("voice", heard), ("with faces", seen)):
                self._count(way, scene, one, Naming(recognizer.voices))
        finally:
            recognizer.close()

    def _hear(self, recognizer: Recognizer, scene: Scene) -> Heard:
        with self._timed("voices"), open_sound(scene.path, max_s=3600.0) as sound:
            diariser = Diariser(Naming(recognizer.voices))
            for block in sound.blocks:
                diariser.accept(block)
            self.times["seconds"] += sound.duration_s
            return diariser.finish()

    def _see(self, recognizer: Recognizer, scene: Scene, heard: Heard) -> Heard:
        with self._timed("faces"):
            sights = dict(self._watcher.watch(scene.path, None, heard.turns, recognizer.voices))
            return add_faces(heard, sights, recognizer.voices)

    def _write(self, scene: Scene) -> None:
        """Write the words of one scene down, where an engine is installed, for its time."""
        if self.words_s or not self._scribe.is_available:
            return
        self._scribe.load()
        before_s = _processor_s()
        with self._scribe.open(Recording(scene.path)) as writing:
            for _ in writing.lines():
                pass
        # Its decoder counts, once it has ended
        self.words_s = (_processor_s() - before_s) / writing.heard_s

    def _count(self, way: str, scene: Scene, heard: Heard, naming: Naming) -> None:
        stretches = to_stretches(name_voices(heard, naming))
        names = {name for name, *_ in scene.enrolled}
        for turn in scene.turns:
            name = most_heard(turn.stretch, stretches)
            if turn.kind == "stranger":
                result = "wrong" if name in names else "right"
            elif name == turn.stretch.speaker:
                result = "right"
            else:
                result = "wrong" if name in names else "unnamed"
            self.counts[way, turn.kind, turn.place, result] += 1

    def _timed(self, name: str) -> _Timed:
        return _Timed(self.times, name)


class _Timed:
    """Adds the processor time of a block, with that of processes that end in it."""

    def __init__(self, times: defaultdict[str, float], name: str) -> None:
        self._times = times
        self._name = name

    def __enter__(self) -> None:
        self._begun_s = _processor_s()

    def __exit__(self, *_: object) -> None:
        self._times[self._name] += _processor_s() - self._begun_s


def _processor_s() -> float:
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _enrol(recognizer: Recognizer, scene: Scene) -> None:
    modalities = {"both": None, "face": Modality.FACE, "voice": Modality.VOICE}
    for name, kind, path in scene.enrolled:
        person = NewPerson(name, name)
        clips = (ClipFile(path, path.name),)
        recognizer.enroll(EnrolmentRequest(person, clips, modalities[kind], force=True))


def measure_interval(count: int, total: int) -> tuple[float, float]:
    """Wilson's interval of 95 % of a share (E. B. Wilson, JASA 22, 1927)."""
    z = 1.96
    share = count / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low = max(0.0, (middle - spread) / (1 + z * z / total))
    return low, min(1.0, (middle + spread) / (1 + z * z / total))


def list_rows(counts: Counter[tuple[str, ...]]) -> Iterator[str]:
    """List what became of the turns, by kind, place and way."""
    for kind in (*KINDS, "all"):
        for place in (*PLACES, "all"):
            for way in ("voice", "with faces"):
                results: Counter[str] = Counter()
                for (w, k, p, result), count in counts.items():
                    if w == way and kind in (k, "all") and place in (p, "all"):
                        results[result] += count
                if n := results.total():
                    yield f"| {kind} | {place} | {way} | {n} | {_describe(results, n)} |"


def _describe(results: Counter[str], total: int) -> str:
    cells = []
    for result in ("right", "wrong", "unnamed"):
        low, high = measure_interval(results[result], total)
        cells.append(f"{results[result]} ({low:.0%} to {high:.0%})")
    return " | ".join(cells)


@click.command()
@click.option("--scenes", default=12, show_default=True, help="Scenes of 12 turns.")
@click.option("--first", default=0, show_default=True, help="Number of the first scene.")
def main(scenes: int, first: int) -> None:
    """Measure whose turns of a video are named, with and without the talking faces."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(Settings.from_env(), folder)
        director = Director(shared_data_dir(), folder)
        for seed in range(first, first + scenes):
            scene = director.make(seed)
            bench.add(scene)
            scene.path.unlink()
            click.echo(f"scene {seed}", err=True)
    click.echo("| enrolled by | talker | named by | turns | right | wrong | unnamed |")
    click.echo("|---|---|---|---|---|---|---|")
    for row in list_rows(bench.counts):
        click.echo(row)
    seconds = bench.times.pop("seconds")
    for part, processor_s in bench.times.items():
        click.echo(f"{part}: {processor_s / seconds:.3f} s of processor time a second")
    if bench.words_s:
        click.echo(f"words: {bench.words_s:.3f} s of processor time a second")
        click.echo(f"faces by words: {bench.times['faces'] / seconds / bench.words_s:.2f}")
