"""Visitors in a real browser, as an operator looks through them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Cast, Enrol
from tests.browser.looks import look
from tests.support.chromium import chromium, page_of
from tests.support.page_texts import read_texts
from tests.support.service import Service

EN = read_texts("en")


@pytest.fixture
def page(service: Service) -> Iterator[Page]:
    with chromium() as browser:
        yield page_of(browser)


def ask(service: Service, clip: Path) -> None:
    files = {"media": (clip.name, clip.read_bytes())}
    answer = requests.post(f"{service.url}/v1/identify", files=files, timeout=120)
    assert answer.status_code == 200, answer.text


def test_recent_visitors(
    page: Page, service: Service, cast: Cast, enrol: Enrol, pictures: Path
) -> None:
    enrol("ann", "Ann Lee", cast.enrolled)
    enrol("ben", "Ben Roth")
    ask(service, cast.again)
    ask(service, cast.other)
    page.goto(f"{service.url}/console/visits")
    rows = page.locator("#records tbody tr")
    page.fill("#person", "ann")
    page.press("#person", "Enter")  # by keyboard alone
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Ann Lee")
    expect(rows).to_contain_text(EN["source.identify"])
    rows.get_by_role("button", name=EN["visits.wrong"]).press("Enter")
    expect(page.locator("#wrong-title")).to_have_text(
        EN["visits.not_person"].format(name="Ann Lee")
    )
    page.fill("#actual", "Zoe")
    page.press("#actual", "Enter")
    expect(page.locator("#wrong-problem")).to_have_text(EN["visits.person_unclear"])
    look(page, pictures, "visits-wrong", schemes=("light",))
    page.fill("#actual", "Ben Roth")
    page.press("#actual", "Enter")
    expect(rows).to_contain_text(EN["visits.wrong_was"].format(name="Ben Roth"))
    page.click("#filter [type=reset]")
    expect(rows.first).to_contain_text(EN["outcome.unknown"])
    look(page, pictures, "visits")
    for language in ("ko", "zh"):
        page.goto(f"{service.url}/console/visits?lang={language}")
        expect(rows.first).to_contain_text(read_texts(language)["outcome.unknown"])
        look(page, pictures, f"visits-{language}", schemes=("light",))
    page.goto(f"{service.url}/console/visits?lang=en")
    page.select_option("#outcome", "wrong")
    page.click("#filter .primary")
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name=EN["visits.take_back"]).click()
    expect(page.locator("#records")).to_have_text(EN["list.none"])
    page.goto(f"{service.url}/people")
    page.click("#rows [data-person=ann] button")
    page.click("#person-visits")
    expect(rows).to_have_count(1)
