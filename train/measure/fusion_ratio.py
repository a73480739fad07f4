"""How much lower the fused EER is than that of the better modality, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring import metrics
from scoring.bootstrap import bootstrap_interval
from train.data.pseudo_people import CONDITIONS, Fuse, compare, halves
from train.data.tables import Table
from utils.arrays import Float64Array, IndexArray
from utils.modality import PerModality

SEED = 9
REPLICATES = 200


@dataclass(frozen=True)
class Ratio:
    """The fused EER over the lower one of face and voice.

    Attributes:
        value: NaN where the better modality makes no error.
        low, high: Ends of the 95 % interval over people, NaN likewise.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "the better one makes no error"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def measure_ratio(
    scores: PerModality[Float64Array],
    labels: npt.NDArray[np.int64],
    people: npt.NDArray[np.int64],
) -> Ratio:
    """Measure the ratio on trials.

    Args:
        scores: (n,) of the same trials by each modality.
        labels: (n,), 1 for the same person.
        people: (n, 2) both sides. The bootstrap draws them, and leaves draws out in
            which the better modality makes no error.
    """

    def ratio_of(index: IndexArray) -> float:
        rates = scores.map(lambda part: metrics.eer(part[index], labels[index]).value)
        better = min(rates.face, rates.voice)
        if better == 0:
            raise ValueError("The better modality makes no error.")
        return rates.fused / better

    try:
        value = ratio_of(np.arange(len(labels)))
        interval = bootstrap_interval(ratio_of, people, replicates=REPLICATES, seed=SEED)
    except ValueError:
        return Ratio(np.nan, np.nan, np.nan)
    return Ratio(value, interval.low, interval.high)


def ratio_table(faces: Table, voices: Table, fuse: Fuse) -> str:
    """Format a table of pseudo-persons, EER in percent, a row for each condition.

    They are of the halves that the fusion was not chosen on. The interval is over the
    speakers, who are fewer than the faces.
    """
    _, face_half = halves(faces)
    _, voice_half = halves(voices)
    lines = ["| probe: face / voice | face | voice | fused | ratio (95 %) |", "|" + "---|" * 5]
    for condition in CONDITIONS:
        trials = compare(face_half, voice_half, fuse, condition)
        scores = PerModality(fused=trials.fused, face=trials.face, voice=trials.voice)
        rates = [metrics.eer(part, trials.labels).value for part in (trials.face, trials.voice)]
        rates.append(metrics.eer(trials.fused, trials.labels).value)
        cells = " | ".join(f"{100 * rate:.2f}" for rate in rates)
        ratio = measure_ratio(scores, trials.labels, trials.speakers)
        lines.append(f"| {condition[0]} / {condition[1]} | {cells} | {ratio} |")
    return "\n".join(lines)
