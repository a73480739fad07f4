"""The third step of a calibration: cards, cohorts, plots and a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from network.serving.card import COHORT_FILE, read_card, write_card
from scoring import metrics
from scoring.calibration import Calibration
from scoring.norms import CohortNorm, NoNorm
from train import plots
from train.calibration.galleries import Arena
from train.calibration.gallery_fit import ScoredTrials, gallery_trials
from train.calibration.gather import Gathered
from train.calibration.people import SEED, People
from utils.file_hash import hash_file
from utils.modality import Modality
from utils.whole_file import whole_file

# Trials of a plot, about.
PLOTTED = 50_000
# Rate of the threshold drawn: about what 20 people and an FPIR of 1 % need.
PLOT_FMR = 0.0005
FOLDERS = {Modality.FACE: "face", Modality.VOICE: "voice", Modality.FUSED: "fusion"}
Calibrations = Mapping[Modality, Calibration]
Trials = Mapping[Modality, ScoredTrials]


def publish(model_dir: Path, gathered: Gathered, calibrations: Calibrations, plot_dir: Path) -> str:
    """Store the calibrations and draw them before and after.

    Returns:
        The report to print.
    """
    before: dict[Modality, ScoredTrials] = {}
    after: dict[Modality, ScoredTrials] = {}
    for modality, people in gathered.people.items():
        before[modality] = score(people, gathered.present.get(modality))
        after[modality] = score(people, calibrations[modality])
    draw(plot_dir, "before", before, gathered.present)
    draw(plot_dir, "after", after, calibrations)
    made_from = "own clips" if gathered.is_own else "held-out people of the research data"
    store(model_dir, gathered.people, calibrations, made_from)
    lines = [report(after, calibrations)]
    if gathered.answers:
        lines.append(f"{len(gathered.answers)} answers that people confirmed or denied are counted")
    return "\n".join(lines)


def score(people: People, calibration: Calibration | None) -> ScoredTrials:
    """Score trials of these people: strengths, or cosines without a calibration."""
    norm = calibration.norm if calibration else NoNorm()
    return gallery_trials([Arena(fold, norm) for fold in people.folds])


def store(
    model_dir: Path,
    people: Mapping[Modality, People],
    calibrations: Calibrations,
    made_from: str,
) -> None:
    """Write the calibrations into the models' cards, and cohorts beside them.

    Only faces and voices have a cohort of their own.
    """
    for modality, calibration in calibrations.items():
        folder = model_dir / FOLDERS[modality]
        card = read_card(folder)
        data = {**calibration.to_dict(), "made_from": made_from}
        if isinstance(calibration.norm, CohortNorm) and modality != Modality.FUSED:
            if people[modality].norm is None:
                with whole_file(folder / COHORT_FILE) as draft:
                    np.save(draft, calibration.norm.cohort.astype(np.float16))
            data["cohort_sha256"] = hash_file(folder / COHORT_FILE)
        write_card(folder, replace(card, calibration=data))


def draw(out: Path, when: str, trials: Trials, calibrations: Calibrations) -> None:
    """Draw histogram_WHEN.png, det_WHEN.png and reliability_WHEN.png in `out`.

    Without a calibration, a cosine is taken for the ratio.
    """
    scores: dict[str, plots.Scored] = {}
    ratios: dict[str, plots.Scored] = {}
    thresholds: dict[str, float] = {}
    for modality, part in trials.items():
        thin = _thin_out(part)
        scores[modality] = (thin.scores, thin.labels)
        ratios[modality] = (thin.scores, thin.labels)
        if modality in calibrations:
            calibration = calibrations[modality]
            ratios[modality] = (calibration.llr(thin.scores), thin.labels)
            thresholds[modality] = calibration.threshold(PLOT_FMR)[0]
    plots.draw_histograms(
        out / f"histogram_{when}.png",
        scores,
        thresholds,
        f"strength; threshold at an FMR of {PLOT_FMR:.2%}",
    )
    plots.draw_curves(out / f"det_{when}.png", scores)
    plots.draw_reliability(out / f"reliability_{when}.png", ratios)


def report(trials: Trials, calibrations: Calibrations) -> str:
    """A line for each modality: trials, EER, Cllr, depth of the table."""
    lines = []
    for name, part in trials.items():
        calibration = calibrations[name]
        impostors = calibration.impostors
        targets = int(part.labels.sum())
        rate = metrics.eer(part.scores, part.labels).value
        cost = metrics.cllr(calibration.llr(part.scores), part.labels)
        lines.append(
            f"{name:6} {targets} target and {len(part.labels) - targets} impostor trials  EER"
            f" {rate:.4f}  Cllr {cost:.4f} bit  FMR measured down to {impostors.rates[-1]:.2g}"
            f" (strength {impostors.scores[-1]:.2f})"
        )
    return "\n".join(lines)


def _thin_out(part: ScoredTrials) -> ScoredTrials:
    """All targets and a random choice of the impostors."""
    rng = np.random.default_rng(SEED)
    keep = (part.labels == 1) | (rng.random(len(part.labels)) < PLOTTED / len(part.labels))
    return ScoredTrials(
        scores=part.scores[keep],
        labels=part.labels[keep],
        pair=part.pair[keep],
        quality=part.quality[keep],
    )
