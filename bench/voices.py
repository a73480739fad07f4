"""How well a voice network tells voices apart, by list, amount of speech and channel:
EER in percent, as a table.

    python -m bench.voices [--model best_model/voice] [--only NAME ...] [--clips FOLDER]
    [--public]

Trials and speech are those of train/configs/voice.toml. Both sides of a trial are heard
in the condition, but for "clean against ...", where the first is clean. "Served" is
what the service embeds: the speech that the voice activity detector leaves (where it
leaves less than half a second, the whole file). Durations are the middle of the file,
or of what is left of it. Channels and prosodies are drawn per file from a fixed seed;
another prosody is another pitch, tempo and intonation, made as for training, so that
row shows what training taught, not what a living speaker does. `--clips` adds all pairs
of clips of <person>/**/<clip>, served. `--public` measures the GE2E encoder of the
package `resemblyzer` (with PyTorch) instead, called as its authors do.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from align.convert import video_to_wav
from network.frontends.log_mel import FrontendSpec
from network.serving.encoder import load_voice_encoder
from scoring.metrics import eer
from train.data.conditions import NoiseBank, add_noise
from train.data.datasets import Item, read_listing, shared_data_dir
from train.data.embed import speech_finder
from train.train_nets import CONFIGS
from train.voice.augment import Variant, perturb_prosody, render
from train.voice.banks import as_float, cached_rooms, cached_waves, decode_audio
from train.voice.dev import VoiceTrials, middle, published_trials
from utils.arrays import RATE_HZ, Float32Array
from utils.media import Waveform

SEED = 7
PITCHES = (0.85, 0.95, 1.07, 1.2)  # other ones than in training
LEAST_LEVEL = 50  # mean of int16 magnitudes: quieter files are digital silence
Condition = Callable[[int, Float32Array], Float32Array]
Embed = Callable[[Float32Array], Float32Array]
"""(n,) samples at 16 kHz -> (d,) of unit length."""


def own(folder: Path) -> Embed:
    """The voice network in `folder`."""
    encoder = load_voice_encoder(folder)
    return lambda samples: (
        encoder.embed(Waveform(np.ascontiguousarray(samples, np.float32), RATE_HZ)).vector
    )


def ge2e() -> Embed:
    """The public encoder, which takes its own pauses out."""
    from resemblyzer import VoiceEncoder, preprocess_wav  # optional, with PyTorch

    encoder = VoiceEncoder("cpu", verbose=False)
    return lambda samples: encoder.embed_utterance(preprocess_wav(samples))


def served(samples: Float32Array) -> Float32Array:
    """Cut samples (n,) down to speech, or return all if there is next to none."""
    speech = speech_finder(keep_silent=True)(Waveform(samples, RATE_HZ))
    return samples if speech is None else speech.samples


def conditions(rooms: Sequence[Float32Array], noises: NoiseBank) -> dict[str, Condition]:
    """Conditions by name: (number of the file, its samples) -> what is heard."""
    by_name: dict[str, Condition] = {"whole file": lambda _, x: x}
    for seconds in (5.0, 3.0, 2.0, 1.0):
        by_name[f"{seconds:.0f} s"] = lambda _, x, s=seconds: middle(x, s, RATE_HZ)  # type: ignore[misc]
    speech_of: dict[int, Float32Array] = {}  # the detector costs more than the network

    def speech(number: int, samples: Float32Array) -> Float32Array:
        if number not in speech_of:
            speech_of[number] = served(samples)
        return speech_of[number]

    by_name["served"] = speech
    for seconds in (5.0, 3.0, 2.0, 1.0):
        by_name[f"served, {seconds:.0f} s"] = lambda i, x, s=seconds: middle(
            speech(i, x), s, RATE_HZ
        )  # type: ignore[misc]
    for channel in ("room", "phone", "codec"):
        by_name[channel] = lambda i, x, c=channel: render(
            x, Variant(1.0, c), rooms, RATE_HZ, np.random.default_rng([SEED, i])
        )  # type: ignore[misc]
    by_name["another prosody"] = lambda i, x: _otherwise_spoken(x, np.random.default_rng([SEED, i]))
    for snr_db in (10, 0):
        by_name[f"noise {snr_db} dB"] = lambda i, x, s=snr_db: _noisy(i, x, s, noises)  # type: ignore[misc]
    return by_name


def _otherwise_spoken(samples: Float32Array, rng: np.random.Generator) -> Float32Array:
    return perturb_prosody(samples, float(rng.choice(PITCHES)), rng)


def _noisy(number: int, samples: Float32Array, snr_db: float, noises: NoiseBank) -> Float32Array:
    return add_noise(
        samples, noises.draw(len(samples), np.random.default_rng([SEED, number])), snr_db
    )


def embed_all(embed: Embed, trials: VoiceTrials, condition: Condition) -> Float32Array:
    """(files, d) embeddings of every file in a condition."""
    heard = (condition(i, as_float(trials.waves[i])) for i in range(len(trials.waves)))
    return np.stack([embed(x) for x in heard])


def rates(trials: VoiceTrials, left: Float32Array, right: Float32Array) -> list[float]:
    """EER of each list in percent.

    The first file of a trial comes from `left`, the second from `right`.
    """
    rates_percent = []
    for one in trials.lists.values():
        a, b = ([trials.places[file] for file in side] for side in (one.left, one.right))
        rates_percent.append(100 * eer(np.einsum("ij,ij->i", left[a], right[b]), one.labels).value)
    return rates_percent


def rows(
    embed: Embed, trials: VoiceTrials, by_name: dict[str, Condition], only: Sequence[str]
) -> Iterator[tuple[str, list[float]]]:
    """Yield names and rates of the conditions asked for.

    Channels, prosodies and noises are also compared against clean files.
    """
    clean = embed_all(embed, trials, by_name["whole file"])
    for name, condition in by_name.items():
        if only and name not in only:
            continue
        vectors = clean if name == "whole file" else embed_all(embed, trials, condition)
        yield name, rates(trials, vectors, vectors)
        if name in ("room", "phone", "codec", "another prosody") or name.startswith("noise"):
            yield f"clean against {name}", rates(trials, clean, vectors)


def clip_rates(embed: Embed, folder: Path) -> Iterator[tuple[str, int, int, float]]:
    """Yield set, people, pairs and EER in percent of all pairs of clips.

    A set is what a person's name begins with, up to digits or "_".
    """
    clips_by_set: dict[str, list[tuple[str, Float32Array]]] = {}
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        for clip in sorted(path for path in person.rglob("*") if path.is_file()):
            name = person.name.partition("_")[0].rstrip("0123456789")
            clips_by_set.setdefault(name, []).append((person.name, embed(served(_sound(clip)))))
    for name, clips in clips_by_set.items():
        pairs = list(combinations(clips, 2))
        scores = [float(a[1] @ b[1]) for a, b in pairs]
        labels = [int(a[0] == b[0]) for a, b in pairs]
        yield (
            name,
            len({person for person, _ in clips}),
            len(pairs),
            100 * eer(scores, labels).value,
        )


def _sound(clip: Path) -> Float32Array:
    with TemporaryDirectory() as folder:
        wav = Path(folder) / "sound.wav"
        video_to_wav(clip, wav)
        return as_float(decode_audio(wav.read_bytes(), RATE_HZ, Item(clip.name, "")))


def load_noises(source: Path, cache: Path) -> NoiseBank:
    """Recordings without speech of 2 s or more that are loud enough to be heard."""
    listing = read_listing(source, "audio", "noise")
    waves = cached_waves(listing, cache)
    usable = [
        i
        for i, item in enumerate(listing.items)
        if "_ir/" not in item.path and len(waves[i]) > 2 * RATE_HZ
    ]
    return NoiseBank([as_float(waves[i]) for i in usable if np.abs(waves[i]).mean() > LEAST_LEVEL])


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("best_model/voice"))
    parser.add_argument("--only", nargs="+", default=[], help="these conditions alone")
    parser.add_argument("--clips", type=Path, help="folder of people with clips")
    parser.add_argument(
        "--public",
        action="store_true",
        help="the public GE2E encoder instead (pip install resemblyzer)",
    )
    options = parser.parse_args()
    data = tomllib.loads((CONFIGS / "voice.toml").read_text(encoding="utf-8"))["data"]
    shared = shared_data_dir()
    embed = ge2e() if options.public else own(options.model)
    cache = Path(data["cache"])
    lists = {name: shared / file for name, file in data["dev_trials"].items()}
    trials = published_trials(
        read_listing(shared / data["dev"], "audio", "dev"), lists, cache, FrontendSpec()
    )
    rooms = cached_rooms(cache)
    heard = conditions(
        [rooms[i] for i in range(len(rooms))], load_noises(shared / data["noise"], cache)
    )
    print(f"| EER, % | {' | '.join(trials.lists)} |\n|---|{'---|' * len(trials.lists)}")
    for name, row in rows(embed, trials, heard, options.only):
        print(f"| {name} | {' | '.join(f'{value:.1f}' for value in row)} |", flush=True)
    for name, people, pairs, rate in clip_rates(embed, options.clips) if options.clips else ():
        print(f"\nclips {name}: {people} people, {pairs} pairs, EER {rate:.1f} %")


if __name__ == "__main__":
    main()
