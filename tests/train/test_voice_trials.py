"""Trials of speakers who are held out and of published lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.voice_batches import FILES, SPEAKERS, SPEC
from train.data.datasets import Listing
from train.voice.dev import VoiceTrials
from utils.errors import DatasetError


@pytest.fixture(scope="module")
def trials(speech: Listing, speech_cache: Path) -> VoiceTrials:
    from train.voice.dev import held_out_trials

    return held_out_trials(speech, speech_cache, SPEC, seed=0)


def test_perfect_and_useless_embeddings(trials: VoiceTrials) -> None:
    numbers = iter(np.repeat(np.eye(SPEAKERS, dtype=np.float32), FILES, axis=0))
    perfect = trials.equal_error_rates(
        lambda x: np.stack([next(numbers) for _ in x]), step_frames=200
    )
    assert perfect == {"held_out": 0.0}
    same = trials.equal_error_rates(lambda x: np.ones((len(x), 1), np.float32))
    assert same["held_out"] == pytest.approx(0.5)


def test_a_list_has_an_eer_a_cost_and_the_threshold_of_the_eer(trials: VoiceTrials) -> None:
    """Two of three speakers sound alike: at cosines of 1 and 0 nothing is in between."""
    who = np.repeat([0, 0, 1], FILES)
    numbers = iter(np.eye(2, dtype=np.float32)[who])
    rates = trials.error_rates(lambda x: np.stack([next(numbers) for _ in x]), step_frames=200)
    cosines = trials._cosines(np.eye(2, dtype=np.float32)[who], trials.lists["held_out"])
    labels = trials.lists["held_out"].labels
    false_accepts = float((cosines[labels == 0] == 1).mean())
    assert rates["held_out_eer"] == pytest.approx(false_accepts / (1 + false_accepts))
    assert rates["held_out_min_dcf"] == pytest.approx(min(1.0, 99 * false_accepts))
    assert 0 <= rates["held_out_threshold"] <= 1


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [(None, SPEC.frames(19200)), (1.0, SPEC.frames(16000)), (9.0, SPEC.frames(19200))],
)
def test_trials_can_be_cut_to_a_duration(
    trials: VoiceTrials, seconds: float | None, frames: int
) -> None:
    seen = []

    def embed(features: np.ndarray) -> np.ndarray:
        seen.append(features.shape)
        return np.zeros((len(features), 1), np.float32)

    trials.embeddings(embed, seconds=seconds)
    assert {shape[1:] for shape in seen} == {(frames, SPEC.n_mels)}


def test_published_lists_must_name_known_files(
    speech: Listing, speech_cache: Path, tmp_path: Path
) -> None:
    from train.voice.dev import published_trials

    file = tmp_path / "list.txt"
    file.write_text(
        "1 person0/0.wav person0/1.wav\n0 person0/0.wav person9/0.wav\n", encoding="utf-8"
    )
    with pytest.raises(DatasetError, match="person9"):
        published_trials(speech, {"list": file}, speech_cache, SPEC)
