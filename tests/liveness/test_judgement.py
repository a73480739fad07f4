"""What all checks together say of a clip."""

from __future__ import annotations

from pathlib import Path

import pytest

from liveness.judgement import Judge, Judgement, Liveness, LivenessOutcome
from liveness.judges import Judges
from tests.support.gallery_parts import ClipAligner, write_clip
from utils.config import Settings
from utils.errors import ConfigError

MOUTH = Judge.MOUTH_MOTION


def found(outcome: LivenessOutcome, *, refuses: bool, asks_more: bool = False) -> Liveness:
    """One check that came to `outcome`."""
    return Liveness(
        judgements={MOUTH: Judgement(outcome, "Because")},
        refusing=frozenset([MOUTH] if refuses else ()),
        refusing_enrolment=frozenset([MOUTH] if asks_more else ()),
    )


@pytest.mark.parametrize("outcome", LivenessOutcome)
def test_only_what_passes_is_named_where_a_check_refuses(outcome: LivenessOutcome) -> None:
    passes = outcome is LivenessOutcome.PASSED
    refusing = found(outcome, refuses=True)
    assert (refusing.refusal is None) == passes
    assert refusing.enrolment_refusal == refusing.refusal
    assert refusing.outcome is outcome
    assert found(outcome, refuses=False).refusal is None


@pytest.mark.parametrize("outcome", LivenessOutcome)
def test_an_enrolment_may_ask_for_more(outcome: LivenessOutcome) -> None:
    asking = found(outcome, refuses=False, asks_more=True)
    assert (asking.enrolment_refusal is not None) == (outcome is LivenessOutcome.FAILED)
    assert asking.refusal is None


def test_a_refusal_names_the_check_and_its_reason() -> None:
    refusal = found(LivenessOutcome.FAILED, refuses=True).refusal
    assert refusal == "The clip must pass the check mouth_motion. Because"


def test_checks_that_are_off_are_not_asked(tmp_path: Path) -> None:
    off = Settings.of(liveness_mouth_motion="off", liveness_audio_visual_sync="off").liveness
    capture = ClipAligner().analyse(write_clip(tmp_path / "clip", face=1, voice=1))
    assert Judges(off, Settings().storage.model_dir).examine(capture) is None
    assert off.film_s == 0
    shipped = Settings()
    asked = Judges(shipped.liveness, shipped.storage.model_dir).examine(capture)
    assert asked.judgements.keys() == {MOUTH, Judge.AUDIO_VISUAL_SYNC}


def test_a_mode_is_one_of_three() -> None:
    with pytest.raises(ConfigError, match="DUET_LIVENESS_MOUTH_MOTION must be one of off, report"):
        Settings.from_env({"DUET_LIVENESS_MOUTH_MOTION": "on"})


@pytest.mark.parametrize("judge", Judge)
def test_the_settings_know_every_check_that_refuses(judge: Judge) -> None:
    assert Settings.of(**{f"liveness_{judge}": "refuse"}).liveness.refuses
