"""People who are asked about as the service is asked, with calibrations of others.

Answers are those of `recognition/identifier.py` and `recognition/verifier.py`. Whoever
is measured is left out of the calibration.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from gallery.records.feed import PersonRef, Revision
from gallery.search.memory import Snapshot
from recognition.decision import Rule
from recognition.identifier import identify
from recognition.results import Decision, Verdict
from recognition.sides import Calibrations, Side, Sides
from recognition.verifier import judge
from scoring.bootstrap import bootstrap_interval
from scoring.calibration import Calibration
from scoring.remembering import with_memory
from train.calibration.fit import fit_elsewhere, fit_ratio
from train.calibration.galleries import Fold
from train.calibration.gallery_fit import FEW_DRAWS
from train.calibration.people import People
from train.data.pseudo_people import Fuse
from utils.arrays import Float32Array, Float64Array
from utils.modality import Modality, PerModality
from utils.settings.decision import DecisionSettings
from utils.whole_file import whole_file

# Version of the calibrations in the cache. It changes with how one is fitted.
FORMAT = "2"
SEED = 9
REPLICATES = 400
MISSING = {Modality.FACE: "no face", Modality.VOICE: "no speech"}


@dataclass(frozen=True)
class RoomClip:
    """A clip of a person, under conditions.

    Attributes:
        person: Name of the person. Names of one place begin alike.
        enrols: Whether it is the clip that the person is enrolled with.
        face, voice: By condition. None where nothing usable is left.
    """

    person: str
    enrols: bool
    face: Mapping[str, Side | None]
    voice: Mapping[str, Side | None]

    @property
    def presents(self) -> bool:
        """Whether the person is a presenter."""
        return self.person.startswith("ar")


@dataclass(frozen=True)
class Answer:
    """What became of a question.

    Attributes:
        people: Whose clips it was about, for the interval.
        outcome: Outcome of both together, or of one modality.
        by: What it was decided by.
        right: Whether a name that was given is the right one.
    """

    people: tuple[str, str]
    outcome: str
    by: str = ""
    right: bool = True

    @property
    def is_accepted(self) -> bool:
        """Whether somebody is named, or verified."""
        return self.outcome in ("accepted", "same")

    @property
    def is_by_both(self) -> bool:
        """Whether somebody is named, or verified, by face and voice."""
        return self.is_accepted and self.by == Modality.FUSED


@dataclass(frozen=True)
class Line:
    """A line of a table: a share of the answers."""

    name: str
    share: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        figures = f"{100 * self.share:.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"
        return f"| {self.name} | {figures} | {self.count} |"


def count(name: str, answers: Sequence[Answer], chosen: Callable[[Answer], bool]) -> Line:
    """Count the chosen answers. The 95 % interval is a bootstrap over people.

    Of none or of all a bootstrap says nothing. Then it is that of Clopper and Pearson, as
    if answers were independent.
    """
    hits = np.array([chosen(answer) for answer in answers], float)
    low, high = _interval(hits, answers)
    return Line(name=name, share=float(hits.mean()), low=low, high=high, count=len(hits))


def _interval(hits: Float64Array, answers: Sequence[Answer]) -> tuple[float, float]:
    if hits.all() or not hits.any():
        exact = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="exact")
        return float(exact.low), float(exact.high)
    interval = bootstrap_interval(
        lambda index: float(hits[index].mean()) if len(index) else 0.0,
        np.array([answer.people for answer in answers]),
        replicates=REPLICATES,
        seed=SEED,
    )
    return interval.low, interval.high


def join_sides(face: Side | None, voice: Side | None, fuse: Fuse) -> Sides:
    """Join a face and a voice to one clip. None for what is missing."""
    sides = {Modality.FACE: face, Modality.VOICE: voice}
    there = {modality: side for modality, side in sides.items() if side is not None}
    if face is not None and voice is not None:
        there[Modality.FUSED] = Side(
            vector=fuse(face.vector[None], voice.vector[None])[0],
            speech_s=voice.speech_s,
            quality=(*face.quality, *voice.quality),
        )
    return there


@dataclass(frozen=True)
class Service:
    """What answers."""

    fuse: Fuse
    settings: DecisionSettings
    calibrations: Calibrations

    def probe(self, face: Side | None, voice: Side | None) -> Sides:
        """Join a face and a voice to one clip."""
        return join_sides(face, voice, self.fuse)

    def gallery(self, clips: Sequence[RoomClip]) -> Snapshot:
        """Enrol people with one clean clip each."""
        probes = [self.probe(clip.face["clean"], clip.voice["clean"]) for clip in clips]
        numbers = range(1, len(clips) + 1)

        def stack(modality: Modality) -> Float32Array:
            return np.stack([probe[modality].vector for probe in probes])

        return Snapshot(
            revision=Revision("", "", 0),
            keys=np.array(numbers),
            vectors={modality: stack(modality) for modality in Modality},
            has={m: np.ones(len(clips), bool) for m in Modality},
            refs={n: PersonRef(n, clips[n - 1].person, "") for n in numbers},
            stale=(),
            people=len(clips),
        )

    def identify(self, probe: Sides, gallery: Snapshot) -> PerModality[Decision]:
        """Ask who a probe is."""
        rule = Rule(self.settings, gallery.people, self.calibrations)
        return identify(probe, gallery, rule, missing=MISSING)

    def verify(self, probe: Sides, person: RoomClip) -> PerModality[Verdict]:
        """Ask whether a probe is of a person who is enrolled with this clip."""
        stored = self.probe(person.face["clean"], person.voice["clean"])
        vectors = {modality: side.vector for modality, side in stored.items()}
        return judge(probe, vectors, self.calibrations, self.settings)


class Calibrator:
    """Fits calibrations without some people."""

    def __init__(self, people: Mapping[Modality, People], cache: Path | None = None) -> None:
        """Take the people of all calibrations, and a folder that keeps what is fitted."""
        self._people = people
        self._cache = cache
        self._names = {modality: _digest(part) for modality, part in people.items()}

    def without(self, held_out: Collection[str]) -> Calibrations:
        """Fit to everybody but these people of the places."""
        return with_memory(PerModality.of(lambda modality: self._fit_once(modality, held_out)))

    def _fit_once(self, modality: Modality, held_out: Collection[str]) -> Calibration:
        if self._cache is None:
            return self._fit(modality, held_out)
        key = "\n".join([FORMAT, self._names[modality], *sorted(held_out)])
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        file = self._cache / f"calibration-{name}.json"
        if not file.exists():
            text = json.dumps(self._fit(modality, held_out).to_dict())
            with whole_file(file) as partial:
                partial.write_text(text, encoding="utf-8")
        data = json.loads(file.read_text(encoding="utf-8"))
        return Calibration.from_dict(data, self._people[modality].cohort)

    def _fit(self, modality: Modality, held_out: Collection[str]) -> Calibration:
        people = self._people[modality]
        places = tuple(_leave_out(fold, held_out) for fold in people.places)
        left = replace(people, places=tuple(fold for fold in places if len(fold.table)))
        # There are many of them: each is fitted to fewer galleries than the one that serves.
        return fit_ratio(left, *fit_elsewhere(left), draws=FEW_DRAWS)


def _digest(people: People) -> str:
    """Name of the embeddings of people."""
    digest = hashlib.sha256()
    for fold in (*people.folds, *people.places, *people.sources):
        digest.update(fold.table.vectors.tobytes())
        digest.update(fold.cohort.tobytes())
    return digest.hexdigest()


def same_person(name: str) -> str:
    """One name for a person of two sets: the single words are of the presenters."""
    return re.sub(r"^spk", "ar", name)


def _leave_out(fold: Fold, held_out: Collection[str]) -> Fold:
    names = fold.table.names
    keep = [n for n, name in enumerate(names) if same_person(name) not in held_out]
    return replace(fold, table=fold.table.of_people(keep))
