"""Browsers that the tests of a file share: one starts in a second, and a page at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

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
