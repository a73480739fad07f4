"""Compare score normalisations (none, Z-norm, AS-norm) on several trial lists at once.

    python -m train.measure.norms --model best_model/voice --media voices.zip --cohort
    voices.csv so762_dev.txt pansori_ko_dev.txt

Every file is embedded once. The cohort is one file each of people of the training
split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from scoring import metrics
from scoring import norms as scorenorm
from scoring.norms import NEAREST_SHARE, CohortNorm
from train.calibration.galleries import Fold, bare_strengths
from train.calibration.norm_fit import fit_norm
from train.data.protocols import Trials, read_trials
from train.measure.evaluate import NORMS, Options, embedder, normalise, one_of_each, score
from utils.arrays import Float32Array
from utils.errors import DuetError

P_TARGET = 0.05


def compare(
    lists: Mapping[str, Trials], vectors: Mapping[str, Float32Array], cohort: Float32Array, top: int
) -> str:
    """A Markdown table: EER and normalised minDCF of every list under every
    normalisation.
    """
    heads = [f"{figure}, {norm}" for figure in ("EER %", "minDCF") for norm in NORMS]
    lines = [f"| list | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1)]
    for name, trials in lists.items():
        raw = score(trials, vectors)
        scored = [
            raw if norm == "none" else normalise(trials, vectors, raw, cohort, norm, top)
            for norm in NORMS
        ]
        cells = [f"{100 * metrics.eer(scores, trials.labels).value:.2f}" for scores in scored]
        cells += [
            f"{metrics.min_dcf(scores, trials.labels, P_TARGET).value:.3f}" for scores in scored
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    note = (
        f"minDCF: p_target {P_TARGET:g}, c_miss 1, c_fa 1, normalised. Cohort: {len(cohort)}"
        f" people; AS-norm by the {top} nearest."
    )
    return "\n".join([*lines, "", note])


def eer_of_folds(folds: Mapping[str, Sequence[Fold]]) -> str:
    """A Markdown table: EER of pairs of clips without norm, with Z-norm (of the
    template), AS-norm, and the norm that serves, by modality and condition. Cohorts are
    those of the folds, other people than those measured; the numbers of what serves are
    from the other fold.
    """
    lines = ["| modality | probe | none | Z-norm | AS-norm | as served |", "|" + "---|" * 6]
    for modality, both in folds.items():
        norms = [CohortNorm(fold.cohort, fit_norm([both[1 - i]])) for i, fold in enumerate(both)]
        for condition in both[0].table.conditions:
            rates = np.mean(
                [_eers(fold, norm, condition) for fold, norm in zip(both, norms, strict=True)],
                axis=0,
            )
            lines.append(
                f"| {modality} | {condition} | "
                + " | ".join(f"{100 * rate:.2f}" for rate in rates)
                + " |"
            )
    return "\n".join(lines)


def _eers(fold: Fold, norm: CohortNorm, condition: str) -> list[float]:
    probes = fold.table.under(condition)
    templates = fold.table.under(fold.clean)
    top = max(3, round(NEAREST_SHARE * len(fold.cohort)))
    scores = (probes.vectors @ templates.vectors.T).astype(np.float64)
    of_probe, of_template = (
        scorenorm.cohort_scores(part.vectors, fold.cohort) for part in (probes, templates)
    )
    (m, d), (n, e), (a, s) = (
        scorenorm.statistics(of_probe, top),
        scorenorm.statistics(of_template, top),
        scorenorm.statistics(of_template),
    )
    normed = (
        scores,
        (scores - a) / s,
        ((scores - m[:, None]) / d[:, None] + (scores - n) / e) / 2,
        bare_strengths(probes, templates.vectors, norm),
    )
    other = probes.file[:, None] != templates.file
    labels = (probes.person[:, None] == templates.person)[other].astype(int)
    return [metrics.eer(matrix[other], labels).value for matrix in normed]


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option(
    "--model",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folder of a model: card.json and weights.",
)
@click.option(
    "--media",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folder or zip archive that the paths are in.",
)
@click.option(
    "--cohort",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folder per person, list file or CSV.",
)
@click.option(
    "--cohort-size", default=500, show_default=True, help="People of the cohort, one file each."
)
@click.option(
    "--top", default=100, show_default=True, help="Nearest cohort entries that AS-norm uses."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data/runs/norms.md"),
    show_default=True,
    help="Markdown file.",
)
@click.argument("trials", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(
    model: Path,
    media: Path,
    cohort: Path,
    cohort_size: int,
    top: int,
    out: Path,
    trials: Sequence[Path],
) -> None:
    """Entry point."""
    try:
        lists = {file.stem: read_trials(file) for file in trials}
        embed = embedder(Options(model, trials[0], media))
        found = embed(media, sorted({file for one in lists.values() for file in one.files}))
        root, files = one_of_each(model, cohort, cohort_size)
        others = np.stack(list(embed(root, files).vectors.values()))
        text = compare(
            {name: one.without(set(found.missing)) for name, one in lists.items()},
            found.vectors,
            others,
            top,
        )
    except DuetError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main()
