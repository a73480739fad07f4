"""Error rates of a voice network by list, amount of speech and channel.

Prints the EER in percent with 95 % intervals over speakers, as a table with a row for
each network. Trials and speech are those of train/configs/voice.toml, and a list of
speakers in other sessions. Both sides of a trial are heard in the condition, but for
"clean against ...", where the first is clean. "Served" is what the service embeds: the
speech that the voice activity detector leaves (where it leaves too little, the whole
file). Durations are the middle of the file, or of what is left of it. Channels and
prosodies are drawn per file from a fixed seed. Another prosody is another pitch, tempo
and intonation, made as for training. That row shows what training taught, not what a
living speaker does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from align.convert import video_to_wav
from network.frontends.log_mel import FrontendSpec
from network.serving.encoder import load_voice_encoder
from scoring.metrics import eer
from train.configuration import read_config
from train.data.conditions import NoiseBank, add_noise
from train.data.datasets import Listing, read_listing, shared_data_dir
from train.data.embed import speech_finder
from train.data.protocols import Trials, read_trials
from train.data.sounds import as_float, decode_float
from train.measure.verification import interval_95
from train.voice.banks import cached_rooms, cached_waves
from train.voice.channels import render
from train.voice.dev import VoiceTrials, middle, published_trials
from train.voice.prosody import perturb_prosody
from train.voice.variants import Variant
from utils.arrays import RATE_HZ, Float32Array, Float64Array, IndexArray
from utils.config import Settings
from utils.media import Waveform
from utils.path_option import PathOption

SEED = 7
# Other ones than in training.
PITCHES = (0.85, 0.95, 1.07, 1.2)
DURATIONS_S = (5.0, 3.0, 2.0, 1.0)
CHANNELS = ("room", "phone", "codec")
PROSODY = "another prosody"
SNRS_DB = (10, 0)
# Mean of int16 magnitudes. Quieter files are digital silence.
LEAST_LEVEL = 50
LEAST_NOISE_S = 2
# Speakers in several sessions: a data set, and a list of trials.
SESSIONS = {"msc_ml": ("voices2.csv", "trials/msc_ml_dev.txt")}
# Bootstrap resamples of an interval.
REPLICATES = 200
Condition = Callable[[int, Float32Array], Float32Array]
"""Number of a file and its samples, to the samples that are heard."""
Embed = Callable[[Float32Array], Float32Array]
"""(n,) samples at 16 kHz to (d,) of unit length."""
Pairs = Sequence[tuple[str, str]]
"""The people of both sides of each trial."""


def own_encoder(folder: Path) -> Embed:
    """The voice network in `folder`."""
    encoder = load_voice_encoder(folder)

    def embed(samples: Float32Array) -> Float32Array:
        contiguous = np.ascontiguousarray(samples, np.float32)
        return encoder.embed(Waveform(contiguous, RATE_HZ)).vector

    return embed


def public_encoder() -> Embed:
    """The public GE2E encoder, which takes its own pauses out."""
    # Optional, with PyTorch.
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)
    return lambda samples: encoder.embed_utterance(preprocess_wav(samples))


def serve(samples: Float32Array) -> Float32Array:
    """Cut samples (n,) down to speech, or return all if there is too little."""
    find = speech_finder(Settings.from_env().capture.min_speech_s, keep_silent=True)
    speech = find(Waveform(samples, RATE_HZ))
    return samples if speech is None else speech.samples


@dataclass(frozen=True)
class Heard:
    """How files are heard, by conditions.

    Attributes:
        trials: The files.
        rooms: Impulse responses.
        noises: Recordings of noise.
    """

    trials: VoiceTrials
    rooms: Sequence[Float32Array]
    noises: NoiseBank

    def conditions(self) -> dict[str, Condition]:
        """Conditions by name."""
        speech = self._speech_of()
        by_name: dict[str, Condition] = {"whole file": lambda _, samples: samples}
        for seconds in DURATIONS_S:
            by_name[f"{seconds:.0f} s"] = self._middle_of(seconds)
        by_name["served"] = lambda number, _: speech(number)
        for seconds in DURATIONS_S:
            by_name[f"served, {seconds:.0f} s"] = self._middle_of(seconds, speech)
        for channel in CHANNELS:
            by_name[channel] = self._through(channel)
        by_name[PROSODY] = self._speak_otherwise
        for snr_db in SNRS_DB:
            by_name[f"noise {snr_db} dB"] = self._with_noise(snr_db)
        return by_name

    def sounds(self, condition: Condition) -> list[Float32Array]:
        """Every file as it is heard in a condition."""
        waves = enumerate(self.trials.waves)
        return [condition(number, as_float(samples)) for number, samples in waves]

    def _speech_of(self) -> Callable[[int], Float32Array]:
        # The detector costs more than the network.
        return cache(lambda number: serve(as_float(self.trials.waves[number])))

    def _middle_of(
        self, seconds: float, speech: Callable[[int], Float32Array] | None = None
    ) -> Condition:
        def hear(number: int, samples: Float32Array) -> Float32Array:
            return middle(samples if speech is None else speech(number), seconds, RATE_HZ)

        return hear

    def _through(self, channel: str) -> Condition:
        def hear(number: int, samples: Float32Array) -> Float32Array:
            rng = np.random.default_rng([SEED, number])
            variant = Variant(1.0, channel)
            return render(samples, variant, rooms=self.rooms, rate_hz=RATE_HZ, rng=rng)

        return hear

    def _speak_otherwise(self, number: int, samples: Float32Array) -> Float32Array:
        rng = np.random.default_rng([SEED, number])
        return perturb_prosody(samples, float(rng.choice(PITCHES)), rng)

    def _with_noise(self, snr_db: float) -> Condition:
        def hear(number: int, samples: Float32Array) -> Float32Array:
            rng = np.random.default_rng([SEED, number])
            return add_noise(samples, self.noises.draw(len(samples), rng), snr_db)

        return hear


def embed_all(embed: Embed, trials: VoiceTrials, condition: Condition) -> Float32Array:
    """(files, d) embeddings of every file in a condition."""
    heard = (condition(number, as_float(samples)) for number, samples in enumerate(trials.waves))
    return np.stack([embed(samples) for samples in heard])


def rates(trials: VoiceTrials, left: Float32Array, right: Float32Array) -> list[float]:
    """EER of each list in percent.

    The first file of a trial comes from `left`, the second from `right`.
    """
    scores = {name: _cosines(trials, one, left, right) for name, one in trials.lists.items()}
    return [100 * eer(scores[name], one.labels).value for name, one in trials.lists.items()]


def cells(trials: VoiceTrials, left: Float32Array, right: Float32Array) -> list[str]:
    """EER of each list in percent with its interval. Arguments as in `rates`."""
    percents = rates(trials, left, right)
    return [
        _cell(percent, _cosines(trials, one, left, right), one.labels, _people(one))
        for percent, one in zip(percents, trials.lists.values(), strict=True)
    ]


def _cosines(
    trials: VoiceTrials, one: Trials, left: Float32Array, right: Float32Array
) -> Float64Array:
    first = left[[trials.places[file] for file in one.left]]
    second = right[[trials.places[file] for file in one.right]]
    return np.asarray(np.einsum("ij,ij->i", first, second), np.float64)


def _people(one: Trials) -> list[tuple[str, str]]:
    people = one.people()
    return [(people[a], people[b]) for a, b in one.pairs]


def _cell(
    percent: float, scores: Float64Array, labels: Sequence[int] | IndexArray, people: Pairs
) -> str:
    same = np.asarray(labels)
    low, high = interval_95(lambda rows: eer(scores[rows], same[rows]).value, people, REPLICATES)
    return f"{percent:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def rows(
    embeds: Mapping[str, Embed], heard: Sequence[Heard], only: Sequence[str]
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield condition, network and cells of the conditions asked for, "whole file" first.

    Channels, prosodies and noises are also compared against clean files.
    """
    conditions = [each.conditions() for each in heard]
    clean: dict[str, list[Float32Array]] = {}
    for name in conditions[0]:
        if only and name not in (*only, "whole file"):
            continue
        sounds = [each.sounds(named[name]) for each, named in zip(heard, conditions, strict=True)]
        for network, embed in embeds.items():
            vectors = [np.stack(list(map(embed, part))) for part in sounds]
            yield name, network, _row(heard, vectors, vectors)
            if name == "whole file":
                clean[network] = vectors
            elif name in (*CHANNELS, PROSODY) or name.startswith("noise"):
                yield f"clean against {name}", network, _row(heard, clean[network], vectors)


def _row(
    heard: Sequence[Heard], left: Sequence[Float32Array], right: Sequence[Float32Array]
) -> list[str]:
    sets = zip(heard, left, right, strict=True)
    parts = (cells(each.trials, first, second) for each, first, second in sets)
    return list(chain.from_iterable(parts))


@dataclass(frozen=True)
class ClipSet:
    """Clips of people whose names begin alike, up to digits or "_".

    Attributes:
        name: What their names begin with.
        people: The person of each clip.
        vectors: The embedding of each clip.
    """

    name: str
    people: list[str]
    vectors: list[Float32Array]

    def describe(self) -> str:
        """People, pairs, and EER in percent of all pairs of clips, with its interval."""
        pairs = list(combinations(range(len(self.people)), 2))
        scores = np.array([self.vectors[a] @ self.vectors[b] for a, b in pairs], np.float64)
        people = [(self.people[a], self.people[b]) for a, b in pairs]
        labels = [int(a == b) for a, b in people]
        rate = _cell(100 * eer(scores, labels).value, scores, labels, people)
        same = f"{len(pairs)} pairs, {sum(labels)} of one person"
        return f"clips {self.name}: {len(set(self.people))} people, {same}, EER {rate} %"


def embed_clips(embed: Embed, folder: Path) -> list[ClipSet]:
    """Embed the clips of `folder`/<person>/**/, by set."""
    sets: dict[str, ClipSet] = {}
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        name = person.name.partition("_")[0].rstrip("0123456789")
        clips = sets.setdefault(name, ClipSet(name, [], []))
        for clip in sorted(path for path in person.rglob("*") if path.is_file()):
            clips.people.append(person.name)
            clips.vectors.append(embed(serve(_read_sound(clip))))
    everybody = ClipSet(
        "all",
        list(chain.from_iterable(clips.people for clips in sets.values())),
        list(chain.from_iterable(clips.vectors for clips in sets.values())),
    )
    return [*sets.values(), everybody]


def _read_sound(clip: Path) -> Float32Array:
    with TemporaryDirectory() as folder:
        wav = Path(folder) / "sound.wav"
        video_to_wav(clip, wav)
        return decode_float(wav.read_bytes(), RATE_HZ, clip.name)


def load_noises(source: Path, cache_dir: Path) -> NoiseBank:
    """Recordings without speech that are long and loud enough to be heard."""
    listing = read_listing(source, "audio", "noise")
    waves = cached_waves(listing, cache_dir)
    usable = [
        samples
        for item, samples in zip(listing.items, waves, strict=True)
        if "_ir/" not in item.path and len(samples) > LEAST_NOISE_S * RATE_HZ
    ]
    loud = [samples for samples in usable if np.abs(samples).mean() > LEAST_LEVEL]
    return NoiseBank([as_float(samples) for samples in loud])


SHIPPED = Path("best_model/voice")
MODEL = click.option(
    "--model",
    type=PathOption(path_type=Path),
    default=SHIPPED,
    show_default=True,
    help="Folder of a voice model.",
)


def load_trials() -> VoiceTrials:
    """The dev lists of the shipped configuration."""
    data = read_config("voice")["data"]
    return _load(data["dev"], data["dev_trials"])


def load_sessions() -> VoiceTrials:
    """Lists of speakers in several sessions."""
    ((source, _),) = {(source, "") for source, _ in SESSIONS.values()}
    return _load(source, {name: trials for name, (_, trials) in SESSIONS.items()})


def _load(source: str, lists: Mapping[str, str]) -> VoiceTrials:
    """Trials, and the files of `source` that are in them."""
    shared = shared_data_dir()
    files = {name: shared / file for name, file in lists.items()}
    heard = set(chain.from_iterable(read_trials(file).files for file in files.values()))
    listing = read_listing(shared / source, "audio", "dev")
    items = tuple(item for item in listing.items if item.path in heard)
    cache_dir = Path(read_config("voice")["data"]["cache"])
    return published_trials(Listing(listing.root, items), files, cache_dir, FrontendSpec())


@click.command(help=__doc__)
@click.option(
    "--model",
    "models",
    type=PathOption(path_type=Path),
    multiple=True,
    default=[SHIPPED],
    show_default=True,
    help="Folder of a voice model. May be repeated.",
)
@click.option("--only", multiple=True, help="This condition alone. May be repeated.")
@click.option(
    "--clips",
    type=PathOption(file_okay=False, path_type=Path),
    help="Also measure all pairs of clips of this folder of people.",
)
@click.option(
    "--public",
    is_flag=True,
    help="Measure the public GE2E encoder as well (pip install resemblyzer).",
)
def main(models: Sequence[Path], *, only: Sequence[str], clips: Path | None, public: bool) -> None:
    """Print the table."""
    embeds = {str(folder): own_encoder(folder) for folder in models}
    if public:
        embeds["GE2E (resemblyzer)"] = public_encoder()
    heard = [_hear(trials) for trials in (load_trials(), load_sessions())]
    named = list(chain.from_iterable(each.trials.lists.items() for each in heard))
    heads = [
        f"{name}: {len(one)} pairs, {len(set(one.people().values()))} people" for name, one in named
    ]
    print(f"| EER, % | network | {' | '.join(heads)} |\n|---|---|{'---|' * len(named)}")
    for condition, network, values in rows(embeds, heard, only):
        print(f"| {condition} | {network} | {' | '.join(values)} |", flush=True)
    for name, embed in embeds.items():
        for clip_set in embed_clips(embed, clips) if clips else ():
            print(f"\n{name}: {clip_set.describe()}", flush=True)


def _hear(trials: VoiceTrials) -> Heard:
    data = read_config("voice")["data"]
    cache_dir = Path(data["cache"])
    noises = load_noises(shared_data_dir() / data["noise"], cache_dir)
    return Heard(trials, list(cached_rooms(cache_dir)), noises)


if __name__ == "__main__":
    main()
