"""What `DUET_ACCURACY` does to the face: error rates of fast, balanced and thorough.

CLIPS holds people/<person>/{enroll,test}/* and strangers/*. Each clip is read and analysed
in each way, as it is, blurred, with 15 % of the light, and with noise. Of clips that are
not enrolled the opening may be enough: without checks for liveness, its faces alone say so.
Printed are how many clips were not read to their end, faces and processor time a clip, the
cosine to the vector of the thorough way, the EER of all pairs of clips, FPIR and FNIR of a
gallery of the clips to enrol (at the cosine that the thorough way's strangers reach in 1 of
10), and how much the EER differs from the thorough way's. Intervals are over people, 95 %
(bootstrap).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import cv2
import numpy as np

from align.aligner import Aligner, Reader
from align.audience import Audience, Nobody
from align.decode import ReadLimits, read_timed
from network.serving.encoder import Encoders, load_encoders
from recognition.analysis import Analyser
from scoring.bootstrap import bootstrap_interval
from scoring.metrics import OpenSet, eer, open_set, open_set_at_fpir
from utils.arrays import BoolArray, Float32Array, ImageArray, IndexArray
from utils.config import Settings
from utils.errors import DuetError
from utils.media import Clip, Frame, Waveform
from utils.modality import Modality
from utils.path_option import PathOption
from utils.settings.capture import ACCURACIES
from utils.settings.liveness import PASSIVE

CONDITIONS = ("clean", "blur", "dark", "noise")
FPIR = 0.1
WAYS = ACCURACIES[::-1]


def spoil(image: ImageArray, condition: str) -> ImageArray:
    """Make a frame (h, w, 3) uint8 as a condition has it."""
    if condition == "clean":
        return image
    rng = np.random.default_rng(image.shape[0])
    x = image.astype(np.float32)
    if condition == "blur":
        x = cv2.GaussianBlur(x, (0, 0), image.shape[1] / 200).astype(np.float32)
    elif condition == "dark":
        x = x * 0.15 + rng.normal(0, 6, x.shape).astype(np.float32)
    else:
        x = x + rng.normal(0, 30, x.shape).astype(np.float32)
    return np.clip(x, 0, 255).astype(np.uint8)


class Spoiling(Nobody):
    """Spoils frames before anybody sees them."""

    def __init__(self, condition: str, audience: Audience) -> None:
        self._condition = condition
        self._audience = audience

    def hear(self, waveforms: tuple[Waveform, ...]) -> None:
        """Pass the sound on."""
        self._audience.hear(waveforms)

    def see(self, frame: Frame) -> Frame:
        """Spoil a frame."""
        return self._audience.see(replace(frame, image=spoil(frame.image, self._condition)))

    def forget(self, count: int, filmed: int) -> None:
        """Pass it on."""
        self._audience.forget(count, filmed)

    def is_enough(self, clip: Clip) -> bool:
        """Pass the question on."""
        return self._audience.is_enough(clip)


def spoil_reading(condition: str) -> Reader:
    """Make what reads clips whose frames are spoilt."""

    @contextmanager
    def read(
        path: Path, filename: str | None, limits: ReadLimits, audience: Audience
    ) -> Iterator[tuple[Clip, dict[str, float]]]:
        yield read_timed(path, limits, filename, Spoiling(condition, audience))

    return read


@dataclass(frozen=True)
class Look:
    """A clip in one way: face vector (512,), faces, milliseconds. NaN without a face.

    `is_whole`: its faces are from the last second, too.
    """

    vector: Float32Array
    faces: int
    work_ms: float
    is_whole: bool = True


def look(analyser: Analyser, clip: Path, *, whole: bool) -> Look:
    """Analyse a clip, the `whole` of it if it is to be enrolled."""
    before = time.process_time()
    try:
        probe = analyser.analyse(clip, whole=whole)
        vector = probe.vector_of(Modality.FACE)
        seen_s = [face.time_s for face in probe.capture.face_analysis.faces]
        is_whole = max(seen_s) > probe.capture.duration_s - 1
    except DuetError:
        return Look(np.full(512, np.nan, np.float32), 0, 1000 * (time.process_time() - before))
    return Look(vector, len(seen_s), 1000 * (time.process_time() - before), is_whole)


@dataclass(frozen=True)
class Trials:
    """Whose the clips are, and which are enrolled."""

    people: Sequence[str]
    enrolled: BoolArray

    def eer(self, vectors: Float32Array) -> tuple[float, Callable[[IndexArray], float]]:
        """The EER of all pairs, and the EER of some of them."""
        first, second = np.triu_indices(len(self.people), 1)
        names = np.array(self.people)
        labels = names[first] == names[second]
        scores = np.sum(vectors[first] * vectors[second], axis=1)
        return eer(scores, labels).value, lambda t: eer(scores[t], labels[t]).value

    @property
    def pairs(self) -> np.ndarray[tuple[int, ...], np.dtype[np.str_]]:
        """The people (n, 2) of all pairs."""
        return np.array(self.people)[np.column_stack(np.triu_indices(len(self.people), 1))]

    def search(self, vectors: Float32Array, threshold: float | None) -> OpenSet:
        """Search the probes among the enrolled clips."""
        names = np.array(self.people)
        scores = vectors[~self.enrolled] @ vectors[self.enrolled].T
        sides = (names[~self.enrolled], names[self.enrolled])
        if threshold is None:
            return open_set_at_fpir(scores, *sides, FPIR)
        return open_set(scores, *sides, threshold)


def stack_vectors(looks: Sequence[Look]) -> Float32Array:
    """The vectors (n, 512) of n clips."""
    return np.stack([one.vector for one in looks])


def print_condition(condition: str, looks: dict[str, list[Look]], trials: Trials) -> None:
    """Print a row for each way."""
    vectors = {way: stack_vectors(looks[way]) for way in WAYS}
    seen = np.all([np.isfinite(v).all(axis=1) for v in vectors.values()], axis=0)
    people = [p for p, is_seen in zip(trials.people, seen, strict=True) if is_seen]
    trials = Trials(people, trials.enrolled[seen])
    base = vectors["thorough"][seen]
    threshold = trials.search(base, None).threshold
    best, best_of = trials.eer(base)
    for way in WAYS:
        own = vectors[way][seen]
        cosines = np.sum(own * base, axis=1)
        rate, rate_of = trials.eer(own)
        differ = partial(lambda f, t: f(t) - best_of(t), rate_of)
        interval = bootstrap_interval(differ, trials.pairs, replicates=100)
        search = trials.search(own, threshold)
        faces = np.mean([one.faces for one in looks[way]])
        openings = sum(not one.is_whole for one in looks[way])
        work = np.median([one.work_ms for one in looks[way]])
        print(
            f"| {condition} | {way} | {int(seen.sum())} | {openings} | {faces:.1f} | {work:.0f} |"
            f" {np.median(cosines):.4f}, {cosines.min():.3f} | {100 * rate:.2f} |"
            f" {100 * (rate - best):+.2f} ({100 * interval.low:+.2f} to {100 * interval.high:+.2f})"
            f" | {100 * search.fpir:.1f} | {100 * search.fnir:.1f} |",
            flush=True,
        )


def measure(condition: str, clips: Sequence[Path], encoders: Encoders, trials: Trials) -> None:
    """Analyse all clips in all ways."""
    looks = {}
    off = {f"liveness_{check}": "off" for check in PASSIVE}
    for way in WAYS:
        settings = Settings.of(accuracy=way, **off)
        aligner = Aligner(settings.capture, spoil_reading(condition))
        aligner.load()
        analyser = Analyser(aligner, encoders, settings)
        wholes = zip(clips, trials.enrolled.tolist(), strict=True)
        looks[way] = [look(analyser, clip, whole=whole) for clip, whole in wholes]
    print_condition(condition, looks, trials)


@click.command(help=__doc__)
@click.option(
    "--clips",
    "folder",
    type=PathOption(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Folder with people/ and strangers/.",
)
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    type=click.Choice(CONDITIONS),
    default=CONDITIONS,
    show_default=True,
    help="May be repeated.",
)
def main(folder: Path, conditions: Sequence[str]) -> None:
    """Print the table."""
    of_people = sorted(folder.glob("people/*/*/*"))
    strangers = sorted(folder.glob("strangers/*"))
    clips = [*of_people, *strangers]
    people = [clip.parts[-3] for clip in of_people] + [clip.stem for clip in strangers]
    enrolled = np.array([clip.parent.name == "enroll" for clip in clips])
    encoders = load_encoders(Settings().storage.model_dir)
    print(
        "| frames | way | clips | openings | faces | processor ms | cosine: median, least | EER %"
        " | more EER (95 %) | FPIR % | FNIR % |"
    )
    print("|" + "---|" * 11)
    for condition in conditions:
        measure(condition, clips, encoders, Trials(people, enrolled))


if __name__ == "__main__":
    main()
