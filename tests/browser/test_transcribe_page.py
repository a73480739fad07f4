"""/transcribe in a real browser: a talk grows on the page, and a stranger gets a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gallery.results import NewTranscript, SpokenTurn
from gallery.store import open_store
from tests.browser.looks import look
from tests.browser.shared import chromium
from tests.support.chromium import page_of
from tests.support.page_texts import read_texts
from tests.support.recordings import DATA, needs_recordings
from tests.support.service import Service
from utils.config import Settings

EN = read_texts("en")
TALK = DATA / "turns" / "sample.opus"


def write_down(page: Page) -> None:
    """Have the talk of two people written down."""
    page.set_input_files("#file", TALK)
    page.fill("#count", "2")
    page.select_option("#language", "en")
    page.click("#start")
    expect(page.locator("#status")).to_have_text(EN["transcribe.done"])


@needs_recordings
def test_a_talk_and_a_stranger_who_gets_a_name(service: Service, pictures: Path) -> None:
    pytest.importorskip("faster_whisper", reason="requirements-speech.txt is not installed")
    with chromium() as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/transcribe")
        look(page, pictures, "transcribe-empty")
        expect(page.locator("#start")).to_be_disabled()
        write_down(page)
        expect(page.locator(".voice")).to_have_count(2)
        expect(page.locator("#lines")).to_contain_text("New Jersey")
        look(page, pictures, "transcribe-strangers")

        texas = page.locator(".line", has_text="Texas").first
        stranger = texas.locator(".speaker").inner_text()
        texas.click()
        expect(texas).to_have_attribute("aria-current", "true")
        page.get_by_role("button", name=f"Who is {stranger}?").click()
        page.fill("#naming-name", "Sheila")
        page.click("#naming-go")
        expect(page.locator("#naming-problem")).to_have_text(EN["enrol.missing_consent"])
        page.check("#naming-consent")
        look(page, pictures, "transcribe-naming", schemes=("light",))
        page.click("#naming-go")
        expect(page.locator("#naming")).to_be_hidden()
        expect(texas.locator(".speaker")).to_have_text("Sheila")
        expect(page.locator(".speaker", has_text=stranger)).to_have_count(0)
        with page.expect_download() as download:
            page.click("#exports [data-form=srt]")
        text = download.value.path().read_text(encoding="utf-8")
        assert re.search(r"-->.*\nSheila: .*Texas", text)

        write_down(page)
        expect(texas.locator(".speaker")).to_have_text("Sheila")
        look(page, pictures, "transcribe-named")


@pytest.fixture
def kept(service: Service) -> None:
    """A transcript that another process kept, of a stranger and of nobody."""
    store = open_store(Settings.of(data_dir=service.data_dir))
    turns = (
        SpokenTurn(0.5, 2.0, "Hello from Texas.", speaker="unknown 1", decided_by="face"),
        SpokenTurn(2.5, 3.0, "Bye."),
    )
    store.keep_transcript(NewTranscript("call.wav", "en", 3.0, turns))
    store.close()


@pytest.mark.usefixtures("kept")
def test_a_kept_transcript_is_opened_and_deleted(service: Service, pictures: Path) -> None:
    with chromium() as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/transcribe")
        expect(page.locator("#kept-count")).to_have_text(
            EN["transcribe.kept_count"].replace("{n}", "1")
        )
        row = page.locator(".kept", has_text="call.wav")
        row.get_by_role("button", name="call.wav").click()
        expect(page.locator(".line")).to_have_count(2)
        expect(page.locator(".line").first).to_contain_text("Hello from Texas.")
        expect(page.locator(".line").first).to_contain_text(EN["transcribe.by_face"])
        expect(page.locator(".voice")).to_have_count(1)
        # Their sound is not kept: nothing to play, and nobody to enrol from it
        expect(page.locator("#player")).to_be_hidden()
        expect(page.locator(".voice button")).to_have_count(0)
        look(page, pictures, "transcribe-kept", schemes=("light",))
        row.get_by_role("button", name=EN["transcribe.kept_delete"]).click()
        page.click("#confirm-no")
        expect(row).to_be_visible()
        row.get_by_role("button", name=EN["transcribe.kept_delete"]).click()
        page.click("#confirm-yes")
        expect(page.locator("#kept")).to_be_hidden()
        page.reload()
        expect(page.locator("#file-name")).to_be_visible()
        expect(page.locator("#kept")).to_be_hidden()


def test_a_file_that_is_no_recording(service: Service, tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="requirements-speech.txt is not installed")
    (tmp_path / "text.mp4").write_text("no video")
    with chromium() as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/transcribe")
        page.set_input_files("#file", tmp_path / "text.mp4")
        page.click("#start")
        expect(page.locator("#problem")).to_have_text(EN["error.media_type"])
        expect(page.locator("#status")).to_be_empty()
        expect(page.locator("#start")).to_be_visible()
