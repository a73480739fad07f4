"""Evaluation of encoders and of the whole decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from commands.evaluate_folder import evaluate_folder
from commands.shared import DefaultGroup, output_file, place_option, refusals
from utils.config import Settings
from utils.path_option import PathOption

if TYPE_CHECKING:
    from network.serving.encoder import Encoders
    from train.calibration.gather import ResearchData
    from train.data.datasets import Listing
    from train.measure.clip_cache import ClipReader

_Command = TypeVar("_Command", bound=Callable[..., Any])
PATH = PathOption(exists=True, path_type=Path)
NEW_FILE = PathOption(dir_okay=False, path_type=Path)
NEW_FOLDER = PathOption(file_okay=False, path_type=Path)
FORMATS = ("auto", "voxceleb", "lfw", "cfp-ff", "cfp-fp")
NORMS = ("none", "z", "as")
MODEL = click.option(
    "--model", required=True, type=PATH, help="Folder of a model: card.json and weights."
)
MEDIA = click.option(
    "--media", required=True, type=PATH, help="Folder or zip archive that the paths are in."
)
MODEL_DIR = click.option(
    "--model-dir",
    type=PATH,
    help="Folder with face/, voice/ and fusion/ [default: DUET_MODEL_DIR].",
)
DATA = click.option("--data", type=PATH, help="Research data [default: DUET_SHARED_DATA].")


def write_to(default: str) -> Callable[[_Command], _Command]:
    """Make the option that says where a table is written."""
    return click.option(
        "--out",
        type=NEW_FILE,
        callback=place_option,
        default=Path(default),
        show_default=True,
        help="Markdown file.",
    )


class _Evaluate(DefaultGroup):
    default = "folder"


@click.group(cls=_Evaluate)
def evaluate() -> None:
    """Measure how often answers are right, and the error rates of encoders.

    `cli.py evaluate FOLDER` is short for `cli.py evaluate folder FOLDER`.
    """


evaluate.add_command(evaluate_folder)


@evaluate.command("trials")
@MODEL
@click.option(
    "--trials", required=True, type=PATH, help="Protocol file (CFP: the folder Protocol)."
)
@MEDIA
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="Format of the protocol.",
)
@click.option(
    "--norm",
    type=click.Choice(NORMS),
    default="none",
    show_default=True,
    help="Score normalisation against a cohort.",
)
@click.option(
    "--cohort", type=PATH, help="Data set of the cohort: folder per person, list file or CSV."
)
@click.option(
    "--cohort-size", default=1000, show_default=True, help="People of the cohort, one file each."
)
@click.option(
    "--top", default=200, show_default=True, help="Nearest cohort entries that AS-norm uses."
)
@click.option(
    "--people",
    multiple=True,
    type=int,
    help="Also identify among this many people. May be repeated.",
)
@click.option(
    "--replicates",
    default=200,
    show_default=True,
    help="Bootstrap resamples, 0 for no confidence intervals.",
)
@click.option(
    "--speech-only", is_flag=True, help="Cut sound files down to speech, as the service does."
)
@click.option(
    "--keep-silent",
    is_flag=True,
    help="With --speech-only: embed a file with too little speech whole. Else it is left out.",
)
@click.option(
    "--out",
    type=NEW_FOLDER,
    callback=place_option,
    default=Path("runs/evaluate"),
    show_default=True,
    help="Folder for the results.",
)
@refusals
def evaluate_trials(out: Path, **values: Any) -> None:
    """Measure an encoder on a verification protocol.

    It prints error rates with confidence intervals. OUT gets scores.tsv, report.json,
    histogram.png and curves.png. Photographs that are no aligned crops are detected and
    aligned first. Trials with a picture without a face are left out and counted.
    """
    # The runtimes of the networks take seconds to import.
    from train.measure.evaluate import Options, evaluate
    from train.measure.report import format_report

    click.echo(format_report(evaluate(Options(**values), Settings.from_env().capture, out)))
    click.echo(f"Written: report.json, scores.tsv, curves.png and histogram.png in {out}.")


@evaluate.command("norms")
@MODEL
@MEDIA
@click.option("--cohort", required=True, type=PATH, help="Folder per person, list file or CSV.")
@click.option(
    "--cohort-size", default=500, show_default=True, help="People of the cohort, one file each."
)
@click.option(
    "--top", default=100, show_default=True, help="Nearest cohort entries that AS-norm uses."
)
@write_to("data/runs/norms.md")
@click.argument("trials", nargs=-1, required=True, type=PATH)
@refusals
def evaluate_norms(trials: Sequence[Path], out: Path, **values: Any) -> None:
    """Compare score normalisations on several lists of TRIALS.

    None, Z-norm and AS-norm. Every file is embedded once. The cohort is one file each
    of people of the training split.
    """
    from train.data.protocols import read_trials
    from train.measure.evaluate import Options, embed_cohort, embedder
    from train.measure.norms import compare_norms

    options = Options(trials=trials[0], **values)
    lists = {file.stem: read_trials(file) for file in trials}
    files: set[str] = set()
    for one in lists.values():
        files |= set(one.files)
    embed = embedder(options, Settings.from_env().capture)
    embedded = embed(options.media, sorted(files))
    assert options.cohort is not None
    cohort = embed_cohort(options, embed, options.cohort)
    usable = {name: one.without(set(embedded.missing)) for name, one in lists.items()}
    _write(out, compare_norms(usable, embedded.vectors, cohort, options.top))


@evaluate.command("open-set")
@MODEL_DIR
@DATA
@write_to("data/runs/open_set.md")
@refusals
def evaluate_open_set(model_dir: Path | None, data: Path | None, out: Path) -> None:
    """Compare stated and measured error rates of the open-set decision.

    False positive identification rates and misses on held-out people of the research
    data, clean and degraded, for galleries of several sizes.
    """
    from network.serving.encoder import load_encoders
    from train.calibration.people import research_people
    from train.measure.accuracy import as_markdown, measure_all
    from train.measure.fusion_ratio import ratio_table
    from train.measure.norms import eer_of_folds

    encoders = load_encoders(model_dir or Settings.from_env().storage.model_dir)
    tables = _research_data(data).embed(encoders)
    people = research_people(encoders, tables)
    rates = as_markdown(measure_all(people))
    title = "Equal error rates of pairs of clips, in percent:"
    ratios = ratio_table(tables.faces, tables.voices, encoders.fusion.fuse)
    better = "Fused EER over that of the better modality, of pseudo-persons:"
    parts = (
        rates,
        title,
        eer_of_folds({modality: part.folds for modality, part in people.items()}),
        better,
        ratios,
    )
    _write(out, "\n\n".join(parts), encoders)


@evaluate.command("bias")
@MODEL_DIR
@click.option(
    "--labels",
    type=PATH,
    help="CSV with path, age, gender and group, beside its zip [default: that of the data].",
)
@write_to("data/runs/bias.md")
@refusals
def evaluate_bias(model_dir: Path | None, labels: Path | None, out: Path) -> None:
    """Measure false matches of faces by group, age and gender.

    The faces are aligned crops of different people. The stated rate is DUET_FPIR. Faces
    that the detector does not find in their crops are counted.
    """
    from network.serving.encoder import load_face_encoder
    from train.data.datasets import shared_data_dir
    from train.data.photos import photo_aligner
    from train.measure.bias import as_markdown, measure_bias, read_faces

    settings = Settings.from_env()
    encoder = load_face_encoder((model_dir or settings.storage.model_dir) / "face")
    source = labels or shared_data_dir() / "faces2.csv"
    faces = read_faces(source, encoder, photo_aligner(settings.capture.min_face_px))
    fmr = settings.decision.fpir
    _write(out, as_markdown(measure_bias(faces, encoder.calibration, fmr), fmr))


@evaluate.command("clips")
@click.argument("folder", type=PathOption(path_type=Path, exists=True, file_okay=False))
@MODEL_DIR
@click.option(
    "--noise",
    default="voices.csv",
    show_default=True,
    help="Listing in the research data with recordings of noise.",
)
@write_to("data/runs/clips.md")
@refusals
def evaluate_clips(folder: Path, model_dir: Path | None, noise: str, out: Path) -> None:
    """Measure real clips by face, by voice and by both.

    FOLDER holds a folder for each person, with at least two clips. The EER is measured
    under every condition in which the fusion is measured.
    """
    from network.serving.encoder import load_encoders
    from train.data.datasets import read_listing, shared_data_dir
    from train.measure.real_clips import as_markdown

    settings = Settings.from_env()
    encoders = load_encoders(model_dir or settings.storage.model_dir)
    reader = _clip_reader(encoders, read_listing(shared_data_dir() / noise, "audio", "noise"))
    clips = reader.read(folder, lambda line: click.echo(line, err=True))
    _write(out, as_markdown(clips, encoders), encoders)


@evaluate.command("room")
@MODEL_DIR
@DATA
@write_to("data/runs/room.md")
@refusals
def evaluate_room(model_dir: Path | None, data: Path | None, out: Path) -> None:
    """Measure decisions among people who were filmed in one place.

    How many mixed clips (the face of one, the voice of another) and attacks are accepted,
    what that costs genuine ones, and how many strangers of the same place are given a
    name. The people are those of the research data's folder clips/people, left out of
    the calibration in turns. The attacks are those of liveness/attacks.
    """
    from network.serving.encoder import load_encoders
    from train.calibration.people import research_people
    from train.data.datasets import read_listing
    from train.measure.room import Calibrator
    from train.measure.room_galleries import gallery_tables
    from train.measure.room_tables import Room, attacks_table, mixed_table

    settings = Settings.from_env()
    encoders = load_encoders(model_dir or settings.storage.model_dir)
    research = _research_data(data)
    listing = read_listing(research.folder / research.noise, "audio", "noise")
    reader = _clip_reader(encoders, listing)
    clips = reader.read(research.folder / "clips" / "people")
    elsewhere = reader.read(research.folder / "clips" / "strangers")
    attacks = reader.read(research.folder / "liveness" / "attacks")
    people = research_people(encoders, research.embed(encoders))
    room = Room(clips, Calibrator(people, research.cache), encoders.fusion.fuse, settings.decision)
    tables = (mixed_table(room), attacks_table(room, attacks), gallery_tables(room, elsewhere))
    _write(out, "\n\n".join(tables), encoders)


@evaluate.command("liveness")
@DATA
@write_to("data/runs/liveness.md")
@refusals
def evaluate_liveness(data: Path | None, out: Path) -> None:
    """Measure the checks for liveness by kind of attack: APCER and BPCER.

    On the clips of the research data, with the thresholds in use. Of the people who are
    tested, no model has learned. It takes a quarter of an hour of one core, most of it to
    train the network of screen_or_print without a quarter of the subjects, four times.
    """
    from train.data.datasets import shared_data_dir
    from train.measure.liveness_tables import measure

    _write(out, measure(data or shared_data_dir(), Settings.from_env()))


@evaluate.command("digits")
@DATA
@write_to("data/runs/digits.md")
@refusals
def evaluate_digits(data: Path | None, out: Path) -> None:
    """Measure the check challenge: digits that are said, others, and old recordings.

    On strings of digits in English of the research data, with the engine of the settings.
    It takes ten minutes of a core.
    """
    from speech.scribe import Scribe
    from train.data.datasets import shared_data_dir
    from train.measure.liveness_digits import as_markdown, measure

    scribe = Scribe(Settings.from_env())
    _write(out, as_markdown(measure(data or shared_data_dir(), scribe.listen)))


def _research_data(folder: Path | None) -> ResearchData:
    from train.calibration.gather import ResearchData
    from train.data.datasets import shared_data_dir

    return ResearchData(folder or shared_data_dir(), Settings.from_env())


def _clip_reader(encoders: Encoders, noise: Listing) -> ClipReader:
    from train.data.held_out import CACHE
    from train.data.tables import read_noises
    from train.measure.clip_cache import ClipReader

    capture = Settings.from_env().capture
    return ClipReader(encoders=encoders, capture=capture, noises=read_noises(noise), cache=CACHE)


def _write(out: Path, text: str, encoders: Encoders | None = None) -> None:
    """Write a table, and print it. It begins with the encoders that it was measured with."""
    if encoders is not None:
        from train.measure.clip_cache import encoder_ids

        names = ", ".join(f"`{name}`" for name in encoder_ids(encoders))
        text = f"Measured with {names}.\n\n{text}"
    with output_file(out) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
    click.echo(text)
