"""Clips: enrol, identify, verify, and their sound as WAV files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from commands.jobs import open_workplace, told_error, watch
from commands.shared import FILE, describe, recognizer, refusals, report
from utils.errors import DuetError, OutputError
from utils.modality import Modality

if TYPE_CHECKING:
    from recognition.results import Identification, Verification

MODALITIES = {
    Modality.FUSED: "face and voice",
    Modality.FACE: "face alone",
    Modality.VOICE: "voice alone",
}
JSON = click.option("--json", "json_lines", is_flag=True, help="One JSON object a line.")


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--person",
    "person_id",
    help="Person id of a single file. For a folder the names of its folders are the ids.",
)
@click.option(
    "--replace", is_flag=True, help="Replace what is stored for the person by the new clips."
)
@click.option(
    "--force",
    is_flag=True,
    help="Enrol also when the clip looks like another person of the gallery.",
)
@refusals
def enroll(path: Path, person_id: str | None, replace: bool, force: bool) -> None:
    """Enrol one clip (FILE with --person), or a folder with one folder of clips per
    person (DIR).

    A folder is a batch job (`cli.py jobs list`): broken off, the service or `cli.py
    jobs run` goes on with it.
    """
    from gallery.names import validate_person_id
    from gallery.records.jobs import NewJob  # the database: --help does without it
    from jobs.clips import list_folder, make_item

    if path.is_file() and not person_id:
        raise click.UsageError("A single file needs the person it shows: --person ID")
    person_id = person_id and validate_person_id(person_id)
    root = path.parent if path.is_file() else path
    items = (
        [make_item(Path(path.name), person_id)]
        if path.is_file()
        else list_folder(path, "enroll", person_id)
    )
    if not items:
        raise click.UsageError(
            f"No clip found. Expected: one folder per person with clips in it. Received: {path}"
        )
    with open_workplace() as place:
        jobs = place.jobs
        job = jobs.create(NewJob("enroll", items, force, replace, str(root.resolve())))
        watch(place, job)
        done = Counter(item.person_id for item in jobs.every_item(job.job_id, "done"))
        failed = [
            f"{item.name}: {told_error(item)}" for item in jobs.every_item(job.job_id, "failed")
        ]
        failed += [
            f"{item.name}: the job was cancelled"
            for item in jobs.every_item(job.job_id, "cancelled")
        ]
    click.echo(f"{done.total()} of {len(items)} clips enrolled, {len(done)} people.")
    report(failed)


@click.command()
@click.argument("clips", nargs=-1, required=True, type=FILE)
@JSON
@refusals
def identify(clips: tuple[Path, ...], json_lines: bool) -> None:
    """Say who is in each clip: by both modalities, by face and by voice."""
    from recognition.requests import ClipFile, IdentificationRequest

    failures = []
    with recognizer() as opened:
        for clip in tqdm(clips, unit="clip", disable=None if len(clips) > 1 else True):
            try:
                answer = opened.identify(IdentificationRequest(ClipFile(clip, clip.name)))
            except DuetError as error:
                failures.append(f"{clip.name}: {describe(error)}")
                continue
            tqdm.write(format_identification(clip, answer, json_lines))
    report(failures)


def format_identification(clip: Path, answer: Identification, json_line: bool) -> str:
    """Format an identification as one JSON object, or as lines of text."""
    from recognition import as_json

    if json_line:
        return json.dumps({"clip": clip.name, **as_json.identification(answer)}, ensure_ascii=False)
    lines = [f"{clip.name} ({answer.people} people in the gallery)"]
    for modality, decision in answer.decisions.items():
        match = decision.match
        who = str(decision.outcome)
        if match is not None:
            who = (
                f"{match.name} ({match.person_id}), p = {match.probability:.3f},"
                f" score {match.score:.3f}"
            )
        if decision.threshold is not None:
            who += f", threshold {decision.threshold:.3f}"
        lines.append(f"  by {MODALITIES[modality]:15} {who}. {decision.reason}")
    lines += [f"  hint: {hint.text}" for hint in answer.observation.hints]
    return "\n".join(lines)


@click.command()
@click.argument("clip", type=FILE)
@click.argument("reference", type=FILE, required=False)
@click.option(
    "--person",
    "person_id",
    help="Compare with this person of the gallery instead of a second clip.",
)
@JSON
@refusals
def verify(clip: Path, reference: Path | None, person_id: str | None, json_lines: bool) -> None:
    """Say whether CLIP and REFERENCE are the same person.

    Prints score, threshold, probability and verdict.
    """
    from recognition.requests import ClipFile, VerificationRequest

    if (reference is None) == (person_id is None):
        raise click.UsageError("Name either a second clip or --person ID.")
    other = ClipFile(reference, reference.name) if reference else str(person_id)
    with recognizer() as opened:
        answer = opened.verify(VerificationRequest(ClipFile(clip, clip.name), other))
    click.echo(format_verification(clip, answer, json_lines))


def format_verification(clip: Path, answer: Verification, json_line: bool) -> str:
    """Format a verification as one JSON object, or as a table."""
    from recognition import as_json

    if json_line:
        return json.dumps({"clip": clip.name, **as_json.verification(answer)}, ensure_ascii=False)
    lines = [f"{'':16} {'score':>7} {'threshold':>9} {'probability':>11}  verdict"]
    for modality, verdict in answer.verdicts.items():
        columns = ((verdict.score, 7), (verdict.threshold, 9), (verdict.probability, 11))
        figures = "".join(
            f" {'-' if x is None else format(x, '.3f'):>{width}}" for x, width in columns
        )
        lines.append(f"{MODALITIES[modality]:16}{figures}  {verdict.outcome}")
    lines.append(f"Thresholds aim at a false match rate of {answer.fmr:.2%}.")
    lines += [f"hint: {hint.text}" for hint in answer.observation.hints]
    return "\n".join(lines)


@click.command()
@click.argument("videos", nargs=-1, required=True, type=FILE)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the WAV files; default: beside each video.",
)
@click.option("--force", is_flag=True, help="Overwrite WAV files that are there already.")
@refusals
def convert(videos: tuple[Path, ...], folder: Path | None, force: bool) -> None:
    """Write the sound track of each VIDEO as a 16 kHz mono WAV file."""
    from align.convert import video_to_wav

    failures = []
    # And what is written: nothing that was given or made is overwritten, even by force
    taken = {video.resolve() for video in videos}
    for video in tqdm(videos, unit="file", disable=None if len(videos) > 1 else True):
        target = (folder or video.parent) / (video.stem + ".wav")
        try:
            if target.resolve() in taken:
                raise OutputError(
                    "A file that was given, or written before, must not be overwritten. Received:"
                    f" {video.name} for {target.name}.",
                    "Name another folder with --to, and two files of one name one after the other.",
                )
            video_to_wav(video, target, overwrite=force)
        except DuetError as error:
            failures.append(f"{video.name}: {describe(error)}")
            continue
        taken.add(target.resolve())
        tqdm.write(str(target))
    report(failures)
