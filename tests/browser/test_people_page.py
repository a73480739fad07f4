"""/people in a real browser: enrol, rename, merge, delete, the map and the matrix."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Cast, Enrol
from tests.browser.looks import look, photograph
from tests.browser.shared import chromium
from tests.support.chromium import page_of
from tests.support.page_texts import read_texts
from tests.support.service import Service

EN = read_texts("en")


@pytest.fixture
def page(service: Service, cast: Cast) -> Iterator[Page]:
    with chromium(cast.enrolled_person) as browser:
        page = page_of(browser)
        yield page


def people(service: Service) -> dict[str, str]:
    return {
        p["person_id"]: p["name"]
        for p in requests.get(f"{service.url}/v1/people", timeout=60).json()["people"]
    }


def enrol_ann(page: Page, clip: Path, pictures: Path) -> None:
    """Enrol Ann by the form, at first without a clip."""
    page.click("#new")
    page.fill("#new-name", "Ann Lee")
    page.fill("#new-id", "ann")
    page.click("#enrol-form .primary")
    expect(page.locator("#new-problem")).to_have_text(EN["people.missing_clip"])
    look(page, pictures, "people-new")
    page.set_input_files("#new-clip input[type=file]", clip)
    page.click("#enrol-form .primary")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#rows .avatar img")).to_be_visible()  # a picture is kept in this service


def test_trouble_is_told_in_the_header(page: Page, service: Service, pictures: Path) -> None:
    """The service's own answer, with what hinders it: the links beside it keep one line."""

    def add_trouble(route: Route) -> None:
        health = route.fetch().json()
        reasons = [{"code": code, "text": ""} for code in ("disk_full", "clock", "database_slow")]
        route.fulfill(json=health | {"status": "degraded", "reasons": reasons})

    page.route("**/v1/health", add_trouble)
    page.goto(f"{service.url}/people")
    expect(page.locator("#health-text")).to_contain_text(EN["trouble.disk_full"])
    look(page, pictures, "people-trouble")
    page.set_viewport_size({"width": 360, "height": 640})
    name = page.locator(".brand").bounding_box()
    assert name is not None
    for link in page.locator(".languages a").all():
        box = link.bounding_box()
        assert box is not None
        assert box["height"] < 40  # pixels: two lines are more
        assert box["y"] < name["y"] + name["height"], "beside the name, and not below it"


def rename_while_it_loads(page: Page) -> None:
    """Rename the person before the answer about her is there."""
    held: list[Route] = []

    def hold(route: Route) -> None:  # Playwright takes no built-in method
        held.append(route)

    page.route("**/v1/people/ann", hold)
    with page.expect_request("**/v1/people/ann"):
        page.click("#rows button")
    page.fill("#rename", "Ann Lee-Smith")
    held[0].continue_()
    page.unroute("**/v1/people/ann")
    expect(page.locator("#templates li")).to_have_count(2)
    # Whoever types before the answer is there is not interrupted
    expect(page.locator("#rename")).to_have_value("Ann Lee-Smith")
    page.focus("#rename")
    page.keyboard.press("Enter")
    expect(page.locator("#person-name")).to_have_text("Ann Lee-Smith")


def test_enrol_rename_merge_delete(
    page: Page, service: Service, cast: Cast, enrol: Enrol, pictures: Path
) -> None:
    page.goto(f"{service.url}/people")
    expect(page.locator("#empty-title")).to_have_text(EN["people.none"])
    look(page, pictures, "people-empty")
    enrol_ann(page, cast.enrolled, pictures)

    rename_while_it_loads(page)
    assert people(service) == {"ann": "Ann Lee-Smith"}
    enrol("ben", "Ben Ray", cast.other)
    page.set_input_files("#add-clip input[type=file]", cast.again)
    expect(page.locator("#templates li")).to_have_count(4)
    page.fill("#merge-with", "ben")
    page.click("#merge-form button")
    look(page, pictures, "people-merge")
    page.click("#confirm-yes")
    expect(page.locator("#templates li")).to_have_count(6)
    assert people(service) == {"ann": "Ann Lee-Smith"}

    page.click("#delete")
    expect(page.locator("#confirm-no")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#confirm")).to_be_hidden()
    assert people(service) == {"ann": "Ann Lee-Smith"}
    look(page, pictures, "people-person")
    page.click("#delete")
    page.click("#confirm-yes")
    expect(page.locator("#empty")).to_be_visible()
    assert people(service) == {}


def test_search_map_and_matrix(
    page: Page, service: Service, cast: Cast, enrol: Enrol, pictures: Path
) -> None:
    enrol("ann", "Ann Lee", cast.enrolled, cast.again)
    enrol("ben", "Ben Ray", cast.other)
    enrol("cem", "Cem Oz", cast.enrolled, cast.again)
    for number in range(25):
        requests.post(f"{service.url}/v1/people", json={"person_id": f"x{number:02d}"}, timeout=60)
    page.goto(f"{service.url}/people")
    expect(page.locator("#rows tr")).to_have_count(20)
    page.check("#select-page")
    with page.expect_download() as exported:
        page.click("#export-many")
    assert len(json.loads(exported.value.path().read_text(encoding="utf-8"))) == 20
    # Whoever is exported stays selected, to be deleted next
    expect(page.locator("#selected")).to_have_text(EN["people.selected"].format(n=20))
    page.click("#delete-many")
    expect(page.locator("#confirm-text")).to_contain_text("Ann Lee (ann), Ben Ray (ben)")
    expect(page.locator("#confirm-text")).to_contain_text("x01, and 15 more.")
    page.click("#confirm-no")
    page.click("#unselect")
    page.click("#next")
    expect(page.locator("#rows tr")).to_have_count(8)
    page.fill("#search", "lee")
    expect(page.locator("#rows tr")).to_have_count(1)
    with page.expect_response(
        lambda answer: re.search("similarity.*search=$", answer.url) is not None
    ):
        page.fill("#search", "")
    expect(page.locator("#rows tr")).to_have_count(20)
    expect(page.locator("#plane[aria-busy]")).to_have_count(0)
    expect(page.locator("#plane circle")).to_have_count(5)
    page.hover("#plane circle >> nth=2")
    expect(page.locator("#map-status")).to_contain_text("Ben Ray")
    page.focus("#plane")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#map-status")).to_contain_text("Ann Lee")
    expect(page.locator("#plane .on")).to_have_count(2)
    page.set_input_files("#map .probe input[type=file]", cast.again)
    expect(page.locator("#plane .probe")).to_have_count(1)
    page.check("#map [name=method][value=tsne]", force=True)
    expect(page.locator("#map-status")).to_contain_text(EN["map.tsne_about"])
    expect(page.locator("#closest li")).to_have_count(3)
    page.focus("#cells")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#matrix-status")).to_contain_text("Ann Lee and Ben Ray")
    look(page, pictures, "people-list")
    photograph(page, pictures / "people-whole.png", full_page=True)


def test_swagger_try_it_out(page: Page, service: Service, cast: Cast, pictures: Path) -> None:
    page.goto(service.url)
    expect(page.locator("header nav a[aria-current=page]")).to_have_text(EN["header.swagger"])
    operation = page.locator("#operations-identify-identify")
    operation.locator(".opblock-summary-control").click()
    operation.locator(".try-out__btn").click()
    operation.locator("input[type=file]").set_input_files(cast.again)
    operation.locator("button.execute").click()
    expect(
        operation.locator(".live-responses-table td.response-col_status:not(.col_header)").first
    ).to_contain_text("200")
    photograph(page, pictures / "swagger.png")
