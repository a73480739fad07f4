"""Measure an encoder on a verification protocol: trials in; scores, error rates with
confidence intervals, and plots out.

    python -m train.measure.evaluate --model best_model/face --trials pairs.txt --media lfw/
    python -m train.measure.evaluate --model best_model/voice --trials trials.txt --media
    voices.zip --norm as --cohort train.csv

Writes scores.tsv, report.json, histogram.png and curves.png into `--out` and prints a
table. Photographs that are no aligned crops are detected and aligned first; trials with
a picture in which no face is found are left out and counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from network.serving.card import read_card
from network.serving.encoder import load_face_encoder, load_voice_encoder
from scoring import metrics, norms
from scoring.bootstrap import bootstrap_interval
from train import plots
from train.data.datasets import read_listing
from train.data.embed import Align, Embedded, embed_images, embed_sounds, speech_finder
from train.data.protocols import FORMATS, Trials, read_trials
from utils.arrays import Float32Array, Float64Array, ImageArray, IndexArray
from utils.config import Settings
from utils.errors import DatasetError, DuetError
from utils.media import Frame

Figure = Callable[[Float64Array, IndexArray], dict[str, Any]]
"""Scores of all trials and numbers of those that count → value, threshold and whatever
else belongs to the figure.
"""
NORMS = ("none", "z", "as")
FARS = (1e-1, 1e-2, 1e-3)
FRRS = (1e-1, 1e-2)
FPIRS = (1e-1, 1e-2)
DCF = (
    {"p_target": 0.01, "c_miss": 1.0, "c_fa": 1.0},
    {"p_target": 0.05, "c_miss": 1.0, "c_fa": 1.0},
)
SEED = 0


@dataclass(frozen=True)
class Options:
    """What is measured and how.

    `norm` = score normalisation (one of `NORMS`) against at most `cohort_size` files of
    `cohort` (as `read_listing` takes it), AS-norm by the `top` nearest of them;
    `people` = gallery sizes of the open-set identification; `replicates` = bootstrap
    resamples (0 = none); `speech_only` = cut sound files down to speech as serving
    does, and leave out what serving would not answer; `keep_silent`: take the whole of
    such a file instead.
    """

    model: Path
    trials: Path
    media: Path
    kind: str = "auto"
    norm: str = "none"
    cohort: Path | None = None
    cohort_size: int = 1000
    top: int = 200
    people: tuple[int, ...] = ()
    replicates: int = 200
    speech_only: bool = False
    keep_silent: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be measured before anything is embedded. Raises
        DatasetError.
        """
        if self.norm not in NORMS or (self.norm != "none" and self.cohort is None):
            raise DatasetError(
                f"norm must be one of {', '.join(NORMS)}, and all but none need a cohort. "
                f"Received: norm={self.norm}, cohort={self.cohort}",
                "Name a data set of other people with --cohort.",
            )
        if min(self.cohort_size, *self.people, self.top if self.norm == "as" else 2) < 2:
            raise DatasetError(
                "A cohort, its nearest for AS-norm and a gallery are 2 people at least. "
                f"Received: cohort_size={self.cohort_size}, top={self.top}, people={self.people}"
            )
        if self.replicates < 0 or self.replicates == 1:
            raise DatasetError(
                "An interval needs 2 resamples at least; 0 is for none. Received:"
                f" replicates={self.replicates}"
            )
        if self.keep_silent and not self.speech_only:
            raise DatasetError(
                "keep_silent is about files that speech_only would leave out. Received: keep_silent"
                " alone",
                "Add --speech-only, or leave --keep-silent out.",
            )


def evaluate(options: Options, out: Path | None = None) -> dict[str, Any]:
    """Run a protocol; writes into `out` where given, and returns what `report.json`
    holds.

    Raises:
        DatasetError: the protocol or a file cannot be read. ModelError: the model
            cannot.
    """
    card = read_card(options.model)
    trials = read_trials(options.trials, options.kind)
    _require_both_classes(trials, options.trials.name)
    embed = embedder(options)
    found = embed(options.media, trials.files)
    kept = trials.without(set(found.missing))
    _require_both_classes(kept, options.trials.name, len(trials) - len(kept))
    raw = score(kept, found.vectors)
    scores = _normalise(
        options, kept, found.vectors, raw, lambda root, files: embed(root, files).vectors
    )
    report = {
        "encoder": card.encoder_id,
        "trials": _trial_counts(options.trials.name, trials, kept),
        "normalisation": options.norm,
        "verification": verification(scores, kept, options.replicates),
        "identification": [
            identification(found.vectors, kept.people(), size, options.replicates)
            for size in options.people
        ],
    }
    if out:
        _write(out, report, kept, scores)
    return report


def _require_both_classes(trials: Trials, name: str, left_out: int = 0) -> None:
    target = int((trials.labels == 1).sum())
    impostor = int((trials.labels == 0).sum())
    if target and impostor:
        return
    hint = (
        "Add trials of files in which a face or speech is found; silent sound files are embedded"
        " whole with --keep-silent."
        if left_out
        else "Add trials of the missing class: label 1 = same person, 0 = two people."
    )
    raise DatasetError(
        "Error rates need target and impostor trials. "
        f"Received: {target} target and {impostor} impostor trials in {name}, {left_out} left out",
        hint,
    )


def score(trials: Trials, vectors: Mapping[str, Float32Array]) -> Float64Array:
    """Cosine (n,) of each trial."""
    left, right = (
        np.stack([vectors[file] for file in side]) for side in (trials.left, trials.right)
    )
    return np.einsum("ij,ij->i", left, right, dtype=np.float64)


def normalise(
    trials: Trials,
    vectors: Mapping[str, Float32Array],
    scores: Float64Array,
    cohort: Float32Array,
    kind: str,
    top: int,
) -> Float64Array:
    """Z-norm (by the left, enrolled side) or AS-norm of `scores` (n,) against `cohort`
    (m, 512).
    """
    files = list(vectors)
    row = {file: number for number, file in enumerate(files)}
    against = norms.cohort_scores(np.stack([vectors[file] for file in files]), cohort)
    mean, deviation = norms.statistics(against, None if kind == "z" else top)
    left, right = ([row[file] for file in side] for side in (trials.left, trials.right))
    if kind == "z":
        return norms.z_norm(scores, (mean[left], deviation[left]))
    return norms.s_norm(scores, (mean[left], deviation[left]), (mean[right], deviation[right]))


def verification(
    scores: Float64Array, trials: Trials, replicates: int = 0
) -> dict[str, dict[str, Any]]:
    """Every 1:1 figure: value, threshold, and a 95 % interval by bootstrap over people
    where `replicates` > 0.

    Raises:
        DatasetError: trials that a figure cannot be worked out from, for example a fold
            outside of which there is one class only.
    """
    people = trials.people()
    everything = np.arange(len(trials))
    pairs = [(people[a], people[b]) for a, b in zip(trials.left, trials.right, strict=True)]
    result: dict[str, dict[str, Any]] = {}
    with _as_dataset_error(
        "Give each fold, and several people, trials of both classes; 0 or at least 2 replicates."
    ):
        for name, figure in _figures(trials).items():
            result[name] = figure(scores, everything)
            if replicates:
                result[name]["interval_95"] = _interval(
                    partial(_value, figure, scores), pairs, replicates
                )
    return result


@contextmanager
def _as_dataset_error(hint: str) -> Iterator[None]:
    """The metrics know nothing of files: what they refuse is data that cannot be used,
    and their messages say which.
    """
    try:
        yield
    except ValueError as error:
        raise DatasetError(str(error), hint) from error


def _value(figure: Figure, scores: Float64Array, index: IndexArray) -> float:
    return float(figure(scores, index)["value"])


def _interval(
    statistic: Callable[[IndexArray], float], identities: npt.ArrayLike, replicates: int
) -> list[float]:
    interval = bootstrap_interval(statistic, identities, replicates=replicates, seed=SEED)
    return [interval.low, interval.high]


def _figures(trials: Trials) -> dict[str, Figure]:
    labels = trials.labels
    folds = trials.folds

    def at(function: Callable[..., Any], *arguments: float) -> Figure:
        return lambda scores, index: _plain(function(scores[index], labels[index], *arguments))

    figures = {"eer": at(metrics.eer)}
    figures |= {f"tar_at_far_{far:g}": at(metrics.tar_at_far, far) for far in FARS}
    figures |= {f"far_at_frr_{frr:g}": at(metrics.far_at_frr, frr) for frr in FRRS}
    figures |= {
        "min_dcf_" + "_".join(f"{k}={v:g}" for k, v in dcf.items()) + "_normalised": at(
            metrics.min_dcf, *dcf.values()
        )
        for dcf in DCF
    }
    if folds is not None and len(np.unique(folds)) > 1:
        figures["accuracy_by_folds"] = lambda scores, index: _plain(
            metrics.fold_accuracy(scores[index], labels[index], folds[index])
        )
    return figures


def _plain(figure: Any) -> dict[str, Any]:
    """As JSON can say it: a threshold that nothing reaches is null."""
    return {name: None if value == np.inf else value for name, value in asdict(figure).items()}


def identification(
    vectors: Mapping[str, Float32Array], people: Mapping[str, str], size: int, replicates: int = 0
) -> dict[str, Any]:
    """Closed-set rank 1 and open-set FNIR at stated FPIRs: `size` people enrolled with
    their first file, all other files are probes.

    People with a single file cannot be enrolled and tested; they and everybody beyond
    `size` are the strangers. Every rate has a 95 % interval by bootstrap over people
    where `replicates` > 0.

    Raises:
        DatasetError: fewer than two enrolled, or too few people for `size` enrolled
            ones and at least one stranger.
    """
    files: dict[str, list[str]] = {}
    for file in sorted(vectors):
        files.setdefault(people[file], []).append(file)
    order = (
        np.random.default_rng(SEED)
        .permutation(sorted(person for person in files if len(files[person]) > 1))
        .tolist()
    )
    enrolled = order[:size]
    if size < 2 or len(enrolled) < size or len(files) == size:
        raise DatasetError(
            "Identification needs 2 people or more with two files each, and a stranger. Received:"
            f" {len(order)} with two files of {len(files)}, to identify among {size}",
            "Identify among fewer people, or add trials of others.",
        )
    probes = [
        (file, person)
        for person, own in files.items()
        for file in (own[1:] if person in set(enrolled) else own)
    ]
    ids = np.array([person for _, person in probes])
    gallery = np.array(enrolled)
    scores = (
        np.stack([vectors[file] for file, _ in probes])
        @ np.stack([vectors[files[person][0]] for person in enrolled]).T
    )
    known = np.isin(ids, gallery)
    result: dict[str, Any] = {
        "people": size,
        "probes": int(known.sum()),
        "stranger_probes": int((~known).sum()),
        "strangers": len(files) - size,
    }
    with _as_dataset_error(
        "Add probes of enrolled people and of strangers; 0 or at least 2 replicates."
    ):
        result |= _rank1(scores[known], ids[known], gallery, replicates)
        result |= {
            f"at_fpir_{fpir:g}": _open_set(scores, ids, gallery, fpir, replicates) for fpir in FPIRS
        }
    return result


def _rank1(
    scores: npt.NDArray[np.floating],
    ids: npt.NDArray[np.str_],
    gallery: npt.NDArray[np.str_],
    replicates: int,
) -> dict[str, Any]:
    figure: dict[str, Any] = {"rank1": metrics.rank1(scores, ids, gallery)}
    if replicates:
        figure["rank1_interval_95"] = _interval(
            lambda index: metrics.rank1(scores[index], ids[index], gallery), ids, replicates
        )
    return figure


def _open_set(
    scores: npt.NDArray[np.floating],
    ids: npt.NDArray[np.str_],
    gallery: npt.NDArray[np.str_],
    fpir: float,
    replicates: int,
) -> dict[str, Any]:
    figure = asdict(metrics.open_set_at_fpir(scores, ids, gallery, fpir))
    if replicates:
        figure["fnir_interval_95"] = _interval(
            lambda index: metrics.open_set_at_fpir(scores[index], ids[index], gallery, fpir).fnir,
            ids,
            replicates,
        )
    return figure


def table(report: Mapping[str, Any]) -> str:
    """The report as text."""
    counts = report["trials"]
    lines = [
        f"{report['encoder']} on {counts['name']}: {counts['target']} target and"
        f" {counts['impostor']} impostor trials, {counts['people']} people, {counts['left_out']}"
        f" trials left out; normalisation: {report['normalisation']}"
    ]
    for name, figure in report["verification"].items():
        threshold = "none" if figure["threshold"] is None else f"{figure['threshold']:.4f}"
        lines.append(
            f"  {name:52} {figure['value']:.4f}  at {threshold}{_told(figure.get('interval_95'))}"
        )
    for entry in report["identification"]:
        lines.append(f"  {entry['people']} people, {entry['strangers']} strangers:")
        lines.append(
            f"    {'rank-1':50} {entry['rank1']:.4f}{_told(entry.get('rank1_interval_95'))}"
        )
        for fpir in FPIRS:
            figure = entry[f"at_fpir_{fpir:g}"]
            lines.append(
                f"    {f'FNIR at FPIR {fpir:g}':50}"
                f" {figure['fnir']:.4f}{_told(figure.get('fnir_interval_95'))}"
            )
    return "\n".join(lines)


def _told(interval: Sequence[float] | None) -> str:
    return f"  95 % [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""


def _trial_counts(name: str, trials: Trials, kept: Trials) -> dict[str, Any]:
    return {
        "name": name,
        "target": int((kept.labels == 1).sum()),
        "impostor": int((kept.labels == 0).sum()),
        "left_out": len(trials) - len(kept),
        "people": len(set(kept.people().values())),
    }


def embedder(options: Options) -> Callable[[Path, Sequence[str]], Embedded]:
    """Embeds files below a root, as the options say, with the model they name."""
    modality = read_card(options.model).modality
    if modality == "face" and options.speech_only:
        raise DatasetError(
            "Faces are not cut down to speech. Received: speech_only with a face model",
            "Leave --speech-only out.",
        )
    if modality == "face":
        face = load_face_encoder(options.model)
        align = photo_aligner()
        return lambda root, files: embed_images(face, root, files, align)
    if modality == "voice":
        voice = load_voice_encoder(options.model)
        find = speech_finder(keep_silent=options.keep_silent) if options.speech_only else None
        return lambda root, files: embed_sounds(voice, root, files, find)
    raise DatasetError(
        f"Trials of files need a face or a voice model. Received: modality={modality!r}"
    )


def _normalise(
    options: Options,
    trials: Trials,
    vectors: Mapping[str, Float32Array],
    scores: Float64Array,
    embed: Callable[[Path, Sequence[str]], Mapping[str, Float32Array]],
) -> Float64Array:
    if options.cohort is None or options.norm == "none":
        return scores
    cohort = embed(*one_of_each(options.model, options.cohort, options.cohort_size))
    if len(cohort) < 2:
        raise DatasetError(
            f"A cohort needs 2 people or more. Received: {len(cohort)} people in whose files"
            " something was found"
        )
    return normalise(
        trials, vectors, scores, np.stack(list(cohort.values())), options.norm, options.top
    )


def one_of_each(model: Path, source: Path, size: int) -> tuple[Path, list[str]]:
    """Root and one file each of at most `size` people of a data set: a cohort as varied
    as can be.
    """
    listing = read_listing(source, "image" if read_card(model).modality == "face" else "audio")
    one_each = list({item.label: item.path for item in listing.items}.values())
    return listing.root, np.random.default_rng(SEED).permutation(one_each)[:size].tolist()


def _write(out: Path, report: Mapping[str, Any], trials: Trials, scores: Float64Array) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    rows = zip(trials.labels, scores, trials.left, trials.right, strict=True)
    (out / "scores.tsv").write_text(
        "".join(f"{label}\t{value:.6f}\t{a}\t{b}\n" for label, value, a, b in rows),
        encoding="utf-8",
    )
    name = report["trials"]["name"]
    plots.draw_curves(out / "curves.png", {name: (scores, trials.labels)})
    plots.draw_histograms(
        out / "histogram.png",
        {name: (scores, trials.labels)},
        {name: report["verification"]["eer"]["threshold"]},
    )


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option(
    "--model",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folder of a model: card.json and weights.",
)
@click.option(
    "--trials",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Protocol file (CFP: the folder Protocol).",
)
@click.option(
    "--media",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folder or zip archive that the paths are in.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="Format of the protocol.",
)
@click.option(
    "--norm",
    type=click.Choice(NORMS),
    default="none",
    show_default=True,
    help="Score normalisation against a cohort.",
)
@click.option(
    "--cohort",
    type=click.Path(path_type=Path, exists=True),
    help="Data set of the cohort: folder per person, list file or CSV.",
)
@click.option(
    "--cohort-size", default=1000, show_default=True, help="People of the cohort, one file each."
)
@click.option(
    "--top", default=200, show_default=True, help="Nearest cohort entries that AS-norm uses."
)
@click.option(
    "--people",
    multiple=True,
    type=int,
    help="Also identify among this many people; may be repeated.",
)
@click.option(
    "--replicates",
    default=200,
    show_default=True,
    help="Bootstrap resamples; 0 = no confidence intervals.",
)
@click.option(
    "--speech-only", is_flag=True, help="Cut sound files down to speech, as the service does."
)
@click.option(
    "--keep-silent",
    is_flag=True,
    help="With --speech-only: embed a file with less than 0.5 s of speech whole; else left out.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/evaluate"),
    show_default=True,
    help="Folder for the results.",
)
def main(out: Path, **values: Any) -> None:
    """Entry point."""
    try:
        click.echo(table(evaluate(Options(**values), out)))
    except DuetError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    click.echo(f"written: {out}/report.json, scores.tsv, curves.png, histogram.png")


def photo_aligner() -> Align:
    """Aligns photographs as serving does; the detector is loaded when the first
    photograph comes.
    """
    from align.faces import FaceDetector, analyse_faces, find_faces

    detector = FaceDetector()

    def align(photo: ImageArray) -> ImageArray | None:
        frames = (Frame(photo, 0.0),)
        faces = analyse_faces(
            frames, find_faces(detector, frames), Settings().capture.min_face_px
        ).faces
        return faces[0].image if faces else None

    return align


if __name__ == "__main__":
    main()
