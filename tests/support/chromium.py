"""Headless Chromium for the tests of the pages.

Its camera and its microphone play a clip. `CHROMIUM` is None where no Chromium is
installed. The tests that need one are then skipped, and say so.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    ViewportSize,
    sync_playwright,
)

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
SIZES = {"kiosk": (1280, 800), "upright": (800, 1280), "phone": (390, 844)}
"""Screens that the pages are looked at on, in CSS pixels."""
PATIENCE_MS = 180_000
"""How long a page may take for anything. Long, because it costs nothing where all is
well.
"""
ERRORS: list[str] = []
"""What pages wrote to the console as an error since the test began: scripts that
failed, what the Content-Security-Policy stopped.
"""
_SQUARE = (
    "scale=480:480:force_original_aspect_ratio=increase,crop=480:480,"
    "pad=640:480:80:0:color=0x8a8f8c"
)


@dataclass(frozen=True)
class Performer:
    """What the camera sees and the microphone hears, over and over again."""

    video: Path
    sound: Path


def performer(clip: Path, folder: Path) -> Performer:
    """Write a clip as the two files that Chromium's fake devices read.

    MJPEG of 640 × 480 pixels, and WAV.
    """
    made = Performer(folder / f"{clip.stem}.mjpeg", folder / f"{clip.stem}.wav")
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(clip)]
    subprocess.run(
        [*ffmpeg, "-an", "-vf", _SQUARE, "-r", "30", "-q:v", "3", str(made.video)], check=True
    )
    subprocess.run([*ffmpeg, "-vn", "-ac", "1", "-ar", "48000", str(made.sound)], check=True)
    return made


def device_flags(who: Performer | None, cameras: int = 1, *, allowed: bool = True) -> list[str]:
    """List Chromium's flags for fake devices that show `who`.

    None means the real devices of this machine. CI has none.
    """
    if who is None:
        return []
    flags = [
        f"--use-fake-device-for-media-stream=device-count={cameras}",
        f"--use-file-for-fake-audio-capture={who.sound}",
        "--use-fake-ui-for-media-stream" if allowed else "--use-fake-ui-for-media-stream=deny",
    ]
    return flags + ([f"--use-file-for-fake-video-capture={who.video}"] if cameras else [])


@contextmanager
def chromium(who: Performer | None = None) -> Iterator[Browser]:
    """A browser of its own."""
    assert CHROMIUM is not None
    with sync_playwright() as playwright:
        browser = launched(playwright, *device_flags(who))
        try:
            yield browser
        finally:
            browser.close()


def launched(playwright: Playwright, *flags: str) -> Browser:
    """Headless, also as root in a container."""
    return playwright.chromium.launch(
        executable_path=CHROMIUM,
        headless=True,
        args=["--no-sandbox", "--disable-dev-shm-usage", *flags],
    )


def page_of(browser: Browser, **options: Any) -> Page:
    """Open a page in a context of its own, on the screen of a kiosk.

    What goes wrong in it is added to ERRORS.
    """
    width, height = SIZES["kiosk"]
    viewport: ViewportSize = {"width": width, "height": height}
    context = browser.new_context(viewport=viewport, **{"locale": "en-US"} | options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("pageerror", lambda error: ERRORS.append(str(error)))
    page.on("console", _note)
    return page


def _note(message: ConsoleMessage) -> None:
    """An answer 4xx is no fault of the page: the browser prints it all the same."""
    if message.type == "error" and "Failed to load resource" not in message.text:
        ERRORS.append(message.text)
