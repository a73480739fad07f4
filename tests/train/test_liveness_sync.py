"""Tables of sound that does not fit a mouth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from liveness.audio_visual_sync import judge
from liveness.sync_model import SyncModel
from tests.support.gallery_parts import ClipAligner, write_clip
from train.liveness import sync
from train.liveness.sync import fit
from train.liveness.words import Talk
from train.measure.liveness_sync import SyncScores, as_rows, score, summarise
from utils.arrays import RATE_HZ, BoolArray
from utils.media import Capture, MouthFilm, SpeechSegment, Waveform


def scores(genuine: list[float], dubbed: list[float], late: list[float]) -> SyncScores:
    return SyncScores("a set", 3, np.array(genuine), np.array(dubbed), np.array(late))


def test_errors_are_counted_at_the_threshold_in_use() -> None:
    rows = as_rows(scores([0.1, 0.5, 0.6, 0.7], [0.0, 0.1, 0.1, 0.3], [0.0] * 4))
    assert rows[0] == "| a set: genuine | BPCER | 1: 25.0 (0.6 to 80.6) | 4 | 0 | 3 |  |"
    assert "| APCER | 1: 25.0 (0.6 to 80.6) | 4 | 0 | 3 | 0.875 |" in rows[1]
    assert "| APCER | 0: 0.0 (0.0 to 60.2) | 4 | 0 | 3 | 1.000 |" in rows[2]
    assert as_rows(scores([], [], [])) == []


def test_what_is_not_checked_is_no_error() -> None:
    unchecked = float("nan")
    rows = as_rows(scores([0.1, unchecked], [0.3, unchecked, unchecked], [0.0]))
    assert "| BPCER | 1: 100.0 (2.5 to 100.0) | 1 | 1 | 3 |" in rows[0]
    assert "| APCER | 1: 100.0 (2.5 to 100.0) | 1 | 2 | 3 |" in rows[1]


@pytest.fixture
def talk() -> Talk:
    """Somebody whose mouth moves for 5 s, of which 4 s are speech."""
    rng = np.random.default_rng(0)
    times_s = np.arange(0, 5, 0.1)
    mouths = rng.normal(120, 20, (len(times_s), 10, 14)).astype(np.float32)
    sound = Waveform(rng.normal(0, 0.1, 6 * RATE_HZ).astype(np.float32), RATE_HZ)
    return Talk("ann", MouthFilm(mouths, times_s, sound), (SpeechSegment(0.5, 4.5),))


def show(talk: Talk, folder: Path) -> Capture:
    """Make the capture of a clip of a talk."""
    seen = ClipAligner().analyse(write_clip(folder / "clip", face=1, voice=1))
    speech = replace(seen.speech_analysis, segments=talk.segments)
    return replace(seen, mouth_film=talk.film, speech_analysis=speech)


def keep_mouths(talk: Talk, chosen: BoolArray) -> Talk:
    """Leave out the other moments of a film."""
    film = talk.film
    film = replace(film, mouths=film.mouths[chosen], times_s=film.times_s[chosen])
    return replace(talk, film=film)


def test_a_talk_is_scored_as_the_service_scores_it(talk: Talk, tmp_path: Path) -> None:
    model = fit([talk])
    assert score(model, [talk]) == judge(show(talk, tmp_path), model).score


def test_a_talk_with_little_speech_is_not_checked(talk: Talk) -> None:
    model = fit([talk])
    brief = replace(talk, segments=(SpeechSegment(0.5, 2.5),))
    assert np.isnan(score(model, [brief]))
    assert np.isfinite(score(model, [brief, brief])), "speech is counted in all stretches"


def test_a_talk_whose_mouth_is_seldom_seen_is_not_checked(talk: Talk, tmp_path: Path) -> None:
    model = fit([talk])
    film = talk.film
    sparse = keep_mouths(talk, film.times_s * 10 % 2 < 1)
    unseen = keep_mouths(talk, (film.times_s < 0.2) | (film.times_s > 4.75))
    for one in (sparse, unseen):
        assert judge(show(one, tmp_path), model).code == "too_few_faces"
        assert np.isnan(score(model, [one]))
        assert np.isnan(score(model, [one, one]))
    assert np.isfinite(score(model, [talk] * 5 + [unseen])), "mouths are counted in all stretches"


def test_a_model_learns_from_places_rather_than_pixels(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies that are cut a little elsewhere make neighbours weigh alike."""
    with_copies = measure_roughness(fit([talk]))
    monkeypatch.setattr(sync, "COPIES", 0)
    assert with_copies < 0.9 * measure_roughness(fit([talk]))


def measure_roughness(model: SyncModel) -> float:
    """How much the weights of levels differ from one pixel to the next."""
    weights = model.mouth[:140].reshape(10, 14, -1)
    return float(np.abs(np.diff(weights, axis=1)).mean() / np.abs(weights).mean())


def test_a_dub_is_looked_at_where_it_speaks(talk: Talk) -> None:
    other = replace(talk, segments=(SpeechSegment(1.0, 4.0),))
    assert talk.dub(other).segments == other.segments
    assert talk.dub(other).film.mouths is talk.film.mouths
    (late,) = talk.delay(0.4).segments
    assert (late.start_s, late.end_s) == (0.9, 4.9)
    sound = talk.delay(0.4).film.sound.samples
    assert not sound[: int(0.4 * RATE_HZ)].any()
    assert np.array_equal(sound[int(0.4 * RATE_HZ) :], talk.film.sound.samples)


def test_figures_of_a_card_are_at_a_bpcer_of_5_percent() -> None:
    figures = summarise(scores(np.linspace(0.2, 1, 101).tolist(), [0.1, 0.3], [0.0, 0.9]))
    assert figures["threshold_at_bpcer_5"] == 0.24
    assert figures["apcer_dubbed_at_bpcer_5"] == figures["apcer_late_at_bpcer_5"] == 0.5
    assert figures["auc_dubbed"] > figures["auc_late"]
