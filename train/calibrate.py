"""Calibrate the scores of the models that serve, from held-out people, and store the result in their cards.

    python -m train.calibrate --model-dir best_model                    people held out of the research data
    python -m train.calibrate --model-dir best_model --people FOLDER    the operator's own clips, one folder per person

Per modality and fused: log-likelihood ratio by logistic regression, and a table of impostor scores by false match rate as deep as ten
pairs of different people support. Trials are made as serving makes them: one clip against another of the same or another person, where a
clip of a face is the mean of several photographs (`train/held_out.py`). Impostors
are look-alikes: of each person the few others who are nearest (`LOOK_ALIKES`), since the people of one place are alike in sex, age and
origin much more often than those of a research set, and strangers are to be turned away there, too. With the operator's own people, who
are few and who are the people of the place, every pair counts, and the tail beyond their table is the previous one's, moved to fit. Plots
show before and after.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from network.card import Card, read_card, write_card
from network.concat_fusion import ConcatFusion
from network.encoder import Encoders, load_encoders
from train import logistic, plots
from train.datasets import read_listing, shared_data_dir
from train.fusion_data import CONDITIONS, Fuse, fused_table
from train.held_out import CACHE, held_out_faces, held_out_voices
from train.own_clips import own_tables
from train.tables import Table, read_noises
from utils import metrics
from utils.calibration import Calibration
from utils.errors import DatasetError, DuetError

Float = npt.NDArray[np.float64]
SUPPORT = 10  # different pairs of people that an entry of the impostor table must rest on
STEPS_PER_DECADE = 4
SPEECH_LENGTHS_S = (1, 2)
LOOK_ALIKES = {"face": 0.02, "voice": 0.1, "fused": 0.02}  # share of the others that impostors of a research set are taken from
SEED = 0
PAIR_BASE = 100_000  # more people than any table has
PLOTTED = 200_000  # trials of a plot
PLOT_FMR = 0.0005  # of the threshold drawn: about what 20 people and an FPIR of 1 % need
FOLDERS = {"face": "face", "voice": "voice", "fused": "fusion"}


@dataclass(frozen=True)
class Trials:
    """Scores (n,) and labels (n,) of comparisons, and for each the number of its pair of people (n,)."""

    scores: Float
    labels: npt.NDArray[np.int64]
    pair: npt.NDArray[np.int64]


def calibration_of(trials: Trials, rates: npt.ArrayLike | None = None) -> Calibration:
    """Fit a calibration. `rates` = the false match rates of the table; None = as deep as the trials support.

    Raises:
        DatasetError: too few impostors for a table of two entries.
    """
    slopes, intercept = logistic.fit(trials.scores[:, None], trials.labels)
    rates = supported_rates(trials) if rates is None else np.asarray(rates, np.float64)
    impostor = trials.scores[trials.labels == 0]
    scores = np.quantile(impostor, 1 - rates)
    if slopes[0] <= 0:
        raise DatasetError(f"Calibration needs targets that score above impostors. Received: slope {slopes[0]:.3g}")
    return Calibration(float(slopes[0]), intercept, tuple(rates.tolist()), _rising(scores))


def supported_rates(trials: Trials) -> Float:
    """False match rates from 0.5 down, four a decade, to the smallest above which `SUPPORT` different pairs of people scored."""
    impostor = trials.labels == 0
    order = np.argsort(-trials.scores[impostor])
    _, first = np.unique(trials.pair[impostor][order], return_index=True)
    if len(first) < SUPPORT:
        raise DatasetError(f"Calibration needs {SUPPORT} pairs of different people at least. Received: {len(first)}")
    smallest = (np.sort(first)[SUPPORT - 1] + 1) / impostor.sum()
    count = int(np.floor(STEPS_PER_DECADE * np.log10(0.5 / min(smallest, 0.25)))) + 1
    return 0.5 * 10.0 ** (-np.arange(max(count, 2)) / STEPS_PER_DECADE)


def trials_of(templates: Table, probes: Table) -> Trials:
    """Every probe against every template of another file. Each clip is a template of its own: the mean of several unit templates, brought
    to unit length, scores higher with everybody, and its impostors are not what is stated here."""
    scores = (probes.vectors @ templates.vectors.T).astype(np.float64)
    first, second = probes.person[:, None], templates.person[None, :]
    pair = np.minimum(first, second) * PAIR_BASE + np.maximum(first, second)
    other = probes.file[:, None] != templates.file[None, :]
    return Trials(scores[other], (first == second)[other].astype(np.int64), pair[other])


def look_alikes(trials: Trials, people: Table, share: float) -> Trials:
    """The trials whose two people are the same, or one of them is among the `share` of all who are nearest to the other: by the cosine of
    the means of their vectors in `people`."""
    codes = np.unique(people.person)
    means = np.stack([people.vectors[people.person == code].mean(axis=0) for code in codes])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    cosines = means @ means.T
    np.fill_diagonal(cosines, -np.inf)
    near = cosines >= np.sort(cosines, axis=1)[:, [-max(1, round(share * (len(codes) - 1)))]]
    rows = np.searchsorted(codes, trials.pair // PAIR_BASE), np.searchsorted(codes, trials.pair % PAIR_BASE)
    keep = (near | near.T)[rows] | (trials.labels == 1)
    return Trials(trials.scores[keep], trials.labels[keep], trials.pair[keep])


@dataclass(frozen=True)
class Sources:
    """Held-out people of the research data: files of each person, parts of paths that select them, and joins to pseudo-persons."""

    faces: str = "faces.csv"
    voices: str = "voices.csv"
    noise: str = "voices.csv"
    face_files: int = 9
    voice_files: int = 5
    face_match: str = "frontal"
    voice_match: str = "speechocean762"
    joins: int = 10


def held_out_trials(encoders: Encoders, data: Path, sources: Sources, cache: Path | None = CACHE) -> dict[str, dict[str, Trials]]:
    """Trials of people whom no network was trained on: by modality, "all" and for the voice by seconds of speech."""
    noises = read_noises(read_listing(data / sources.noise, "audio", "noise"))
    faces = held_out_faces(encoders.face, data / sources.faces, sources.face_files, sources.face_match, cache)
    voices = held_out_voices(encoders.voice, data / sources.voices, sources.voice_files, noises, sources.voice_match, cache)
    by_length = {str(seconds): as_served(voices, f"{seconds} s", "voice") for seconds in SPEECH_LENGTHS_S}
    return {"face": {"all": as_served(faces, "clean", "face")}, "voice": {"all": as_served(voices, "clean", "voice"), **by_length},
            "fused": {"all": fused_trials(faces, voices, encoders.fusion.fuse, sources.joins)}}


def own_trials(encoders: Encoders, folder: Path) -> dict[str, dict[str, Trials]]:
    """Every clip in `folder`/<person>/ against every other one, in the modalities that there are enough of."""
    return {name: {"all": trials_of(table, table)} for name, table in own_tables(encoders, folder).items()}


def as_served(table: Table, condition: str, modality: str) -> Trials:
    """Probes under `condition` against clean templates, impostors look-alikes."""
    templates = table.under("clean")
    return look_alikes(trials_of(templates, table.under(condition)), templates, LOOK_ALIKES[modality])


def fused_trials(faces: Table, voices: Table, fuse: Fuse, joins: int) -> Trials:
    """Trials of pseudo-persons who sound alike where they look alike, joined anew `joins` times, with clean probes."""
    parts = []
    for join in range(joins):
        rng = np.random.default_rng([SEED, join])
        table = fused_table(faces, voices, fuse, CONDITIONS[:1], rng, alike=True)
        trials = look_alikes(trials_of(table, table), table, LOOK_ALIKES["fused"])
        parts.append(replace(trials, pair=trials.pair + join * PAIR_BASE**2))
    return merge(parts)


def merge(parts: list[Trials]) -> Trials:
    """All trials of several sets, each set with the same weight: larger ones are thinned out at random."""
    least = min(len(part.labels) for part in parts)
    rng = np.random.default_rng(SEED)
    chosen = [np.sort(rng.permutation(len(part.labels))[:least]) for part in parts]
    return Trials(np.concatenate([part.scores[rows] for part, rows in zip(parts, chosen, strict=True)]),
                  np.concatenate([part.labels[rows] for part, rows in zip(parts, chosen, strict=True)]),
                  np.concatenate([part.pair[rows] for part, rows in zip(parts, chosen, strict=True)]))


def spliced(own: Calibration, previous: Calibration) -> Calibration:
    """`own` where it was measured; below, the tail of `previous` moved to where `own` ends, and its tables by speech moved alike."""
    rates = (*own.impostor_fmr, *(rate for rate in previous.impostor_fmr if rate < own.impostor_fmr[-1] * 0.99))
    measured = np.array([previous.threshold(rate)[0] for rate in rates])
    moved = np.interp(-np.log(rates), -np.log(own.impostor_fmr), own.impostor_score) - measured
    moved[len(own.impostor_fmr):] = own.impostor_score[-1] - measured[len(own.impostor_fmr) - 1]
    shift = float(np.median(moved))
    parts = tuple((seconds, Calibration(part.slope, part.intercept - part.slope * shift, rates,
                                        _rising(np.array([part.threshold(rate)[0] for rate in rates]) + moved)))
                  for seconds, part in previous.by_speech)
    return Calibration(own.slope, own.intercept, rates, _rising(measured + moved), parts)


def _rising(scores: Float) -> tuple[float, ...]:
    return tuple(np.round(np.maximum.accumulate(scores) + 1e-6 * np.arange(len(scores)), 7).tolist())


def calibrate(encoders: Encoders, trials: Mapping[str, Mapping[str, Trials]], keep_tail: bool) -> dict[str, Calibration]:
    """Calibrations by modality. `keep_tail`: where the cards have a calibration, its tail continues what the trials support."""
    result = {}
    for modality, sets in trials.items():
        whole = calibration_of(sets["all"])
        parts = tuple((float(name), calibration_of(part, whole.impostor_fmr)) for name, part in sets.items() if name != "all")
        whole = replace(whole, by_speech=parts)
        card = _card_of(encoders, modality)
        if keep_tail and card.calibration is not None:
            whole = spliced(whole, card.require_calibration())
        result[modality] = whole
    return result


def store(model_dir: Path, calibrations: Mapping[str, Calibration], made_from: str) -> None:
    """Write the calibrations into the cards of the models."""
    for modality, calibration in calibrations.items():
        folder = model_dir / FOLDERS[modality]
        card = read_card(folder)
        write_card(folder, replace(card, calibration={**calibration.to_dict(), "made_from": made_from}))


def draw(out: Path, trials: Mapping[str, Trials], before: Mapping[str, Calibration], after: Mapping[str, Calibration]) -> None:
    """histogram.png, det.png, reliability_before.png and reliability_after.png in `out`; uncalibrated, a cosine is taken for the ratio."""
    scored = {name: (part.scores, part.labels) for name, part in ((name, _thin(part)) for name, part in trials.items())}
    thresholds = {name: after[name].threshold(PLOT_FMR)[0] for name in scored}
    plots.draw_histograms(out / "histogram.png", scored, thresholds, f"score; threshold at a false match rate of {PLOT_FMR:.2%}")
    plots.draw_curves(out / "det.png", scored)
    for when, calibrations in (("before", before), ("after", after)):
        ratios = {name: (calibrations[name].llr(scores) if name in calibrations else scores, labels)
                  for name, (scores, labels) in scored.items()}
        plots.draw_reliability(out / f"reliability_{when}.png", ratios)


def report(trials: Mapping[str, Trials], calibrations: Mapping[str, Calibration]) -> str:
    """A line for each modality: trials, EER, Cllr, depth of the table."""
    lines = []
    for name, part in trials.items():
        calibration = calibrations[name]
        targets, rate = int(part.labels.sum()), metrics.eer(part.scores, part.labels).value
        lines.append(f"{name:6} {targets} target and {len(part.labels) - targets} impostor trials  EER {rate:.4f}"
                     f"  Cllr {metrics.cllr(calibration.llr(part.scores), part.labels):.4f} bit  FMR measured down to "
                     f"{calibration.impostor_fmr[-1]:.2g} (score {calibration.impostor_score[-1]:.3f})")
    return "\n".join(lines)


def _thin(part: Trials) -> Trials:
    """All targets and a random choice of the impostors."""
    rng = np.random.default_rng(SEED)
    keep = (part.labels == 1) | (rng.random(len(part.labels)) < PLOTTED / len(part.labels))
    return Trials(part.scores[keep], part.labels[keep], part.pair[keep])


def _card_of(encoders: Encoders, modality: str) -> Card:
    encoder = {"face": encoders.face, "voice": encoders.voice, "fused": encoders.fusion}[modality]
    assert not isinstance(encoder, ConcatFusion)
    return encoder.card


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option("--model-dir", type=click.Path(path_type=Path, exists=True), default=Path("best_model"), show_default=True,
              help="Folder with face/, voice/ and fusion/.")
@click.option("--data", type=click.Path(path_type=Path, exists=True),
              help="Research data with faces.csv and voices.csv [default: DUET_SHARED_DATA].")
@click.option("--people", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Calibrate on own clips instead: one folder per person, two clips of each at least.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("data/runs/calibrate"), show_default=True, help="Folder of the plots.")
def main(model_dir: Path, data: Path | None, people: Path | None, out: Path) -> None:
    """Entry point."""
    try:
        click.echo(run(model_dir, data or shared_data_dir(), people, out))
    except DuetError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    click.echo(f"written: the cards in {model_dir}, plots in {out}")


def run(model_dir: Path, data: Path, people: Path | None, out: Path) -> str:
    """Calibrate the models in `model_dir`; returns what to print.

    Raises:
        DatasetError: too little data. ModelError: a model is missing.
    """
    encoders = load_encoders(model_dir)
    trials = own_trials(encoders, people) if people else held_out_trials(encoders, data, Sources())
    if isinstance(encoders.fusion, ConcatFusion):  # its calibration follows from those of face and voice
        trials.pop("fused", None)
    before = {name: _card_of(encoders, name).require_calibration() for name in trials if _card_of(encoders, name).calibration is not None}
    after = calibrate(encoders, trials, keep_tail=people is not None)
    whole = {name: sets["all"] for name, sets in trials.items()}
    draw(out, whole, before, after)
    store(model_dir, after, "own clips" if people else "held-out people of the research data")
    return report(whole, after)


if __name__ == "__main__":
    main()
