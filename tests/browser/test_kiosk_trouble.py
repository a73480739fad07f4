"""What somebody at the kiosk sees when the service refuses or goes away.

The service wants a key, is asked too often, or is gone. Each has a way on. Also:
what a kiosk's own key is enough for.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Cast
from tests.browser.looks import look
from tests.browser.shared import chromium
from tests.support.chromium import page_of
from tests.support.page_texts import read_texts
from tests.support.service import ROOT, Service, environment, running

EN = read_texts("en")
KEY = "k" * 40


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path, api_key=KEY, rate_limit="2/hour") as service:
        yield service


def check_insecure(browser: Browser, service: Service) -> None:
    """Check what the kiosk says where it is not on https nor on this machine."""
    insecure = browser.new_page()
    insecure.goto(f"{service.url.replace('127.0.0.1', 'duet.example')}/kiosk")
    insecure.click("#open")
    expect(insecure.locator("#problem-title")).to_have_text(EN["device.insecure"])


def give_key(page: Page) -> None:
    """Give a wrong key, then the right one. The page keeps it nowhere."""
    expect(page.locator("#give-key")).to_be_focused()
    page.keyboard.press("Enter")
    page.fill("#key-input", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-problem")).to_have_text(EN["key.wrong"])
    page.fill("#key-input", KEY)
    page.keyboard.press("Enter")
    expect(page.locator("#key-dialog")).to_be_hidden()
    expect(page.locator("#health")).to_have_attribute("data-state", "ok")
    assert page.evaluate(
        "[Object.keys(localStorage), document.cookie.includes('k'.repeat(20))]"
    ) == [[], False]


def ask_until_refused(page: Page, clip: Path) -> None:
    """Send the clip until the service asks to wait: two clips are allowed."""
    for _ in range(3):
        page.click("#again")
        expect(page.locator("#start")).to_be_visible()
        page.set_input_files("input.file >> nth=1", clip)
        expect(page.locator("main")).to_have_attribute("data-state", re.compile("answer|problem"))
        if page.get_attribute("main", "data-state") == "problem":
            break


def test_key_then_queue_then_gone(keyed: Service, cast: Cast) -> None:
    with chromium(
        cast.enrolled_person, "--host-resolver-rules=MAP duet.example 127.0.0.1"
    ) as browser:
        check_insecure(browser, keyed)

        page = page_of(browser)
        page.goto(f"{keyed.url}/kiosk")
        expect(page.locator("#health")).to_have_attribute("data-state", "key")
        expect(page.locator("#start")).to_be_visible()
        page.set_input_files("input.file >> nth=0", cast.again)
        expect(page.locator("#problem-title")).to_have_text(EN["problem.key"])
        give_key(page)
        expect(page.locator("#resend")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#who")).to_have_text(EN["answer.unknown"])
        ask_until_refused(page, cast.again)
        expect(page.locator("#problem-title")).to_have_text(EN["problem.busy"])

        # At once: before the problem is taken off the screen
        for pid in [keyed.process.pid, *keyed.worker_pids()]:
            os.kill(pid, signal.SIGKILL)
        page.click("#resend")
        expect(page.locator("#problem-title")).to_have_text(EN["problem.gone"])
        expect(page.locator("#resend")).to_be_focused()


def new_key(service: Service, role: str) -> str:
    """A key of a role, as the operator makes it."""
    made = subprocess.run(
        [sys.executable, "cli.py", "keys", "create", "--role", role],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment({"data_dir": service.data_dir}),
    )
    return made.stdout.strip()


def test_what_the_key_of_a_kiosk_is_enough_for(tmp_path: Path, cast: Cast, pictures: Path) -> None:
    with running(tmp_path, api_key=KEY) as service, chromium(cast.enrolled_person) as browser:
        page = page_of(browser)
        page.goto(f"{service.url}/kiosk")
        page.click("#key-button")
        expect(page.locator("#key-button")).to_have_text(EN["header.key"])
        page.fill("#key-input", new_key(service, "kiosk"))
        page.keyboard.press("Enter")
        expect(page.locator("#health")).to_have_attribute("data-state", "ok")
        expect(page.locator("#key-button")).to_have_text(EN["header.key_held"])
        expect(page.locator("#start")).to_be_visible()
        page.set_input_files("input.file >> nth=1", cast.enrolled)
        expect(page.locator("#who")).to_have_text(EN["answer.unknown"])
        enrol_as(page, "Ann Lee")
        expect(page.locator("#enrolled-who")).to_have_text("Ann Lee")
        page.click("#enrolled-done")
        deny_and_enrol(page, cast.enrolled)
        expect(page.locator("#duplicate-operator")).to_be_visible()
        expect(page.locator("#duplicate-same")).to_be_hidden()
        expect(page.locator("#duplicate-other")).to_be_hidden()
        expect(page.locator("#duplicate-cancel")).to_be_focused()
        assert enrolled(service) == {"Ann Lee": 1}

        check_other_roles(page, service)
        look_round_as_operator(page, service)
        decide_as_operator(page, service, cast, pictures)


def enrolled(service: Service) -> dict[str, int]:
    """Name → number of stored faces."""
    headers = {"X-API-Key": KEY}
    answer = requests.get(f"{service.url}/v1/people", headers=headers, timeout=60)
    return {person["name"]: person["templates"]["face"] for person in answer.json()["people"]}


def deny_and_enrol(page: Page, clip: Path) -> None:
    """Ann is recognised, denies it, and wants to enrol under another name."""
    page.set_input_files("input.file >> nth=1", clip)
    expect(page.locator("#who")).to_have_text("Ann Lee")
    page.click("#not-me")
    expect(page.locator("#feedback")).to_have_text(EN["kiosk.feedback_saved"])
    expect(page.locator("#who")).to_have_text(EN["answer.mistaken"])
    enrol_as(page, "Somebody Else")
    expect(page.locator("#duplicate-text")).to_contain_text("Ann Lee")


def check_other_roles(page: Page, service: Service) -> None:
    """The page for operators says which role it needs, and Swagger UI shows the refusal."""
    page.goto(f"{service.url}/people")
    expect(page.locator("#health")).to_have_text(EN["header.role_needed"])
    expect(page.locator("#list-problem")).to_contain_text("cli.py keys create --role operator")
    page.click("#key-button")
    page.fill("#key-input", new_key(service, "kiosk"))
    page.keyboard.press("Enter")
    expect(page.locator("#key-problem")).to_contain_text("kiosk")
    page.evaluate("key => sessionStorage.setItem('duet.key', key)", new_key(service, "kiosk"))
    page.goto(service.url)  # Swagger UI takes the key over
    listing = page.locator("#operations-people-list_people")
    listing.locator(".opblock-summary-control").click()
    listing.locator(".try-out__btn").click()
    listing.locator("button.execute").click()
    expect(listing.locator(".live-responses-table")).to_contain_text("The key has the role kiosk")


OPERATORS = ("people", "enrol", "visits", "strangers", "groups", "jobs", "audit", "health")
"""Pages of the console that an operator may use."""


def look_round_as_operator(page: Page, service: Service) -> None:
    """The console links to what an operator may use, and says what needs another role."""
    key = new_key(service, "operator")
    page.evaluate("key => sessionStorage.setItem('duet.key', key)", key)
    page.goto(f"{service.url}/people")
    expect(page.locator("#health")).to_have_attribute("data-state", "ok")
    links = page.locator(".console-nav a:visible")
    shown = [EN[f"console.{name}"] for name in OPERATORS]
    expect(links).to_have_text(shown)
    expect(page.locator("#rows")).to_contain_text("Ann Lee")
    page.goto(f"{service.url}/console/keys")
    expect(page.locator("#health")).to_have_text(EN["header.role_needed"])
    expect(page.locator("#problem")).to_contain_text("cli.py keys create --role admin")
    page.goto(f"{service.url}/console/audit")
    expect(page.locator("#records tbody tr").first).to_be_visible()


def decide_as_operator(page: Page, service: Service, cast: Cast, pictures: Path) -> None:
    """With an operator's key, whoever stands there may say that it is the same person."""
    page.goto(f"{service.url}/kiosk")
    expect(page.locator("#health")).to_have_attribute("data-state", "ok")
    expect(page.locator("#start")).to_be_visible()
    deny_and_enrol(page, cast.enrolled)
    expect(page.locator("#duplicate-same")).to_be_focused()
    look(page, pictures, "kiosk-duplicate")
    page.click("#duplicate-same")
    expect(page.locator("#enrolled-who")).to_have_text("Ann Lee")


def enrol_as(page: Page, name: str) -> None:
    """From the answer to the request."""
    page.click("#enrol")
    page.fill("#name", name)
    page.check("#consent")
    page.click("#enrol-form .primary")
