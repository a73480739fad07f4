"""Clips: who is in them, and their sound as WAV files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from commands.shared import FILE, describe, open_recognizer, refusals, report, to_json
from commands.wording import LANGUAGE, WORDS, fill, format_hint, language, modality_words
from utils.errors import DuetError, OutputError
from utils.modality import Modality
from utils.path_option import PathOption

if TYPE_CHECKING:
    from recognition.results import Decision, Identification, OtherPerson

MODALITIES = {
    Modality.FUSED: "face and voice",
    Modality.FACE: "face alone",
    Modality.VOICE: "voice alone",
}
JSON = click.option("--json", "json_lines", is_flag=True, help="One JSON object a line.")


@click.command()
@click.argument("clips", nargs=-1, required=True, type=FILE)
@click.option("--all-faces", is_flag=True, help="Say who everybody else in view is, by face.")
@click.option("--group", help="Search the people of this group alone.")
@JSON
@LANGUAGE
@refusals
def identify(
    clips: tuple[Path, ...],
    *,
    all_faces: bool,
    group: str | None,
    json_lines: bool,
    lang: str | None,
) -> None:
    """Say who is in each clip: by both modalities, by face and by voice."""
    from recognition.requests import ClipFile, IdentificationRequest

    failures = []
    with open_recognizer(first=lambda store: group and store.get_group(group)) as opened:
        for clip in tqdm(clips, unit="clip", disable=None if len(clips) > 1 else True):
            try:
                request = IdentificationRequest(
                    ClipFile(clip, clip.name), all_faces=all_faces, group=group
                )
                answer = opened.identify(request)
            except DuetError as error:
                failures.append(f"{clip.name}: {describe(error)}")
                continue
            chosen = lang or language()
            text = format_identification(clip, answer, json_lines, chosen, of_group=bool(group))
            tqdm.write(text)
    report(failures)


def format_identification(
    clip: Path,
    answer: Identification,
    json_line: bool,
    lang: str = "en",
    *,
    of_group: bool = False,
) -> str:
    """Format an identification as one JSON object, or as lines of text.

    `of_group`: the people of one group were searched.
    """
    from recognition import as_json

    if json_line:
        return to_json({"clip": clip.name, **as_json.identification(answer)})
    searched = WORDS[lang].group if of_group else WORDS[lang].gallery
    lines = [f"{clip.name} ({searched.format(n=answer.people)})"]
    for modality, decision in answer.decisions.items():
        # Who is named by one of the two is not said to be named by both
        is_both = modality is Modality.FUSED
        by = WORDS[lang].by.format(by=modality_words(modality, lang))
        words = WORDS[lang].answer if is_both else by
        lines.append(f"  {fill(words, 18)} {_format_decision(decision, lang)}")
    lines += [f"  {WORDS[lang].also}: {_format_other(other, lang)}" for other in answer.others]
    lines += [f"  {format_hint(hint, lang)}" for hint in answer.observation.hints]
    return "\n".join(lines)


def _format_decision(decision: Decision, lang: str) -> str:
    """Format who it is, the figures, and the reason."""
    match = decision.match
    probability, score, threshold = WORDS[lang].figures
    if match is None:
        who = WORDS[lang].outcomes[decision.outcome]
    else:
        figures = f"{probability} = {match.probability:.3f}, {score} {match.score:.3f}"
        who = f"{match.name} ({match.person_id}), {figures}"
    if decision.threshold is not None:
        who += f", {threshold} {decision.threshold:.3f}"
    return f"{who}. {_word_reason(decision, lang)}"


def _word_reason(decision: Decision, lang: str) -> str:
    """Word why somebody is named, or nobody is."""
    reasons = WORDS[lang].reasons
    if not reasons:
        return decision.reason
    if decision.modality is None or decision.margin is None:
        is_unknown = decision.outcome == "unknown"
        return reasons["unconfirmed" if is_unknown else decision.outcome]
    by = modality_words(decision.modality, lang)
    return reasons[decision.outcome].format(by=by, margin=f"{abs(decision.margin):.2f}")


def _format_other(other: OtherPerson, lang: str) -> str:
    """Format somebody else in view: where, and who it is if that was asked."""
    left, top, right, bottom = other.box_xyxy.round().astype(int).tolist()
    where = WORDS[lang].face_at.format(box=f"({left}, {top}) - ({right}, {bottom})")
    if other.decision is None:
        return where
    match = other.decision.match
    who = (
        f"{match.name} ({match.person_id})"
        if match
        else WORDS[lang].outcomes[other.decision.outcome]
    )
    return f"{where}, {who}"


@click.command()
@click.argument("videos", nargs=-1, required=True, type=FILE)
@click.option(
    "--to",
    "folder",
    type=PathOption(file_okay=False, path_type=Path),
    help="Folder for the WAV files; default: beside each video.",
)
@click.option("--force", is_flag=True, help="Overwrite WAV files that are there already.")
@refusals
def convert(videos: tuple[Path, ...], folder: Path | None, force: bool) -> None:
    """Write the sound track of each VIDEO as a 16 kHz mono WAV file."""
    from align.convert import video_to_wav

    failures = []
    # Even by force, nothing that was given or written in this run is overwritten.
    taken = {video.resolve() for video in videos}
    for video in tqdm(videos, unit="file", disable=None if len(videos) > 1 else True):
        target = (folder or video.parent) / (video.stem + ".wav")
        try:
            _check_target(target, taken)
            video_to_wav(video, target, overwrite=force)
        except DuetError as error:
            failures.append(f"{video.name}: {describe(error)}")
            continue
        taken.add(target.resolve())
        tqdm.write(str(target))
    report(failures)


def _check_target(target: Path, taken: set[Path]) -> None:
    """Raise OutputError where the run would overwrite a file of its own."""
    if target.resolve() in taken:
        raise OutputError(
            f"{target.name} must not be overwritten: it was given, or written by this command.",
            "Name another folder with --to, and convert two files of one name one after the other.",
        )
