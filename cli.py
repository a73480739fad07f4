#!/usr/bin/env python3
"""Command line of Duet ID: the same gallery and the same recognizer as the service, without HTTP.

Thin over `gallery.recognizer`: this file only reads arguments and prints. Exit status: 0 done, 1 something was refused, 2 wrong use.
"""
from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from utils.config import Settings
from utils.errors import DuetError, PersonExistsError
from utils.types import Decision, Identification, Verification

if TYPE_CHECKING:
    from gallery.recognizer import Recognizer
    from gallery.results import VerifyResult

MODALITIES = {"fused": "face and voice", "face": "face alone", "voice": "voice alone"}
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def refusals(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print the product's own errors as one message instead of a traceback."""
    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except DuetError as error:
            raise click.ClickException(describe(error)) from error
    return wrapped


def describe(error: DuetError) -> str:
    """Code, message and advice in one line."""
    return f"{error.code}: {error.message.rstrip('.')}. {error.hint}".rstrip()


@contextmanager
def recognizer() -> Iterator[Recognizer]:
    """The recognizer over the gallery that the settings name. The face detector, slow to load, waits until a clip is read."""
    from web.assembly import build_recognizer

    built = build_recognizer(Settings.from_env())
    try:
        yield built
    finally:
        built.close()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Identify people by face and voice. Settings are DUET_* environment variables (README.md lists them)."""


@cli.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--person", "person_id", help="Person id of a single file. For a folder the names of its folders are the ids.")
@click.option("--replace", is_flag=True, help="Replace what is stored for the person by the new clips.")
@click.option("--force", is_flag=True, help="Enrol also when the clip looks like another person of the gallery.")
@refusals
def enroll(path: Path, person_id: str | None, replace: bool, force: bool) -> None:
    """Enrol one clip (FILE with --person), or a folder with one folder of clips per person (DIR)."""
    work = clips_of(path, person_id)
    failures: list[str] = []
    with recognizer() as known, tqdm(work, unit="clip", disable=None) as progress:
        enrolled: set[str] = set()
        for person, clip in progress:
            progress.set_postfix_str(f"{person}/{clip.name}")
            try:
                enroll_clip(known, person, clip, replace and person not in enrolled, force)
                enrolled.add(person)
            except DuetError as error:
                failures.append(f"{person}/{clip.name}: {describe(error)}")
    click.echo(f"{len(work) - len(failures)} of {len(work)} clips enrolled, {len(enrolled)} people.")
    report(failures)


def clips_of(path: Path, person_id: str | None) -> list[tuple[str, Path]]:
    """(person id, clip) for each file to enrol. Raises click.UsageError."""
    if path.is_file():
        if not person_id:
            raise click.UsageError("A single file needs the person it shows: --person ID")
        return [(person_id, path)]
    if person_id:
        clips = [(person_id, f) for f in sorted(path.iterdir()) if visible_file(f)]
    else:
        clips = [(d.name, f) for d in sorted(path.iterdir()) if d.is_dir() for f in sorted(d.rglob("*")) if visible_file(f)]
    if not clips:
        raise click.UsageError(f"No clip found. Expected: one folder per person with clips in it. Received: {path}")
    return clips


def visible_file(path: Path) -> bool:
    """Whether `path` is a file that is not hidden."""
    return path.is_file() and not path.name.startswith(".")


def enroll_clip(known: Recognizer, person_id: str, clip: Path, replace: bool, force: bool) -> None:
    """Enrol a clip; a person who is new is created for it, and not kept when the clip is refused."""
    try:
        known.create_person(person_id)
        is_new = True
    except PersonExistsError:
        is_new = False
    try:
        known.enroll(person_id, clip, filename=clip.name, replace=replace, force=force)
    except DuetError:
        if is_new:
            known.delete_person(person_id)
        raise


@cli.command()
@click.argument("clips", nargs=-1, required=True, type=FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@refusals
def identify(clips: tuple[Path, ...], as_json: bool) -> None:
    """Say who is in each clip: by both modalities, by face and by voice."""
    failures = []
    with recognizer() as known:
        for clip in tqdm(clips, unit="clip", disable=None if len(clips) > 1 else True):
            try:
                answer = known.identify(clip, filename=clip.name)
            except DuetError as error:
                failures.append(f"{clip.name}: {describe(error)}")
                continue
            tqdm.write(json.dumps({"clip": clip.name, **asdict(answer)}, ensure_ascii=False) if as_json else "\n".join(told(clip, answer)))
    report(failures)


def told(clip: Path, answer: Identification) -> list[str]:
    """Lines of text for an identification."""
    decisions: dict[str, Decision] = {"fused": answer.fused, "face": answer.face, "voice": answer.voice}
    lines = [f"{clip.name} ({answer.people} people in the gallery)"]
    for modality, words in MODALITIES.items():
        decision = decisions[modality]
        match = decision.match
        who = f"{match.name} ({match.person_id}), p = {match.probability:.3f}, score {match.score:.3f}" if match else decision.outcome
        limit = f", threshold {decision.threshold:.3f}" if decision.threshold is not None else ""
        lines.append(f"  by {words:15} {who}{limit}. {decision.reason}")
    return lines + [f"  hint: {hint.text}" for hint in answer.hints]


@cli.command()
@click.argument("clip", type=FILE)
@click.argument("reference", type=FILE, required=False)
@click.option("--person", "person_id", help="Compare with this person of the gallery instead of a second clip.")
@refusals
def verify(clip: Path, reference: Path | None, person_id: str | None) -> None:
    """Are CLIP and REFERENCE the same person? Prints score, threshold, probability and verdict."""
    if (reference is None) == (person_id is None):
        raise click.UsageError("Name either a second clip or --person ID.")
    with recognizer() as known:
        if person_id is not None:
            result = known.verify_person(clip, person_id, filename=clip.name)
        else:
            assert reference is not None
            result = known.verify_clips(clip, reference, filename=clip.name, reference_filename=reference.name)
    click.echo("\n".join(compared(result)))


def compared(result: VerifyResult) -> list[str]:
    """Lines of text for a verification."""
    answers: dict[str, Verification] = {"fused": result.fused, "face": result.face, "voice": result.voice}
    lines = [f"{'':16} {'score':>7} {'threshold':>9} {'probability':>11}  verdict"]
    for modality, words in MODALITIES.items():
        v = answers[modality]
        numbers = "".join(f" {'-' if x is None else format(x, '.3f'):>{w}}" for x, w in
                          ((v.score, 7), (v.threshold, 9), (v.probability, 11)))
        lines.append(f"{words:16}{numbers}  {v.outcome}")
    return [*lines, f"Thresholds aim at a false match rate of {result.fmr:.2%}.", *(f"hint: {hint.text}" for hint in result.hints)]


@cli.group()
def people() -> None:
    """List, show and delete the people of the gallery."""


@people.command("list")
@click.option("--search", default="", help="Only people whose id or name holds this text.")
@refusals
def people_list(search: str) -> None:
    """One line per person: id, name, templates by modality."""
    page_size, offset = 1000, 0
    with recognizer() as known:
        while (page := known.list_people(search, offset, page_size)).people:
            for person in page.people:
                counts = ", ".join(f"{n} {m}" for m, n in person.templates.items() if n) or "no templates"
                click.echo(f"{person.person_id}\t{person.name}\t{counts}")
            offset += page_size
    click.echo(f"{page.total} people", err=True)


@people.command("show")
@click.argument("person_id")
@refusals
def people_show(person_id: str) -> None:
    """All that is known of a person, without the vectors."""
    with recognizer() as known:
        person, templates = known.get_person(person_id), known.list_templates(person_id)
    click.echo(f"{person.person_id}: {person.name}\ncreated {person.created_at:%Y-%m-%d %H:%M:%S %Z}\nnote: {person.note or '-'}")
    for t in templates:
        click.echo(f"  {t.template_id}  {t.modality:5}  quality {t.quality:.2f}  {t.created_at:%Y-%m-%d %H:%M:%S}  {t.encoder_id}")


@people.command("delete")
@click.argument("person_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@refusals
def people_delete(person_id: str, yes: bool) -> None:
    """Forget a person and everything stored about them."""
    with recognizer() as known:
        person = known.get_person(person_id)
        if not yes:
            click.confirm(f"Delete {person.name} ({person.person_id}) and all templates? This cannot be undone.", abort=True)
        known.delete_person(person_id)
    click.echo(f"Deleted {person_id}.")


@cli.command()
@click.argument("videos", nargs=-1, required=True, type=FILE)
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for the WAV files; default: beside each video.")
@refusals
def convert(videos: tuple[Path, ...], folder: Path | None) -> None:
    """Write the sound track of each VIDEO as a 16 kHz mono WAV file."""
    from align.convert import video_to_wav

    failures = []
    for video in tqdm(videos, unit="file", disable=None if len(videos) > 1 else True):
        target = (folder or video.parent) / (video.stem + ".wav")
        try:
            video_to_wav(video, target)
        except DuetError as error:
            failures.append(f"{video.name}: {describe(error)}")
            continue
        tqdm.write(str(target))
    report(failures)


@cli.group()
def models() -> None:
    """Use other networks than the shipped ones (docs/models.md)."""


@models.group("add")
def models_add() -> None:
    """Make a model folder of an ONNX file: try it, copy it, write its card."""


def about_model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Argument and options that faces and voices share."""
    for option in (
        click.option("--terms", default="", help="What the weights may be used for, in words, for the card."),
        click.option("--name", default="", help="Name in the encoder id; default: that of the file."),
        click.option("--output", default="", help="Output of the network that is the embedding; default: the only one."),
        click.option("--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path),
                     help="New folder: face or voice in your folder of models, as my_models/face."),
        click.argument("file", type=FILE),
    ):
        command = option(command)
    return command


def by_channel(_: click.Context, option: click.Parameter, value: str) -> tuple[float, ...]:
    """A number, or three with commas between them."""
    try:
        numbers = tuple(float(x) for x in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise click.BadParameter(f"One number or three with commas, as 0.485,0.456,0.406. Received: {value!r}", param=option)
    return numbers * (3 // len(numbers))


@models_add.command("face")
@about_model
@click.option("--layout", type=click.Choice(["nchw", "nhwc"]), default="nchw", show_default=True, help="Order of the axes.")
@click.option("--size", "size_px", default=112, show_default=True, help="Width and height that the network takes, in pixels.")
@click.option("--channels", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True, help="Order of the colours.")
@click.option("--scale", default=1.0, show_default=True, help="Pixels (0 to 255) are multiplied by this first ...")
@click.option("--mean", default="0", show_default=True, callback=by_channel, help="... then this is subtracted ...")
@click.option("--std", default="1", show_default=True, callback=by_channel, help="... then they are divided by this.")
@refusals
def models_add_face(file: Path, folder: Path, name: str, terms: str, **fed: Any) -> None:
    """A face network, FILE.onnx, that takes aligned faces (five-point template of ArcFace)."""
    added("face", file, folder, fed, name, terms)


@models_add.command("voice")
@about_model
@click.option("--layout", type=click.Choice(["ntc", "nct"]), default="ntc", show_default=True,
              help="(n, frames, mels) or (n, mels, frames).")
@click.option("--mels", "n_mels", default=80, show_default=True, help="Bands of the filterbank.")
@click.option("--window", type=click.Choice(["povey", "hamming", "hann", "rectangular", "blackman"]), default="povey", show_default=True,
              help="Window of the filterbank.")
@click.option("--fmin", "fmin_hz", default=20.0, show_default=True, help="Lower edge of the bands, in Hz.")
@click.option("--fmax", "fmax_hz", default=0.0, show_default=True, help="Upper edge; 0 or below counts from 8000 Hz.")
@click.option("--scale", default=32768.0, show_default=True, help="Samples in [-1, 1] are multiplied by this: 32768, or 1.")
@click.option("--mean-norm/--no-mean-norm", default=True, show_default=True, help="Subtract the mean of each band.")
@refusals
def models_add_voice(file: Path, folder: Path, name: str, terms: str, layout: str, output: str, **kaldi: Any) -> None:
    """A speaker network, FILE.onnx, that takes Kaldi's filterbank features of 16 kHz speech, windows of 25 ms every 10 ms."""
    added("voice", file, folder, {"layout": layout, "output": output, "kaldi": kaldi}, name, terms)


def added(kind: str, file: Path, folder: Path, fed: dict[str, Any], name: str, terms: str) -> None:
    """Add the model and say how to go on."""
    from network.own_model import add_model
    from utils.types import Modality

    card = add_model(Modality(kind), file, folder, fed, name, terms)
    other = "voice" if kind == "face" else "face"
    click.echo(f"{card.encoder_id}: {card.embedding_size} numbers. Written: {folder}\n"
               f"Next: put the {other} model beside it (cp -r best_model/{other} {folder.parent}/), then\n"
               f"  python -m train.calibrate --model-dir {folder.parent} --people FOLDER\n"
               f"  DUET_MODEL_DIR={folder.parent} make run")


def report(failures: list[str]) -> None:
    """Print what failed and why; exit with status 1 if anything did."""
    if failures:
        click.echo("\n".join(["Not done:", *(f"  {line}" for line in failures)]), err=True)
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    cli()
