"""Every state of the kiosk in every language, photographed and measured.

`make screenshots` keeps the pictures and writes a page to look through them. No button
is ever cut or below the fold, on four screens, and visitors read words, no scores.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from recognition.recognizer import Recognizer
from tests.browser.conftest import Cast
from tests.browser.looks import assert_usable, photograph
from tests.browser.shared import chromium
from tests.browser.states import SCREENS, STATES, Screen, apply
from tests.support.chromium import page_of
from tests.support.fixtures import recognizer, settings
from tests.support.live import listening
from tests.support.page_texts import read_texts
from utils.config import Settings
from web.factory import create_app

__all__ = ["recognizer", "settings"]

SCORE = re.compile(r"\d[.,]\d\d|%")
BRIGHT = 230
CUT = """() => {
  const faults = [];
  const isShown = (it) => it.checkVisibility() && it.getClientRects().length > 0;
  const shown = (selector) => [...document.querySelectorAll(selector)].filter(isShown);
  for (const button of shown(".panel :is(button, .button, input:not([type=file]))")) {
    const { left, right, top, bottom } = button.getBoundingClientRect();
    const name = button.id || button.textContent.trim();
    if (left < 0 || top < 0 || right > innerWidth || bottom > innerHeight)
      faults.push(`${name} is outside the screen`);
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    if (!button.contains(hit)) faults.push(`${name} is covered`);
    if (button.scrollWidth > button.clientWidth + 1) faults.push(`${name} is cut`);
    if (button.matches("button, .button") && bottom - top < 44)
      faults.push(`${name} is too low for a finger`);
  }
  for (const text of shown(".panel :is(h1, p, li, span)"))
    if (text.scrollWidth > text.clientWidth + 1 && getComputedStyle(text).display !== "inline")
      faults.push(`"${text.textContent}" is cut`);
  const title = shown(".panel h1")[0].getBoundingClientRect();
  if (title.top < 0 || title.bottom > innerHeight) faults.push("the title is out of sight");
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the screen");
  return faults;
}"""


@pytest.fixture(params=["en", "ko", "zh"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(settings: Settings, recognizer: Recognizer) -> Iterator[str]:
    """The pages, from this process. No clip is sent, so no network has to be loaded."""
    app = create_app({"SETTINGS": settings, "SWAGGER_UI": True}, recognizer)
    with listening(app) as address:
        yield f"http://{address}"


@pytest.fixture
def page(url: str, cast: Cast, language: str) -> Iterator[Page]:
    with chromium(cast.enrolled_person) as browser:
        page = page_of(browser)
        page.clock.install()
        page.goto(f"{url}/kiosk?lang={language}")
        expect(page.locator("#start")).to_be_visible()
        yield page


def look_at(page: Page, folder: Path, name: str) -> list[str]:
    """Take pictures of the state, and list what is wrong with it on each screen.

    Every language is photographed on the first screen, and English on the others too.
    """
    faults: list[str] = []
    for screen in SCREENS:
        set_size(page, screen)
        file = folder / f"{name} {screen.name}.jpg"
        if screen is SCREENS[0] or name.startswith("en "):
            photograph(page, file, type="jpeg", quality=60, animations="disabled")
        faults += [f"{file.stem}: {fault}" for fault in page.evaluate(CUT)]
    if score := SCORE.search(page.inner_text(".panel")):
        faults.append(f"{name}: a score, {score[0]}")
    set_size(page, SCREENS[0])
    return faults


def set_size(page: Page, screen: Screen) -> None:
    page.set_viewport_size({"width": screen.width, "height": screen.height})


def brightness(page: Page) -> float:
    """Share of the screen that is white, or almost."""
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        return float((np.asarray(picture.convert("L")) >= BRIGHT).mean())


def record(page: Page, folder: Path, language: str) -> list[str]:
    """Walk through countdown and recording with the clock held, and leave them."""
    texts = read_texts(language)
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    page.click("#start")
    expect(page.locator("#count")).to_have_text("3")
    faults = look_at(page, folder, f"{language} countdown")
    page.emulate_media(color_scheme="dark")
    assert brightness(page) > 0.5, "the screen lights the face, also in the dark"
    page.emulate_media(color_scheme="light")
    page.clock.run_for(3500)
    expect(page.locator("#speak-title")).to_have_text(texts["kiosk.now_say"])
    faults += look_at(page, folder, f"{language} recording")
    page.keyboard.press("Escape")
    page.clock.resume()
    expect(page.locator("#start")).to_be_visible()
    return faults


def test_every_state(page: Page, language: str, pictures: Path) -> None:
    faults = record(page, pictures, language)
    for name, steps in STATES.items():
        apply(page, steps)
        faults += look_at(page, pictures, f"{language} {name}")
        if language == "en":
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert_usable(page, f"{name}, {scheme}")
            page.emulate_media(color_scheme="light")
    assert not faults, "\n".join(faults)
