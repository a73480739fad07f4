"""The second step of a calibration: fit it to the people. Nothing is read or written.

Per modality and fused, four things are made:

- the numbers by which a probe's scores are set against a cohort of strangers and
  against the other people of a gallery (`train/calibration/norm_fit.py`);
- how much more people of one place resemble each other (`place_fit.py`);
- the log-likelihood ratio of the resulting strength, by logistic regression over all
  conditions and places, with what it loses with the quality of the probe;
- a table of the strengths of impostors by false match rate, measured in galleries
  (`train/calibration/gallery_fit.py`).

For the operator's own people, cohort and numbers stay and all else is fitted. The tail
beyond their table is the present one's, moved to fit. What the ratio loses with the quality
is the present one's, too: their clips are all good, and tell nothing of poor ones. Parts of
one clip are compared by the first one, before any own people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from scoring.norms import CohortNorm, NoNorm, Norm
from train.calibration.galleries import Arena
from train.calibration.gallery_fit import (
    DRAWS,
    FEW_DRAWS,
    ScoredTrials,
    best_strengths,
    calibration_of,
    gallery_table,
    gallery_trials,
    of_trials,
    splice,
    with_answers,
    with_losses,
    without_quality,
)
from train.calibration.gather import Gathered
from train.calibration.norm_fit import fit_norm
from train.calibration.people import People
from train.calibration.place_fit import with_place
from utils.modality import Modality


def fit(gathered: Gathered) -> dict[Modality, Calibration]:
    """Fit a calibration for each modality.

    Raises:
        DatasetError: There are too few people.
    """
    calibrations: dict[Modality, Calibration] = {}
    for modality, people in gathered.people.items():
        previous = gathered.present.get(modality) if gathered.is_own else None
        answers = [
            (strength, same) for name, strength, same in gathered.answers if name == modality
        ]
        calibrations[modality] = fit_people(people, previous, answers)
    return calibrations


def fit_people(
    people: People,
    previous: Calibration | None = None,
    answers: Sequence[tuple[float, bool]] = (),
) -> Calibration:
    """Fit a calibration to people of one modality.

    Args:
        people: The people.
        previous: A calibration of the same norm. Its tail goes on where these people
            are too few.
        answers: Comparisons whose truth people told: strength, same person.

    Raises:
        DatasetError: There are too few people.
    """
    norm, impostors = fit_elsewhere(people)
    if previous is None or type(previous.norm) is not type(norm):
        calibration = fit_ratio(people, norm, impostors, answers)
    else:
        calibration = fit_ratio(people, norm, impostors, answers, heeds_quality=False)
        calibration = splice(with_losses(calibration, previous), previous)
        before = replace(previous.of_one_clip, cosine=None)
        calibration = replace(calibration, before=before)
    if people.pairs is None or not isinstance(calibration.norm, CohortNorm):
        return calibration
    return replace(calibration, cosine=calibration_of(people.pairs))


def fit_elsewhere(people: People) -> tuple[Norm, ImpostorTable]:
    """Fit the norm, and the table of impostors from anywhere."""
    norm = people.norm or NoNorm()
    if people.norm is None and people.cohort is not None:
        norm = CohortNorm(people.cohort, fit_norm(people.folds, people.alike))
    return norm, gallery_table(best_strengths([Arena(fold, norm) for fold in people.folds]))


def fit_ratio(
    people: People,
    norm: Norm,
    impostors: ImpostorTable,
    answers: Sequence[tuple[float, bool]] = (),
    *,
    draws: int = DRAWS,
    heeds_quality: bool = True,
) -> Calibration:
    """Fit the place and the log-likelihood ratio.

    Arguments as of `fit_people`. `draws`: galleries that are drawn of clean clips.
    `heeds_quality`: whether what the ratio loses with the quality is fitted.
    """
    if people.alike and isinstance(norm, CohortNorm):
        norm = with_place(norm, people.alike)
    trials = list(ratio_trials(people, norm, draws))
    trials[0] = with_answers(trials[0], answers)
    if not heeds_quality:
        trials = [without_quality(part) for part in trials]
    return replace(of_trials(trials, impostors), norm=norm)


def ratio_trials(people: People, norm: Norm, draws: int) -> Iterator[ScoredTrials]:
    """Make the trials that log-likelihood ratios are fitted on, in sets that weigh alike.

    They are clean and degraded ones, and those of places, one to one and in galleries.
    """
    arenas = [Arena(fold, norm) for fold in people.folds]
    yield gallery_trials(arenas, draws=draws)
    for condition in people.folds[0].table.conditions[1:]:
        yield gallery_trials(arenas, condition, draws=FEW_DRAWS)
    if people.places:
        places = [Arena(fold, norm) for fold in people.places]
        yield gallery_trials(places, size=1, draws=draws)
        yield gallery_trials(places, draws=FEW_DRAWS)
