"""Validation of a face network: accuracy on pair lists.

The lists are the CFP protocols. For a user's own data they are pairs drawn from
held-out identities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from scoring.metrics import fold_accuracy
from train.data.datasets import Item, Listing, read_listing
from train.data.protocols import Trials, read_trials
from train.face.batches import resize
from train.face.cache import cached_images
from utils.arrays import Float32Array, ImageArray, unit
from utils.errors import DatasetError

Embed = Callable[[ImageArray], Float32Array]
FOLDS = 5
# Pairs of files of one person, at most.
MOST_PAIRS = 10


@dataclass(frozen=True)
class FacePairs:
    """Crops, and named lists of pairs over them.

    Attributes:
        images: (n, 112, 112, 3) uint8 RGB.
        places: The place of each crop in `images`, by its path.
        lists: Pairs with folds, by name.
    """

    images: ImageArray
    places: Mapping[str, int]
    lists: Mapping[str, Trials]

    def accuracies(self, embed: Embed, size_px: int, mirror: bool) -> dict[str, float]:
        """Accuracy of every list.

        It is the mean over the folds, each at the threshold that is best on all others.

        Args:
            embed: (n, s, s, 3) uint8 to (n, d) float32 embeddings of any length.
            size_px: Resolution that the crops are scaled to.
            mirror: Add the embeddings of crop and mirror image, as the encoder does
                that serves.
        """
        images = resize(self.images, size_px)
        vectors = unit(embed(images))
        if mirror:
            vectors = unit(vectors + unit(embed(np.ascontiguousarray(images[:, :, ::-1]))))
        return {name: self._accuracy(vectors, trials) for name, trials in self.lists.items()}

    def _accuracy(self, vectors: Float32Array, trials: Trials) -> float:
        left = vectors[[self.places[file] for file in trials.left]]
        right = vectors[[self.places[file] for file in trials.right]]
        if trials.folds is None:
            raise DatasetError("A dev list of face pairs needs folds. This one has none.")
        return fold_accuracy(np.sum(left * right, axis=1), trials.labels, trials.folds).value


@dataclass(frozen=True)
class _Pair:
    label: int
    left: str
    right: str
    fold: int


def published_pairs(csv: Path, lists: Mapping[str, Path], cache: Path) -> FacePairs:
    """Read pair lists over the split `dev` of a CSV beside a zip archive.

    They are named as their metrics will be.

    Raises:
        DatasetError: A list cannot be read, or names crops that are not in the split.
    """
    listing = read_listing(csv, split="dev")
    trials = {name: read_trials(file) for name, file in lists.items()}
    return _with_images(listing, trials, cache)


def held_out_pairs(listing: Listing, cache: Path, seed: int) -> FacePairs:
    """Draw pairs within and across the identities of `listing`.

    Up to `MOST_PAIRS` of one person, and as many of two, in folds by person.
    """
    by_label = listing.by_label()
    rng = np.random.default_rng(seed)
    folds = [sorted(by_label)[number::FOLDS] for number in range(FOLDS)]
    pairs: list[_Pair] = []
    for fold, labels in enumerate(folds):
        same: list[_Pair] = []
        for label in labels:
            same += _pairs_within(by_label[label], fold, rng)
        others = [item for item in listing.items if item.label not in labels]
        pairs += same
        pairs += _pairs_across(same, others, rng)
    trials = Trials(
        labels=np.array([pair.label for pair in pairs]),
        left=tuple(pair.left for pair in pairs),
        right=tuple(pair.right for pair in pairs),
        folds=np.array([pair.fold for pair in pairs]),
    )
    return _with_images(listing, {"held_out_accuracy": trials}, cache)


def _pairs_within(items: list[Item], fold: int, rng: np.random.Generator) -> list[_Pair]:
    pairs = list(combinations(items, 2))
    chosen = [pairs[int(place)] for place in rng.permutation(len(pairs))[:MOST_PAIRS]]
    return [_Pair(label=1, left=a.path, right=b.path, fold=fold) for a, b in chosen]


def _pairs_across(
    same: list[_Pair], others: list[Item], rng: np.random.Generator
) -> Iterator[_Pair]:
    for pair in same:
        stranger = others[int(rng.integers(len(others)))]
        yield _Pair(label=0, left=pair.left, right=stranger.path, fold=pair.fold)


def _with_images(listing: Listing, lists: Mapping[str, Trials], cache: Path) -> FacePairs:
    places = {item.path: number for number, item in enumerate(listing.items)}
    for name, trials in lists.items():
        unlisted = sorted(set(trials.files) - set(places))
        if unlisted:
            raise DatasetError(
                f"Every pair must be of listed crops. Received: {unlisted[0]} in {name}"
            )
    return FacePairs(images=cached_images(listing, cache), places=places, lists=lists)
