"""Whether sound fits a mouth: drawn mouths that open with the level of a sound."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from liveness.audio_visual_sync import judge
from liveness.cards import CARD_FILE
from liveness.folders import find_folder
from liveness.judgement import Judgement, LivenessOutcome
from liveness.sync_model import WEIGHTS_FILE, SyncModel, load_model
from liveness.sync_signals import measure_stretch
from tests.support.gallery_parts import ClipAligner, write_clip
from train.liveness.sync import fit, publish
from train.liveness.words import Talk
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import ModelError
from utils.media import Capture, MouthFilm, SpeechSegment, Waveform

DURATION_S = 6.0
FRAME_S = 0.1


def film(seed: int, *, late_s: float = 0.0, voice: int | None = None) -> MouthFilm:
    """A mouth that opens, and a voice that is loud while it is open.

    `voice`: whose voice is heard in its place. `late_s`: by how much the sound is late.
    """
    times_s = np.arange(0, DURATION_S, FRAME_S)
    rng = np.random.default_rng(seed)
    mouths = rng.normal(120, 4, (len(times_s), 10, 14))
    mouths[:, 4:8, 3:11] -= 60 * opening(seed, times_s)[:, None, None]
    return MouthFilm(
        mouths.astype(np.float32), times_s, Waveform(sound(voice or seed, late_s), RATE_HZ)
    )


def opening(seed: int, times_s: np.ndarray) -> np.ndarray:
    """How far a mouth is open, in [0, 1], at each time (n,)."""
    knots = np.random.default_rng(seed).uniform(0, 1, int(DURATION_S * 5) + 12)
    return np.interp(times_s, np.arange(len(knots)) / 5 - 1, knots)


def sound(seed: int, late_s: float) -> Float32Array:
    """Noise as loud as the mouth is open."""
    times_s = np.arange(int((DURATION_S + 1) * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0, 0.1, len(times_s))
    return (noise * (0.02 + opening(seed, times_s - late_s))).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> SyncModel:
    """A model of twelve people, none of whom is judged."""
    speech = (SpeechSegment(0.0, DURATION_S),)
    talks = [Talk(f"person {seed}", film(seed), speech) for seed in range(100, 112)]
    # Drawn mouths move with the sound more than real ones do
    return fit(talks, threshold=0.5)


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """A clip with a film of somebody who talks all the time."""
    seen = ClipAligner().analyse(write_clip(tmp_path / "clip", face=1, voice=1))
    return filmed(seen, film(1), SpeechSegment(0.0, DURATION_S))


def filmed(capture: Capture, what: MouthFilm | None, *segments: SpeechSegment) -> Capture:
    speech = replace(capture.speech_analysis, segments=segments)
    return replace(capture, mouth_film=what, speech_analysis=speech)


def test_a_mouth_that_moves_with_the_sound_passes(capture: Capture, model: SyncModel) -> None:
    judgement = judge(capture, model)
    assert judgement.outcome is LivenessOutcome.PASSED
    assert judgement.score is not None
    assert judgement.score > 0.5
    assert judgement.lag_ms == pytest.approx(0, abs=41)
    assert judgement.code == ""


def test_sound_that_is_a_little_late_passes_and_says_so(capture: Capture, model: SyncModel) -> None:
    judgement = judge(replace(capture, mouth_film=film(1, late_s=0.08)), model)
    assert judgement.outcome is LivenessOutcome.PASSED
    assert judgement.lag_ms == pytest.approx(80, abs=41)


def test_a_lag_costs_a_little(model: SyncModel) -> None:
    stretch = measure_stretch(film(1, late_s=0.08))
    score, lag_s = model.find_lag([stretch])
    correlation = model.correlate(stretch.mouths, stretch.hear(lag_s))
    assert lag_s == pytest.approx(0.08, abs=0.041)
    assert score == pytest.approx(correlation - 0.1 * lag_s)


def test_what_another_says_after_the_opening_is_found_in_the_whole_film_alone(
    capture: Capture, model: SyncModel
) -> None:
    """So an opening is never enough where this check refuses (docs/liveness.md)."""
    own = film(2)
    cut_s = 3.4
    cut = int(cut_s * RATE_HZ)
    samples = np.concatenate([own.sound.samples[:cut], sound(502, 0.0)[cut:]])
    spliced = replace(own, sound=Waveform(samples, RATE_HZ))
    count = int(cut_s / FRAME_S)
    start = replace(spliced, mouths=own.mouths[:count], times_s=own.times_s[:count])
    spoken = SpeechSegment(0.0, DURATION_S)
    assert judge(filmed(capture, spliced, spoken), model).outcome is LivenessOutcome.FAILED
    assert judge(filmed(capture, start, spoken), model).outcome is LivenessOutcome.PASSED


@pytest.mark.parametrize("dub", [film(1, voice=9), film(1, late_s=0.9)], ids=["voice", "late"])
def test_the_sound_of_another_moment_fails(
    capture: Capture, model: SyncModel, dub: MouthFilm
) -> None:
    judgement = judge(replace(capture, mouth_film=dub), model)
    assert (judgement.outcome, judgement.code) == (LivenessOutcome.FAILED, "sound_elsewhere")


def every_second(mouths: MouthFilm, step: int = 2) -> MouthFilm:
    return replace(mouths, mouths=mouths.mouths[::step], times_s=mouths.times_s[::step])


def test_what_cannot_be_judged_is_not_checked(capture: Capture, model: SyncModel) -> None:
    speaks = SpeechSegment(0.0, DURATION_S)
    ends_early = replace(film(1), sound=Waveform(sound(1, 0)[: 2 * RATE_HZ], RATE_HZ))
    lacking = {
        "no film": filmed(capture, None, speaks),
        "5 frames a second": filmed(capture, every_second(film(1)), speaks),
        "one face": filmed(capture, every_second(film(1), 99), speaks),
        "nobody talks": filmed(capture, film(1)),
        "2 s of speech": filmed(capture, film(1), SpeechSegment(1.0, 3.0)),
        "speech after the film": filmed(capture, film(1), SpeechSegment(7.0, 14.0)),
        "sound that ends early": filmed(capture, ends_early, speaks),
    }
    judged = {name: judge(clip, model) for name, clip in lacking.items()}
    outcomes = {name: judgement.outcome for name, judgement in judged.items()}
    assert outcomes == dict.fromkeys(lacking, LivenessOutcome.NOT_CHECKED)
    assert judged["5 frames a second"].code == "too_few_faces"
    assert judged["sound that ends early"].code == "too_little_speech"


def silent(mouths: MouthFilm) -> MouthFilm:
    return replace(mouths, sound=Waveform(np.zeros(8 * RATE_HZ, np.float32), RATE_HZ))


def still(mouths: MouthFilm) -> MouthFilm:
    return replace(mouths, mouths=np.full_like(mouths.mouths, 127))


@pytest.mark.parametrize("change", [silent, still])
def test_what_does_not_change_fits_nothing(
    capture: Capture, model: SyncModel, change: object
) -> None:
    assert callable(change)
    judgement: Judgement = judge(replace(capture, mouth_film=change(film(1))), model)
    assert judgement.outcome is LivenessOutcome.FAILED
    assert judgement.score == pytest.approx(0, abs=1e-6)


def test_a_model_is_loaded_as_it_was_written(tmp_path: Path, model: SyncModel) -> None:
    publish(model, tmp_path, {"trials": 1}, "drawn mouths")
    loaded = load_model(tmp_path)
    assert loaded.name == model.name
    assert np.array_equal(loaded.mouth, model.mouth)
    assert np.array_equal(loaded.sound, model.sound)
    (tmp_path / WEIGHTS_FILE).write_bytes(b"other weights")
    with pytest.raises(ModelError, match="its hash is not that of its card"):
        load_model(tmp_path)
    publish(model, tmp_path, {"trials": 1}, "drawn mouths")
    card = json.loads((tmp_path / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps(card | {"threshold": "high"}))
    with pytest.raises(ModelError, match=r"from -1 to 1\. Received: threshold=high"):
        load_model(tmp_path)
    (tmp_path / CARD_FILE).write_text("[]")
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(tmp_path)


def test_the_shipped_model_serves_where_a_folder_has_none(tmp_path: Path) -> None:
    folder = find_folder(tmp_path, "audio_visual_sync")
    card = json.loads((folder / CARD_FILE).read_text())
    assert card["metrics"]["auc_dubbed"] >= 0.98
    assert load_model(folder).mouth.shape == (280, 5)
