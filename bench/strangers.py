"""Unknown visitors who come again: who is taken for one, and what it costs.

With CLIPS, a folder a person, nobody is enrolled and each clip is asked about, in an order
that is drawn anew for each round. Then it is counted how many groups hold clips of several
people, and how many people are in several groups.

The time is that of finding and storing a clip, among so many made-up strangers with a face
and a voice of `MOST_CLIPS` clips each (random vectors). The median of so many clips.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np

from assembly import build_recognizer
from bench.operator import show, time_s
from gallery.records import strangers
from gallery.records.strangers import KeptValue, NewClip, StrangerClip
from gallery.store import Store
from recognition.probe import Probe
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, IdentificationRequest
from utils.arrays import EMBEDDING_SIZE, unit
from utils.config import Settings
from utils.errors import DuetError
from utils.modality import SINGLE, Embedding, Modality
from utils.path_option import PathOption

SUFFIXES = {".mp4", ".mpg", ".webm", ".mov", ".avi", ".mkv", ".wav"}


def list_clips(folder: Path) -> Iterator[tuple[str, Path]]:
    """List person and path of each clip. A file outside of a folder is a person of its own."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            yield path.relative_to(folder).parts[0], path


def observe_all(recognizer: Recognizer, folders: Sequence[Path]) -> list[tuple[str, Probe]]:
    """Analyse every clip once. Those without a face and speech are left out."""
    probes = []
    for folder in folders:
        for person, path in list_clips(folder):
            try:
                probes.append((f"{folder}/{person}", recognizer.observe(ClipFile(path))))
            except DuetError as error:
                print(f"{path.name}: {error.code}")
    return probes


def group(
    settings: Settings,
    probes: Sequence[tuple[str, Probe]],
    seed: int,
    by: Modality | None,
) -> None:
    """Ask about every clip in a drawn order, and print what came of it."""
    recognizer = build_recognizer(settings)
    people: dict[str, list[str]] = defaultdict(list)
    order = np.random.default_rng(seed).permutation(len(probes))
    times_ms = []
    for number in order.tolist():
        person, probe = probes[number]
        started = time.perf_counter()
        clip = replace(probe, timings_ms={})
        recognizer.identify(IdentificationRequest(clip, modality=by, source=person))
        times_ms.append(1000 * (time.perf_counter() - started))
        latest = recognizer.store.list_visits(1)[0]
        if latest.stranger_id:
            people[latest.stranger_id].append(person)
    print(describe(people, len(probes), seed))
    what = "search" if not settings.visitors.stranger_days else "search, checks and storing"
    print(f"  {what} after the analysis: {statistics.median(times_ms):.0f} ms a clip")
    recognizer.close()


def describe(people: Mapping[str, list[str]], clips: int, seed: int) -> str:
    """Describe groups by the people in them."""
    mixed = sum(len(set(members)) > 1 for members in people.values())
    groups: dict[str, int] = defaultdict(int)
    for members in people.values():
        for person in set(members):
            groups[person] += 1
    clips_kept = sum(map(len, people.values()))
    several = sum(count > 1 for count in groups.values())
    return (
        f"order {seed}: {clips} clips, {clips_kept} kept, {len(groups)} people in {len(people)}"
        f" groups; {mixed} groups of several people, {several} people in several groups"
    )


def fill(store: Store, count: int, encoder_ids: Mapping[Modality, str]) -> None:
    """Store so many strangers, each with `MOST_CLIPS` clips of random directions."""
    draw = np.random.default_rng(0)
    for number in range(count):
        own = unit(draw.standard_normal((2, EMBEDDING_SIZE)).astype(np.float32))
        key = None
        for take in range(strangers.MOST_CLIPS):
            noise = draw.standard_normal((2, EMBEDDING_SIZE)).astype(np.float32) * 0.02
            rows = unit(own + noise)
            values = tuple(
                KeptValue(Embedding(row, m, encoder_ids[m]), 0.8, 3.0)
                for m, row in zip(SINGLE, rows, strict=True)
            )
            clip = StrangerClip(f"{number}-{take}", values)
            key = store.keep_stranger(NewClip(clip, key))


def time_search(settings: Settings, probe: Probe, count: int, rounds: int) -> None:
    """Print the median time of finding, and of finding and storing, among so many."""
    recognizer = build_recognizer(settings)
    ids = {m: recognizer.encoder_ids[m] for m in SINGLE}
    fill(recognizer.store, count, ids)
    find = partial(recognizer.strangers.find, probe)
    print(f"{count} strangers of {strangers.MOST_CLIPS} clips, {os.cpu_count()} cores")
    show("read all, and find", [time_s(find)])
    show("find", [time_s(find) for _ in range(rounds)])
    keep = partial(keep_clip, recognizer.store, probe)
    show("store a clip", [time_s(partial(keep, number)) for number in range(rounds)])
    after = []
    for number in range(rounds):
        keep(rounds + number)
        after.append(time_s(find))
    show("find after one changed", after)
    recognizer.close()


def keep_clip(store: Store, probe: Probe, number: int) -> None:
    """Store a clip of a stranger who has all that are kept: the oldest one goes."""
    value = KeptValue(probe.embeddings[Modality.FACE], 0.8)
    store.keep_stranger(NewClip(StrangerClip(f"timed-{number}", (value,)), 1 + number))


@click.command(help=__doc__)
@click.argument("clips", nargs=-1, type=PathOption(exists=True, path_type=Path))
@click.option(
    "--by",
    type=click.Choice([str(m) for m in SINGLE]),
    help="Ask by the face or the voice alone [default: both].",
)
@click.option("--orders", default=3, show_default=True, help="Orders in which clips come.")
@click.option("--strangers", "count", default=1000, show_default=True, help="Made-up strangers.")
@click.option("--rounds", default=20, show_default=True, help="Clips that are timed.")
def main(clips: tuple[Path, ...], *, by: str | None, orders: int, count: int, rounds: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:

        def settings_of(part: str) -> Settings:
            return Settings.of(data_dir=Path(name) / part, stranger_days=14, visit_days=14)

        recognizer = build_recognizer(settings_of("observed"))
        modality = Modality(by) if by else None
        probes = observe_all(recognizer, clips)
        recognizer.close()
        if modality:
            probes = [(who, probe) for who, probe in probes if modality in probe.embeddings]
        if probes:
            group(settings_of("without").replace(stranger_days=0), probes, 0, modality)
        for seed in range(orders if probes else 0):
            group(settings_of(f"order-{seed}"), probes, seed, modality)
        both = [probe for _, probe in probes if len(probe.embeddings) == 2]
        if both and count:
            time_search(settings_of("timed"), both[0], count, rounds)


if __name__ == "__main__":
    main()
