"""People to calibrate on, by modality: who is measured, and against which cohort.

People of the research data are halved: those who are measured are never in the cohort
that they are set against. The operator's own people are few, and they are the people of
the place. They are set against the cohort that the models have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from network.serving.concat_fusion import ConcatFusion
from network.serving.encoder import Encoders, joined_cohort
from scoring.calibration import Calibration
from scoring.norms import CohortNorm
from train.calibration.galleries import Fold
from train.calibration.gallery_fit import ScoredTrials, trials_of
from train.data.pseudo_people import CONDITIONS, Fuse, fused_table, halves
from train.data.tables import Table
from utils.arrays import Float32Array, unit
from utils.modality import Modality

# Embeddings of held-out people in a cohort at most, half a megabyte.
COHORT = 500
# People from which a cohort is made of them.
FULL = 60
SEED = 0
Folds = tuple[Fold, Fold]


@dataclass(frozen=True)
class ResearchTables:
    """Embeddings of the research data.

    Attributes:
        faces, voices: People whom no network was trained on, under every measured
            condition.
        cohort_voices, cohort_faces: (n, size), people whom the networks were trained
            on, for the cohorts alone. None for none.
        places: People of one place each, by modality.
        sources: People of one source each, who were in different places.
    """

    faces: Table
    voices: Table
    cohort_voices: Float32Array
    places: Sequence[Mapping[Modality, Table]] = ()
    sources: Sequence[Mapping[Modality, Table]] = ()
    cohort_faces: Float32Array | None = None


@dataclass(frozen=True)
class People:
    """People to calibrate one modality on.

    Attributes:
        folds: The people who are measured.
        cohort: (n, size), the cohort that serves. None where cosines serve as they are.
        norm: The norm that serves. None where it is to be fitted to the folds, if there
            is a cohort.
        pairs: Comparisons of single clips, None for none.
        places: People of one place each, set against the cohort that serves.
        sources: People of one source each, likewise. Only strangers count.
    """

    folds: tuple[Fold, ...]
    cohort: Float32Array | None
    norm: CohortNorm | None = None
    pairs: ScoredTrials | None = None
    places: tuple[Fold, ...] = ()
    sources: tuple[Fold, ...] = ()

    @property
    def alike(self) -> tuple[Fold, ...]:
        """All groups of people of one kind."""
        return (*self.places, *self.sources)


def research_people(encoders: Encoders, tables: ResearchTables) -> dict[Modality, People]:
    """People of the research data, by modality."""
    folds = folds_of(tables, encoders.fusion.fuse)
    faces = as_stored(mix(cohort_of(tables.faces), tables.cohort_faces))
    voices = as_stored(mix(cohort_of(tables.voices), tables.cohort_voices))
    fused = joined_cohort(encoders.fusion.fuse, faces, voices)
    cohorts = {Modality.FACE: faces, Modality.VOICE: voices, Modality.FUSED: fused}
    pairs = {Modality.FACE: _clean_pairs(tables.faces), Modality.VOICE: _clean_pairs(tables.voices)}
    sources = [*tables.sources, *_join_sources(tables, encoders.fusion.fuse)]
    people = {}
    for modality, cohort in cohorts.items():
        people[modality] = People(
            folds=folds[modality],
            cohort=cohort,
            pairs=pairs.get(modality),
            places=_folds_in(tables.places, modality, cohort),
            sources=_folds_in(sources, modality, cohort),
        )
    return people


def _folds_in(
    places: Sequence[Mapping[Modality, Table]], modality: Modality, cohort: Float32Array
) -> tuple[Fold, ...]:
    return tuple(Fold(place[modality], cohort) for place in places if modality in place)


def _join_sources(tables: ResearchTables, fuse: Fuse) -> Iterator[Mapping[Modality, Table]]:
    """Pseudo-persons of one place by face and of one source by voice."""
    silent = [place[Modality.FACE] for place in tables.places if Modality.VOICE not in place]
    for faces, source in product(silent, tables.sources):
        rng = np.random.default_rng(SEED)
        clean = ((faces.conditions[0], source[Modality.VOICE].conditions[0]),)
        joined = fused_table(faces, source[Modality.VOICE], fuse, clean, rng=rng)
        yield {Modality.FUSED: joined}


def _clean_pairs(table: Table) -> ScoredTrials:
    clean = table.under("clean")
    return trials_of(clean, clean)


def folds_of(tables: ResearchTables, fuse: Fuse) -> dict[Modality, Folds]:
    """Both halves of the people of each modality, each with the other as its cohort.

    Fused people are pseudo-persons.
    """
    faces = halves(tables.faces)
    voices = halves(tables.voices)
    face_cohorts = [mix(cohort_of(half), tables.cohort_faces) for half in faces]
    voice_cohorts = [mix(cohort_of(half), tables.cohort_voices) for half in voices]
    fused = []
    for half in (0, 1):
        rng = np.random.default_rng([SEED, half])
        table = fused_table(faces[half], voices[half], fuse, CONDITIONS, rng=rng)
        cohort = joined_cohort(fuse, face_cohorts[1 - half], voice_cohorts[1 - half])
        fused.append(Fold(table, cohort))
    return {
        Modality.FACE: (Fold(faces[0], face_cohorts[1]), Fold(faces[1], face_cohorts[0])),
        Modality.VOICE: (Fold(voices[0], voice_cohorts[1]), Fold(voices[1], voice_cohorts[0])),
        Modality.FUSED: (fused[0], fused[1]),
    }


def own_people(encoders: Encoders, tables: Mapping[Modality, Table]) -> dict[Modality, People]:
    """The operator's people, by modality.

    Where the models have no cohort, the people are set against each other if there are
    `FULL`. With fewer, bare cosines are measured.
    """
    people: dict[Modality, People] = {
        modality: _own_people(table, present_calibration(encoders, modality))
        for modality, table in tables.items()
        if modality != Modality.FUSED
    }
    if Modality.FUSED not in tables or isinstance(encoders.fusion, ConcatFusion):
        return people
    present = present_calibration(encoders, Modality.FUSED)
    # The cohort of the fused is joined from those of faces and voices.
    joined = people[Modality.FACE].norm is not None and people[Modality.VOICE].norm is not None
    if present is not None and isinstance(present.norm, CohortNorm) and joined:
        people[Modality.FUSED] = _own_people(tables[Modality.FUSED], present)
    else:
        people[Modality.FUSED] = People(folds=(_bare_fold(tables[Modality.FUSED]),), cohort=None)
    return people


def _own_people(table: Table, present: Calibration | None) -> People:
    pairs = trials_of(table, table)
    if present is not None and isinstance(present.norm, CohortNorm):
        norm = present.norm
        fold = Fold(table, norm.cohort)
        return People(folds=(fold,), cohort=norm.cohort, norm=norm, pairs=pairs)
    if len(np.unique(table.person)) < FULL:
        return People(folds=(_bare_fold(table),), cohort=None, pairs=pairs)
    first, second = halves(table)
    return People(
        folds=(Fold(first, cohort_of(second)), Fold(second, cohort_of(first))),
        cohort=as_stored(cohort_of(table)),
        pairs=pairs,
    )


def _bare_fold(table: Table) -> Fold:
    """A fold without a cohort."""
    return Fold(table, np.zeros((0, 1), np.float32))


def present_calibration(encoders: Encoders, modality: Modality) -> Calibration | None:
    """The calibration that a model has. None for a sum of ratios, which has no own."""
    encoder = {
        Modality.FACE: encoders.face,
        Modality.VOICE: encoders.voice,
        Modality.FUSED: encoders.fusion,
    }[modality]
    if isinstance(encoder, ConcatFusion) or encoder.card.calibration is None:
        return None
    return encoder.calibration


def cohort_of(table: Table) -> Float32Array:
    """At most `COHORT` clean embeddings of a table, in random order.

    There are as many of each person as of any other.
    """
    clean = table.under(table.conditions[0])
    rng = np.random.default_rng(SEED)
    people = rng.permutation(np.unique(clean.person))[:COHORT]
    each = max(COHORT // len(people), 1)
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(clean.person == person))[:each] for person in people]
    )
    return clean.vectors[rng.permutation(rows)]


def mix(cohort: Float32Array, more: Float32Array | None) -> Float32Array:
    """Both (n, size), in random order: fused cohorts take rows from the front."""
    both = cohort if more is None else np.concatenate([cohort, more])
    return both[np.random.default_rng(SEED).permutation(len(both))]


def as_stored(cohort: Float32Array) -> Float32Array:
    """A cohort as it comes back from its file."""
    return unit(cohort.astype(np.float16).astype(np.float32))
