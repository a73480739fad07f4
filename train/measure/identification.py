"""Error rates of 1:N identification, each with a confidence interval over people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring import metrics
from train.measure.scores import Vectors
from train.measure.verification import SEED, as_dataset_error, interval_95
from utils.arrays import BoolArray, IndexArray
from utils.errors import DatasetError

FPIRS = (1e-1, 1e-2)


@dataclass(frozen=True)
class _Searches:
    """Probes searched in a gallery.

    Attributes:
        scores: (p, n) cosines.
        owner: (p,) people of the probes.
        gallery: (n,) people enrolled.
        replicates: Resamples of the intervals, 0 for none.
    """

    scores: npt.NDArray[np.floating]
    owner: npt.NDArray[np.str_]
    gallery: npt.NDArray[np.str_]
    replicates: int

    @property
    def is_enrolled(self) -> BoolArray:
        """Whether each probe is of somebody enrolled."""
        return np.isin(self.owner, self.gallery)

    def rank1(self) -> dict[str, Any]:
        """The rate at which people enrolled are ranked first."""
        scores = self.scores[self.is_enrolled]
        owner = self.owner[self.is_enrolled]
        figure: dict[str, Any] = {"rank1": metrics.rank1(scores, owner, self.gallery)}
        if self.replicates:

            def rate(index: IndexArray) -> float:
                return metrics.rank1(scores[index], owner[index], self.gallery)

            figure["rank1_interval_95"] = interval_95(rate, owner, self.replicates)
        return figure

    def open_set(self, fpir: float) -> dict[str, Any]:
        """Misses at the threshold of a stated FPIR."""
        figure = asdict(metrics.open_set_at_fpir(self.scores, self.owner, self.gallery, fpir))
        if self.replicates:

            def rate(index: IndexArray) -> float:
                scores = self.scores[index]
                return metrics.open_set_at_fpir(scores, self.owner[index], self.gallery, fpir).fnir

            figure["fnir_interval_95"] = interval_95(rate, self.owner, self.replicates)
        return figure


def identification(
    vectors: Vectors, people: Mapping[str, str], size: int, replicates: int = 0
) -> dict[str, Any]:
    """Measure closed-set rank 1, and open-set FNIR at stated FPIRs.

    `size` people are enrolled with their first file. All other files are probes. People
    with a single file cannot be enrolled and tested. They and everybody beyond `size`
    are the strangers. Every rate has a 95 % interval by bootstrap over people where
    `replicates` > 0.

    Raises:
        DatasetError: Fewer than two are enrolled, or there are too few people for
            `size` enrolled ones and at least one stranger.
    """
    files: dict[str, list[str]] = {}
    for file in sorted(vectors):
        files.setdefault(people[file], []).append(file)
    enrolled = _choose_enrolled(files, size)
    probes: list[tuple[str, str]] = []
    for person, own in files.items():
        probes += [(file, person) for file in (own[1:] if person in set(enrolled) else own)]
    templates = np.stack([vectors[files[person][0]] for person in enrolled])
    searches = _Searches(
        scores=np.stack([vectors[file] for file, _ in probes]) @ templates.T,
        owner=np.array([person for _, person in probes]),
        gallery=np.array(enrolled),
        replicates=replicates,
    )
    result: dict[str, Any] = {
        "people": size,
        "probes": int(searches.is_enrolled.sum()),
        "stranger_probes": int((~searches.is_enrolled).sum()),
        "strangers": len(files) - size,
    }
    with as_dataset_error(
        "Add probes of enrolled people and of strangers. Use 0 or at least 2 replicates."
    ):
        result |= searches.rank1()
        result |= {f"at_fpir_{fpir:g}": searches.open_set(fpir) for fpir in FPIRS}
    return result


def _choose_enrolled(files: Mapping[str, list[str]], size: int) -> list[str]:
    """Choose `size` people with two files or more at random. Raises DatasetError."""
    usable = sorted(person for person in files if len(files[person]) > 1)
    enrolled: list[str] = np.random.default_rng(SEED).permutation(usable).tolist()[:size]
    if size < 2 or len(enrolled) < size or len(files) == size:
        raise DatasetError(
            "Identification needs 2 people or more with two files each, and a stranger. Received:"
            f" {len(usable)} with two files of {len(files)}, to identify among {size}",
            "Identify among fewer people, or add trials of others.",
        )
    return enrolled
