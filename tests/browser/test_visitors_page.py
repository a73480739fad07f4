"""Recent visitors in a real browser, as an operator looks through them."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Cast, Enrol
from tests.browser.looks import look
from tests.support.asking import identify
from tests.support.page_texts import read_texts
from tests.support.service import Service

EN = read_texts("en")
