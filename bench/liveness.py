"""Cost of the checks for liveness: the analysis of a clip with and without them.

Analyses the same clips with all checks off, with each passive check alone, and with all
of them, in turns, so that a change of the machine's speed hits each the same. Prints the
median of each, wall clock and processor time, and its share of the analysis without.
Also times what is left of the checks where all are off: to ask whether one is on.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from assembly import make_aligner
from liveness.judges import Judges
from network.serving.encoder import Encoders, load_encoders
from recognition.analysis import Analyser
from tests.support.media import write_clip
from utils.config import Settings
from utils.media import Capture
from utils.path_option import PathOption
from utils.settings.liveness import PASSIVE

Sample = tuple[float, float]
"""Milliseconds of the wall clock, and of the processor."""

ASKED = 10_000


def list_variants() -> dict[str, dict[str, str]]:
    """Settings of each variant, by its name."""
    names = {name: f"liveness_{name}" for name in PASSIVE}
    off = dict.fromkeys(names.values(), "off")
    each = {name: {**off, setting: "report"} for name, setting in names.items()}
    return {"off": off, **each, "all": dict.fromkeys(names.values(), "report")}


def make_analyser(values: dict[str, str], encoders: Encoders) -> Analyser:
    """Make an analyser with these settings, which decodes in this process."""
    settings = Settings.of(**values)
    return Analyser(make_aligner(settings), encoders, settings)


def measure(analyse: Callable[[], object]) -> Sample:
    """Time one analysis."""
    started = time.perf_counter()
    used = time.process_time()
    analyse()
    return 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - used)


@click.command(help=__doc__)
@click.option(
    "--clip",
    "clips",
    multiple=True,
    type=PathOption(exists=True, dir_okay=False, path_type=Path),
    help="A clip that is analysed; may be given again.  [default: a drawn face, 5 s, 720p]",
)
@click.option("--rounds", default=10, show_default=True, help="Analyses of each clip.")
def main(clips: tuple[Path, ...], rounds: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = clips or (write_clip(folder / "a.mp4", person=1, seconds=5, size=(1280, 720)),)
        encoders = load_encoders(Settings().storage.model_dir)
        listed = list_variants().items()
        variants = {name: make_analyser(values, encoders) for name, values in listed}
        for clip in chosen:
            print(f"{clip.name}, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
            samples = _time_all(variants, clip, rounds)
            _report(samples)
            _report_asking(variants["off"].analyse(clip).capture, _median(samples["off"])[0])


def _time_all(variants: dict[str, Analyser], clip: Path, rounds: int) -> dict[str, list[Sample]]:
    """Time each variant in turns. The first analysis warms up and does not count."""
    samples: dict[str, list[Sample]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, analyser in variants.items():
            sample = measure(partial(analyser.analyse, clip))
            if turn:
                samples[name].append(sample)
    return samples


def _report(samples: dict[str, list[Sample]]) -> None:
    medians = {name: _median(each) for name, each in samples.items()}
    wall, processor = medians["off"]
    for name, (ms, used_ms) in medians.items():
        print(
            f"  {name:20s} {ms:6.0f} ms, {ms / wall - 1:+.3f};"
            f" processor {used_ms:6.0f} ms, {used_ms / processor - 1:+.3f}"
        )


def _report_asking(capture: Capture, off_ms: float) -> None:
    """Time asking the checks about a clip, all of them off."""
    settings = Settings.of(**list_variants()["off"])
    judges = Judges(settings.liveness, settings.storage.model_dir)
    asking = min(timeit.repeat(partial(judges.examine, capture), number=ASKED, repeat=5)) / ASKED
    share = 1000 * asking / off_ms
    print(f"  all off: asking takes {1e6 * asking:.1f} µs, {share:+.7f} of the analysis")


def _median(samples: list[Sample]) -> Sample:
    walls, processors = zip(*samples, strict=True)
    return statistics.median(walls), statistics.median(processors)


if __name__ == "__main__":
    main()
