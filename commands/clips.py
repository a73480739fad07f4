"""Clips: enrol, identify, verify, and their sound as WAV files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from commands.jobs import job_tools, told_error, watch
from commands.shared import FILE, describe, recognizer, refusals, report
from recognition.results import Decision, Identification, Verification
from utils.errors import DuetError, OutputError

if TYPE_CHECKING:
    from recognition.results import VerifyResult

MODALITIES = {"fused": "face and voice", "face": "face alone", "voice": "voice alone"}


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
    from jobs.clips import of_folder, one_clip

    if path.is_file() and not person_id:
        raise click.UsageError("A single file needs the person it shows: --person ID")
    person_id = person_id and validate_person_id(person_id)
    root = path.parent if path.is_file() else path
    items = (
        [one_clip(Path(path.name), person_id)]
        if path.is_file()
        else of_folder(path, "enroll", person_id)
    )
    if not items:
        raise click.UsageError(
            f"No clip found. Expected: one folder per person with clips in it. Received: {path}"
        )
    with job_tools() as (known, jobs, settings):
        job = jobs.create(NewJob("enroll", items, force, replace, str(root.resolve())))
        watch(known, jobs, settings, job)
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
            tqdm.write(
                json.dumps({"clip": clip.name, **asdict(answer)}, ensure_ascii=False)
                if as_json
                else "\n".join(told(clip, answer))
            )
    report(failures)


def told(clip: Path, answer: Identification) -> list[str]:
    """Lines of text for an identification."""
    decisions: dict[str, Decision] = {
        "fused": answer.fused,
        "face": answer.face,
        "voice": answer.voice,
    }
    lines = [f"{clip.name} ({answer.people} people in the gallery)"]
    for modality, words in MODALITIES.items():
        decision = decisions[modality]
        match = decision.match
        who = (
            f"{match.name} ({match.person_id}), p = {match.probability:.3f}, score"
            f" {match.score:.3f}"
            if match
            else decision.outcome
        )
        limit = f", threshold {decision.threshold:.3f}" if decision.threshold is not None else ""
        lines.append(f"  by {words:15} {who}{limit}. {decision.reason}")
    return lines + [f"  hint: {hint.text}" for hint in answer.hints]


@click.command()
@click.argument("clip", type=FILE)
@click.argument("reference", type=FILE, required=False)
@click.option(
    "--person",
    "person_id",
    help="Compare with this person of the gallery instead of a second clip.",
)
@refusals
def verify(clip: Path, reference: Path | None, person_id: str | None) -> None:
    """Are CLIP and REFERENCE the same person? Prints score, threshold, probability and
    verdict.
    """
    if (reference is None) == (person_id is None):
        raise click.UsageError("Name either a second clip or --person ID.")
    with recognizer() as known:
        if person_id is not None:
            result = known.verify_person(clip, person_id, filename=clip.name)
        else:
            assert reference is not None
            result = known.verify_clips(
                clip, reference, filename=clip.name, reference_filename=reference.name
            )
    click.echo("\n".join(compared(result)))


def compared(result: VerifyResult) -> list[str]:
    """Lines of text for a verification."""
    answers: dict[str, Verification] = {
        "fused": result.fused,
        "face": result.face,
        "voice": result.voice,
    }
    lines = [f"{'':16} {'score':>7} {'threshold':>9} {'probability':>11}  verdict"]
    for modality, words in MODALITIES.items():
        v = answers[modality]
        numbers = "".join(
            f" {'-' if x is None else format(x, '.3f'):>{w}}"
            for x, w in ((v.score, 7), (v.threshold, 9), (v.probability, 11))
        )
        lines.append(f"{words:16}{numbers}  {v.outcome}")
    return [
        *lines,
        f"Thresholds aim at a false match rate of {result.fmr:.2%}.",
        *(f"hint: {hint.text}" for hint in result.hints),
    ]


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
