"""The dev score of a face network: accuracy on pair lists, as training goes on and at
the end.

The lists are the CFP protocols, or, for a user's own data, pairs drawn from identities
that are held out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from scoring.metrics import fold_accuracy
from train.data.datasets import Item, Listing, read_listing
from train.data.protocols import Trials, read_trials
from train.face.batches import resized
from train.face.cache import cached_images
from utils.arrays import Float32Array, ImageArray, unit
from utils.errors import DatasetError

Embed = Callable[[ImageArray], Float32Array]
FOLDS = 5


@dataclass(frozen=True)
class FacePairs:
    """Crops (n, 112, 112, 3) uint8 RGB, the place of each by its path, and named lists
    of pairs with folds.
    """

    images: ImageArray
    places: Mapping[str, int]
    lists: Mapping[str, Trials]

    def accuracies(self, embed: Embed, size_px: int, mirror: bool) -> dict[str, float]:
        """Accuracy of every list: mean over the folds, each at the threshold that is
        best on all others.

        Args:
            embed: (n, s, s, 3) uint8 to (n, d) float32 embeddings of any length.
            size_px: Resolution that the crops are scaled to.
            mirror: Add the embeddings of crop and mirror image, as the encoder does
                that serves.
        """
        images = resized(self.images, size_px)
        vectors = unit(embed(images))
        if mirror:
            vectors = unit(vectors + unit(embed(np.ascontiguousarray(images[:, :, ::-1]))))
        return {name: self._accuracy(vectors, trials) for name, trials in self.lists.items()}

    def _accuracy(self, vectors: Float32Array, trials: Trials) -> float:
        left = vectors[[self.places[file] for file in trials.left]]
        right = vectors[[self.places[file] for file in trials.right]]
        if trials.folds is None:
            raise DatasetError("A dev list of face pairs needs folds. Received: a list without")
        return fold_accuracy(np.sum(left * right, axis=1), trials.labels, trials.folds).value


def published_pairs(csv: Path, lists: Mapping[str, Path], cache: Path) -> FacePairs:
    """Pair lists over the split `dev` of a CSV beside a zip archive, named as their
    metrics will be.
    """
    listing = read_listing(csv, split="dev")
    trials = {name: read_trials(file) for name, file in lists.items()}
    return _pairs(listing, trials, cache)


def held_out_pairs(listing: Listing, cache: Path, seed: int) -> FacePairs:
    """Pairs within and across the identities of `listing`: up to 10 of one person, as
    many of two, in folds by person.
    """
    by_label: dict[str, list[Item]] = {}
    for item in listing.items:
        by_label.setdefault(item.label, []).append(item)
    rng = np.random.default_rng(seed)
    folds = [sorted(by_label)[number::FOLDS] for number in range(FOLDS)]
    rows: list[tuple[int, str, str, int]] = []
    for fold, labels in enumerate(folds):
        same = [
            (1, a.path, b.path, fold)
            for label in labels
            for a, b in _some(combinations(by_label[label], 2), 10, rng)
        ]
        rows += same
        others = [item for item in listing.items if item.label not in labels]
        for _, path, _, _ in same:
            rows.append((0, path, others[int(rng.integers(len(others)))].path, fold))
    columns = list(zip(*rows, strict=True))
    trials = Trials(
        np.array(columns[0]), tuple(columns[1]), tuple(columns[2]), np.array(columns[3])
    )
    return _pairs(listing, {"held_out_accuracy": trials}, cache)


def _some(
    pairs: combinations[tuple[Item, Item]], most: int, rng: np.random.Generator
) -> list[tuple[Item, Item]]:
    found = list(pairs)
    return [found[int(place)] for place in rng.permutation(len(found))[:most]]


def _pairs(listing: Listing, lists: Mapping[str, Trials], cache: Path) -> FacePairs:
    places = {item.path: number for number, item in enumerate(listing.items)}
    for name, trials in lists.items():
        unknown = sorted(set(trials.files) - set(places))
        if unknown:
            raise DatasetError(
                f"Every pair must be of known crops. Received: {unknown[0]} in {name}"
            )
    return FacePairs(cached_images(listing, cache), places, lists)
