"""A spoilt voice says little against a face. One that is plainly somebody else's still does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import pytest

from align.hints import CODES
from assembly import build_recognizer
from recognition.recognizer import Recognizer
from tests.support.asking import enroll, identify, verify_person
from tests.support.gallery_parts import (
    CALIBRATION,
    ClipAligner,
    StubEncoders,
    StubVoice,
    enroll_person,
    make_recognizer,
)
from train.data.datasets import shared_data_dir
from utils.config import ROOT, Settings
from utils.media import SPOILT_VOICE_CODES, Capture, Hint
from utils.modality import Modality

PEOPLE = shared_data_dir() / "clips" / "people"
CALL = ["-ar", "8000", "-ac", "1", "-c:a", "libopencore_amrnb", "-b:a", "12.2k"]
PLAIN = ["-c:a", "copy"]


class HintingAligner(ClipAligner):
    """Gives the hints of `codes` with every clip."""

    codes: tuple[str, ...] = ()

    def change(self, capture: Capture) -> Capture:
        return replace(capture, hints=tuple(Hint(code, "") for code in self.codes))


@pytest.fixture
def hinting() -> HintingAligner:
    return HintingAligner()


@pytest.fixture
def mild(
    tmp_path: Path, clip: Callable[..., Path], hinting: HintingAligner
) -> Iterator[Recognizer]:
    """A gallery in which a stranger's voice speaks against a person by three to one."""
    voice = StubVoice(calibration=replace(CALIBRATION, slope=1.0, intercept=-1.1))
    made = make_recognizer(tmp_path / "mild", StubEncoders(voice=voice), aligner=hinting)
    for number, person_id in enumerate(("ann", "bob"), 1):
        enroll_person(made, clip, person_id, face=number, voice=number)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        ((), "conflict"),
        (("too_quiet",), "conflict"),
        (("narrow_band",), "accepted"),
        (("compressed_sound",), "accepted"),
        (("echo",), "accepted"),
        (("noisy",), "accepted"),
    ],
)
def test_a_spoilt_voice_says_less_against_a_face(
    mild: Recognizer,
    clip: Callable[..., Path],
    hinting: HintingAligner,
    codes: tuple[str, ...],
    outcome: str,
) -> None:
    hinting.codes = codes
    probe = clip(face=1, voice=9, sample=1)
    fused = identify(mild, probe).decisions.fused
    assert fused.outcome == outcome
    assert fused.modality == (Modality.FACE if outcome == "accepted" else None)
    verdict = verify_person(mild, probe, "ann").verdicts.fused
    assert verdict.outcome == {"accepted": "same"}.get(outcome, outcome)


def test_a_spoilt_voice_that_is_plainly_not_the_persons_is_a_conflict(
    tmp_path: Path, clip: Callable[..., Path], hinting: HintingAligner
) -> None:
    hinting.codes = ("narrow_band", "compressed_sound", "echo")
    made = make_recognizer(tmp_path / "plain", aligner=hinting)
    for number, person_id in enumerate(("ann", "bob"), 1):
        enroll_person(made, clip, person_id, face=number, voice=number)
    for voice in (2, 9):
        fused = identify(made, clip(face=1, voice=voice, sample=1)).decisions.fused
        assert fused.outcome == "conflict"
    made.close()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recognizer]:
    """Five people of the research clips, by the networks that are shipped."""
    folder = tmp_path_factory.mktemp("real")
    made = build_recognizer(Settings.of(data_dir=folder, model_dir=ROOT / "best_model"))
    for person in ("ar02", "ar04", "ar07", "ar09", "ar13"):
        enroll(made, person, min((PEOPLE / person / "enroll").iterdir()), create=True)
    yield made
    made.close()


def join(picture: Path, sound: Path, sound_as: list[str], to: Path) -> Path:
    """Join the picture of a clip with the sound of another one, coded anew."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error"]
    inputs = ["-i", str(picture), "-i", str(sound), "-map", "0:v", "-map", "1:a", "-c:v", "copy"]
    subprocess.run([*program, *inputs, *sound_as, str(to)], check=True)
    return to


@pytest.mark.slow
@pytest.mark.skipif(not PEOPLE.is_dir(), reason="needs the research data (DUET_SHARED_DATA)")
@pytest.mark.parametrize(
    ("speaker", "sound_as", "outcome"),
    [("ar04", CALL, "accepted"), ("ar09", PLAIN, "conflict"), ("ar09", CALL, "conflict")],
)
def test_a_face_with_a_voice_from_a_call(
    real: Recognizer, tmp_path: Path, speaker: str, sound_as: list[str], outcome: str
) -> None:
    picture, sound = (PEOPLE / who / "test" / "join1.mp4" for who in ("ar04", speaker))
    answer = identify(real, join(picture, sound, sound_as, tmp_path / "joined.mov"))
    fused = answer.decisions.fused
    assert fused.outcome == outcome
    if outcome == "accepted":
        assert fused.match is not None
        assert (fused.match.person_id, fused.modality) == ("ar04", Modality.FACE)
    hints = {hint.code for hint in answer.observation.hints}
    assert ("narrow_band" in hints) == (sound_as is CALL)


def test_what_spoils_a_voice_is_told_by_hints() -> None:
    assert set(CODES) > SPOILT_VOICE_CODES
