"""Short speech gives no over-confident scores.

Its strength is set against its cohort scores and its seconds (`scoring/norms.py`).
Here that is measured, with the networks that serve. To print the figures, those
without the seconds too:

    python -m pytest tests/recognition/test_short_speech.py -s
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from network.serving.encoder import VoiceEncoder, load_voice_encoder
from scoring import metrics
from scoring.bootstrap import Interval, bootstrap_interval
from scoring.calibration import Calibration
from scoring.norms import CohortNorm
from train.data.conditions import cut
from train.data.datasets import Item, Listing, shared_data_dir
from train.data.embed import speech_finder
from train.data.protocols import read_trials
from train.data.sounds import decode_float
from utils.arrays import RATE_HZ, Float32Array, Float64Array
from utils.config import ROOT
from utils.media import Waveform
from utils.settings.capture import CaptureSettings

DATA = shared_data_dir()
STATED = 0.01
WHOLE = 0.0
SECONDS = (WHOLE, 2.0, 1.0)
PEOPLE = 40
SEED = 0
# Cosine between an embedding and its copy in the cohort, which is kept in half
# precision
SAME_FILE = 0.999

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "trials" / "so762_dev.txt").is_file(),
        reason="needs the research data (DUET_SHARED_DATA)",
    ),
]


@dataclass(frozen=True)
class Voices:
    """Embeddings of people, whole and cut.

    Embeddings (n, 512) by the seconds that the speech was cut to, the seconds (n,)
    that there were, and whose they are (n,).
    """

    vectors: dict[float, Float32Array]
    seconds: dict[float, Float32Array]
    person: np.ndarray


@dataclass(frozen=True)
class Figures:
    """Figures of probes of one length against whole files.

    Equal error rate of the strengths. Cost of the log-likelihood ratios in bits, and
    the least that any other ratios of the same order would cost. Their means by class.
    Shares of pairs of two people above the threshold of `STATED` and of pairs of one
    person below it. The true share is below the interval of the first with 5 %, and
    above it with 5 %.
    """

    eer: float
    cllr: float
    least_cllr: float
    same: float
    different: float
    fmr: float
    fmr_between: Interval
    fnmr: float


def embedded(encoder: VoiceEncoder, trials: str, people: int = PEOPLE) -> Voices:
    """Embed all files of some of the speakers of a list of trials.

    The speech in them, whole and cut.
    """
    person_of = read_trials(DATA / "trials" / f"{trials}.txt").people()
    rng = np.random.default_rng(SEED)
    find = speech_finder(CaptureSettings().min_speech_s)
    chosen = rng.permutation(sorted(set(person_of.values())))[:people].tolist()
    files = [Item(file, person) for file, person in person_of.items() if person in chosen]
    rows = []
    seconds = []
    person = []
    for item, data in zip(
        files, Listing(DATA / "voices.zip", tuple(files)).read_all(), strict=True
    ):
        speech = find(Waveform(decode_float(data, RATE_HZ, item.path), RATE_HZ))
        if speech is not None:
            waves = [cut(speech.samples, s, rng) if s else speech.samples for s in SECONDS]
            rows.append([encoder.embed(Waveform(wave, RATE_HZ)).vector for wave in waves])
            seconds.append([len(wave) / RATE_HZ for wave in waves])
            person.append(item.label)
    vectors = np.stack(rows, axis=1)
    lengths = np.array(seconds, np.float32).T
    return Voices(
        dict(zip(SECONDS, vectors, strict=True)),
        dict(zip(SECONDS, lengths, strict=True)),
        np.array(person),
    )


def without_people_of(voices: Voices, calibration: Calibration) -> Calibration:
    """Take these people out of the cohort.

    Nobody who is measured may be in it.
    """
    norm = calibration.norm
    assert isinstance(norm, CohortNorm)
    others = (norm.cohort @ voices.vectors[WHOLE].T).max(axis=1) < SAME_FILE
    return replace(calibration, norm=CohortNorm(norm.cohort[others], norm.numbers))


def strengths_of(
    voices: Voices, calibration: Calibration, seconds: float, *, timed: bool, two_clips: bool
) -> Float64Array:
    """Strengths of the probes of one length (rows) against the whole files (columns).

    The arguments are those of `figures`.
    """
    probes = voices.vectors[seconds]
    references = voices.vectors[WHOLE]
    level, scale = calibration.norm.probe(probes, voices.seconds[seconds] if timed else 0.0)
    levels = level[:, None] + calibration.norm.person(references)
    scales = scale[:, None]
    if two_clips:
        level, scale = calibration.norm.probe(references, voices.seconds[WHOLE] if timed else 0.0)
        levels = (levels + level + calibration.norm.person(probes)[:, None]) / 2
        scales = (scales + scale) / 2
    return (probes @ references.T - levels) / scales


def figures(
    voices: Voices,
    calibration: Calibration,
    seconds: float,
    timed: bool = True,
    two_clips: bool = False,
) -> Figures:
    """Compare every probe of this length with every whole file but its own.

    As `recognition.sides.compare` does it against a person or, for `two_clips`,
    another clip. Unless `timed`, as if nobody knew how long the speech is.
    """
    strength = strengths_of(voices, calibration, seconds, timed=timed, two_clips=two_clips)
    first, second = np.indices(strength.shape)
    pairs = np.stack([voices.person[first], voices.person[second]], axis=-1)
    same = pairs[..., 0] == pairs[..., 1]
    other = first != second
    passed = strength >= calibration.pair_threshold(STATED)[0]
    llr = calibration.llr(strength)
    wrong = passed[~same]
    between = bootstrap_interval(lambda index: float(wrong[index].mean()), pairs[~same], level=0.9)
    labels = same[other].astype(int)
    return Figures(
        eer=metrics.eer(strength[other], labels).value,
        cllr=metrics.cllr(llr[other], labels),
        least_cllr=least_cllr(llr[other], labels),
        same=float(llr[same & other].mean()),
        different=float(llr[~same].mean()),
        fmr=float(wrong.mean()),
        fmr_between=between,
        fnmr=float(1 - passed[same & other].mean()),
    )


def least_cllr(llr: np.ndarray, labels: np.ndarray) -> float:
    """Cost of the best calibrated ratios that are in the order of `llr`.

    By isotonic regression (Brümmer and du Preez 2006, "Application-independent
    evaluation of speaker detection"). Each class counts for half.
    """
    weights = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())
    posterior = np.clip(IsotonicRegression().fit(llr, labels, weights).predict(llr), 1e-9, 1 - 1e-9)
    return metrics.cllr(np.log(posterior / (1 - posterior)), labels)


def measured(trials: str, people: int = PEOPLE) -> dict[float, Figures]:
    """Compute and print the figures by seconds of speech in the probe."""
    encoder = load_voice_encoder(ROOT / "best_model" / "voice")
    voices = embedded(encoder, trials, people)
    calibration = without_people_of(voices, encoder.calibration)
    timed = {seconds: figures(voices, calibration, seconds) for seconds in SECONDS}
    untold = {seconds: figures(voices, calibration, seconds, timed=False) for seconds in SECONDS}
    clips = {seconds: figures(voices, calibration, seconds, two_clips=True) for seconds in SECONDS}
    print(
        f"\n{trials}: {len(set(voices.person))} people, {len(voices.person)} files; probe  EER "
        f" Cllr (least)  mean llr same / different  FMR at {STATED:.0%} (90 %)  FNMR"
    )
    for name, figures_of in (("", timed), (", seconds untold", untold), (", two clips", clips)):
        for seconds, one in figures_of.items():
            print(
                f"  {(f'{seconds:g} s' if seconds else 'whole') + name:22} {one.eer:.2%} "
                f" {one.cllr:.3f} ({one.least_cllr:.3f})  {one.same:6.2f} / {one.different:6.2f} "
                f" {one.fmr:.2%} ({one.fmr_between.low:.2%} to {one.fmr_between.high:.2%}) "
                f" {one.fnmr:.1%}"
            )
    return timed


@pytest.fixture(scope="module")
def held_out() -> dict[float, Figures]:
    """Figures of speakers whom no network was trained on.

    They were recorded as those were with whom the scores were calibrated.
    """
    return measured("so762_dev")


@pytest.mark.parametrize("seconds", [2.0, 1.0])
def test_no_more_strangers_pass_than_twice_the_stated_share(
    held_out: dict[float, Figures], seconds: float
) -> None:
    assert held_out[seconds].fmr_between.low <= 2 * STATED


@pytest.mark.parametrize("seconds", SECONDS)
def test_the_ratios_mislead_nobody(held_out: dict[float, Figures], seconds: float) -> None:
    """What over- or under-confidence costs, in bits. Ratios that say nothing cost 1."""
    assert held_out[seconds].cllr - held_out[seconds].least_cllr < 0.1


def test_the_shorter_the_less_is_said_for_the_same_person(held_out: dict[float, Figures]) -> None:
    assert held_out[1.0].same < held_out[2.0].same < held_out[WHOLE].same


def test_where_the_cohort_is_of_another_place_short_speech_is_no_worse_than_long() -> None:
    """Lectures in another language.

    Without a gallery of that place the stated share is not kept there, whatever the
    length.
    """
    figures_of = measured("pansori_ko_dev", people=20)
    for seconds in (2.0, 1.0):
        assert figures_of[seconds].fmr_between.low <= max(2 * STATED, figures_of[WHOLE].fmr)
