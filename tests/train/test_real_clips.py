"""The fusion on real clips.

Trials, what is left out, and a folder of clips through alignment and networks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from align.aligner import Aligner
from network.serving.encoder import load_encoders
from tests.support.media import write_clip
from tests.support.tiny import tiny_models
from train.data.conditions import NoiseBank
from train.data.pseudo_people import CONDITIONS
from train.fusion.choice import weigh
from train.measure.real_clips import (
    FACES,
    VOICES,
    ClipEmbedder,
    Clips,
    as_markdown,
    embed_room,
    measure_clips,
    stack_clips,
)
from train.measure.served_ratios import weigh_clips
from utils.errors import DatasetError
from utils.settings.capture import CaptureSettings

pytestmark = pytest.mark.slow

BOTH = weigh(1, 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def clips() -> Clips:
    """Ten people with four clips each.

    A clip is the face and the voice of a person plus as much noise of its own.
    """
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(10), 4)

    def embeddings(noise: float) -> np.ndarray:
        return unit(
            unit(rng.normal(size=(10, 512)))[person] + noise * unit(rng.normal(size=(40, 512)))
        )

    face = embeddings(2.5)
    voice = embeddings(3.0)
    return Clips(person, dict.fromkeys(FACES, face), dict.fromkeys(VOICES, voice))


def test_every_clip_is_compared_with_every_other(clips: Clips) -> None:
    rates = measure_clips(clips, BOTH, ("clean", "clean"))
    assert (rates.targets, rates.impostors) == (10 * 4 * 3, 40 * 36)


def test_the_fused_eer_is_that_of_both_cosines(clips: Clips) -> None:
    rates = measure_clips(clips, BOTH, ("clean", "clean"))
    face = clips.face["clean"]
    voice = clips.voice["clean"]
    scores = (face @ face.T + voice @ voice.T) / 2
    other = ~np.eye(40, dtype=bool)
    same = clips.person[:, None] == clips.person
    target = scores[same & other]
    impostor = scores[~same]
    missed = (target <= scores.ravel()[:, None]).mean(1)
    named = (impostor > scores.ravel()[:, None]).mean(1)
    assert rates.fused == pytest.approx(
        float(((missed + named) / 2)[np.abs(missed - named).argmin()]), abs=0.005
    )
    assert rates.fused < min(rates.face, rates.voice)


def test_probes_of_which_nothing_is_left_do_not_count(clips: Clips) -> None:
    lost = clips.voice["clean"].copy()
    lost[:4] = np.nan
    worn = Clips(clips.person, clips.face, {**clips.voice, "noise 0 dB": lost})
    assert measure_clips(worn, BOTH, ("clean", "noise 0 dB")).targets == 9 * 4 * 3


def test_what_an_answer_weighs_is_rated_beside_the_cosine(clips: Clips) -> None:
    sure = (clips.person[:, None] == clips.person).astype(np.float64)
    bare = measure_clips(clips, BOTH, ("clean", "clean"))
    rates = measure_clips(clips, BOTH, ("clean", "clean"), sure)
    assert (rates.fused, rates.served, rates.ratio.value) == (bare.fused, 0.0, 0.0)
    assert bare.served == bare.fused > 0


def test_trials_need_two_clips_of_somebody(clips: Clips) -> None:
    with pytest.raises(DatasetError, match="two usable clips"):
        measure_clips(Clips(np.arange(40), clips.face, clips.voice), BOTH, ("clean", "clean"))


def test_a_folder_of_clips(tmp_path: Path) -> None:
    folder = tmp_path / "people"
    for person, name in enumerate(("ann", "ben")):
        (folder / name).mkdir(parents=True)
        for take in (1, 2):
            write_clip(folder / name / f"{take}.mp4", person=person, take=take, seconds=2.0)
    (folder / "ann/notes.mp4").write_text("no clip")
    encoders = load_encoders(tiny_models(tmp_path / "models"))
    noises = NoiseBank([np.random.default_rng(1).normal(0, 0.1, 32_000).astype(np.float32)])
    settings = CaptureSettings()
    embedder = ClipEmbedder(encoders, noises, settings.min_speech_s)
    lines: list[str] = []
    write_clip(folder / "cid.mp4", person=2, seconds=2.0)  # beside the folders
    embedded = embed_room(folder, Aligner(settings), embedder, lines.append)
    table = stack_clips(embedded)
    assert table.person.tolist() == [0, 0, 1, 1, 2]
    assert {clip.person for clip in embedded} == {"ann", "ben", "cid"}
    assert not np.allclose(table.face["clean"], table.face["blur"])
    assert not np.allclose(table.voice["clean"], table.voice["1 s"])
    embedded[0] = replace(embedded[0], face={**embedded[0].face, "blur": None})
    served = weigh_clips(embedded, ("blur", "clean"), encoders)
    assert np.isnan(served[0]).all()
    assert not np.isnan(served[1:]).any()
    assert as_markdown(embedded, encoders).count("\n") == 1 + len(CONDITIONS)
    assert [line[:23] for line in lines] == ["left out: ann/notes.mp4"]
