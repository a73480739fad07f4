"""Errors of diarisations, against `pyannote.metrics`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from speech.diarisation_errors import DiarisationErrors, Stretch, count_diarisation_errors


def talk(seed: int, speakers: str) -> list[Stretch]:
    """Random stretches, some of which overlap, but not those of one speaker."""
    noise = np.random.default_rng(seed)
    stretches = []
    for speaker in speakers:
        at = 0.0
        for _ in range(6):
            start = at + float(noise.uniform(0.0, 3.0))
            at = start + float(noise.uniform(0.3, 4.0))
            stretches.append(Stretch(start, at, speaker))
    return stretches


def annotation(stretches: list[Stretch]) -> Any:
    core = pytest.importorskip("pyannote.core", reason="requirements-dev.txt is not installed")
    made = core.Annotation()
    for number, one in enumerate(stretches):
        made[core.Segment(one.start_s, one.end_s), number] = one.speaker
    return made


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("collar_s", [0.0, 0.25])
@pytest.mark.filterwarnings("ignore")
def test_they_are_those_of_pyannote(seed: int, collar_s: float) -> None:
    diarization = pytest.importorskip("pyannote.metrics.diarization")
    identification = pytest.importorskip("pyannote.metrics.identification")
    reference = talk(seed, "abc")
    hypothesis = talk(seed + 100, "xyzb")
    metric = diarization.DiarizationErrorRate(collar=2 * collar_s)
    parts = metric(annotation(reference), annotation(hypothesis), detailed=True)
    ours = count_diarisation_errors(reference, hypothesis, collar_s=collar_s)
    assert ours.missed_s == pytest.approx(parts["missed detection"])
    assert ours.false_s == pytest.approx(parts["false alarm"])
    assert ours.confused_s == pytest.approx(parts["confusion"])
    assert ours.rate == pytest.approx(parts["diarization error rate"])
    names = identification.IdentificationErrorRate(collar=2 * collar_s)
    rate = names(annotation(reference), annotation(hypothesis))
    named = count_diarisation_errors(reference, hypothesis, collar_s=collar_s, named="abcxyz")
    assert named.rate == pytest.approx(rate)


def test_nothing_said_and_nothing_heard() -> None:
    assert count_diarisation_errors([], []).rate == 0.0
    assert count_diarisation_errors([], talk(0, "a")).rate == float("inf")
    assert (DiarisationErrors(1, 1, 1, 6) + DiarisationErrors(0, 0, 0, 6)).rate == 0.25


def test_strangers_are_matched_beside_people_with_names() -> None:
    reference = [Stretch(0, 4, "anna"), Stretch(4, 8, "stranger")]
    right = [Stretch(0, 4, "anna"), Stretch(4, 8, "unknown 1")]
    wrong = [Stretch(0, 4, "unknown 1"), Stretch(4, 8, "anna")]
    assert count_diarisation_errors(reference, right, named=["anna"]).rate == 0.0
    assert count_diarisation_errors(reference, wrong, named=["anna"]).rate == 1.0
    assert count_diarisation_errors(reference, wrong).rate == 0.0
