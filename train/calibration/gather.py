"""The first step of a calibration: everything that it is made from.

Nothing is fitted or written here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from align.aligner import Aligner
from network.serving.concat_fusion import ConcatFusion
from network.serving.encoder import Encoders
from recognition.analysis import Analyser
from scoring.calibration import Calibration
from train.calibration.own_clips import tables_of
from train.calibration.people import (
    People,
    ResearchTables,
    own_people,
    present_calibration,
    research_people,
)
from train.calibration.places import PLACES, SOURCES, Place, PlaceReader
from train.data.datasets import read_listing
from train.data.held_out import (
    CACHE,
    Selection,
    cohort_faces,
    cohort_voices,
    held_out_faces,
    held_out_voices,
)
from train.data.renderings import VoiceOptions
from train.data.tables import read_noises
from utils.config import Settings
from utils.modality import Modality

Answers = Sequence[tuple[str, float, bool]]
"""Comparisons whose truth people told: modality, strength, same person."""
AnswersOf = Callable[[Mapping[str, str], Mapping[str, str]], Answers]
"""Finds the answers about these encoders and scales of strengths, both by modality.

A scale is named by `Calibration.scale_id`.
"""


@dataclass(frozen=True)
class Gathered:
    """What a calibration is made from.

    Attributes:
        people: People to measure, by modality.
        present: Calibrations that the models have, by modality.
        answers: Comparisons whose truth people told, on the scales that stay.
        is_own: Whether these are the operator's people. Otherwise they are people of
            the research data.
    """

    people: Mapping[Modality, People]
    present: Mapping[Modality, Calibration]
    answers: Answers = ()
    is_own: bool = False


class Source(Protocol):
    """Where the people of a calibration come from."""

    def gather(self, encoders: Encoders) -> Gathered:
        """Embed them with these encoders. Raises DatasetError for too few people."""


@dataclass(frozen=True)
class ResearchData:
    """People of the research data.

    Held-out people are of one data set alone, and a cohort of one place takes the
    strangers of any other for each other. So people of the training split join the
    cohort: faces of all data sets, those of `portraits` too, and `cohort_files` of each
    speaker of `cohort_groups`, data sets of fluent speech.

    Attributes:
        folder: The research data.
        settings: Settings of the service, by which clips are read.
        faces, voices, noise: Data sets in the folder.
        face_files, voice_files: Files of each person.
        face_match, voice_match: Parts of the paths of held-out files.
        cohort_groups, cohort_files: See above.
        places, sources: People of one place each, and of one source each.
        cache: Folder of the tables, None for no cache.
    """

    folder: Path
    settings: Settings
    faces: str = "faces.csv"
    portraits: str = "faces2.csv"
    voices: str = "voices.csv"
    noise: str = "voices.csv"
    face_files: int = 9
    voice_files: int = 8
    face_match: str = "frontal"
    voice_match: str = "speechocean762"
    cohort_groups: tuple[str, ...] = (
        "aishell3_samples",
        "alphanumeric_nonnative",
        "coswara",
        "cv_fa",
        "cv_tw",
        "librispeech_resemblyzer",
    )
    cohort_files: int = 2
    places: tuple[Place, ...] = PLACES
    sources: tuple[Place, ...] = SOURCES
    cache: Path | None = CACHE

    def gather(self, encoders: Encoders) -> Gathered:
        """Embed the held-out people."""
        people = research_people(encoders, self.embed(encoders))
        return _gather(encoders, people)

    def embed(self, encoders: Encoders) -> ResearchTables:
        """Tables of everybody."""
        noises = read_noises(read_listing(self.folder / self.noise, "audio", "noise"))
        options = VoiceOptions(noises=noises, min_speech_s=self.settings.capture.min_speech_s)
        reader = place_reader(self.folder, encoders, self.settings, self.cache)
        faces = Selection(self.folder / self.faces, self.face_files, self.face_match)
        voices = Selection(self.folder / self.voices, self.voice_files, self.voice_match)
        return ResearchTables(
            faces=held_out_faces(encoders.face, faces, self.cache),
            voices=held_out_voices(encoders.voice, voices, options, self.cache),
            cohort_faces=cohort_faces(
                encoders.face, faces.source, self.folder / self.portraits, self.cache
            ),
            cohort_voices=cohort_voices(
                encoders.voice,
                voices.source,
                options,
                groups=self.cohort_groups,
                files=self.cohort_files,
                cache=self.cache,
            ),
            places=[tables for place in self.places if (tables := reader.read(place))],
            sources=[tables for source in self.sources if (tables := reader.read(source))],
        )


def place_reader(
    root: Path, encoders: Encoders, settings: Settings, cache: Path | None
) -> PlaceReader:
    """Make a reader of places in the folder `root` of the research data."""
    analyser = Analyser(Aligner(settings.capture), encoders, settings)
    return PlaceReader(
        root=root,
        analyse=analyser.analyse,
        encoder_ids=tuple(analyser.encoder_ids.to_dict().values()),
        cache=cache,
    )


@dataclass(frozen=True)
class OwnClips:
    """The operator's own people.

    Attributes:
        folder: A folder of clips for each person.
        settings: Settings of the service, by which clips are read.
        answers_of: Finds what people said about earlier answers, None for clips alone.
    """

    folder: Path
    settings: Settings
    answers_of: AnswersOf | None = None

    def gather(self, encoders: Encoders) -> Gathered:
        """Embed all clips as the service does it."""
        analyser = Analyser(Aligner(self.settings.capture), encoders, self.settings)
        people = own_people(encoders, tables_of(self.folder, analyser.analyse))
        return _gather(encoders, people, self.answers_of, is_own=True)


def _gather(
    encoders: Encoders,
    people: Mapping[Modality, People],
    answers_of: AnswersOf | None = None,
    *,
    is_own: bool = False,
) -> Gathered:
    # The calibration of a sum of ratios follows from those of face and voice.
    if isinstance(encoders.fusion, ConcatFusion):
        people = {name: part for name, part in people.items() if name != Modality.FUSED}
    present: dict[Modality, Calibration] = {}
    for modality in people:
        calibration = present_calibration(encoders, modality)
        if calibration is not None:
            present[modality] = calibration
    answers: Answers = ()
    if answers_of is not None:
        scale_ids: dict[str, str] = {modality: part.scale_id for modality, part in present.items()}
        answers = comparable(answers_of(_encoder_ids(encoders), scale_ids), people)
    return Gathered(people=people, present=present, answers=answers, is_own=is_own)


def comparable(answers: Answers, people: Mapping[Modality, People]) -> Answers:
    """Answers about modalities whose strengths stay on their scale.

    A norm that is fitted now makes another scale.
    """
    stay = {name for name, part in people.items() if part.norm is not None or part.cohort is None}
    return [answer for answer in answers if answer[0] in stay]


def _encoder_ids(encoders: Encoders) -> dict[str, str]:
    return {
        Modality.FACE: encoders.face.encoder_id,
        Modality.VOICE: encoders.voice.encoder_id,
        Modality.FUSED: encoders.fusion.encoder_id,
    }
