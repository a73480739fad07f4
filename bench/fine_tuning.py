"""Gain and cost of fine-tuning on a place's own people.

Prints the EER in percent before and after, as a table. The speakers of the Korean list
(`dev_trials` of train/configs/voice.toml) are of a place that the shipped network was
not trained on. They are halved. Each half in turn is the user's own data, given to
`cli.py train voice --data ... --no-teacher --init ...` as folders of speakers. "Own
people" are trials within that half, who were trained on (but for those held out).
"Others there" are trials within the other half. Whole files are embedded, as the
network serves. Nothing is published. Both turns stand in every cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from bench.voices import MODEL, embed_all, load_trials, own_encoder, rates
from train.configuration import STOPPED, RunOptions, read_config
from train.data.datasets import Listing, read_listing, shared_data_dir
from train.data.protocols import Trials
from train.known_keys import CONFIGS
from train.train_nets import STEPS, train_network
from train.voice.dev import VoiceTrials
from utils.config import Settings
from utils.path_option import PathOption

PLACE = "pansori_ko"
CACHE_LINE = 'cache = "data/cache/voice"'


def halve(listing: Listing, trials: Trials) -> tuple[Listing, Listing]:
    """Divide the files of a list of trials by every other speaker."""
    heard = set(trials.files)
    items = [item for item in listing.items if item.path in heard]
    first = set(sorted({item.label for item in items})[::2])
    one = tuple(item for item in items if item.label in first)
    other = tuple(item for item in items if item.label not in first)
    return Listing(listing.root, one), Listing(listing.root, other)


def extract(listing: Listing, folder: Path) -> None:
    """Write a folder for each speaker."""
    for item, data in zip(listing.items, listing.read_all(), strict=True):
        target = folder / item.label.replace("/", "_") / Path(item.path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def measure(model: Path, trials: VoiceTrials) -> list[float]:
    """EER of each list in percent."""
    vectors = embed_all(own_encoder(model), trials, lambda _, samples: samples)
    return rates(trials, vectors, vectors)


@dataclass(frozen=True)
class FineTuning:
    """How a model is fine-tuned.

    Attributes:
        model: Folder of the model.
        config: Configuration of the training.
        steps: Length of the training, None for the configuration's.
    """

    model: Path
    config: Path
    steps: int | None

    def run(self, people: Listing, folder: Path) -> Path:
        """Fine-tune the model on `people` below `folder`. Returns the new model's folder."""
        extract(people, folder / "people")
        config = folder / "voice.toml"
        config.write_text(self._text_with_cache(folder / "cache"), encoding="utf-8")
        options = RunOptions(
            name="voice",
            config=config,
            data=folder / "people",
            no_teacher=True,
            init=self.model,
            run_dir=folder / "run",
            out=folder / "model",
            force=True,
            total_steps=self.steps,
        )
        status = train_network(options, Settings.from_env().capture.min_speech_s)
        if status > STOPPED:
            raise click.exceptions.Exit(status)
        if status or not options.model_folder.is_dir():
            raise click.ClickException("The training ended too early.")
        return options.model_folder

    def _text_with_cache(self, cache: Path) -> str:
        text = self.config.read_text(encoding="utf-8")
        if text.count(CACHE_LINE) != 1:
            raise click.ClickException(f"{self.config.name} must hold the line {CACHE_LINE}")
        return text.replace(CACHE_LINE, f'cache = "{cache.as_posix()}"')


def _paths_of(listing: Listing) -> set[str]:
    return {item.path for item in listing.items}


def lists_of(lists: Mapping[str, Trials], mine: Listing, others: Listing) -> dict[str, Trials]:
    """The lists elsewhere, and the place's own split into trials within either half."""
    files = [_paths_of(half) for half in (mine, others)]
    split = {
        "own people": lists[PLACE].without(files[1]),
        "others there": lists[PLACE].without(files[0]),
    }
    return {name: one for name, one in lists.items() if name != PLACE} | split


@click.command(help=__doc__)
@MODEL
@click.option(
    "--config",
    type=PathOption(path_type=Path),
    default=CONFIGS / "voice_campplus.toml",
    help="Configuration of the training [default: train/configs/voice_campplus.toml].",
)
@click.option("--steps", type=STEPS, help="Length of the training [default: the configuration's].")
def main(model: Path, config: Path, steps: int | None) -> None:
    """Print the table."""
    everything = load_trials()
    dev = read_config("voice")["data"]["dev"]
    halves = halve(read_listing(shared_data_dir() / dev, "audio", "dev"), everything.lists[PLACE])
    tuning = FineTuning(model, config, steps)
    before: list[list[float]] = []
    after: list[list[float]] = []
    for mine, others in (halves, halves[::-1]):
        trials = replace(everything, lists=lists_of(everything.lists, mine, others))
        with TemporaryDirectory() as folder:
            after.append(measure(tuning.run(mine, Path(folder)), trials))
        before.append(measure(model, trials))
    names = list(trials.lists)
    print(f"| EER, % | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    print(format_row("before", before))
    print(format_row("after", after))


def format_row(name: str, turns: list[list[float]]) -> str:
    """Format the rates of both turns, by list."""
    cells = [_format_cell(column) for column in np.transpose(turns)]
    return f"| {name} | {' | '.join(cells)} |"


def _format_cell(rates: Iterable[float]) -> str:
    return ", ".join(f"{rate:.1f}" for rate in rates)


if __name__ == "__main__":
    main()
