"""Waiting time of the operator at /people.

Measures the first paint, the list that can be used, and the drawn map and matrix.

Fills a gallery file of its own with made-up people, each with so many face and as many
voice templates of the shipped networks' ids (random vectors, with as many effective
dimensions as real ones), starts a service on it and opens /people in Chromium (which
must be installed), each round in a browser context without a cache. Times run from the
start of the navigation, as the page's own clock has them. "Search" is from a letter
typed until the narrowed list is shown, the 200 ms that the page waits for more letters
included. The time of each request, as the browser saw it, is printed too.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import click
import numpy as np
from playwright.sync_api import Browser

from bench.crowds import vectors
from gallery.store import NewPerson, NewTemplate, Store, open_store
from network.serving.card import read_card
from tests.support.chromium import CHROMIUM, chromium, page_of
from tests.support.service import running
from utils.arrays import unit
from utils.config import Settings
from utils.modality import Embedding, Modality

# A template's length of noise for each length of its person: a cosine of 0.36 between
# two of a person.
SPREAD = 1.33
WATCH = """() => {
  const ready = {
    list: () => document.querySelector('#rows tr button'),
    map: () => document.querySelector('#plane [data-index]'),
    matrix: () => document.querySelector('#closest li'),
  };
  window.reached = {};
  const look = () => {
    for (const [name, isReady] of Object.entries(ready)) {
      if (!(name in window.reached) && isReady()) window.reached[name] = performance.now();
    }
    if (Object.keys(window.reached).length < 3) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
REACHED = """() => {
  if (Object.keys(window.reached).length < 3) return false;
  const [paint] = performance.getEntriesByName('first-contentful-paint');
  const requests = performance
    .getEntriesByType('resource')
    .filter((entry) => /v1.(people|gallery)/.test(entry.name))
    .map((entry) => [`(request ${new URL(entry.name).pathname})`, entry.duration]);
  return { 'first paint': paint.startTime, ...window.reached, ...Object.fromEntries(requests) };
}"""
SEARCH = """async () => {
  const field = document.getElementById('search');
  const started = performance.now();
  field.value = 'person 123';
  field.dispatchEvent(new Event('input', {bubbles: true}));
  while (document.querySelectorAll('#rows tr').length !== 1) {
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - started;
}"""


def fill(store: Store, people: int, each: int) -> None:
    """Enrol `people` with `each` templates of a face and of a voice."""
    embeddings = {}
    for modality in (Modality.FACE, Modality.VOICE):
        encoder_id = read_card(Path("best_model") / modality).encoder_id
        own = np.repeat(vectors(modality, 0, people), each, axis=0)
        noise = vectors(modality, people, people * each)
        rows = unit(own + SPREAD * noise)
        embeddings[modality] = [Embedding(row, modality, encoder_id) for row in rows]
    for number in range(people):
        new = []
        for of_modality in embeddings.values():
            for turn, embedding in enumerate(of_modality[number * each : (number + 1) * each]):
                new.append(NewTemplate(embedding, 0.8, f"{number}-{turn}"))
        store.enroll(NewPerson(f"person-{number:05}", f"Person {number}"), new)


def visit(browser: Browser, url: str) -> dict[str, float]:
    """Milliseconds to everything, of one visit with an empty cache."""
    page = page_of(browser)
    page.add_init_script(f"({WATCH})()")
    page.goto(f"{url}/people")
    times_ms: dict[str, float] = page.wait_for_function(REACHED).json_value()
    times_ms["search"] = page.evaluate(SEARCH)
    page.context.close()
    return times_ms


@click.command(help=__doc__)
@click.option("--people", default=500, show_default=True, help="Size of the gallery.")
@click.option(
    "--templates", default=2, show_default=True, help="Of each modality, for each person."
)
@click.option("--rounds", default=5, show_default=True, help="Timed visits.")
def main(people: int, templates: int, rounds: int) -> None:
    """Print the figures."""
    if CHROMIUM is None:
        raise click.ClickException("No Chromium is installed. On Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        store = open_store(Settings.of(data_dir=Path(name) / "data"))
        fill(store, people, templates)
        store.close()
        with running(Path(name)) as service, chromium() as browser:
            # The first visit loads the index.
            visit(browser, service.url)
            visits = [visit(browser, service.url) for _ in range(rounds)]
            load = os.getloadavg()[0]
    print(
        f"{people} people, {templates} templates of each modality, {rounds} rounds, "
        f"load {load:.1f} on {os.cpu_count()} cores"
    )
    for what in visits[0]:
        times = sorted(one[what] for one in visits)
        print(
            f"{what:40} best {times[0]:6.0f} ms, median {statistics.median(times):6.0f} ms, worst"
            f" {times[-1]:6.0f} ms"
        )


if __name__ == "__main__":
    main()
