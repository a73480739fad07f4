"""How well sound that does not belong to a mouth is found: held-out speakers, other cameras.

Trials are several stretches of one set, put one after the other as signals. Bona fide:
each with its sound. Dubbed: each with the sound of another stretch. Late: each with its
sound, 0.4 s late. Models are fitted to other speakers than those that are tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from liveness.sync_model import LAGS_S, SyncModel
from train.liveness.sync import THRESHOLD, fit
from train.liveness.words import Talk, join_mouths, read_talk
from train.measure.liveness import Presentation, Trial, tabulate
from utils.arrays import Float64Array

FOLDS = 5
SEED = 0
WORDS = 4
"""Words of one clip: 3 s of speech and more."""

LATE_S = 0.4
BPCER = 0.05

# Species that have no film: pictures that are shown one by one, and words of one second
_NO_CLIPS = ("prints", "held picture (simulated)", "single words")


@dataclass(frozen=True)
class SyncScores:
    """Scores of one set of trials, with the number of people in it."""

    name: str
    people: int
    genuine: Float64Array
    dubbed: Float64Array
    late: Float64Array


def score(model: SyncModel, seen: Sequence[Talk], heard: Sequence[Talk], late_s: float) -> float:
    """Score mouths with the sound of others, at the lag that fits best, as a clip is scored."""
    mouths = join_mouths(seen)
    scores = []
    for lag_s in LAGS_S:
        pairs = zip(seen, heard, strict=True)
        sounds = [one.hear(other, late_s - float(lag_s)) for one, other in pairs]
        scores.append(model.correlate(mouths, np.concatenate(sounds)))
    return max(scores)


def measure_held_out(talks: Sequence[Talk]) -> SyncScores:
    """Measure on speakers that the model was not fitted to, each in one of `FOLDS` turns."""
    speakers = sorted({talk.speaker for talk in talks})
    rows = []
    for fold in range(FOLDS):
        tested = set(speakers[fold::FOLDS])
        model = fit([talk for talk in talks if talk.speaker not in tested])
        for speaker in sorted(tested):
            own = [talk for talk in talks if talk.speaker == speaker]
            rows += list(_score_all(model, own, max(1, len(own) // WORDS), WORDS))
    return _collect("words of other speakers, joined by four", len(speakers), rows)


def measure_elsewhere(
    name: str, model: SyncModel, talks: Sequence[Talk], *, joined: int, trials: int
) -> SyncScores:
    """Measure on clips of other cameras, `joined` of them put one after the other."""
    people = len({talk.speaker for talk in talks})
    return _collect(name, people, list(_score_all(model, list(talks), trials, joined)))


def _score_all(
    model: SyncModel, talks: list[Talk], trials: int, joined: int
) -> Iterator[tuple[float, float, float]]:
    """Score chosen stretches genuine, dubbed and late."""
    rng = np.random.default_rng(SEED)
    for _ in range(trials):
        order = rng.permutation(len(talks))
        if len(order) < 2 * joined:
            return
        seen = [talks[i] for i in order[:joined]]
        heard = [talks[i] for i in order[joined : 2 * joined]]
        yield (
            score(model, seen, seen, 0.0),
            score(model, seen, heard, 0.0),
            score(model, seen, seen, LATE_S),
        )


def _collect(name: str, people: int, rows: list[tuple[float, float, float]]) -> SyncScores:
    genuine, dubbed, late = np.array(rows, np.float64).reshape(-1, 3).T
    return SyncScores(name, people, genuine, dubbed, late)


def summarise(scores: SyncScores) -> dict[str, float]:
    """Figures of one set of trials, for a card."""
    at_bpcer = float(np.quantile(scores.genuine, BPCER))
    return {
        "people": scores.people,
        "trials": len(scores.genuine),
        "auc_dubbed": round(_auc(scores.genuine, scores.dubbed), 4),
        "auc_late": round(_auc(scores.genuine, scores.late), 4),
        "threshold_at_bpcer_5": round(at_bpcer, 3),
        "apcer_dubbed_at_bpcer_5": round(float(np.mean(scores.dubbed >= at_bpcer)), 4),
        "apcer_late_at_bpcer_5": round(float(np.mean(scores.late >= at_bpcer)), 4),
    }


def as_rows(scores: SyncScores) -> list[str]:
    """Rows of a table: the set, its AUC, and errors at the threshold in use.

    There are none of a set that is too small to be joined.
    """
    if not len(scores.genuine):
        return []
    refused = _count(scores.genuine < THRESHOLD)
    kinds = (("dubbed", scores.dubbed), ("0.4 s late", scores.late))
    rows = [f"| {scores.name}: genuine | BPCER | {refused} | {scores.people} | |"]
    for kind, values in kinds:
        auc = f"{_auc(scores.genuine, values):.3f}"
        errors = _count(values >= THRESHOLD)
        rows.append(f"| {scores.name}: {kind} | APCER | {errors} | {scores.people} | {auc} |")
    return rows


def tables(presentations: Sequence[Presentation], trials: Sequence[Trial], model: SyncModel) -> str:
    """Tables of audio_visual_sync: clips as they are, then joined, dubbed and late.

    `trials` are the judgements about the presentations.
    """
    head = f"Check `audio_visual_sync`, threshold {model.threshold:g}: clips as they are."
    joined = chain.from_iterable(map(as_rows, _join(presentations, model)))
    return "\n".join(
        [
            head,
            "",
            *tabulate([t for t in trials if t.species not in _NO_CLIPS]),
            "",
            "The same check on stretches that are joined as signals.",
            "",
            "| what is shown | rate | errors | trials | people | AUC against genuine |",
            "|---|---|---|---|---|---|",
            *joined,
        ]
    )


def _join(presentations: Sequence[Presentation], model: SyncModel) -> Iterator[SyncScores]:
    words = _talks(presentations, lambda one: one.species == "single words")
    yield measure_held_out(words)
    clips = [one for one in presentations if one.species in ("people", "strangers")]
    grid = _talks(clips, lambda one: "grid" in one.subject)
    yield measure_elsewhere("GRID, joined by three", model, grid, joined=3, trials=200)
    others = _talks(clips, lambda one: "grid" not in one.subject)
    yield measure_elsewhere("interviews, alone", model, others, joined=1, trials=12)


def _talks(
    presentations: Sequence[Presentation], is_meant: Callable[[Presentation], bool]
) -> list[Talk]:
    meant = [one for one in presentations if is_meant(one)]
    talks = [read_talk(one.subject, one.capture.mouth_film) for one in meant]
    return [talk for talk in talks if talk is not None]


def _auc(genuine: Float64Array, attack: Float64Array) -> float:
    labels = [1] * len(genuine) + [0] * len(attack)
    return float(roc_auc_score(labels, np.concatenate([genuine, attack])))


def _count(is_error: Float64Array | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    errors = int(np.sum(is_error))
    interval = binomtest(errors, len(is_error)).proportion_ci(method="exact")
    bounds = f"({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    return f"{errors}: {100 * errors / len(is_error):.1f} {bounds} | {len(is_error)}"
