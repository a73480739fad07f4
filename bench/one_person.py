"""How often the checks of an enrolment refuse one person, and let two people pass.

CLIPS holds people/<person>/{enroll,test}/* and strangers/*, each with one person. Counted
are: clips that are refused by themselves, further clips of a person that are found unlike
the first, clips of one person that are found unlike another, clips whose second half (or
last sixth) is the face of another, and clips whose second half is another voice. The last
two are put together from the faces and the speech of two clips. Intervals are of
Clopper and Pearson, 95 %. Clips of one person are not independent, so that they are
narrower than they should be.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from scipy.stats import binomtest

from align.aligner import Aligner
from gallery.store import open_store
from network.serving.encoder import load_encoders
from recognition.agreement import Sample, compare_parts, find_odd_faces, least_llr
from recognition.analysis import Analyser
from recognition.one_person import OnePerson
from recognition.probe import Probe
from recognition.verifier import Verifier
from scoring.calibration import Calibration
from utils.config import Settings
from utils.errors import DuetError
from utils.media import Waveform
from utils.modality import Modality, PerModality
from utils.path_option import PathOption

# Others that each clip is put together with
_OTHERS = 6


@dataclass(frozen=True)
class Seen:
    """A clip of a person, and its faces each by itself in order of time."""

    person: str
    probe: Probe
    faces: Sample


class Bench:
    """Checks clips as the service does, with an empty gallery."""

    def __init__(self, settings: Settings) -> None:
        encoders = load_encoders(settings.storage.model_dir)
        self.calibrations = PerModality(
            fused=encoders.fusion.calibration,
            face=encoders.face.calibration,
            voice=encoders.voice.calibration,
        )
        self.analyser = Analyser(Aligner(settings.capture), encoders, settings)
        verifier = Verifier(
            open_store(settings), self.analyser, self.calibrations, settings.decision
        )
        self.one_person = OnePerson(
            self.analyser, verifier, least_quality=settings.capture.min_enroll_quality
        )

    def look(self, person: str, clip: Path) -> Seen | None:
        """Analyse a clip. None where it has no face or no speech."""
        try:
            probe = self.analyser.analyse(clip)
        except DuetError as error:
            click.echo(f"left out: {person}/{clip.name}: {error.message}")
            return None
        if len(probe.embeddings) < 2:
            return None
        faces = sorted(probe.capture.face_analysis.faces, key=lambda face: face.time_s)
        return Seen(person, probe, self.analyser.embed_sample(faces))

    @property
    def bare(self) -> Calibration:
        """The calibration of bare cosines of faces, as of a network without a cohort."""
        return self.calibrations.face.cosine or self.calibrations.face

    def shows_two(
        self, one: Seen, other: Seen, share: float, calibration: Calibration | None = None
    ) -> bool:
        """Whether the faces of two people, one after the other, are told apart.

        `calibration`: of faces, None for the one that serves.
        """
        mine = one.faces
        theirs = other.faces
        count = round(len(mine.vectors) * (1 - share))
        rest = len(mine.vectors) - count
        side = Sample(
            vectors=np.concatenate([mine.vectors[:count], theirs.vectors[:rest]]),
            weights=np.concatenate([mine.weights[:count], theirs.weights[:rest]]),
        )
        return bool(find_odd_faces(side, calibration or self.calibrations.face).any())

    def has_two(self, one: Seen, other: Seen) -> bool | None:
        """Whether two voices, half and half, are told apart. None for too little speech."""
        halves = [_first_half(one), _first_half(other)]
        speech = Waveform(np.concatenate([half.samples for half in halves]), halves[0].rate_hz)
        parts = self.analyser.embed_parts(speech)
        if parts is None:
            return None
        voice = self.calibrations.voice
        return compare_parts(parts, voice)[0] < least_llr(Modality.VOICE, voice)


def _first_half(seen: Seen) -> Waveform:
    speech = seen.probe.capture.speech_analysis.speech
    assert speech is not None
    return Waveform(speech.samples[: len(speech.samples) // 2], speech.rate_hz)


def list_clips(folder: Path) -> Iterator[tuple[str, Path]]:
    """List the clips of people and strangers, with whose they are."""
    for person in sorted((folder / "people").iterdir()):
        for part in ("enroll", "test"):
            yield from ((person.name, clip) for clip in sorted((person / part).glob("*")))
    yield from ((clip.name, clip) for clip in sorted((folder / "strangers").glob("*")))


def measure(bench: Bench, clips: Sequence[Seen]) -> Iterator[tuple[str, list[bool]]]:
    """Yield each count: what is counted, and for each trial whether it is refused."""
    faults = [bench.one_person.find_fault([seen.probe]) for seen in clips]
    for seen, fault in zip(clips, faults, strict=True):
        if fault:
            click.echo(f"refused: {seen.person}: {fault.code}: {fault.message}")
    yield "one person: a clip by itself", [fault is not None for fault in faults]
    fine = [seen for seen, fault in zip(clips, faults, strict=True) if fault is None]
    pairs = list(itertools.permutations(fine, 2))
    own = [(a, b) for a, b in pairs if a.person == b.person]
    yield "one person: a further clip", [_is_refused(bench, a, b) for a, b in own]
    rng = np.random.default_rng(0)
    foreign = [(a, b) for a, b in pairs if a.person != b.person]
    chosen = rng.permutation(len(foreign))[: _OTHERS * len(fine)]
    drawn = [foreign[i] for i in chosen]
    yield "two people: a further clip", [_is_refused(bench, a, b) for a, b in drawn]
    for share, title in ((1 / 2, "half"), (1 / 6, "a sixth")):
        yield (
            f"two people: {title} of the faces",
            [bench.shows_two(a, b, share) for a, b in drawn],
        )
        yield (
            f"two people: {title} of the faces, without a cohort",
            [bench.shows_two(a, b, share, bench.bare) for a, b in drawn],
        )
    yield (
        "one person: faces of a clip, without a cohort",
        [bool(find_odd_faces(seen.faces, bench.bare).any()) for seen in clips],
    )
    voices = [bench.has_two(a, b) for a, b in drawn]
    yield "two people: half of the speech", [heard for heard in voices if heard is not None]


def _is_refused(bench: Bench, one: Seen, other: Seen) -> bool:
    return bench.one_person.find_fault([one.probe, other.probe]) is not None


def as_markdown(counts: Iterable[tuple[str, list[bool]]]) -> str:
    """Format a table: how many trials of each count are refused, in percent."""
    lines = ["| enrolment | refused | n | interval |", "|" + "---|" * 4]
    for title, refused in counts:
        ends = binomtest(sum(refused), len(refused)).proportion_ci(method="exact")
        lines.append(
            f"| {title} | {100 * np.mean(refused):.1f} % | {len(refused)} |"
            f" {100 * ends.low:.1f}–{100 * ends.high:.1f} % |"
        )
    return "\n".join(lines)


@click.command()
@click.argument("clips", type=PathOption(exists=True, file_okay=False, path_type=Path))
def main(clips: Path) -> None:
    """Measure the checks of an enrolment on the people of CLIPS."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Settings.from_env().replace(data_dir=Path(folder)))
        looked = (bench.look(person, clip) for person, clip in list_clips(clips))
        seen = [clip for clip in looked if clip is not None]
        click.echo(as_markdown(measure(bench, seen)))
