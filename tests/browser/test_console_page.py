"""The console in a real browser: each page on every screen, and what an operator does there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.looks import look
from tests.support.chromium import chromium, page_of
from tests.support.page_texts import read_texts
from tests.support.service import Service

EN = read_texts("en")


@pytest.fixture
def page(service: Service) -> Iterator[Page]:
    with chromium() as browser:
        yield page_of(browser)


def test_jobs_audit_keys_backup_health_settings(
    page: Page, service: Service, pictures: Path
) -> None:
    """One visit to all pages: a browser and a service take longer than the pages."""

    def open_page(name: str) -> None:
        page.click(f".console-nav a[href='/console/{name}']")
        expect(page.locator(".console-nav [aria-current=page]")).to_have_text(EN[f"console.{name}"])

    def look_at(name: str) -> None:
        look(page, pictures, f"console-{name}", schemes=("light",))

    sent = [("media", ("ann-1.mp4", b"nonsense")), ("media", ("ben-1.mp4", b""))]
    requests.post(f"{service.url}/v1/jobs", {"action": "enroll"}, files=sent, timeout=60)
    page.goto(f"{service.url}/people")
    open_page("jobs")
    expect(page.locator("#records")).to_contain_text(EN["jobs.failed_count"].format(n=2))
    page.click("#records button >> nth=0")
    expect(page.locator("#items")).to_contain_text(EN["error.media_empty"])
    look_at("jobs")
    page.click("#job-close")
    page.click("#records .danger >> nth=0")
    page.click("#confirm-yes")

    open_page("audit")
    page.fill("#action", "start")
    page.click("#filter .primary")
    expect(page.locator("#records tbody tr")).to_have_count(1)
    page.fill("#person", "zoe")
    page.click("#filter .primary")
    expect(page.locator("#problem")).to_have_text(EN["error.person_not_found"])
    page.click("#verify button")
    expect(page.locator("#verified")).to_contain_text(EN["audit.whole"].split(":")[0])
    look_at("audit")

    open_page("keys")
    expect(page.locator("#open")).to_be_visible()
    page.select_option("#role", "kiosk")  # a first key that is no admin's closes the service
    page.click("#new .primary")
    expect(page.locator("#problem")).to_have_text(EN["error.last_admin_key"])
    look_at("keys")

    open_page("backup")
    expect(page.locator("#state")).to_have_text(EN["backup.off"])
    expect(page.locator("#now")).to_be_disabled()
    look_at("backup")

    open_page("health")
    expect(page.locator("#facts")).to_contain_text("face-")
    look_at("health")

    open_page("settings")
    page.check("#changed")
    expect(page.locator("#records code").first).to_have_text("DUET_PORT")
    look_at("settings")
