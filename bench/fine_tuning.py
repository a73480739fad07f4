"""Gain and cost of fine-tuning on a place's own people.

Prints the EER in percent before and after, as a table.

    python -m bench.fine_tuning [--model best_model/voice] [--config FILE] [--steps N]

The speakers of the Korean list (`dev_trials` of train/configs/voice.toml), of a place
that the shipped network was not trained on, are halved; each half in turn is the user's
own data, given to `python -m train.train_nets voice --data ... --no-teacher --init ...`
as folders of speakers. "Own people": trials within that half, who were trained on (but
for those held out). "Others there": trials within the other half. Whole files, as the
network serves; nothing is published. Both turns stand in every cell.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.voices import embed_all, own, rates
from network.frontends.log_mel import FrontendSpec
from train.data.datasets import Listing, read_listing, shared_data_dir
from train.data.protocols import Trials
from train.train_nets import CONFIGS
from train.train_nets import main as train
from train.voice.dev import VoiceTrials, published_trials
from utils.arrays import Float32Array

PLACE = "pansori_ko"


def halves(listing: Listing, trials: Trials) -> tuple[Listing, Listing]:
    """The files of a list of trials, by every other speaker."""
    heard = set(trials.files)
    items = [item for item in listing.items if item.path in heard]
    first = set(sorted({item.label for item in items})[::2])
    parts = (
        [item for item in items if (item.label in first) == wanted] for wanted in (True, False)
    )
    one, other = (Listing(listing.root, tuple(part)) for part in parts)
    return one, other


def extract(listing: Listing, folder: Path) -> None:
    """A folder for each speaker."""
    for item, data in zip(listing.items, listing.read_all(), strict=True):
        target = folder / item.label.replace("/", "_") / Path(item.path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def measured(model: Path, trials: VoiceTrials) -> list[float]:
    """EER of each list in percent."""
    vectors: Float32Array = embed_all(own(model), trials, lambda _, samples: samples)
    return rates(trials, vectors, vectors)


def tuned(model: Path, people: Listing, config: Path, steps: int | None, folder: Path) -> Path:
    """`model`, fine-tuned on `people`."""
    extract(people, folder / "people")
    text = config.read_text(encoding="utf-8").replace(
        'cache = "data/cache/voice"', f'cache = "{(folder / "cache").as_posix()}"'
    )
    if text.count(str(folder)) != 1:
        raise SystemExit(f'{config.name} must hold the line cache = "data/cache/voice"')
    (folder / "voice.toml").write_text(text, encoding="utf-8")
    length = ["--total-steps", str(steps)] if steps else []
    status = train(
        [
            "voice",
            "--config",
            str(folder / "voice.toml"),
            "--data",
            str(folder / "people"),
            "--no-teacher",
            "--init",
            str(model),
            "--run-dir",
            str(folder / "run"),
            "--out",
            str(folder / "model"),
            "--force",
            *length,
        ]
    )
    if status or not (folder / "model").is_dir():
        raise SystemExit("The training was ended before its time")
    return folder / "model"


def lists_of(lists: Mapping[str, Trials], mine: Listing, others: Listing) -> dict[str, Trials]:
    """The lists elsewhere, and the place's own split into trials within either half."""
    files = [{item.path for item in half.items} for half in (mine, others)]
    split = {
        "own people": lists[PLACE].without(files[1]),
        "others there": lists[PLACE].without(files[0]),
    }
    return {name: one for name, one in lists.items() if name != PLACE} | split


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("best_model/voice"))
    parser.add_argument("--config", type=Path, default=CONFIGS / "voice.toml")
    parser.add_argument(
        "--steps", type=int, help="length of the training, instead of the configuration's"
    )
    options = parser.parse_args()
    data = tomllib.loads((CONFIGS / "voice.toml").read_text(encoding="utf-8"))["data"]
    shared = shared_data_dir()
    listing = read_listing(shared / data["dev"], "audio", "dev")
    everything = published_trials(
        listing,
        {n: shared / f for n, f in data["dev_trials"].items()},
        Path(data["cache"]),
        FrontendSpec(),
    )
    rows = []
    for turn in (0, 1):
        mine, others = halves(listing, everything.lists[PLACE])[:: 1 - 2 * turn]
        trials = VoiceTrials(
            everything.waves,
            everything.places,
            lists_of(everything.lists, mine, others),
            everything.spec,
        )
        with TemporaryDirectory() as folder:
            after = measured(
                tuned(options.model, mine, options.config, options.steps, Path(folder)), trials
            )
        rows.append((measured(options.model, trials), after))
    print(f"| EER, % | {' | '.join(trials.lists)} |\n|---|{'---|' * len(trials.lists)}")
    for name, row in zip(("before", "after"), np.transpose(rows, (1, 0, 2)), strict=True):
        print(
            f"| {name} | {' | '.join(', '.join(f'{x:.1f}' for x in column) for column in row.T)} |"
        )


if __name__ == "__main__":
    main()
