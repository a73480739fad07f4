"""Transcripts that are kept in the gallery: list, show and delete them."""

from __future__ import annotations

import click

from commands.shared import open_store, print_file, print_lines, refusals, to_json
from commands.wording import word_speaker
from gallery.results import KeptTranscript
from speech.subtitles import TEXT_FORMATS
from utils.moments import format_moment


@click.group()
def transcripts() -> None:
    """Look after kept transcripts (DUET_KEEP_TRANSCRIPTS=1, docs/speech.md)."""


@transcripts.command("list")
@click.option("--limit", default=50, show_default=True, help="At most so many.")
@click.option("--offset", default=0, show_default=True, help="Leave so many out.")
@refusals
def transcripts_list(limit: int, offset: int) -> None:
    """List kept transcripts, newest first.

    Columns: id, time, seconds, language, name of the file.
    """
    with open_store() as store:
        page = store.list_transcripts(offset, limit)
    print_lines(map(_format, page.transcripts), "No transcript is kept.")


def _format(one: KeptTranscript) -> str:
    columns = (
        one.transcript_id,
        format_moment(one.created_at),
        f"{one.duration_s:.1f}",
        one.language or "-",
        one.title or "-",
    )
    return "\t".join(columns)


@transcripts.command("show")
@click.argument("transcript_id")
@click.option(
    "--format",
    "form",
    type=click.Choice([*TEXT_FORMATS, "json"]),
    default="text",
    show_default=True,
    help="Plain text, subtitles, or JSON.",
)
@refusals
def transcripts_show(transcript_id: str, form: str) -> None:
    """Print a kept transcript, with the present names of those who speak."""
    from speech.keeping import kept_with_turns_to_json
    from speech.transcripts import reword

    with open_store() as store:
        transcript = store.read_transcript(transcript_id)
    if form == "json":
        click.echo(to_json(kept_with_turns_to_json(transcript)))
        return
    text = TEXT_FORMATS[form].write(reword(transcript.turns, word_speaker))
    if form == "text":
        click.echo(text, nl=False)
    else:
        print_file(text)


@transcripts.command("delete")
@click.argument("transcript_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@refusals
def transcripts_delete(transcript_id: str, yes: bool) -> None:
    """Delete a kept transcript, also from the bytes of the database."""
    with open_store() as store:
        if not yes:
            one = store.get_transcript(transcript_id)
            named = f" of {one.title}" if one.title else ""
            click.confirm(
                f"Delete the transcript {transcript_id}{named}, {one.duration_s:.1f} s?"
                " This cannot be undone.",
                abort=True,
            )
        store.delete_transcript(transcript_id)
    click.echo(f"Deleted: {transcript_id}")
