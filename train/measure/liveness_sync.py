"""How well sound that does not belong to a mouth is found: held-out speakers, other cameras.

Trials are several stretches of one set, put one after the other as signals. Bona fide:
each with its sound. Dubbed: each with the sound of another stretch. Late: each with its
sound, 0.4 s late. The frames that count are those that the service looks at: within the
speech that is heard. Models are fitted to other speakers than those that are tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, permutations

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from liveness.audio_visual_sync import find_missing
from liveness.sync_model import SyncModel
from train.liveness.sync import THRESHOLD, fit
from train.liveness.words import Talk, read_talk
from train.measure.liveness import Presentation, Trial, tabulate
from utils.arrays import BoolArray, Float64Array

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
    """Scores of one set of trials, with the number of people in it. NaN is not checked."""

    name: str
    people: int
    genuine: Float64Array
    dubbed: Float64Array
    late: Float64Array


def score(model: SyncModel, talks: Sequence[Talk]) -> float:
    """Score stretches as the service scores a clip of them. NaN where it judges none."""
    if find_missing([(talk.film, talk.segments) for talk in talks]):
        return float("nan")
    return model.find_lag([talk.stretch for talk in talks if talk.is_seen])[0]


def measure_held_out(talks: Sequence[Talk]) -> SyncScores:
    """Measure on speakers that the model was not fitted to, each in one of `FOLDS` turns."""
    speakers = sorted({talk.speaker for talk in talks})
    rows = []
    for fold in range(FOLDS):
        tested = set(speakers[fold::FOLDS])
        model = fit([talk for talk in talks if talk.speaker not in tested])
        for speaker in sorted(tested):
            own = [talk for talk in talks if talk.speaker == speaker]
            rows += list(_score_all(model, _draw(own, max(1, len(own) // WORDS), WORDS)))
    return _collect(f"words of other speakers, joined by {WORDS}", len(speakers), rows)


def measure_joined(
    name: str, model: SyncModel, talks: Sequence[Talk], *, joined: int, trials: int
) -> SyncScores:
    """Measure on clips of other cameras, `joined` of them put one after the other."""
    drawn = _draw(list(talks), trials, joined)
    return _collect(name, _count_people(talks), list(_score_all(model, drawn)))


def measure_alone(name: str, model: SyncModel, talks: Sequence[Talk]) -> SyncScores:
    """Measure on clips of other cameras by themselves, each dubbed with each of the others."""
    return SyncScores(
        name,
        _count_people(talks),
        genuine=np.array([score(model, [talk]) for talk in talks]),
        dubbed=np.array([score(model, [one.dub(other)]) for one, other in permutations(talks, 2)]),
        late=np.array([score(model, [talk.delay(LATE_S)]) for talk in talks]),
    )


def _draw(talks: list[Talk], trials: int, joined: int) -> Iterator[tuple[list[Talk], list[Talk]]]:
    """Draw stretches that are seen, and as many others that are heard in a dub."""
    rng = np.random.default_rng(SEED)
    for _ in range(trials if len(talks) >= 2 * joined else 0):
        order = rng.permutation(len(talks))
        yield (
            [talks[i] for i in order[:joined]],
            [talks[i] for i in order[joined : 2 * joined]],
        )


def _score_all(
    model: SyncModel, drawn: Iterable[tuple[list[Talk], list[Talk]]]
) -> Iterator[tuple[float, float, float]]:
    """Score what is drawn genuine, dubbed and late."""
    for seen, heard in drawn:
        yield (
            score(model, seen),
            score(model, [one.dub(other) for one, other in zip(seen, heard, strict=True)]),
            score(model, [talk.delay(LATE_S) for talk in seen]),
        )


def _collect(name: str, people: int, rows: list[tuple[float, float, float]]) -> SyncScores:
    genuine, dubbed, late = np.array(rows, np.float64).reshape(-1, 3).T
    return SyncScores(name, people, genuine, dubbed, late)


def _count_people(talks: Sequence[Talk]) -> int:
    return len({talk.speaker for talk in talks})


def summarise(scores: SyncScores) -> dict[str, float]:
    """Figures of one set of trials, for a card."""
    genuine, dubbed, late = map(_keep_checked, (scores.genuine, scores.dubbed, scores.late))
    at_bpcer = float(np.quantile(genuine, BPCER))
    return {
        "people": scores.people,
        "trials": len(genuine),
        "auc_dubbed": round(_auc(genuine, dubbed), 4),
        "auc_late": round(_auc(genuine, late), 4),
        "threshold_at_bpcer_5": round(at_bpcer, 3),
        "apcer_dubbed_at_bpcer_5": round(float(np.mean(dubbed >= at_bpcer)), 4),
        "apcer_late_at_bpcer_5": round(float(np.mean(late >= at_bpcer)), 4),
    }


def as_rows(scores: SyncScores) -> list[str]:
    """Rows of a table: the set, its AUC, and errors at the threshold in use.

    There are none of a set that is too small to be joined.
    """
    genuine = _keep_checked(scores.genuine)
    if not len(genuine):
        return []
    return [
        _row(scores, "genuine", scores.genuine),
        _row(scores, "dubbed", scores.dubbed),
        _row(scores, "0.4 s late", scores.late),
    ]


def _row(scores: SyncScores, kind: str, values: Float64Array) -> str:
    is_attack = values is not scores.genuine
    checked = _keep_checked(values)
    errors = _count((checked >= THRESHOLD) == is_attack)
    auc = f"{_auc(_keep_checked(scores.genuine), checked):.3f}" if is_attack else ""
    unchecked = len(values) - len(checked)
    rate = "APCER" if is_attack else "BPCER"
    return f"| {scores.name}: {kind} | {rate} | {errors} | {unchecked} | {scores.people} | {auc} |"


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
            "The same check on stretches that are joined as signals, and dubbed with each other.",
            "",
            "| what is shown | rate | errors | checked | not checked | people | AUC, genuine |",
            "|---|---|---|---|---|---|---|",
            *joined,
        ]
    )


def _join(presentations: Sequence[Presentation], model: SyncModel) -> Iterator[SyncScores]:
    words = _talks(presentations, lambda one: one.species == "single words")
    yield measure_held_out(words)
    clips = [one for one in presentations if one.species in ("people", "strangers")]
    grid = _talks(clips, lambda one: "grid" in one.subject)
    yield measure_joined("GRID, joined by three", model, grid, joined=3, trials=200)
    others = _talks(clips, lambda one: "grid" not in one.subject)
    yield measure_alone("interviews, alone", model, others)


def _talks(
    presentations: Sequence[Presentation], is_meant: Callable[[Presentation], bool]
) -> list[Talk]:
    meant = [one for one in presentations if is_meant(one)]
    talks = [read_talk(one.subject, one.capture) for one in meant]
    return [talk for talk in talks if talk is not None]


def _keep_checked(values: Float64Array) -> Float64Array:
    return values[np.isfinite(values)]


def _auc(genuine: Float64Array, attack: Float64Array) -> float:
    labels = [1] * len(genuine) + [0] * len(attack)
    return float(roc_auc_score(labels, np.concatenate([genuine, attack])))


def _count(is_error: BoolArray) -> str:
    errors = int(np.sum(is_error))
    interval = binomtest(errors, len(is_error)).proportion_ci(method="exact")
    bounds = f"({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    return f"{errors}: {100 * errors / len(is_error):.1f} {bounds} | {len(is_error)}"
