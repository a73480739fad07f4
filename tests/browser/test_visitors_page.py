"""Visitors in a real browser, as an operator looks through them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from gallery.database.open import open_database
from gallery.records.groups import NewGroup
from gallery.records.sightings import BACK_OFF_S, Rules
from gallery.store import Store
from tests.browser.conftest import Cast, Enrol
from tests.browser.looks import look
from tests.browser.shared import chromium
from tests.support.chromium import page_of
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


def give_up_on_events(service: Service) -> None:
    """Leave a dead letter in the gallery of the service, as a receiver that is down does."""
    store = Store(open_database(f"sqlite:///{service.data_dir / 'duet.db'}"))
    store.rules = Rules(receivers=("0011223344556677",))
    store.create_group(NewGroup("other", watched=True))
    store.add_to_group("other", "ann")
    store.note_sighting("identify", "ann")
    now = datetime.now(UTC)
    for _ in range(len(BACK_OFF_S) + 1):
        store.finish_delivery(store.list_deliveries()[0], "It answers 500.", now)
    store.close()


def test_long_names_stay_on_the_screen(
    page: Page, service: Service, cast: Cast, enrol: Enrol
) -> None:
    """A name of 200 letters is one word."""
    enrol("a" * 128, "A" * 200, cast.enrolled)
    ask(service, cast.again)
    groups = f"{service.url}/v1/groups"
    group_id = "g" * 128
    group = {"group_id": group_id, "name": "G" * 200}
    assert requests.post(groups, json=group, timeout=60).ok
    for path, name in (("visits", "A" * 200), ("groups", "G" * 200)):
        page.goto(f"{service.url}/console/{path}")
        expect(page.locator("#records tbody tr").first).to_contain_text(name)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert requests.delete(f"{groups}/{group_id}", timeout=60).ok


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


def test_unknown_visitors(
    page: Page, service: Service, cast: Cast, enrol: Enrol, pictures: Path
) -> None:
    enrol("ann", "Ann Lee", cast.other)
    for clip in (cast.enrolled, cast.again):
        ask(service, clip)
    page.goto(f"{service.url}/console/strangers")
    rows = page.locator("#records tbody tr")
    expect(rows.first).to_contain_text(EN["strangers.this_is"])
    expect(rows.locator("img").first).to_be_visible()
    look(page, pictures, "strangers")
    rows.first.get_by_role("button", name=EN["strangers.hide"]).press("Enter")
    page.check("#hidden")
    expect(rows).to_have_count(1)
    rows.first.get_by_role("button", name=EN["strangers.list_again"]).click()
    expect(page.locator("#records")).to_have_text(EN["list.none"])
    page.uncheck("#hidden")
    rows.first.get_by_role("button", name=EN["strangers.this_is"]).press("Enter")
    page.fill("#naming-name", "Dan Oh")
    page.press("#naming-name", "Enter")
    expect(page.locator("#naming-problem")).to_have_text(EN["strangers.missing_consent"])
    look(page, pictures, "strangers-naming", schemes=("light",))
    page.check("#naming-consent")
    for same in ("ann lee", "ann"):  # Enter makes no second entry of somebody
        page.fill("#naming-name", same)
        page.press("#naming-name", "Enter")
        expect(page.locator("#confirm")).to_be_visible()
        expect(page.locator("#confirm-text")).to_have_text(
            EN["strangers.namesake"].format(name="Ann Lee")
        )
        page.keyboard.press("Escape")
        expect(page.locator("#confirm")).not_to_be_visible()
    page.fill("#naming-name", "Dan Oh")
    page.press("#naming-name", "Enter")
    expect(page.locator("#naming")).not_to_be_visible()
    named = requests.get(f"{service.url}/v1/people?search=Dan", timeout=60).json()["people"]
    assert [person["consent"] for person in named] == [EN["strangers.consent"]]
    for language in ("ko", "zh"):
        page.goto(f"{service.url}/console/strangers?lang={language}")
        expect(page.locator("h1")).to_have_text(read_texts(language)["console.strangers"])
        look(page, pictures, f"strangers-{language}", schemes=("light",))
    page.goto(f"{service.url}/console/strangers?lang=en")
    expect(page.locator("#records")).not_to_be_empty()
    while rows.count():
        page.click("#records .danger >> nth=0")
        page.click("#confirm-yes")
        expect(page.locator("#confirm")).not_to_be_visible()
        page.reload()
        expect(page.locator("#records")).not_to_be_empty()
    page.goto(f"{service.url}/console/visits?person=ann")
    expect(page.locator("#records")).not_to_be_empty()


def test_groups_and_their_events(
    page: Page, service: Service, cast: Cast, enrol: Enrol, pictures: Path
) -> None:
    enrol("ann", "Ann Lee", cast.enrolled)
    page.goto(f"{service.url}/console/groups")
    expect(page.locator("#stream")).to_have_text(EN["groups.following"])
    expect(page.locator("#deliveries")).to_have_text(EN["groups.all_taken"])
    page.fill("#group-id", "reported")
    page.fill("#group-name", "Reported voices")
    page.fill("#group-days", "30")
    page.check("#group-watched")
    page.press("#group-id", "Enter")
    rows = page.locator("#records tbody tr")
    expect(rows).to_contain_text("Reported voices")
    expect(rows).to_contain_text(EN["groups.term_days"].format(n=30))
    rows.get_by_role("button", name=EN["groups.members"]).press("Enter")
    page.fill("#member", "Zoe")
    page.press("#member", "Enter")
    expect(page.locator("#members-problem")).to_have_text(EN["groups.person_unclear"])
    page.fill("#member", "Ann Lee")
    page.press("#member", "Enter")
    expect(page.locator("#people tbody tr")).to_contain_text("Ann Lee (ann)")
    look(page, pictures, "groups-members", schemes=("light",))
    page.click("#members-close")
    ask(service, cast.again)
    expect(page.locator("#events tbody tr").first).to_contain_text("Ann Lee")
    give_up_on_events(service)
    page.click("#reload")
    expect(page.locator("#deliveries tbody tr")).to_contain_text(EN["groups.given_up"])
    look(page, pictures, "groups")
    page.click("#resend")
    expect(page.locator("#resent")).to_have_text(EN["groups.resent"].format(n=1))
    expect(page.locator("#deliveries tbody tr")).to_contain_text(EN["groups.waiting"])
    for language in ("ko", "zh"):
        page.goto(f"{service.url}/console/groups?lang={language}")
        expect(rows).to_have_count(2)
        look(page, pictures, f"groups-{language}", schemes=("light",))
    page.goto(f"{service.url}/console/groups?lang=en")
    for left in (1, 0):
        rows.first.get_by_role("button", name=EN["groups.delete"]).click()
        page.click("#confirm-yes")
        expect(rows).to_have_count(left)
