"""/verify in a real browser: two clips, one of them recorded, and a person."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Cast, Enrol
from tests.browser.looks import look
from tests.browser.shared import chromium
from tests.support.chromium import page_of
from tests.support.page_texts import read_texts
from tests.support.service import Service

EN = read_texts("en")


def test_two_clips_and_a_person(service: Service, cast: Cast, enrol: Enrol, pictures: Path) -> None:
    enrol("ann", "Ann Lee", cast.enrolled)
    with chromium(cast.stranger) as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/verify")
        look(page, pictures, "verify-empty")
        expect(page.locator("#compare")).to_have_attribute("aria-disabled", "true")
        page.set_input_files("#first input[type=file]", cast.enrolled)
        expect(page.locator("#first .wave")).to_be_visible()
        page.set_input_files("#second input[type=file]", cast.again)
        page.click("#compare")
        expect(page.locator("#result-title")).to_have_text(EN["verify.same"])
        expect(page.locator("#figures tr")).to_have_count(3)
        for side in ("#first", "#second"):
            expect(page.locator(f"{side} .faces img").first).to_be_visible()
            # The very faces that were compared
            expect(page.locator(f"{side} .faces img").first).to_have_js_property(
                "naturalWidth", 112
            )
            expect(page.locator(f"{side} .wave")).to_have_attribute(
                "aria-label", re.compile("speech")
            )
        look(page, pictures, "verify-same")

        page.click("#second .record")
        page.click("#recorder-start")
        expect(page.locator("#recorder")).to_be_hidden()
        page.click("#compare")
        expect(page.locator("#result-title")).to_have_text(EN["verify.different"])
        look(page, pictures, "verify-different")

        page.check("[name=against][value=person]", force=True)
        page.fill("#find", "Ann Lee")
        expect(page.locator("#person-status")).to_contain_text("ann")
        page.click("#compare")
        expect(page.locator("#result-title")).to_have_text(EN["verify.same"])
        expect(page.locator("#second .compared")).to_be_hidden()
        look(page, pictures, "verify-person", schemes=("light",))


def test_a_file_that_is_no_clip(service: Service, cast: Cast, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with chromium() as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/verify")
        for side in ("#first", "#second"):
            page.set_input_files(f"{side} input[type=file]", tmp_path / "text.mp4")
            expect(page.locator(f"{side} .no-wave")).to_be_visible()
        page.click("#compare")
        expect(page.locator("#verify-problem")).to_have_text(EN["error.media_type"])


def test_a_recorder_without_a_camera_says_what_to_do(service: Service) -> None:
    with chromium() as browser:
        page = page_of(browser, locale="zh")
        page.goto(f"{service.url}/verify")
        page.click("#second .record")
        texts = read_texts("zh")
        said = f"{texts['device.missing']}。{texts['device.missing_text']}"
        expect(page.locator("#recorder-text")).to_have_text(said)
