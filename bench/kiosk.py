"""Waiting time at the kiosk, in a real browser.

Runs from the end of a 3 s recording to the answer on the screen.

Starts a service of its own in an empty folder and enrols people there, opens /kiosk in
Chromium (which must be installed) with a clip in front of its camera and microphone,
and asks `rounds` times. The browser runs on the same
machine. The page marks the end of the recording and the moment the answer is shown; the
frame in which it is painted is waited for too. Also prints the bytes that the first
paint needs.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import click
from playwright.sync_api import Page

from bench.clips import enroll
from tests.support.chromium import CHROMIUM, chromium, page_of, performer
from tests.support.media import write_clip
from tests.support.service import Service, running
from utils.path_option import PathOption

PAINTED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const marks = (name) => performance.getEntriesByName(name).at(-1).startTime;
  done([marks('answered') - marks('recorded'), performance.now() - marks('recorded')]);
})))"""
BYTES = """() => performance
  .getEntries()
  .reduce((sum, entry) => sum + (entry.decodedBodySize ?? 0), 0)"""
WAIT_MS = 60_000


def enroll_all(service: Service, people: Path) -> int:
    """Enrol every clip below `people`. Returns the number of people."""
    folders = sorted(path for path in people.iterdir() if path.is_dir())
    for folder in folders:
        clips = sorted(path for path in folder.rglob("*") if path.is_file())
        enroll(service, folder.name, clips)
    return len(folders)


def ask(page: Page) -> tuple[float, str]:
    """Milliseconds from the end of the recording to the painted answer.

    Also returns who was named.
    """
    page.click("#start")
    page.wait_for_selector("main[data-state=answer]", timeout=WAIT_MS)
    _, painted = page.evaluate(PAINTED)
    who = page.inner_text("#who")
    page.click("#again")
    page.wait_for_selector("#start:visible")
    return float(painted), who


@click.command(help=__doc__)
@click.option(
    "--clip",
    type=PathOption(path_type=Path, dir_okay=False),
    help="Whom the camera sees.  [default: a drawn face]",
)
@click.option(
    "--people",
    type=PathOption(path_type=Path, file_okay=False),
    help="People to enrol: a folder of clips for each.  [default: nobody]",
)
@click.option("--rounds", default=10, show_default=True, help="Timed questions.")
def main(clip: Path | None, people: Path | None, rounds: int) -> None:
    """Print the figures."""
    if CHROMIUM is None:
        raise click.ClickException("No Chromium is installed. On Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as service:
        folder = Path(name)
        count = enroll_all(service, people) if people else 0
        who = performer(clip or write_clip(folder / "drawn.mp4", person=1, seconds=5), folder)
        with chromium(who) as browser:
            page = page_of(browser)
            page.goto(f"{service.url}/kiosk", wait_until="networkidle")
            weight = page.evaluate(BYTES)
            page.wait_for_selector("#start:visible", timeout=WAIT_MS)
            # The first request warms the networks.
            ask(page)
            load = os.getloadavg()[0]
            answers = [ask(page) for _ in range(rounds)]
    times = sorted(ms for ms, _ in answers)
    print(
        f"{count} people, {rounds} rounds of a 3 s clip at 640 × 480, load {load:.1f} on"
        f" {os.cpu_count()} cores"
    )
    median = statistics.median(times)
    print(
        f"end of recording to answer on screen: best {times[0]:.0f} ms, median {median:.0f} ms,"
        f" worst {times[-1]:.0f} ms"
    )
    print(
        f"answers: {', '.join(sorted({name for _, name in answers}))}; first paint:"
        f" {weight / 1000:.1f} kB of own resources"
    )


if __name__ == "__main__":
    main()
