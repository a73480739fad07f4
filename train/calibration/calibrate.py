"""Calibrate the scores of the models that serve, from held-out people, and store the
result in their cards.

    python -m train.calibration.calibrate --model-dir best_model                    people held out
    of the research data python -m train.calibration.calibrate --model-dir best_model --people
    FOLDER    the operator's own clips, one folder per person

Per modality and fused, three things are made:
- a cohort, a file of embeddings of strangers beside the weights, and the numbers by
  which a probe's scores are set against it and against the other people of a gallery
  (`train/calibration/norm_fit.py`);
- the log-likelihood ratio of the resulting strength, by logistic regression;
- a table of the strengths of impostors by false match rate, measured in galleries
  (`train/calibration/gallery_fit.py`).
People are halved: those who are measured are never in the cohort that they are set
against. With the operator's own people, who are few and who are the people of the
place, cohort and numbers stay, all else is fitted to them, and the tail beyond their
table is the previous one's, moved to fit. A model without a cohort (one's own) gets one
when there are `FULL` people; with fewer its strengths are the bare cosines. Plots show
before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from network.serving.card import COHORT_FILE, read_card, write_card
from network.serving.concat_fusion import ConcatFusion
from network.serving.encoder import Encoders, joined_cohort, load_encoders
from scoring import metrics
from scoring.calibration import Calibration
from scoring.norms import CohortNorm, NoNorm, Norm
from train import plots
from train.calibration.galleries import Arena, Fold
from train.calibration.gallery_fit import (
    Trials,
    calibration_in_galleries,
    calibration_of,
    gallery_trials,
    of_trials,
    spliced,
    trials_of,
    with_answers,
)
from train.calibration.norm_fit import fit_norm
from train.calibration.own_clips import own_tables
from train.data.datasets import read_listing, shared_data_dir
from train.data.held_out import CACHE, cohort_voices, held_out_faces, held_out_voices
from train.data.tables import Table, read_noises
from train.fusion.data import CONDITIONS, Fuse, fused_table, halves
from utils.arrays import Float32Array, unit
from utils.errors import DuetError
from utils.file_hash import hash_file
from utils.whole_file import whole_file

COHORT = 500  # embeddings of held-out people in a cohort at most, half a megabyte
FULL = 60  # people from which a cohort is made of them
SEED = 0
PLOTTED = 50_000  # trials of a plot
PLOT_FMR = 0.0005  # of the threshold drawn: about what 20 people and an FPIR of 1 % need
FOLDERS = {"face": "face", "voice": "voice", "fused": "fusion"}
Answers = Sequence[tuple[str, float, bool]]
"""Comparisons of which somebody said what is true: modality, strength, same person."""
AnswersOf = Callable[[Mapping[str, str], Mapping[str, str]], Answers]
"""Those of encoders and of scales of their strengths (`Calibration.scale_id`), both
named by modality.
"""


@dataclass(frozen=True)
class Sources:
    """People of the research data: files of each, and parts of paths that select them.

    Held out are voices of one data set alone, and a cohort of one place takes the
    strangers of any other for each other. So speakers of the training split of
    `cohort_voices`, data sets of fluent speech, join the cohort with `cohort_files` of
    each.
    """

    faces: str = "faces.csv"
    voices: str = "voices.csv"
    noise: str = "voices.csv"
    face_files: int = 9
    voice_files: int = 8
    face_match: str = "frontal"
    voice_match: str = "speechocean762"
    cohort_voices: tuple[str, ...] = (
        "aishell3_samples",
        "alphanumeric_nonnative",
        "coswara",
        "cv_fa",
        "cv_tw",
        "librispeech_resemblyzer",
    )
    cohort_files: int = 2


@dataclass(frozen=True)
class CalibrationData:
    """`faces` and `voices` of people whom no network was trained on, under every
    measured condition; `cohort_voices` (n, size) of people whom the network was trained
    on, for the cohort alone.
    """

    faces: Table
    voices: Table
    cohort_voices: Float32Array


@dataclass(frozen=True)
class People:
    """People to calibrate one modality on. `folds` are measured; `cohort` (n, size) is
    what serves, None = cosines serve as they are. `norm` None = to be fitted to the
    folds where there is a cohort.
    """

    folds: tuple[Fold, ...]
    cohort: Float32Array | None
    norm: CohortNorm | None = None
    pairs: Trials | None = None


def no_answers(_encoder_ids: Mapping[str, str], _scale_ids: Mapping[str, str]) -> Answers:
    """For a calibration on clips alone."""
    return ()


def calibration_data(
    encoders: Encoders, data: Path, sources: Sources, cache: Path | None = CACHE
) -> CalibrationData:
    """Everybody whom calibration is made from."""
    noises = read_noises(read_listing(data / sources.noise, "audio", "noise"))
    faces = held_out_faces(
        encoders.face, data / sources.faces, sources.face_files, sources.face_match, cache
    )
    listing = data / sources.voices
    voices = held_out_voices(
        encoders.voice, listing, sources.voice_files, noises, sources.voice_match, cache
    )
    more = cohort_voices(
        encoders.voice, listing, sources.cohort_voices, sources.cohort_files, noises, cache
    )
    return CalibrationData(faces, voices, more)


def folds_of(data: CalibrationData, fuse: Fuse) -> dict[str, tuple[Fold, Fold]]:
    """Both halves of the people of each modality, each with the other half as its
    cohort; fused: pseudo-persons.
    """
    parts = {"face": halves(data.faces), "voice": halves(data.voices)}
    cohorts = {
        "face": [cohort_of(half) for half in parts["face"]],
        "voice": [pooled(cohort_of(half), data.cohort_voices) for half in parts["voice"]],
    }
    fused = [
        Fold(
            fused_table(
                parts["face"][i],
                parts["voice"][i],
                fuse,
                CONDITIONS,
                np.random.default_rng([SEED, i]),
            ),
            joined_cohort(fuse, cohorts["face"][1 - i], cohorts["voice"][1 - i]),
        )
        for i in (0, 1)
    ]
    single = {
        name: (Fold(both[0], cohorts[name][1]), Fold(both[1], cohorts[name][0]))
        for name, both in parts.items()
    }
    return {**single, "fused": (fused[0], fused[1])}


def cohort_of(table: Table) -> Float32Array:
    """At most `COHORT` clean embeddings of a table, as many of each person as of any
    other, in random order.
    """
    clean = table.under(table.conditions[0])
    rng = np.random.default_rng(SEED)
    people = rng.permutation(np.unique(clean.person))[:COHORT]
    each = max(COHORT // len(people), 1)
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(clean.person == person))[:each] for person in people]
    )
    return clean.vectors[rng.permutation(rows)]


def pooled(cohort: Float32Array, more: Float32Array) -> Float32Array:
    """Both (n, size), in random order: the cohort of the fused takes rows from the
    front.
    """
    both = np.concatenate([cohort, more])
    return both[np.random.default_rng(SEED).permutation(len(both))]


def held_out_people(encoders: Encoders, data: CalibrationData) -> dict[str, People]:
    """People of the research data, by modality."""
    fuse = encoders.fusion.fuse
    faces = data.faces
    voices = data.voices
    folds = folds_of(data, fuse)
    cohorts = {
        "face": as_stored(cohort_of(faces)),
        "voice": as_stored(pooled(cohort_of(voices), data.cohort_voices)),
    }
    cohorts["fused"] = joined_cohort(fuse, cohorts["face"], cohorts["voice"])
    pairs = {
        name: trials_of(clean, clean)
        for name, clean in (("face", faces.under("clean")), ("voice", voices.under("clean")))
    }
    return {name: People(folds[name], cohorts[name], None, pairs.get(name)) for name in folds}


def as_stored(cohort: Float32Array) -> Float32Array:
    """A cohort as it comes back from its file."""
    stored = cohort.astype(np.float16).astype(np.float32)
    return unit(stored)


def own_people(encoders: Encoders, tables: Mapping[str, Table]) -> dict[str, People]:
    """The operator's people, by modality: set against the cohort that the models have,
    or against each other where they have none and there are enough people.
    """
    found = {
        name: _own(table, _present(encoders, name))
        for name, table in tables.items()
        if name != "fused"
    }
    if "fused" in tables and not isinstance(encoders.fusion, ConcatFusion):
        present = _present(encoders, "fused")
        if (
            present is not None
            and isinstance(present.norm, CohortNorm)
            and found["face"].norm is not None
            and found["voice"].norm is not None
        ):
            found["fused"] = _own(tables["fused"], present)
        else:
            found["fused"] = People((Fold(tables["fused"], np.zeros((0, 1), np.float32)),), None)
    return found


def _own(table: Table, present: Calibration | None) -> People:
    pairs = trials_of(table, table)
    if present is not None and isinstance(present.norm, CohortNorm):
        return People((Fold(table, present.norm.cohort),), present.norm.cohort, present.norm, pairs)
    if len(np.unique(table.person)) < FULL:
        return People((Fold(table, np.zeros((0, 1), np.float32)),), None, None, pairs)
    first, second = halves(table)
    return People(
        (Fold(first, cohort_of(second)), Fold(second, cohort_of(first))),
        as_stored(cohort_of(table)),
        None,
        pairs,
    )


def _present(encoders: Encoders, modality: str) -> Calibration | None:
    encoder = {"face": encoders.face, "voice": encoders.voice, "fused": encoders.fusion}[modality]
    return (
        encoder.calibration
        if not isinstance(encoder, ConcatFusion) and encoder.card.calibration is not None
        else None
    )


def calibrate(
    people: People, previous: Calibration | None = None, answers: Sequence[tuple[float, bool]] = ()
) -> Calibration:
    """The calibration for these people. With `previous`, of the same norm, its tail
    goes on where these people are too few; `answers` are comparisons of which somebody
    said what is true.

    Raises:
        DatasetError: too few people.
    """
    norm = _norm_for(people)
    arenas = [Arena(fold, norm) for fold in people.folds]
    made = calibration_in_galleries(arenas, norm)
    if answers:
        fitted = of_trials(with_answers(gallery_trials(arenas), answers), made.impostors)
        made = replace(made, slope=fitted.slope, intercept=fitted.intercept)
    if previous is not None and type(previous.norm) is type(norm):
        made = spliced(made, previous)
    return (
        replace(made, cosine=calibration_of(people.pairs))
        if people.pairs is not None and isinstance(norm, CohortNorm)
        else made
    )


def _norm_for(people: People) -> Norm:
    if people.norm is None and people.cohort is not None:
        return CohortNorm(people.cohort, fit_norm(people.folds))
    return people.norm or NoNorm()


def scored(people: People, calibration: Calibration | None) -> Trials:
    """Trials of these people as this calibration sees them: strengths, or cosines where
    there is none.
    """
    return gallery_trials(
        [Arena(fold, calibration.norm if calibration else NoNorm()) for fold in people.folds]
    )


def store(
    model_dir: Path,
    people: Mapping[str, People],
    calibrations: Mapping[str, Calibration],
    made_from: str,
) -> None:
    """Write the calibrations into the cards of the models, and cohorts of faces and of
    voices beside them.
    """
    for modality, calibration in calibrations.items():
        folder = model_dir / FOLDERS[modality]
        card = read_card(folder)
        data = {**calibration.to_dict(), "made_from": made_from}
        if isinstance(calibration.norm, CohortNorm) and modality != "fused":
            if people[modality].norm is None:
                with whole_file(folder / COHORT_FILE) as draft:
                    np.save(draft, calibration.norm.cohort.astype(np.float16))
            data["cohort_sha256"] = hash_file(folder / COHORT_FILE)
        write_card(folder, replace(card, calibration=data))


def draw(
    out: Path,
    before: Mapping[str, Trials],
    after: Mapping[str, Trials],
    previous: Mapping[str, Calibration],
    made: Mapping[str, Calibration],
) -> None:
    """histogram.png, det.png and reliability.png, each as `..._before` and `..._after`,
    in `out`; uncalibrated, a cosine is taken for the ratio.
    """
    for when, trials, calibrations in (("before", before, previous), ("after", after, made)):
        scores = {
            name: (part.scores, part.labels)
            for name, part in ((name, _thin(part)) for name, part in trials.items())
        }
        thresholds = {
            name: calibrations[name].threshold(PLOT_FMR)[0]
            for name in scores
            if name in calibrations
        }
        plots.draw_histograms(
            out / f"histogram_{when}.png",
            scores,
            thresholds,
            f"strength; threshold at an FMR of {PLOT_FMR:.2%}",
        )
        plots.draw_curves(out / f"det_{when}.png", scores)
        ratios = {
            name: (calibrations[name].llr(x) if name in calibrations else x, labels)
            for name, (x, labels) in scores.items()
        }
        plots.draw_reliability(out / f"reliability_{when}.png", ratios)


def report(trials: Mapping[str, Trials], calibrations: Mapping[str, Calibration]) -> str:
    """A line for each modality: trials, EER, Cllr, depth of the table."""
    lines = []
    for name, part in trials.items():
        calibration = calibrations[name]
        targets = int(part.labels.sum())
        rate = metrics.eer(part.scores, part.labels).value
        lines.append(
            f"{name:6} {targets} target and {len(part.labels) - targets} impostor trials  EER"
            f" {rate:.4f}  Cllr {metrics.cllr(calibration.llr(part.scores), part.labels):.4f} bit "
            f" FMR measured down to {calibration.impostors.rates[-1]:.2g} (strength"
            f" {calibration.impostors.scores[-1]:.2f})"
        )
    return "\n".join(lines)


def _thin(part: Trials) -> Trials:
    """All targets and a random choice of the impostors."""
    rng = np.random.default_rng(SEED)
    keep = (part.labels == 1) | (rng.random(len(part.labels)) < PLOTTED / len(part.labels))
    return Trials(part.scores[keep], part.labels[keep], part.pair[keep])


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option(
    "--model-dir",
    type=click.Path(path_type=Path, exists=True),
    default=Path("best_model"),
    show_default=True,
    help="Folder with face/, voice/ and fusion/.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    help="Research data with faces.csv and voices.csv [default: DUET_SHARED_DATA].",
)
@click.option(
    "--people",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Calibrate on own clips instead: one folder per person, two clips of each at least.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data/runs/calibrate"),
    show_default=True,
    help="Folder of the plots.",
)
def main(model_dir: Path, data: Path | None, people: Path | None, out: Path) -> None:
    """Entry point."""
    try:
        click.echo(run(model_dir, data or shared_data_dir(), people, out))
    except DuetError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    click.echo(f"written: the cards in {model_dir}, plots in {out}")


def run(
    model_dir: Path, data: Path, people: Path | None, out: Path, answers_of: AnswersOf = no_answers
) -> str:
    """Calibrate the models in `model_dir`; returns what to print. `answers_of`: what
    was said of earlier answers, beside the clips in `people`.

    Raises:
        DatasetError: too little data. ModelError: a model is missing.
    """
    encoders = load_encoders(model_dir)
    found = (
        own_people(encoders, own_tables(encoders, people))
        if people
        else held_out_people(encoders, calibration_data(encoders, data, Sources()))
    )
    # Its calibration follows from those of face and voice
    if isinstance(encoders.fusion, ConcatFusion):
        found.pop("fused", None)
    previous = {
        name: present for name in found if (present := _present(encoders, name)) is not None
    }
    answers = _comparable(
        answers_of(_encoder_ids(encoders), {name: one.scale_id for name, one in previous.items()}),
        found,
    )
    made = {
        name: calibrate(
            one,
            previous.get(name) if people else None,
            [(x, same) for m, x, same in answers if m == name],
        )
        for name, one in found.items()
    }
    after = {name: scored(one, made[name]) for name, one in found.items()}
    draw(
        out,
        {name: scored(one, previous.get(name)) for name, one in found.items()},
        after,
        previous,
        made,
    )
    store(model_dir, found, made, "own clips" if people else "held-out people of the research data")
    told = (
        [f"{len(answers)} comparisons of which somebody said what is true were counted in"]
        if answers
        else []
    )
    return "\n".join([report(after, made), *told])


def _encoder_ids(encoders: Encoders) -> dict[str, str]:
    return {
        "face": encoders.face.encoder_id,
        "voice": encoders.voice.encoder_id,
        "fused": encoders.fusion.encoder_id,
    }


def _comparable(answers: Answers, people: Mapping[str, People]) -> Answers:
    """Those of modalities whose strengths stay on their scale: a norm that is fitted
    now makes another one.
    """
    keep = {name for name, one in people.items() if one.norm is not None or one.cohort is None}
    return [answer for answer in answers if answer[0] in keep]


if __name__ == "__main__":
    main()
