"""Error rates of the checks for liveness, in the words of ISO/IEC 30107-3.

    APCER   share of attack presentations of a species that pass
    BPCER   share of bona fide presentations that fail

What is not checked is counted by itself. Bona fide are clips of people who talk. Clips
joined from single words jump, and are none. The species are those of the research data,
prints as sequences of pictures with a voice under them, and pictures that are taken from
bona fide clips and moved by a simulated hand.

A threshold is fitted to some of the subjects and applied to the others, in turns. The
threshold in use is applied to all.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import binomtest
from tqdm import tqdm

from align.aligner import Aligner
from align.faces import FaceDetector, analyse_faces, find_faces
from align.surroundings import cut_surroundings
from liveness import mouth_motion
from liveness.judgement import Judgement, LivenessOutcome
from utils.arrays import ImageArray
from utils.errors import DatasetError, MediaError
from utils.media import Capture, Frame

FOLDS = 5
# Share of the bona fide clips of the fitted subjects that may fail
FITTED_BPCER = 0.01
SEED = 5
# Pictures of a print that stand for one clip, and the least number
PRINT_FRAMES = 12
LEAST_PRINT_FRAMES = 6
# Motion of a hand from frame to frame: of the corners and of the place, as shares of the
# picture, and of the light
_CORNERS = 0.02
_PLACE = 0.03
_LIGHT = 0.06
_PRINT = re.compile(r"print/(\d{4})_(\w+)_(\d+)\.webp$")
WITHOUT_SURROUNDINGS = ("single words",)
"""Sets whose clips are cut to the face: what is around it is not seen."""

JOINED = re.compile(r"^ar\d+$")


@dataclass(frozen=True)
class Presentation:
    """What is shown to the service.

    Attributes:
        species: kind of the attack, or the name of a set of bona fide clips.
        subject: who is shown.
        is_attack: whether it is one.
    """

    species: str
    subject: str
    is_attack: bool
    capture: Capture


@dataclass(frozen=True)
class Trial:
    """A judgement about one presentation, whose fields it takes over."""

    species: str
    subject: str
    is_attack: bool
    judgement: Judgement


@dataclass(frozen=True)
class Rate:
    """Errors among the trials that were checked, with an exact 95 % interval."""

    errors: int
    checked: int
    unchecked: int
    subjects: int

    def __str__(self) -> str:
        if not self.checked:
            return f"- | 0 | {self.unchecked} | {self.subjects}"
        interval = binomtest(self.errors, self.checked).proportion_ci(method="exact")
        share = 100 * self.errors / self.checked
        bounds = f"({100 * interval.low:.1f} to {100 * interval.high:.1f})"
        counts = f"{self.checked} | {self.unchecked} | {self.subjects}"
        return f"{self.errors}: {share:.1f} {bounds} | {counts}"


def read_presentations(folder: Path, aligner: Aligner) -> list[Presentation]:
    """Read all presentations of the research data in `folder`. Raises DatasetError."""
    shown = list(_bona_fide(folder, aligner))
    voice = next((one.capture for one in shown if one.capture.speech_analysis.speech), None)
    if voice is None:
        raise DatasetError(f"There must be clips with speech. Received: {folder.name}")
    detector = FaceDetector()
    held = list(_held(shown, detector))
    shown += list(_attacks(folder / "liveness" / "attacks", aligner))
    shown += list(_prints(folder / "liveness" / "prints.zip", detector, voice))
    return shown + held


def judge_all(
    presentations: Iterable[Presentation], examine: Callable[[Capture], Judgement]
) -> list[Trial]:
    """Judge all presentations by one check."""
    return [
        Trial(one.species, one.subject, one.is_attack, examine(one.capture))
        for one in presentations
    ]


def _bona_fide(folder: Path, aligner: Aligner) -> Iterator[Presentation]:
    people = folder / "clips" / "people"
    for clip in sorted(people.rglob("*.*")):
        subject = clip.relative_to(people).parts[0]
        if not JOINED.match(subject):
            yield Presentation("people", subject, False, aligner.analyse(clip))
    for clip in sorted((folder / "clips" / "strangers").iterdir()):
        yield Presentation("strangers", clip.stem, False, aligner.analyse(clip))
    yield from _single_words(folder / "liveness" / "words.zip", aligner)


def _single_words(archive: Path, aligner: Aligner) -> Iterator[Presentation]:
    with zipfile.ZipFile(archive) as words, tempfile.TemporaryDirectory() as scratch:
        names = [name for name in words.namelist() if name.endswith(".mp4")]
        for name in tqdm(names, unit="word", disable=None):
            path = Path(words.extract(name, scratch))
            speaker = name.split("/")[0]
            yield Presentation("single words", speaker, False, aligner.analyse(path))


def _attacks(folder: Path, aligner: Aligner) -> Iterator[Presentation]:
    for clip in sorted(folder.rglob("*.mp4")):
        try:
            capture = aligner.analyse(clip)
        except MediaError:
            continue
        yield Presentation(clip.parent.name, clip.stem, True, capture)


def _prints(archive: Path, detector: FaceDetector, voice: Capture) -> Iterator[Presentation]:
    """Show prints that are held and moved before a webcam, as sequences."""
    with zipfile.ZipFile(archive) as pictures:
        sequences: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for name in pictures.namelist():
            if parts := _PRINT.match(name):
                sequences.setdefault((parts[1], parts[2]), []).append((int(parts[3]), name))
        for (subject, _), named in sequences.items():
            images = [_decode(pictures.read(name)) for _, name in sorted(named)]
            for part in _cut(images):
                yield Presentation("prints", subject, True, _show(part, detector, voice))


def _decode(data: bytes) -> ImageArray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError("A picture of a print must be one that can be decoded.")
    return np.asarray(image[..., ::-1], np.uint8)


def _cut(images: Sequence[ImageArray]) -> Iterator[Sequence[ImageArray]]:
    for start in range(0, len(images), PRINT_FRAMES):
        part = images[start : start + PRINT_FRAMES]
        if len(part) >= LEAST_PRINT_FRAMES:
            yield part


def _held(bona_fide: Iterable[Presentation], detector: FaceDetector) -> Iterator[Presentation]:
    """Show a picture of each subject that a simulated hand moves."""
    rng = np.random.default_rng(SEED)
    shown = set[str]()
    for one in bona_fide:
        faces = one.capture.face_analysis.faces
        if one.subject in shown or not faces:
            continue
        shown.add(one.subject)
        picture = _on_a_wall(faces[0].image)
        images = [_move(picture, rng) for _ in range(PRINT_FRAMES)]
        capture = _show(images, detector, one.capture)
        yield Presentation("held picture (simulated)", one.subject, True, capture)


def _on_a_wall(face: ImageArray) -> ImageArray:
    """A picture of a face, twice its size, before a grey wall."""
    size = 2 * face.shape[0]
    large = cv2.resize(face, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.pad(large, ((60, 60), (60, 60), (0, 0)), constant_values=128)


def _move(picture: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Hold a picture a little elsewhere, at another angle and in another light."""
    side = picture.shape[0]
    corners = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
    shift = rng.normal(0, _PLACE * side, 2) + rng.normal(0, _CORNERS * side, (4, 2))
    matrix = cv2.getPerspectiveTransform(corners, (corners + shift).astype(np.float32))
    moved = cv2.warpPerspective(picture, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    lit = moved * rng.normal(1, _LIGHT) + rng.normal(0, 2, moved.shape)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _show(images: Sequence[ImageArray], detector: FaceDetector, voice: Capture) -> Capture:
    """Show pictures, one after the other, with the sound of a clip."""
    frames = [Frame(image, number / 4) for number, image in enumerate(images)]
    faces = analyse_faces(frames, find_faces(detector, frames), min_face_px=24.0)
    around = cut_surroundings(frames, faces.faces)
    return replace(voice, face_analysis=faces, mouth_film=None, surroundings=around)


def rate(trials: Sequence[Trial], threshold: float | None = None) -> Rate:
    """Count the errors among trials of one kind, at another threshold if one is given."""
    checked = [t for t in trials if t.judgement.outcome is not LivenessOutcome.NOT_CHECKED]
    return Rate(
        errors=sum(_passes(t, threshold) == t.is_attack for t in checked),
        checked=len(checked),
        unchecked=len(trials) - len(checked),
        subjects=len({t.subject for t in trials}),
    )


def _passes(trial: Trial, threshold: float | None) -> bool:
    judgement = trial.judgement
    if threshold is None:
        return judgement.outcome is LivenessOutcome.PASSED
    return judgement.score is not None and judgement.score >= threshold


def held_out(trials: Sequence[Trial]) -> tuple[dict[str, Rate], list[float]]:
    """Measure each species at thresholds that were fitted to other subjects.

    Returns the rates by species, and the threshold of each fold.
    """
    subjects = np.random.default_rng(SEED).permutation(sorted({t.subject for t in trials}))
    counted: dict[str, list[tuple[Trial, float]]] = {}
    thresholds = []
    for fold in range(FOLDS):
        tested = set(subjects[fold::FOLDS].tolist())
        scores = [
            t.judgement.score
            for t in trials
            if not t.is_attack and t.subject not in tested and t.judgement.score is not None
        ]
        thresholds.append(float(np.quantile(scores, FITTED_BPCER)))
        for trial in trials:
            if trial.subject in tested:
                counted.setdefault(trial.species, []).append((trial, thresholds[-1]))
    return {species: _rate_each(pairs) for species, pairs in counted.items()}, thresholds


def _rate_each(pairs: Sequence[tuple[Trial, float]]) -> Rate:
    parts = [rate([trial], threshold) for trial, threshold in pairs]
    return Rate(
        errors=sum(part.errors for part in parts),
        checked=sum(part.checked for part in parts),
        unchecked=sum(part.unchecked for part in parts),
        subjects=len({trial.subject for trial, _ in pairs}),
    )


def as_markdown(trials: Sequence[Trial]) -> str:
    """Table of mouth_motion by species: bona fide first, as BPCER, then attacks, as APCER."""
    apart, thresholds = held_out(trials)
    head = (
        f"Check `mouth_motion`. The threshold in use is {mouth_motion.THRESHOLD:g}. Fitted to other"
        f" subjects it is {min(thresholds):.4f} to {max(thresholds):.4f}."
        " Errors: share in % (95 % interval), then checked, not checked, subjects."
    )
    return "\n".join([head, "", *tabulate(trials, apart)])


def tabulate(trials: Sequence[Trial], apart: Mapping[str, Rate] | None = None) -> list[str]:
    """Rows of a table of all species, with `apart` the rates at held-out thresholds."""
    last = " held out |" if apart else ""
    rows = [
        f"| presentation | rate | errors | checked | not checked | subjects |{last}",
        "|---|---|---|---|---|---|" + ("---|" if apart else ""),
    ]
    species = {trial.species: trial.is_attack for trial in trials}
    for name, is_attack in sorted(species.items(), key=lambda one: one[1]):
        own = rate([trial for trial in trials if trial.species == name])
        kind = "APCER" if is_attack else "BPCER"
        other = f" {str(apart[name]).split(' |')[0]} |" if apart else ""
        rows.append(f"| {name} | {kind} | {own} |{other}")
    return rows
