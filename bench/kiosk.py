"""Waiting time at the kiosk, in a real browser.

Runs from the end of a 3 s recording to the answer on the screen.

    python -m bench.kiosk [--clip CLIP] [--people FOLDER] [--rounds 10]

Starts a service of its own in an empty folder and enrols FOLDER (one folder of clips a
person) there, opens /kiosk in Chromium (which must be installed) with CLIP in front of
its camera and microphone, and asks `rounds` times. The browser runs on the same
machine. The page marks the end of the recording and the moment the answer is shown; the
frame in which it is painted is waited for too. Also prints the bytes that the first
paint needs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import requests
from playwright.sync_api import Page

from tests.browser.chromium import CHROMIUM, chromium, page_of, performer
from tests.support.media import write_clip
from tests.support.service import Service, running

PAINTED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const marks = (name) => performance.getEntriesByName(name).at(-1).startTime;
  done([marks('answered') - marks('recorded'), performance.now() - marks('recorded')]);
})))"""
BYTES = """() => performance
  .getEntries()
  .reduce((sum, entry) => sum + (entry.decodedBodySize ?? 0), 0)"""
WAIT_MS = 60_000


def enrol(service: Service, people: Path) -> int:
    """Enrol every clip below `people`. Returns the number of people."""
    folders = sorted(f for f in people.iterdir() if f.is_dir())
    for folder in folders:
        requests.post(
            f"{service.url}/v1/people", json={"person_id": folder.name}, timeout=60
        ).raise_for_status()
        for clip in sorted(f for f in folder.rglob("*") if f.is_file()):
            requests.post(
                f"{service.url}/v1/people/{folder.name}/templates",
                files={"media": (clip.name, clip.read_bytes())},
                data={"force": "true"},
                timeout=120,
            ).raise_for_status()
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


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, help="whom the camera sees; default: a drawn face")
    parser.add_argument("--people", type=Path, help="folder of people to enrol; default: nobody")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("No Chromium is installed. On Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as service:
        folder = Path(name)
        people = enrol(service, args.people) if args.people else 0
        who = performer(args.clip or write_clip(folder / "drawn.mp4", person=1, seconds=5), folder)
        with chromium(who) as browser:
            page = page_of(browser)
            page.goto(f"{service.url}/kiosk", wait_until="networkidle")
            weight = page.evaluate(BYTES)
            page.wait_for_selector("#start:visible", timeout=WAIT_MS)
            ask(page)  # the first request warms the networks
            load = os.getloadavg()[0]
            answers = [ask(page) for _ in range(args.rounds)]
    times = sorted(ms for ms, _ in answers)
    print(
        f"{people} people, {args.rounds} rounds of a 3 s clip at 640 × 480, load {load:.1f} on"
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
