"""What browser tests share: browsers, and how people are enrolled.

A browser starts in a second, and a page of an open one at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import requests
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.support.chromium import Performer, device_flags, launched

_OPEN = ExitStack()


@contextmanager
def chromium(
    who: Performer | None = None, *more: str, cameras: int = 1, allowed: bool = True
) -> Iterator[Browser]:
    """As `tests.support.chromium.chromium`, but open until `close_browsers`.

    The pages of a test are closed, and all that they stored is gone.
    """
    browser = _browser(*device_flags(who, cameras, allowed=allowed), *more)
    try:
        yield browser
    finally:
        for context in browser.contexts:
            context.close()


@cache
def _browser(*flags: str) -> Browser:
    browser = launched(_playwright(), *flags)
    _OPEN.callback(browser.close)
    return browser


@cache
def _playwright() -> Playwright:
    return _OPEN.enter_context(sync_playwright())


def close_browsers() -> None:
    """End all of them, and what drives them."""
    _OPEN.close()
    _browser.cache_clear()
    _playwright.cache_clear()


def enrol_clips(url: str, person_id: str, name: str, clips: Iterable[Path]) -> None:
    """Enrol clips for a new person by the API of the service at `url`."""
    people = f"{url}/v1/people"
    asked = {"person_id": person_id, "name": name}
    assert requests.post(people, json=asked, timeout=60).status_code == 201
    for clip in clips:
        answer = requests.post(
            f"{people}/{person_id}/templates",
            files={"media": (clip.name, clip.read_bytes())},
            data={"force": "true"},
            timeout=120,
        )
        assert answer.status_code == 201, answer.text
