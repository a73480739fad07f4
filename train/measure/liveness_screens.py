"""How well pictures that are shown to the camera are found, on subjects that are held out.

A presentation is three pictures of one sequence, as the service looks at three frames. Of
the subjects that are tested nothing was learned, neither live nor as a print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import keras
import numpy as np
from scipy.stats import binomtest

from liveness import screen_or_print
from liveness.picture_model import PictureModel
from network.serving.runtime import Shape
from train.liveness.screens import Picture, train
from train.liveness.shown_pictures import Rng, show_as_print, show_on_screen
from train.measure.liveness import WITHOUT_SURROUNDINGS, Trial, tabulate
from train.measure.liveness import Presentation as Shown
from utils.arrays import Float32Array, ImageArray

FOLDS = 4
FOLD_STEPS = 600
SHOWN = 3
BPCER = 0.05
_BATCH = 240
SEED = 9

Rate = Callable[[Float32Array], Float32Array]
"""From images (n, 80, 80, 3) in [0, 1] to the probability (n,) that each is genuine."""


@dataclass(frozen=True)
class Presentation:
    """Pictures (3, 80, 80, 3) of one subject, by the kind of what is shown."""

    species: str
    subject: str
    images: ImageArray


@dataclass(frozen=True)
class Score:
    """Score of a presentation, in [0, 1]: high is genuine."""

    species: str
    subject: str
    value: float


GENUINE = ("live, webcam", "live, clips")


@dataclass(frozen=True)
class Apart:
    """A network, and the subjects of whom it has learned nothing."""

    subjects: frozenset[str]
    network: keras.Model


def train_apart(pictures: Sequence[Picture]) -> list[Apart]:
    """Train a network for each fold of subjects, on the others."""
    networks = []
    for tested in _folds(pictures):
        others = [picture for picture in pictures if picture.subject not in tested]
        networks.append(Apart(frozenset(tested), train(others, FOLD_STEPS)))
    return networks


def score_apart(pictures: Sequence[Picture], networks: Sequence[Apart]) -> list[Score]:
    """Score each subject by the network that has not learned it."""
    scores = []
    for one in networks:
        own = [picture for picture in pictures if picture.subject in one.subjects]
        scores += score(own, partial(_run, one.network))
    return scores


def judge_apart(
    shown: Sequence[Shown], networks: Sequence[Apart], model: PictureModel
) -> list[Trial]:
    """Judge clips by `screen_or_print`, each by the network that has not learned its subject.

    `model` has the threshold and the input. It judges those whom none of `networks` was
    kept from.
    """
    models: dict[str, PictureModel] = {}
    for one in networks:
        models |= dict.fromkeys(one.subjects, replace(model, runtime=_Network(one.network)))
    return [
        Trial(
            one.species,
            one.subject,
            one.is_attack,
            screen_or_print.judge(one.capture, models.get(one.subject, model)),
        )
        for one in shown
    ]


class _Network:
    """A Keras network as a runtime. Its card's input makes what it is fed."""

    input_names: tuple[str, ...] = ()
    input_shapes: tuple[Shape, ...] = ()

    def __init__(self, network: keras.Model) -> None:
        self._network = network

    def run(self, *inputs: Float32Array) -> Float32Array:
        """Run the network."""
        return _run(self._network, *inputs)[:, None]


def _run(network: keras.Model, images: Float32Array) -> Float32Array:
    return np.asarray(network(images), np.float32)[:, 0]


def _folds(pictures: Sequence[Picture]) -> list[set[str]]:
    """Share the subjects of each source among `FOLDS` folds."""
    folds: list[set[str]] = [set() for _ in range(FOLDS)]
    for source in ("webcam", "clip"):
        subjects = sorted({p.subject for p in pictures if p.source == source})
        for number, subject in enumerate(subjects):
            folds[number % FOLDS].add(subject)
    return folds


def score(pictures: Sequence[Picture], rate: Rate) -> list[Score]:
    """Score all presentations of pictures, and what is simulated of the genuine ones."""
    presentations = list(present(pictures, np.random.default_rng(SEED)))
    images = np.concatenate([one.images for one in presentations]) / np.float32(255)
    starts = range(0, len(images), _BATCH)
    batches = [rate(images[start : start + _BATCH].astype(np.float32)) for start in starts]
    means = np.concatenate(batches).reshape(-1, SHOWN).mean(axis=1).tolist()
    return [
        Score(one.species, one.subject, mean)
        for one, mean in zip(presentations, means, strict=True)
    ]


def present(pictures: Sequence[Picture], rng: Rng) -> Iterator[Presentation]:
    """Put pictures together by three, and show the genuine ones on a screen and a print."""
    genuine = list(_group([picture for picture in pictures if not picture.is_print]))
    yield from genuine
    yield from _group([picture for picture in pictures if picture.is_print])
    for one in genuine:
        around = genuine[rng.integers(len(genuine))].images[0]
        for species, show in (
            ("a simulated screen", show_on_screen),
            ("a simulated print", show_as_print),
        ):
            shown = np.stack([show(image, around, rng) for image in one.images])
            yield Presentation(species, one.subject, shown)


def _group(pictures: Sequence[Picture]) -> Iterator[Presentation]:
    """Cut each sequence into presentations of three pictures."""
    for _, run in groupby(pictures, key=lambda picture: picture.clip):
        sequence = list(run)
        kind = "clips" if sequence[0].source == "clip" else "webcam"
        species = "a print in the hand (NUAA)" if sequence[0].is_print else f"live, {kind}"
        for start in range(0, len(sequence) - SHOWN + 1, SHOWN):
            images = np.stack([one.image for one in sequence[start : start + SHOWN]])
            yield Presentation(species, sequence[0].subject, images)


def find_threshold(scores: Sequence[Score]) -> float:
    """Find the score that all but 5 % of the genuine presentations reach."""
    genuine = [one.value for one in scores if one.species in GENUINE]
    return round(float(np.quantile(genuine, BPCER)), 3)


def summarise(scores: Sequence[Score], threshold: float) -> dict[str, float]:
    """Share of errors by species, for a card."""
    species = dict.fromkeys(one.species for one in scores)
    return {name: round(float(np.mean(_errors(scores, name, threshold))), 4) for name in species}


def as_markdown(scores: Sequence[Score], threshold: float) -> str:
    """Table of errors by species on held-out subjects."""
    rows = [
        f"Check `screen_or_print`, threshold {threshold:g}, subjects held out.",
        "",
        "| presentation | rate | errors | presentations | subjects |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(one.species for one in scores):
        errors = _errors(scores, name, threshold)
        interval = binomtest(int(errors.sum()), len(errors)).proportion_ci(method="exact")
        share = f"{errors.sum()}: {100 * errors.mean():.1f}"
        bounds = f"({100 * interval.low:.1f} to {100 * interval.high:.1f})"
        subjects = len({one.subject for one in scores if one.species == name})
        kind = "BPCER" if name in GENUINE else "APCER"
        rows.append(f"| {name} | {kind} | {share} {bounds} | {len(errors)} | {subjects} |")
    return "\n".join(rows)


def clips_as_markdown(trials: Sequence[Trial]) -> str:
    """Table of clips as they are, but for those that are cut to the face."""
    seen = [trial for trial in trials if trial.species not in WITHOUT_SURROUNDINGS]
    head = "The same check on clips as they are. Attacks are of people who were learned from, too."
    return "\n".join([head, "", *tabulate(seen)])


def _errors(
    scores: Sequence[Score], species: str, threshold: float
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each presentation of a species is judged wrong."""
    passes = np.array([one.value >= threshold for one in scores if one.species == species])
    return ~passes if species in GENUINE else passes
