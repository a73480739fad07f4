"""Stated against measured: false positive identification rates and misses of the whole open-set decision, on held-out people.

    python -m train.accuracy --model-dir best_model

Thresholds follow from the stated FPIR and the number N of people enrolled, as in serving. Two-fold: the people are halved at random,
calibration comes from one half and is measured on the other, both ways. N people are enrolled with one clean clip each; their other clips
and those of everybody else in the half (the strangers) are the probes, clean or degraded. Repeated with random choices of who is enrolled.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from network.encoder import Encoders, load_encoders
from train.calibrate import SEED, SPEECH_LENGTHS_S, Sources, as_served, calibration_of, fused_trials
from train.datasets import read_listing, shared_data_dir
from train.fusion_data import CONDITIONS, Fuse, fused_table, halves
from train.held_out import held_out_faces, held_out_voices
from train.tables import Table, read_noises
from utils import metrics
from utils.calibration import Calibration, fmr_for_fpir
from utils.errors import DatasetError, DuetError

DRAWS = 20
SIZES: Mapping[str, Sequence[int]] = {"face": (10, 50, 100), "voice": (10, 25, 50), "fused": (10, 25, 50)}
FPIRS = (0.01, 0.05)
LEAST_STRANGERS = 10


@dataclass(frozen=True)
class Row:
    """One line: people enrolled, FPIR stated and measured, FNIR, and how many probes of strangers and of enrolled people there were."""

    modality: str
    condition: str
    people: int
    stated: float
    fpir: float
    fnir: float
    stranger_probes: int
    known_probes: int


def measure(table: Table, condition: str, people: int, stated: float, calibration: Calibration,
            draws: int = DRAWS) -> tuple[np.ndarray, int, int]:
    """(FPIR, FNIR) as a mean over draws, and how many probes of strangers and of enrolled people there were.

    Raises:
        DatasetError: fewer than `LEAST_STRANGERS` people would be left as strangers.
    """
    everybody = np.unique(table.person)
    if len(everybody) < people + LEAST_STRANGERS:
        raise DatasetError(f"{people} people and {LEAST_STRANGERS} strangers are needed. Received: {len(everybody)}")
    clean, probes = table.under(table.conditions[0]), table.under(condition)
    threshold, _ = calibration.threshold(fmr_for_fpir(stated, people))
    sums, strangers, known = np.zeros(2), 0, 0
    for draw in range(draws):
        rng = np.random.default_rng([SEED, draw])
        enrolled = rng.permutation(everybody)[:people]
        rows = np.array([rng.choice(np.flatnonzero(clean.person == person)) for person in enrolled])
        free = ~np.isin(probes.file, clean.file[rows])
        result = metrics.open_set(probes.vectors[free] @ clean.vectors[rows].T, probes.person[free], enrolled, threshold)
        sums += (result.fpir, result.fnir)
        inside = int(np.isin(probes.person[free], enrolled).sum())
        known, strangers = known + inside, strangers + int(free.sum()) - inside
    return sums / draws, strangers, known


def rows_of(modality: str, sides: Sequence[tuple[Table, Callable[[str], Calibration]]], condition: str) -> list[Row]:
    """Lines of one condition: both halves, each with the calibration of the other one."""
    lines = []
    for people in SIZES[modality]:
        for stated in FPIRS:
            measured = [measure(table, condition, people, stated, calibration(condition)) for table, calibration in sides]
            fpir, fnir = np.mean([rates for rates, _, _ in measured], axis=0)
            lines.append(Row(modality, condition, people, stated, float(fpir), float(fnir), sum(n for _, n, _ in measured),
                             sum(n for _, _, n in measured)))
    return lines


def measure_all(encoders: Encoders, data: Path, sources: Sources) -> list[Row]:
    """All lines: face, voice and fused, clean and degraded."""
    noises = read_noises(read_listing(data / sources.noise, "audio", "noise"))
    faces = halves(held_out_faces(encoders.face, data / sources.faces, sources.face_files, sources.face_match))
    voices = halves(held_out_voices(encoders.voice, data / sources.voices, sources.voice_files, noises, sources.voice_match))
    rows: list[Row] = []
    face_sides = [(faces[1 - i], _constant(calibration_of(as_served(faces[i], "clean", "face")))) for i in (0, 1)]
    for condition in faces[0].conditions:
        rows += rows_of("face", face_sides, condition)
    voice_sides = [(voices[1 - i], _by_speech(voices[i])) for i in (0, 1)]
    for condition in voices[0].conditions:
        rows += rows_of("voice", voice_sides, condition)
    fuse = encoders.fusion.fuse
    calibrations = [calibration_of(fused_trials(faces[i], voices[i], fuse, sources.joins)) for i in (0, 1)]
    fused_sides = [(_joined(faces[1 - i], voices[1 - i], fuse), _constant(calibrations[i])) for i in (0, 1)]
    for condition in fused_sides[0][0].conditions:
        rows += rows_of("fused", fused_sides, condition)
    return rows


def _joined(faces: Table, voices: Table, fuse: Fuse) -> Table:
    return fused_table(faces, voices, fuse, CONDITIONS, np.random.default_rng(SEED))


def _constant(calibration: Calibration) -> Callable[[str], Calibration]:
    return lambda condition: calibration  # noqa: ARG005


def _by_speech(voices: Table) -> Callable[[str], Calibration]:
    """Calibration for a condition: that of its length of speech where it has one."""
    whole = calibration_of(as_served(voices, "clean", "voice"))
    parts = {f"{seconds} s": calibration_of(as_served(voices, f"{seconds} s", "voice"), whole.impostor_fmr) for seconds in SPEECH_LENGTHS_S}
    return lambda condition: parts.get(condition, whole)


def as_markdown(rows: Sequence[Row]) -> str:
    """A table, rates in percent."""
    lines = ["| modality | probe | N | FPIR stated | FPIR measured | FNIR | probes of strangers / enrolled |", "|" + "---|" * 7]
    lines += [f"| {row.modality} | {row.condition} | {row.people} | {100 * row.stated:g} | {100 * row.fpir:.2f} | {100 * row.fnir:.2f} | "
              f"{row.stranger_probes} / {row.known_probes} |" for row in rows]
    return "\n".join(lines)


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option("--model-dir", type=click.Path(path_type=Path, exists=True), default=Path("best_model"), show_default=True,
              help="Folder with face/, voice/ and fusion/.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Research data [default: DUET_SHARED_DATA].")
@click.option("--out", type=click.Path(path_type=Path), default=Path("data/runs/open_set.md"), show_default=True, help="Markdown file.")
def main(model_dir: Path, data: Path | None, out: Path) -> None:
    """Entry point."""
    try:
        text = as_markdown(measure_all(load_encoders(model_dir), data or shared_data_dir(), Sources()))
    except DuetError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main()
