"""Error rates of 1:1 comparisons, each with a confidence interval over people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring import metrics
from scoring.bootstrap import bootstrap_interval
from train.data.protocols import Trials
from utils.arrays import Float64Array, IndexArray
from utils.errors import DatasetError

Figure = Callable[[Float64Array, IndexArray], dict[str, Any]]
"""Scores of all trials and numbers of those that count, to a figure.

A figure holds a value, a threshold and whatever else belongs to it.
"""
FARS = (1e-1, 1e-2, 1e-3)
FRRS = (1e-1, 1e-2)
DCF = (
    {"p_target": 0.01, "c_miss": 1.0, "c_fa": 1.0},
    {"p_target": 0.05, "c_miss": 1.0, "c_fa": 1.0},
)
# Of the bootstrap.
SEED = 0


def verification(
    scores: Float64Array, trials: Trials, replicates: int = 0
) -> dict[str, dict[str, Any]]:
    """Measure every 1:1 figure: value, threshold and 95 % interval.

    Intervals are by bootstrap over people, where `replicates` > 0.

    Raises:
        DatasetError: A figure cannot be computed from these trials, for example where
            there is one class only outside of a fold.
    """
    people = trials.people()
    everything = np.arange(len(trials))
    pairs = [(people[a], people[b]) for a, b in trials.pairs]
    result: dict[str, dict[str, Any]] = {}
    with as_dataset_error(
        "Give each fold, and several people, trials of both classes. Use 0 or at least 2"
        " replicates."
    ):
        for name, figure in _figures(trials).items():
            result[name] = figure(scores, everything)
            if replicates:
                statistic = _value_of(figure, scores)
                result[name]["interval_95"] = interval_95(statistic, pairs, replicates)
    return result


@contextmanager
def as_dataset_error(hint: str) -> Iterator[None]:
    """Turn what the metrics refuse into DatasetError.

    The metrics know nothing of files. Their messages say which data cannot be used.
    """
    try:
        yield
    except ValueError as error:
        raise DatasetError(str(error), hint) from error


def interval_95(
    statistic: Callable[[IndexArray], float], identities: npt.ArrayLike, replicates: int
) -> list[float]:
    """95 % interval of a statistic, by bootstrap over people."""
    interval = bootstrap_interval(statistic, identities, replicates=replicates, seed=SEED)
    return [interval.low, interval.high]


def _value_of(figure: Figure, scores: Float64Array) -> Callable[[IndexArray], float]:
    return lambda index: float(figure(scores, index)["value"])


def _figures(trials: Trials) -> dict[str, Figure]:
    labels = trials.labels

    def at(function: Callable[..., Any], **options: float) -> Figure:
        return lambda scores, index: _as_json(function(scores[index], labels[index], **options))

    figures = {"eer": at(metrics.eer)}
    figures |= {f"tar_at_far_{far:g}": at(metrics.tar_at_far, far=far) for far in FARS}
    figures |= {f"far_at_frr_{frr:g}": at(metrics.far_at_frr, frr=frr) for frr in FRRS}
    figures |= {_dcf_name(costs): at(metrics.min_dcf, **costs) for costs in DCF}
    folds = trials.folds
    if folds is not None and len(np.unique(folds)) > 1:
        figures["accuracy_by_folds"] = lambda scores, index: _as_json(
            metrics.fold_accuracy(scores[index], labels[index], folds[index])
        )
    return figures


def _dcf_name(costs: dict[str, float]) -> str:
    return f"min_dcf_{'_'.join(f'{name}={value:g}' for name, value in costs.items())}_normalised"


def _as_json(figure: Any) -> dict[str, Any]:
    """A figure as JSON can hold it: a threshold that nothing reaches is null."""
    return {name: None if value == np.inf else value for name, value in asdict(figure).items()}
