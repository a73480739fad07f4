"""Where digits must be said, the pages ask for them: the kiosk, and what else records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Cast
from tests.browser.looks import photograph
from tests.browser.shared import chromium
from tests.support.chromium import SIZES, page_of
from tests.support.gallery_parts import clip, recognizer_of
from tests.support.listening import Listener, listener
from tests.support.live import listening
from tests.support.page_texts import read_texts
from tests.support.talking import TalkingAligner
from tests.support.waiting import until
from utils.config import Settings
from utils.media import Capture
from web.factory import create_app

__all__ = ["listener"]

EN = read_texts("en")
VOICES = """
    // A browser without voices: one that notes what it is asked to read.
    window.read = [];
    speechSynthesis.getVoices = () => [{}];
    speechSynthesis.speak = (speech) => {
      window.read.push(speech.text);
      if (!window.reads_for_ever) speech.onend();
    };"""
FIGURE = re.compile(r"\d[.,]\d|%")


class AnnAligner(TalkingAligner):
    """Sees and hears Ann, whatever the browser records."""

    def analyse(self, path: Path, **_more: Any) -> Capture:
        """Read a clip of Ann in its place."""
        path.write_bytes(clip(face="ann", voice="ann"))
        return super().analyse(path)


@pytest.fixture
def url(tmp_path: Path, listener: Listener) -> Iterator[str]:
    """A service that names nobody without digits."""
    settings = Settings.of(data_dir=tmp_path / "data", liveness_challenge="refuse", challenge_s=60)
    recognizer = recognizer_of(settings, aligner=AnnAligner())
    app = create_app({"SETTINGS": settings, "SWAGGER_UI": True}, recognizer)
    with listening(app) as address:
        yield f"http://{address}"
    recognizer.close()


@pytest.fixture
def camera(cast: Cast) -> Iterator[Page]:
    """An empty page of a browser whose camera sees somebody."""
    with chromium(cast.enrolled_person) as browser:
        page = page_of(browser)
        page.clock.install()
        yield page


@pytest.fixture
def page(url: str, camera: Page) -> Page:
    """The kiosk, with its clock held."""
    camera.add_init_script(VOICES)
    camera.goto(f"{url}/kiosk")
    expect(camera.locator("#start")).to_be_visible()
    camera.clock.pause_at(camera.evaluate("Date.now() + 1000"))
    return camera


def start(page: Page) -> str:
    """Begin, and return the digits that are shown."""
    page.click("#start")
    expect(page.locator("#speak-title")).to_have_text(EN["kiosk.digits_ready"])
    digits = page.inner_text("#sentence").replace(" ", "")
    assert re.fullmatch("[0-9]{6}", digits)
    return digits


def say(page: Page) -> None:
    """Let the count and the recording pass, and wait for the answer."""
    page.clock.fast_forward(5100)
    expect(page.locator("#speak-title")).to_have_text(EN["kiosk.digits_now"])
    page.clock.fast_forward(6100)
    expect(page.locator("main")).to_have_attribute("data-state", re.compile("answer|problem"))


def photograph_sizes(page: Page, pictures: Path) -> None:
    """Take pictures of the digits on every screen. The clock stands."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        photograph(page, pictures / f"kiosk-digits-{size}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size


def test_digits_are_asked_for(page: Page, listener: Listener, pictures: Path) -> None:
    expect(page.locator("input.file:visible")).to_have_count(0)
    digits = start(page)
    photograph_sizes(page, pictures)
    expect(page.locator("#digits-left")).to_have_text(EN["kiosk.digits_left"].format(n=60))
    page.click("#read-aloud")
    until(lambda: page.evaluate("read") == [", ".join(digits)])
    listener.said = "0 0 0 0 0 0"
    say(page)
    expect(page.locator("#who")).to_have_text(EN["answer.rejected_digits"])
    assert not FIGURE.search(page.inner_text(".panel")), "visitors see no figures"
    photograph(page, pictures / "kiosk-digits-wrong.png")
    page.click("#again")
    listener.said = start(page)
    say(page)
    expect(page.locator("#who")).to_have_text(EN["answer.unknown"])
    page.click("#enrol")
    page.fill("#name", "Ann Lee")
    page.check("#consent")
    page.click("#enrol-form .primary")
    expect(page.locator("#enrolled-who")).to_have_text("Ann Lee")


def test_digits_hold_for_a_time(page: Page) -> None:
    page.evaluate("window.reads_for_ever = true")
    start(page)
    page.click("#read-aloud")
    until(lambda: page.evaluate("read.length") == 1)
    page.clock.fast_forward(61_000)
    expect(page.locator("#problem-title")).to_have_text(EN["answer.rejected_digits"])
    expect(page.locator("#problem-text")).to_have_text(EN["error.challenge_expired"])
    page.click("#retry")
    expect(page.locator("#start")).to_be_visible()


def record_digits(page: Page, button: str) -> str:
    """Record in the dialog, and return the digits that it shows."""
    page.click(button)
    page.click("#recorder-start")
    expect(page.locator("#recorder-text")).to_have_text(EN["recorder.digits_ready"])
    return page.inner_text("#recorder-digits").replace(" ", "")


def test_other_recordings_say_digits(
    url: str, camera: Page, cast: Cast, listener: Listener, pictures: Path
) -> None:
    camera.goto(f"{url}/verify")
    camera.set_input_files("#second input[type=file]", cast.enrolled)
    listener.said = record_digits(camera, "#first .record")
    photograph(camera, pictures / "verify-digits.png")
    camera.clock.fast_forward(5100)
    expect(camera.locator("#recorder-text")).to_have_text(EN["recorder.digits_now"])
    camera.clock.fast_forward(6100)
    expect(camera.locator("#recorder")).to_be_hidden()
    camera.click("#compare")
    expect(camera.locator("#result-title")).to_have_text(EN["verify.same"])
    listener.said = "0 0 0 0 0 0"
    record_digits(camera, "#first .record")
    camera.clock.fast_forward(5100)
    expect(camera.locator("#recorder-text")).to_have_text(EN["recorder.digits_now"])
    camera.clock.fast_forward(6100)
    expect(camera.locator("#recorder")).to_be_hidden()
    camera.click("#compare")
    expect(camera.locator("#result-title")).to_have_text(EN["verify.rejected"])
    # What is compared with is no visitor: it may be a picture
    camera.click("#second .record")
    camera.click("#recorder-start")
    expect(camera.locator("#recorder-digits")).to_be_hidden()
