"""The kiosk in a real browser against the real service.

Somebody in front of the camera is enrolled, recognised, unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import Cast, Enrol
from tests.browser.looks import look
from tests.browser.shared import chromium
from tests.support.chromium import page_of
from tests.support.media import scene, write_photo
from tests.support.page_texts import read_texts
from tests.support.service import Service

TEXTS = {tag: read_texts(tag) for tag in ("en", "ko", "zh")}
EN = TEXTS["en"]
MOST_BYTES = 100_000
NOTE_STATES = """() => {
    window.passed = [];
    const main = document.getElementById("main");
    new MutationObserver(() => {
      const read = (id) => document.getElementById(id).textContent;
      const { state } = main.dataset;
      const isNew = state !== window.passed.at(-1)?.[0];
      if (isNew) window.passed.push([state, read("count"), read("sentence")]);
    }).observe(main, { attributes: true, attributeFilter: ["data-state"] });
}"""
"""Notes state, count and sentence whenever the state changes: some last a second, which
a busy test may miss.
"""


@pytest.fixture
def page(service: Service, cast: Cast) -> Iterator[Page]:
    """The kiosk with the person of the enrolled clip in front of it."""
    with chromium(cast.enrolled_person) as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/kiosk")
        yield page


def switch_on(page: Page) -> None:
    """Open the live view and wait until it is there.

    Where camera and microphone are allowed already, the page opens them by itself.
    """
    expect(page.locator("#start")).to_be_visible()


def ask(page: Page) -> None:
    """Record and wait for the answer."""
    page.click("#start")
    expect(page.locator("main")).to_have_attribute("data-state", re.compile("answer|problem"))
    assert page.get_attribute("main", "data-state") == "answer", page.inner_text(".panel")


def enrol_by_keyboard(page: Page, service: Service, pictures: Path) -> None:
    """Enrol Ann Lee. Nothing is stored before she consents."""
    page.click("#enrol")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type("Ann Lee")
    page.keyboard.press("Enter")
    expect(page.locator("#enrol-problem")).to_have_text(EN["enrol.missing_consent"])
    assert requests.get(f"{service.url}/v1/people", timeout=60).json()["total"] == 0, (
        "nothing is stored without consent"
    )
    look(page, pictures, "kiosk-enrol")
    page.check("#consent")
    page.click("#enrol-form .primary")
    expect(page.locator("#enrolled-who")).to_have_text("Ann Lee")


def test_enrolled_and_recognised(page: Page, service: Service, pictures: Path) -> None:
    switch_on(page)
    page.evaluate(NOTE_STATES)
    page.keyboard.press("Enter")  # the button has the focus
    expect(page.locator("main")).to_have_attribute(
        "data-state", re.compile("recording|sending|answer")
    )
    expect(page.locator("main")).to_have_attribute("data-state", "answer")
    passed = page.evaluate("passed")
    assert [state for state, _, _ in passed] == ["countdown", "recording", "sending", "answer"]
    assert passed[0][1] == "3"
    assert passed[1][2] in [text for key, text in EN.items() if key.startswith("sentence.")]
    expect(page.locator("#who")).to_have_text(EN["answer.unknown"])
    expect(page.locator("#sure")).to_have_text(EN["answer.empty"])
    enrol_by_keyboard(page, service, pictures)
    (person,) = requests.get(f"{service.url}/v1/people", timeout=60).json()["people"]
    assert person["consent"] == EN["enrol.consent_media"], "this service keeps pictures and speech"
    assert person["templates"] == {"face": 1, "voice": 1}
    page.keyboard.press("Enter")
    ask(page)
    expect(page.locator("#who")).to_have_text("Ann Lee")
    expect(page.locator("#bars [data-modality=face]")).to_have_attribute("data-passed", "true")
    expect(page.locator("#bars [data-modality=voice]")).to_be_visible()
    # From "Next person"; from the first press to here a keyboard is enough
    page.keyboard.press("Tab")
    expect(page.locator("#not-me")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#feedback")).to_have_text(EN["kiosk.feedback_saved"])
    assert "Ann" not in page.inner_text("main"), "the wrong name goes"
    look(page, pictures, "kiosk-feedback")


def test_a_stranger_is_unknown(service: Service, cast: Cast, enrol: Enrol) -> None:
    enrol("ann", "Ann Lee", cast.enrolled)
    with chromium(cast.stranger) as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/kiosk")
        switch_on(page)
        ask(page)
        expect(page.locator("#who")).to_have_text(EN["answer.unknown"])
        assert "Ann" not in page.inner_text("main"), "a stranger is not told the nearest name"
        expect(page.locator("#hints li").first).to_be_visible()


def test_nobody_enrols_twice(page: Page, service: Service, cast: Cast, enrol: Enrol) -> None:
    """Neither under a name that is there nor under another one. No visitor is an operator."""
    switch_on(page)
    page.set_input_files("input.file >> nth=1", cast.again)
    expect(page.locator("#who")).to_have_text(EN["answer.unknown"])  # nobody is enrolled yet
    enrol("ann", "Ann Lee", cast.enrolled, cast.again)
    page.click("#enrol")
    page.fill("#name", "ANN LEE")
    page.check("#consent")
    page.click("#enrol-form .primary")
    expect(page.locator("#namesake-text")).to_contain_text("ANN LEE")
    page.click("#namesake-rename")
    expect(page.locator("#name")).to_have_value("ANN LEE")
    page.click("#enrol-form .primary")
    page.click("#namesake-other")
    expect(page.locator("#duplicate-text")).to_contain_text("Ann Lee")
    expect(page.locator("#duplicate-operator")).to_be_visible()
    expect(page.locator("#duplicate-same")).to_be_hidden()
    assert requests.get(f"{service.url}/v1/people", timeout=60).json()["total"] == 1, (
        "no empty person is left"
    )


def test_permission_refused(service: Service, cast: Cast) -> None:
    with chromium(cast.enrolled_person, allowed=False) as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/kiosk")
        page.click("#open")
        expect(page.locator("#problem-title")).to_have_text(EN["device.refused"])
        page.set_input_files('[data-view="problem"] input[type=file]', cast.again)
        expect(page.locator("#who")).to_have_text(EN["answer.unknown"])


def test_no_camera(service: Service, cast: Cast, pictures: Path) -> None:
    with chromium(cast.enrolled_person, cameras=0) as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/kiosk")
        switch_on(page)
        expect(page.locator("#one-device")).to_have_text(EN["kiosk.no_camera"])
        expect(page.locator("#ready-title")).to_have_text(EN["kiosk.ready_voice"])
        look(page, pictures, "kiosk-no-camera")
        ask(page)
        expect(page.locator("#bars [data-modality=face] .verdict")).to_have_text(
            EN["bars.nothing_face"]
        )


def test_no_microphone(service: Service, cast: Cast) -> None:
    with chromium(cast.enrolled_person) as browser:
        page = page_of(browser)
        page.add_init_script(
            """
            // The fake microphone of the browser cannot be taken out.
            const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            const missing = () => Promise.reject(new DOMException("", "NotFoundError"));
            navigator.mediaDevices.getUserMedia = (asked) =>
              asked.audio ? missing() : real(asked);"""
        )
        page.goto(f"{service.url}/kiosk")
        switch_on(page)
        expect(page.locator("#one-device")).to_have_text(EN["kiosk.no_microphone"])
        ask(page)
        expect(page.locator("#bars [data-modality=voice] .verdict")).to_have_text(
            EN["bars.nothing_voice"]
        )


def test_neither_camera_nor_microphone(service: Service) -> None:
    if list(Path("/dev").glob("video*")) or Path("/dev/snd").exists():
        pytest.skip("this machine has a camera or a microphone")
    with chromium(None, "--use-fake-ui-for-media-stream") as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/kiosk")
        expect(page.locator("#problem-title")).to_have_text(EN["device.missing"])


def test_a_clip_of_nobody(page: Page, tmp_path: Path) -> None:
    page.set_input_files(
        "input.file >> nth=0", write_photo(tmp_path / "black.jpg", scene(None, light=0.0))
    )
    expect(page.locator("#problem-title")).to_have_text(EN["problem.nothing"])
    expect(page.locator("#problem-hints")).to_contain_text(EN["hint.too_dark"])


@pytest.mark.parametrize("tag", TEXTS)
def test_first_paint_is_light_and_from_here_alone(service: Service, cast: Cast, tag: str) -> None:
    with chromium(cast.enrolled_person) as browser:
        page = page_of(browser)
        answers: list[Response] = []

        def note(answer: Response) -> None:  # Playwright takes no built-in method
            answers.append(answer)

        page.on("response", note)
        page.goto(f"{service.url}/kiosk?lang={tag}", wait_until="networkidle")
        sizes = {
            answer.url: len(answer.body())
            for answer in answers
            if not answer.url.endswith("/v1/health")
        }
        assert all(url.startswith(service.url) for url in sizes), sizes
        assert len(sizes) > 8
        assert sum(sizes.values()) < MOST_BYTES, sizes


@pytest.mark.parametrize(("tag", "locale"), [("ko", "ko-KR"), ("zh", "zh-CN")])
def test_languages(service: Service, cast: Cast, tag: str, locale: str) -> None:
    with chromium(cast.enrolled_person) as browser:
        page = page_of(browser, locale=locale)
        page.goto(f"{service.url}/kiosk")
        expect(page.locator("html")).to_have_attribute("lang", tag)
        switch_on(page)
        ask(page)
        expect(page.locator("#who")).to_have_text(TEXTS[tag]["answer.unknown"])
        page.click(".languages a[lang=en]")
        expect(page.locator("html")).to_have_attribute("lang", "en")
        page.goto(f"{service.url}/people")
        expect(page.locator("html")).to_have_attribute("lang", "en")  # remembered
