"""The dev score of a face network: accuracy on the CFP pair lists, as training goes on and at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from train.datasets import Listing, read_listing
from train.face_cache import cached_images
from train.face_data import resized
from utils.errors import DatasetError

Embed = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class PairList:
    """A pair protocol: rows of the two crops, 1 for the same person, and the fold of each pair."""

    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    same: npt.NDArray[np.bool_]
    fold: npt.NDArray[np.intp]


class FacePairs:
    """The CFP protocols (frontal-frontal and frontal-profile) on the dev split of a crop archive."""

    def __init__(self, listing_file: Path, lists: dict[str, Path], cache: Path) -> None:
        """Read the dev crops beside `listing_file` and the pair lists, named as their metrics will be."""
        listing = read_listing(listing_file, split="dev")
        self._images = cached_images(listing, cache)
        self._lists = {name: read_pairs(file, listing) for name, file in lists.items()}

    def accuracies(self, embed: Embed, size_px: int, mirror: bool) -> dict[str, float]:
        """Accuracy of every list.

        Args:
            embed: (n, s, s, 3) uint8 to (n, d) float32 embeddings of any length.
            size_px: Resolution that the crops are scaled to.
            mirror: Sum the embeddings of crop and mirror image, as recognition with more time would.
        """
        images = resized(self._images, size_px)
        vectors = embed(images)
        if mirror:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            flipped = embed(np.ascontiguousarray(images[:, :, ::-1]))
            vectors = vectors + flipped / np.linalg.norm(flipped, axis=1, keepdims=True)
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return {name: pair_accuracy(vectors, pairs) for name, pairs in self._lists.items()}


def read_pairs(file: Path, listing: Listing) -> PairList:
    """Read lines "label pathA pathB fold"; paths must be in `listing`."""
    rows = {item.path: number for number, item in enumerate(listing.items)}
    table: list[tuple[int, int, bool, int]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if len(fields) != 4 or fields[1] not in rows or fields[2] not in rows:
            raise DatasetError(f"A pair is: label pathA pathB fold, both crops known. Received: {line!r}")
        table.append((rows[fields[1]], rows[fields[2]], fields[0] == "1", int(fields[3])))
    columns: list[Any] = [np.array(column) for column in zip(*table, strict=True)]
    return PairList(*columns)


def pair_accuracy(vectors: npt.NDArray[np.float32], pairs: PairList) -> float:
    """Mean accuracy over the folds; each fold's threshold is the best one on all other folds.

    `vectors` are unit-norm (n, d). This is the protocol of LFW and CFP.
    """
    scores = np.sum(vectors[pairs.left] * vectors[pairs.right], axis=1)
    correct = []
    for fold in np.unique(pairs.fold):
        test = pairs.fold == fold
        threshold = best_threshold(scores[~test], pairs.same[~test])
        correct.append(np.mean((scores[test] >= threshold) == pairs.same[test]))
    return float(np.mean(correct))


def best_threshold(scores: npt.NDArray[np.floating[Any]], same: npt.NDArray[np.bool_]) -> float:
    """Score at and above which to say "same" so that most pairs are right."""
    order = np.argsort(scores)
    ordered, genuine = scores[order], same[order]
    # Cutting below place k: genuine ones from k on are right, and so are the impostors before k.
    right = np.cumsum(genuine[::-1])[::-1] + np.concatenate([[0], np.cumsum(~genuine)[:-1]])
    return float(ordered[int(np.argmax(right))])
