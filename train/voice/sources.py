"""What a voice training reads: files, feature banks, noises, targets and dev trials."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from network.frontends.features import Spec
from network.serving.card import CARD_FILE, read_card
from train.data.datasets import Listing, read_listing
from train.voice.banks import Bank, cached_features, training_files
from train.voice.dev import VoiceTrials, held_out_trials, published_trials
from train.voice.sampling import VoiceSources
from train.voice.targets import TeacherFiles, load_targets
from train.voice.teacher import teacher_file
from train.voice.variants import Variant, prosodies, voices

log = logging.getLogger("duet.train")
CLEAN = Variant(1.0, "clean")


def read_sources(
    config: Mapping[str, Any], seed: int, shared: Path, spec: Spec
) -> tuple[VoiceSources, VoiceTrials]:
    """Make or open everything that a voice training reads.

    Args:
        config: Parsed TOML with the tables `data` and perhaps `teacher`.
        seed: Seed of all chance.
        shared: Folder that relative paths of the configuration start from.
        spec: The front end.
    """
    data = config["data"]
    cache = Path(data["cache"])
    listing, trials = _split(data, seed, shared, spec)
    noise: list[NDArray[Any]] = []
    if data.get("noise"):
        noise = read_noise(shared / data["noise"], cache, spec)
    targets = None
    if config.get("teacher"):
        files = find_teacher(config["teacher"], data, listing)
        targets = load_targets(replace(files, hop_ms=spec.hop_ms), listing)
    sources = VoiceSources(
        listing=listing,
        banks=open_banks(data, listing, spec),
        noise=noise,
        targets=targets,
        prosodies=len(prosodies(data)),
    )
    return sources, trials


def open_banks(data: Mapping[str, Any], listing: Listing, spec: Spec) -> list[list[Bank]]:
    """Feature banks by voice and channel.

    Speeds go through every channel, disguises and prosodies are clean. The first voice
    of fluent speech goes through some more channels.
    """
    cache = Path(data["cache"])
    fluent = data.get("fluent", ())
    banks: list[list[Bank]] = []
    for number, (voice, groups) in enumerate(voices(data)):
        channels = [("clean", groups)]
        if number < len(data["speeds"]):
            channels = [(name, ()) for name in data["channels"]]
        if number == 0:
            channels += [(name, fluent) for name in data.get("fluent_channels", [])]
        banks.append(
            [
                cached_features(listing, cache, replace(voice, channel=name), spec, groups=speakers)
                for name, speakers in channels
            ]
        )
    return banks + [[cached_features(listing, cache, voice, spec)] for voice in prosodies(data)]


def find_teacher(
    teacher: Mapping[str, Any], data: Mapping[str, Any], listing: Listing
) -> TeacherFiles:
    """Find the embeddings of the `encoder` of a table `[teacher]`, by window.

    A warning says how many voices have none. They learn from labels alone.
    """
    encoder = Path(teacher.get("encoder", ""))
    files: list[Path | None] = [None] * len(voices(data))
    if (encoder / CARD_FILE).is_file():
        name = read_card(encoder).encoder_id
        cache = Path(data["cache"])
        files = [
            teacher_file(listing, cache, name, variant=voice, groups=groups)
            for voice, groups in voices(data)
        ]
    if absent := sum(file is None or not file.is_file() for file in files):
        log.warning(
            "%d of %d voices have no teacher's windows, which cli.py train voice-teacher makes."
            " They are learned from labels alone.",
            absent,
            len(files),
        )
    return TeacherFiles(
        voices=files,
        crop_share=teacher.get("crop_share", 0.5),
        prosodies=[voice.speed for voice in prosodies(data)],
    )


def _split(
    data: Mapping[str, Any], seed: int, shared: Path, spec: Spec
) -> tuple[Listing, VoiceTrials]:
    """Training files, and the dev lists or else trials of held-out speakers."""
    cache = Path(data["cache"])
    listing, held_out = training_files(data, seed, shared)
    if held_out is not None:
        return listing, held_out_trials(held_out, cache, spec, seed)
    lists = {name: shared / file for name, file in data["dev_trials"].items()}
    dev = read_listing(shared / data["dev"], "audio", "dev")
    return listing, published_trials(dev, lists, cache, spec)


def read_noise(source: Path, cache: Path, spec: Spec) -> list[NDArray[Any]]:
    """Log-mel powers of the noise files, without impulse responses.

    There are none where `source` does not exist.
    """
    if not source.exists():
        return []
    listing = read_listing(source, "audio", "noise" if source.suffix == ".csv" else "train")
    bank = cached_features(listing, cache, CLEAN, spec)
    return [bank[number] for number, item in enumerate(listing.items) if "_ir/" not in item.path]
