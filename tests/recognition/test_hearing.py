"""Speech of one clip is embedded once, whoever brings it first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recognition.analysis import Analyser
from recognition.hearing import Hearing
from tests.support.gallery_parts import ClipAligner, StubEncoders, StubVoice, clip
from utils.arrays import RATE_HZ
from utils.config import Settings
from utils.demand import Demand, Listen, Watch
from utils.media import Capture, Waveform
from utils.modality import Embedding, Modality


class CountingVoice(StubVoice):
    """Notes what it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Waveform] = []

    def embed(self, speech: Waveform) -> Embedding:
        """Embed the speech."""
        self.heard.append(speech)
        return super().embed(speech)


class EarlyAligner(ClipAligner):
    """Tells of the speech before it returns, as the real one does."""

    def analyse(
        self,
        path: Path,
        *,
        filename: str | None = None,
        demand: Demand | None = None,
        listen: Listen | None = None,
        watch: Watch | None = None,
    ) -> Capture:
        """Read a clip."""
        capture = super().analyse(path, filename=filename)
        assert listen is not None
        assert capture.speech_analysis.speech is not None
        listen(capture.speech_analysis.speech)
        return capture


def speech(level: float) -> Waveform:
    return Waveform(np.full(RATE_HZ, level, np.float32), RATE_HZ)


def test_the_same_speech_is_embedded_once_and_other_speech_anew() -> None:
    voice = CountingVoice()
    hearing = Hearing(voice)
    hearing.hear(None)
    assert hearing.embeddings == {}
    first = speech(0.25)
    hearing.hear(first)
    hearing.hear(first)
    assert voice.heard == [first]
    before = hearing.embeddings[Modality.VOICE].vector
    hearing.hear(speech(0.5))
    assert len(voice.heard) == 2
    assert not np.array_equal(hearing.embeddings[Modality.VOICE].vector, before)


def test_speech_that_failed_is_embedded_when_it_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voice = StubVoice()
    hearing = Hearing(voice)
    hearing.hear(before := speech(0.5))
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr(voice, "embed", None)
        hearing.hear(said := speech(0.25))
    assert hearing.embeddings == {}
    for heard in (before, said):
        hearing.hear(heard)
        assert hearing.embeddings.keys() == {Modality.VOICE}


def test_speech_that_was_heard_while_the_clip_was_read_is_not_embedded_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ann.mp4"
    path.write_bytes(clip(face="ann", voice="ann"))
    vectors = []
    for aligner in (ClipAligner(), EarlyAligner()):
        voice = CountingVoice()
        probe = Analyser(aligner, StubEncoders(voice=voice), Settings()).analyse(path)
        assert len(voice.heard) == 1
        assert "voice_embedding" in probe.timings_ms
        vectors.append(probe.vectors[Modality.VOICE])
    np.testing.assert_array_equal(vectors[0], vectors[1])
