"""The second step of a calibration: fit it to the people. Nothing is read or written.

Per modality and fused, three things are made:

- the numbers by which a probe's scores are set against a cohort of strangers and
  against the other people of a gallery (`train/calibration/norm_fit.py`);
- the log-likelihood ratio of the resulting strength, by logistic regression;
- a table of the strengths of impostors by false match rate, measured in galleries
  (`train/calibration/gallery_fit.py`).

For the operator's own people, cohort and numbers stay and all else is fitted. The tail
beyond their table is the present one's, moved to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scoring.calibration import Calibration
from scoring.norms import CohortNorm, NoNorm, Norm
from train.calibration.galleries import Arena
from train.calibration.gallery_fit import (
    calibration_in_galleries,
    calibration_of,
    gallery_trials,
    of_trials,
    splice,
    with_answers,
)
from train.calibration.gather import Gathered
from train.calibration.norm_fit import fit_norm
from train.calibration.people import People
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
    norm = _norm_for(people)
    arenas = [Arena(fold, norm) for fold in people.folds]
    calibration = calibration_in_galleries(arenas, norm)
    if answers:
        trials = with_answers(gallery_trials(arenas), answers)
        answered = of_trials(trials, calibration.impostors)
        calibration = replace(calibration, slope=answered.slope, intercept=answered.intercept)
    if previous is not None and type(previous.norm) is type(norm):
        calibration = splice(calibration, previous)
    if people.pairs is None or not isinstance(norm, CohortNorm):
        return calibration
    return replace(calibration, cosine=calibration_of(people.pairs))


def _norm_for(people: People) -> Norm:
    if people.norm is None and people.cohort is not None:
        return CohortNorm(people.cohort, fit_norm(people.folds))
    return people.norm or NoNorm()
