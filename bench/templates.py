"""How a person's score is made of several templates: mean at unit length, mean cosine or others; on held-out people.

    python -m bench.templates [--model-dir best_model] [--data DIR]

Two-fold: the people are halved at random, the threshold for an FPIR of 1 % comes from one clip against one clip of one half and is used on
the other, both ways. N people are enrolled with 1, 2 or 4 clean clips each; the clips that no enrolment uses are the probes, the same ones
for every count and rule. Fused people are held-out faces joined with held-out voices. Embeddings are kept in the cache of `train.tables`.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gallery.vectors import unit
from network.concat_fusion import ConcatFusion
from network.encoder import Encoders, load_encoders
from train.calibrate import SEED, Sources, calibration_of, trials_of
from train.datasets import Listing, read_listing, shared_data_dir
from train.fusion_choice import llr_sum, weighted
from train.fusion_data import fused_table, halves
from train.held_out import CACHE
from train.tables import Recipe, Table, face_table, read_noises, select, voice_table
from utils import metrics
from utils.calibration import fmr_for_fpir
from utils.types import FloatArray

COUNTS = (1, 2, 4)
PEOPLE = {"face": 50, "voice": 25, "fused": 25}
FPIR, DRAWS = 0.01, 40
CLEAN = Recipe(("clean",))


def tables(encoders: Encoders, data: Path, sources: Sources) -> tuple[Table, Table]:
    """Clean embeddings of held-out faces and voices, `max(COUNTS)` + 1 files of each person at least."""
    least = max(COUNTS) + 1
    faces = select(_matching(read_listing(data / sources.faces, "image", "dev"), sources.face_match), sources.face_files, least=least)
    voices = select(_matching(read_listing(data / sources.voices, "audio", "dev"), sources.voice_match), sources.voice_files, least=least)
    noises = read_noises(read_listing(data / sources.noise, "audio", "noise"))
    return face_table(encoders.face, faces, CLEAN, CACHE), voice_table(encoders.voice, voices, CLEAN, noises, CACHE)


def _matching(listing: Listing, match: str) -> Listing:
    return Listing(listing.root, tuple(item for item in listing.items if match in item.path))


def rules(probes: FloatArray, templates: FloatArray, median: float) -> dict[str, FloatArray]:
    """Scores (p, n) by rule of probes (p, size) with people of k templates each (n, k, size).

    Scores of impostors spread less about their `median` when they are means of k. "Widened" gives back what independent noise in the
    templates would take, "half widened" the square root of that.
    """
    each = np.einsum("pd,nkd->pnk", probes, templates)
    mean, count = each.mean(axis=2), templates.shape[1]
    alike = (templates.mean(axis=1) ** 2).sum(axis=1)  # mean cosine of all pairs of templates, each with itself too
    spread = np.sqrt(np.clip((alike - median) / (1 - median), 1 / count, 1.0))
    return {"mean at unit length": probes @ unit(templates.mean(axis=1)).T, "best template": each.max(axis=2), "mean cosine": mean,
            "mean cosine, half widened": median + (mean - median) / np.sqrt(spread),
            "mean cosine, widened": median + (mean - median) / spread}


def drawn(table: Table, people: int) -> Iterator[tuple[np.ndarray, np.ndarray, Table]]:
    """Random enrolments: who (n,), their template rows (n, `max(COUNTS)`), and the probes."""
    least = max(COUNTS) + 1
    able = [p for p in np.unique(table.person) if (table.person == p).sum() >= least]
    for draw in range(DRAWS):
        rng = np.random.default_rng([SEED, draw])
        enrolled = rng.permutation(able)[:people]
        rows = np.stack([rng.permutation(np.flatnonzero(table.person == person))[: least - 1] for person in enrolled])
        yield enrolled, rows, table.rows(~np.isin(np.arange(len(table)), rows))


def measure(modality: str, sides: tuple[Table, Table]) -> list[str]:
    """Lines of the table: FPIR, FNIR, and FNIR at the threshold of a measured FPIR, in percent; means over draws and both halves."""
    people, found = PEOPLE[modality], dict[tuple[int, str], list[tuple[float, float, float]]]()
    for table, other in (sides, sides[::-1]):
        calibration = calibration_of(trials_of(other, other))
        threshold, _ = calibration.threshold(fmr_for_fpir(FPIR, people))
        median, _ = calibration.threshold(0.5)
        for enrolled, rows, probes in drawn(table, people):
            for count in COUNTS:
                for rule, scores in rules(probes.vectors, table.vectors[rows[:, :count]], median).items():
                    result = metrics.open_set(scores, probes.person, enrolled, threshold)
                    even = metrics.open_set_at_fpir(scores, probes.person, enrolled, FPIR)
                    found.setdefault((count, rule), []).append((result.fpir, result.fnir, even.fnir))
    means = {key: 100 * np.mean(rates, axis=0) for key, rates in found.items()}
    return [f"| {modality} | {people} | {count} | {rule} | " + " | ".join(f"{rate:.2f}" for rate in rates) + " |"
            for (count, rule), rates in means.items() if count > 1 or rule == "mean cosine"]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model-dir", type=Path, default=Path("best_model"))
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    encoders = load_encoders(arguments.model_dir)
    faces, voices = tables(encoders, arguments.data or shared_data_dir(), Sources())
    trained = not isinstance(encoders.fusion, ConcatFusion)
    fuse = encoders.fusion.fuse if trained else weighted(*llr_sum(faces, voices))
    sides = {"face": halves(faces), "voice": halves(voices)}
    pairs = zip(sides["face"], sides["voice"], strict=True)
    first, second = (fused_table(f, v, fuse, [("clean", "clean")], np.random.default_rng(SEED)) for f, v in pairs)
    print(f"Face: {encoders.face.encoder_id}; voice: {encoders.voice.encoder_id}; "
          f"fusion: {encoders.fusion.encoder_id if trained else 'sum of log-likelihood ratios'}\n")
    print("| modality | N | templates | score of a person | FPIR % | FNIR % | FNIR % at a measured FPIR of 1 % |\n" + "|" + "---|" * 7)
    for modality, tables_of in (*sides.items(), ("fused", (first, second))):
        print("\n".join(measure(modality, tables_of)), flush=True)


if __name__ == "__main__":
    main()
