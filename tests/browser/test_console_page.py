"""The console in a real browser: each page on every screen, and what an operator does there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
import requests
from playwright.sync_api import Page, Route, expect

from tests.browser.looks import look
from tests.browser.shared import chromium
from tests.support.chromium import page_of
from tests.support.page_texts import read_texts
from tests.support.service import Service

EN = read_texts("en")
PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg"


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
        page.wait_for_load_state()  # its scripts listen from then on

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
    filter_events(page)
    page.click("#verify button")
    expect(page.locator("#verified")).to_contain_text(EN["audit.whole"].split(":")[0])
    look_at("audit")

    open_page("keys")
    keep_an_admin(page)
    look_at("keys")

    open_page("backup")
    expect(page.locator("#state")).to_have_text(EN["backup.off"])
    expect(page.locator("#now")).to_be_disabled()
    look_at("backup")
    back_up(page)

    open_page("health")
    expect(page.locator("#facts")).to_contain_text("face-")
    look_at("health")

    open_page("settings")
    page.fill("#search", "DUET_URL")
    expect(page.locator("#records code").last).to_have_text("cli.py client")
    page.fill("#search", "")
    page.check("#changed")
    expect(page.locator("#records code").first).to_have_text("DUET_PORT")
    look_at("settings")


def filter_events(page: Page) -> None:
    """Filter the audit: one row, none, and by somebody whom nobody knows."""
    page.select_option("#action", "start")
    page.click("#filter .primary")
    expect(page.locator("#records tbody tr")).to_have_count(1)
    page.fill("#outcome", "nothing like it")
    page.click("#filter .primary")
    expect(page.locator("#records")).to_have_text(EN["list.none"])
    page.fill("#person", "zoe")
    page.click("#filter .primary")
    expect(page.locator("#problem")).to_have_text(EN["error.person_not_found"])
    expect(page.locator("#records")).to_be_empty()


def keep_an_admin(page: Page) -> None:
    """Try to make a first key that is no admin's: it would close the service."""
    expect(page.locator("#open")).to_be_visible()
    page.select_option("#role", "kiosk")
    page.click("#new .primary")
    expect(page.locator("#problem")).to_have_text(EN["error.last_admin_key"])


def back_up(page: Page) -> None:
    """Make a backup. The header asks at once, and by itself after 20 s."""
    list_backups_as_made(page)
    page.reload()
    expect(page.locator("#now")).to_be_enabled()
    with page.expect_request("**/v1/health", timeout=10_000):
        page.click("#now")


def list_backups_as_made(page: Page) -> None:
    """Answer as a service that makes backups: it lists one as soon as it was asked for."""
    listed: list[dict[str, object]] = []
    backup = {"name": "a", "made_at": "2026-01-31T08:00:00Z", "people": 0, "templates": 0}

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            listed.append(backup | {"bytes": 1, "is_encrypted": False})
        state = {"is_on": True, "is_running": False, "failed": None, "keep": 7}
        route.fulfill(json=state | {"backups": listed})

    page.route("**/v1/backups", answer)


def test_many_people_are_enrolled(
    page: Page, service: Service, pictures: Path, tmp_path: Path
) -> None:
    """A folder with a table: looked at, confirmed, sent, enrolled and reported."""
    folder = tmp_path / "people"
    (folder / "clips").mkdir(parents=True)
    shutil.copy(PHOTOGRAPH, folder / "clips/ann.jpg")
    (folder / "clips" / "cem.mp4").write_bytes(b"PK\x03\x04")
    rows = "ann,안나,clips/ann.jpg\ncem,,clips/cem.mp4\ndan,Dan,no.mp4\n"
    (folder / "people.csv").write_bytes(f"person_id,name,file\n{rows}".encode("cp949"))
    page.goto(f"{service.url}/console/enrol")
    page.set_input_files("#folder", folder)
    expect(page.locator("#summary")).to_contain_text("People to enrol: 1, with files: 1.")
    expect(page.locator("#summary")).to_contain_text("cp949")
    expect(page.locator("#records")).to_contain_text("안나 (ann)")
    expect(page.locator("#records")).to_contain_text(EN["error.media_not_found"])
    expect(page.locator("#begin")).to_be_disabled()
    look(page, pictures, "console-enrol-preview", schemes=("light",))
    page.check("#only-refused")
    expect(page.locator("#records tbody tr")).to_have_count(2)
    page.check("#agreed")
    page.click("#begin")
    expect(page.locator("#sent")).to_have_text(EN["many.ended"])
    expect(page.locator("#outcome")).to_have_text(
        EN["many.outcome"].format(done=1, failed=2, left=0)
    )
    look(page, pictures, "console-enrol-done", schemes=("light",))
    (folder / "people.csv").write_text("edited since")
    with page.expect_download() as download:
        page.click("#report")
    report = download.value.path().read_text("utf-8-sig")
    assert "ann,안나,enrolled,1,1,0,0," in report
    assert "dan,Dan,refused,1,0,1,0," in report
    assert "[media_not_found]" in report
    page.reload()
    expect(page.locator("#sent")).to_have_text(EN["many.ended"])
    for name in ("chosen", "bar", "go-on"):
        expect(page.locator(f"#{name}")).to_be_hidden()
    page.goto(f"{service.url}/console/jobs")
    expect(page.locator("#records")).to_contain_text(EN["jobs.report"])
    page.goto(f"{service.url}/console/enrol")
    rows = f"person_id,name,file,retention_days\n{rows}eve,Eve,no.mp4,soon\n"
    (folder / "people.csv").write_text(rows, encoding="utf-8")
    page.set_input_files("#folder", folder)
    expect(page.locator("#reasons")).to_contain_text(EN["error.person_exists"])
    expect(page.locator("#reasons")).to_contain_text(EN["error.invalid_request"])
    expect(page.locator("#reasons")).not_to_contain_text("invalid_request")
    page.select_option("#existing", "add")
    expect(page.locator("#records")).to_contain_text(EN["many.will_add"])
    page.set_input_files("#files", folder / "people.csv")
    expect(page.locator("#problem")).to_be_hidden()
    (folder / "people.csv").write_text("person_id,consnt,file\na,b,c", encoding="utf-8")
    page.set_input_files("#folder", folder)
    expect(page.locator("#problem")).to_have_text(EN["error.table_columns"])
