"""All checks together: a person fails where one check fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from liveness.judgement import Judge, Judgement, LivenessOutcome
from tests.support.gallery_parts import ClipAligner, write_clip
from train.measure.liveness import Presentation, Trial
from train.measure.liveness_together import as_markdown
from utils.media import Capture

PASSED, FAILED, UNSEEN = LivenessOutcome


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    return ClipAligner().analyse(write_clip(tmp_path / "clip", face=1, voice=1))


def lit(capture: Capture, brightness: float) -> Capture:
    """The same clip in another light."""
    analysis = capture.face_analysis
    faces = [
        replace(face, quality=replace(face.quality, brightness=brightness))
        for face in analysis.faces
    ]
    return replace(capture, face_analysis=replace(analysis, faces=tuple(faces)))


def table(
    capture: Capture, cases: Sequence[tuple[str, float, tuple[LivenessOutcome, ...]]]
) -> list[str]:
    shown = [
        Presentation(species, f"s{number}", species == "dubbed", lit(capture, light))
        for number, (species, light, _) in enumerate(cases)
    ]
    judged: dict[Judge, list[Trial]] = {}
    for place, judge in enumerate(list(Judge)[:3]):
        judged[judge] = [
            Trial(one.species, one.subject, one.is_attack, Judgement(outcomes[place], ""))
            for one, (_, _, outcomes) in zip(shown, cases, strict=True)
        ]
    return as_markdown(shown, judged).splitlines()


def test_one_failure_is_enough_and_attacks_do_not_count(capture: Capture) -> None:
    lines = table(
        capture,
        [
            ("people", 0.2, (PASSED, UNSEEN, PASSED)),
            ("people", 0.5, (PASSED, FAILED, PASSED)),
            ("strangers", 0.8, (PASSED, PASSED, FAILED)),
            ("single words", 0.3, (UNSEEN, UNSEEN, FAILED)),
            ("dubbed", 0.1, (FAILED, FAILED, FAILED)),
        ],
    )
    assert "| all | default | 1: 33.3 (0.8 to 90.6) | 3 | 1 | 4 |" in lines
    assert "| all | all | 2: 66.7 (9.4 to 99.2) | 3 | 0 | 3 |" in lines
    assert "| strangers | default | 0: 0.0 (0.0 to 97.5) | 1 | 0 | 1 |" in lines
    assert "| strangers | all | 1: 100.0 (2.5 to 100.0) | 1 | 0 | 1 |" in lines
    assert "| single words | default | - | 0 | 1 | 1 |" in lines
    assert not any(line.startswith(("| single words | all", "| dubbed")) for line in lines)


def test_light_is_told_apart(capture: Capture) -> None:
    cases = [
        ("people", light, (outcome, PASSED, PASSED))
        for light, outcome in ((0.1, FAILED), (0.5, PASSED), (0.6, PASSED), (0.9, PASSED))
    ]
    lines = table(capture, cases)
    dark = next(line for line in lines if line.startswith("| the darkest third"))
    bright = next(line for line in lines if line.startswith("| the brightest third"))
    assert "| default | 1: " in dark
    assert "| default | 0: " in bright
