"""Voice activity: segments from probabilities, and the same segments from any pieces."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from align.vad import (
    WINDOW,
    Segmenter,
    SpeechProbabilities,
    VoiceActivityDetector,
    find_speech,
    find_weights,
)
from tests.support.media_sound import music, noise, silence, speech
from utils.arrays import Float32Array
from utils.errors import ModelError
from utils.media import SpeechSegment

RATE = 16_000
WINDOW_S = WINDOW / RATE


def judge(samples: Float32Array) -> Float32Array:
    stream = SpeechProbabilities()
    return np.concatenate([stream.accept(samples), stream.finish()])


def segment(probabilities: Sequence[float] | Float32Array) -> list[SpeechSegment]:
    segmenter = Segmenter()
    return [*segmenter.accept(probabilities), *segmenter.finish()]


def windows(probabilities: list[float]) -> list[tuple[int, int]]:
    return [
        (round(s.start_s / WINDOW_S), round(s.end_s / WINDOW_S)) for s in segment(probabilities)
    ]


def batch_segments(probabilities: Float32Array) -> list[SpeechSegment]:
    """The same rules over all probabilities at once, in three steps."""
    spans: list[list[int]] = []
    inside = False
    for i, p in enumerate(probabilities):
        if not inside and p >= 0.5:
            spans.append([i, i + 1])
            inside = True
        elif inside and p >= 0.35:
            spans[-1][1] = i + 1
        else:
            inside = False
    merged: list[list[int]] = []
    for start, stop in spans:
        if merged and (start - merged[-1][1]) * WINDOW_S < 0.2:
            merged[-1][1] = stop
        else:
            merged.append([start, stop])
    return [
        SpeechSegment(a * WINDOW_S, b * WINDOW_S) for a, b in merged if (b - a) * WINDOW_S >= 0.1
    ]


def conversation() -> Float32Array:
    """Three people, pauses, music and noise: 15 s, and 123 samples that fill no window."""
    parts = [
        silence(0.7, RATE),
        speech(0, 2.0, 0.3, rate_hz=RATE),
        silence(0.15, RATE),
        speech(1, 1.2, 0.2, rate_hz=RATE),
        silence(1.1, RATE),
        music(3.0, rate_hz=RATE),
        speech(2, 2.5, 0.3, rate_hz=RATE) + noise(2.5, 0.05, rate_hz=RATE),
        silence(1.5, RATE),
        speech(0, 3.0, 0.1, rate_hz=RATE)[: 3 * RATE - 123],
    ]
    return np.concatenate(parts).astype(np.float32)


def test_segments_begin_and_end_with_hysteresis() -> None:
    assert windows([0.4] * 10) == []
    assert windows([0.1, 0.6, 0.4, 0.4, 0.4, 0.3, 0.1]) == [(1, 5)]


def test_short_pauses_are_bridged_and_long_ones_are_not() -> None:
    assert windows([0.9] * 5 + [0.1] * 5 + [0.9] * 5) == [(0, 15)]
    assert windows([0.9] * 5 + [0.1] * 9 + [0.9] * 5) == [(0, 5), (14, 19)]


def test_clicks_are_no_speech() -> None:
    assert windows([0.1] * 9 + [0.9] * 2 + [0.1] * 9) == []
    assert windows([]) == []


def test_speech_up_to_the_end_is_kept() -> None:
    assert windows([0.1] * 3 + [0.9] * 6) == [(3, 9)]


@pytest.mark.parametrize("seed", range(20))
def test_segments_are_those_of_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = np.repeat(rng.random(300), rng.integers(1, 9, 300)).astype(np.float32)
    assert segment(probabilities) == batch_segments(probabilities)


def test_a_segment_comes_as_soon_as_its_pause_is_long_enough() -> None:
    segmenter = Segmenter()
    assert segmenter.accept([0.9] * 5 + [0.1] * 6) == []
    assert segmenter.accept([0.1]) == [SpeechSegment(0.0, 5 * WINDOW_S)]
    assert segmenter.accept([0.1] * 20) == []
    assert segmenter.finish() == []


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 1024])
def test_lengths_around_the_window(count: int) -> None:
    assert judge(np.zeros(count, np.float32)).shape == (-(-count // WINDOW),)


@pytest.mark.parametrize("size", [1, 7, 160, 511, 512, 513, 4_096, 50_001])
def test_pieces_of_any_size_give_the_segments_of_the_whole(size: int) -> None:
    sound = conversation()[: 4 * RATE] if size < 100 else conversation()
    whole = list(find_speech(sound))
    assert len(whole) >= 1
    assert whole == batch_segments(judge(sound))
    detector = VoiceActivityDetector()
    pieces: list[SpeechSegment] = []
    for start in range(0, len(sound), size):
        pieces += detector.accept(sound[start : start + size])
    assert [*pieces, *detector.finish()] == whole


def test_pieces_of_mixed_sizes_give_the_probabilities_of_the_whole() -> None:
    sound = conversation()
    cuts = np.sort(np.random.default_rng(0).integers(0, len(sound), 60))
    stream = SpeechProbabilities()
    pieces = [stream.accept(piece) for piece in np.split(sound, cuts)]
    assert np.array_equal(np.concatenate([*pieces, stream.finish()]), judge(sound))


def test_probabilities_are_those_of_the_network_as_the_package_has_it() -> None:
    sound = conversation()
    session = onnxruntime.InferenceSession(find_weights(), providers=["CPUExecutionProvider"])
    padded = np.concatenate([np.zeros(64, np.float32), sound, np.zeros(-len(sound) % WINDOW)])
    state = np.zeros((2, 1, 128), np.float32)
    expected = []
    for start in range(0, len(sound), WINDOW):
        window = padded[None, start : start + 64 + WINDOW].astype(np.float32)
        inputs = {"input": window, "state": state, "sr": np.array(RATE)}
        probability, state = session.run(None, inputs)
        expected.append(float(probability[0, 0]))
    probabilities = judge(sound)
    assert np.ptp(probabilities) > 0.9
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_segments_come_while_the_sound_goes_on() -> None:
    detector = VoiceActivityDetector()
    talk = np.concatenate([speech(0, 2.0, 0.3, rate_hz=RATE), silence(1.0, RATE)])
    early = detector.accept(talk.astype(np.float32))
    assert len(early) >= 1
    assert early[-1].end_s == pytest.approx(2.0, abs=0.2)
    assert detector.finish() == []


def test_streams_do_not_disturb_each_other() -> None:
    sounds = [speech(person, 1.5, 0.3, rate_hz=RATE).astype(np.float32) for person in range(6)]
    alone = [judge(s) for s in sounds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(judge, sounds))
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a, b)


def test_weights_of_either_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without the small package, the large one is found and not imported."""
    assert find_weights().is_file()
    monkeypatch.setattr("align.vad._PACKAGES", ("no_such_vad", "large_vad"))
    with pytest.raises(ModelError, match=r"silero_vad\.onnx") as caught:
        find_weights()
    assert "pip install" in caught.value.hint
    package = tmp_path / "large_vad"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("import no_such_torch")
    (package / "data" / "silero_vad.onnx").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert find_weights() == package / "data" / "silero_vad.onnx"
