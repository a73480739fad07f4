"""How a page looks, and whether everybody can use it.

Screenshots on every screen, nothing wider than the screen, and axe-core.
"""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.support.chromium import SIZES

KEPT = os.environ.get("SCREENSHOTS")
"""Folder that pictures are kept in. Without one none is taken: nothing is read off them."""
SERIOUS = ("serious", "critical")


def look(
    page: Page, pictures: Path, name: str, *, schemes: tuple[str, ...] = ("light", "dark")
) -> None:
    """Take a picture of the state on every screen, light and dark, and check it there.

    The page is as before afterwards.
    """
    before = page.viewport_size
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            # Somebody is there: the kiosk does not go back to the start
            page.keyboard.press("Shift")
            photograph(page, pictures / f"{name}-{size}-{scheme}.png")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                f"{name} is wider than the screen {size}"
            )
        assert_usable(page, f"{name}, {scheme}")
    page.emulate_media(color_scheme="light")
    assert before is not None
    page.set_viewport_size(before)


def photograph(page: Page, file: Path, **options: Any) -> None:
    """Take a picture, if pictures are kept."""
    if KEPT:
        page.screenshot(path=file, **options)


def write_album(folder: Path) -> None:
    """Write `index.html`, which shows all pictures of the folder, one below the other."""
    pictures = sorted(file.name for file in folder.iterdir() if file.suffix in (".jpg", ".png"))
    figures = [
        f'<figure id="{number}"><img loading="lazy" src="{quote(name)}" alt="">'
        f'<figcaption>{escape(name)} <a href="#{number - 1}">before</a>'
        f' <a href="#{number + 1}">next</a></figcaption></figure>'
        for number, name in enumerate(pictures)
    ]
    style = "img { max-width: 100%; max-height: 90vh; border: 1px solid #aaa; }"
    page = f"<!doctype html><meta charset=utf-8><style>{style}</style>{''.join(figures)}"
    (folder / "index.html").write_text(page, encoding="utf-8")


def assert_usable(page: Page, where: str) -> None:
    """No serious finding of axe-core (contrast, labels, roles, focus order ...)."""
    page.evaluate("() => Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    violations = Axe().run(page).response["violations"]
    serious = [_describe(one) for one in violations if one["impact"] in SERIOUS]
    assert not serious, f"{where}: {serious}"


def _describe(violation: dict[str, Any]) -> str:
    places = [node["target"] for node in violation["nodes"][:3]]
    return f"{violation['id']}: {violation['help']}: {places}"
