"""Verification: are two clips of the same person?"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.clips import JSON
from commands.shared import FILE, open_recognizer, refusals, to_json
from commands.wording import LANGUAGE, WORDS, fill, format_hint, language, modality_words
from utils.config import Settings
from utils.errors import ConfigError
from utils.settings.subject import PREFIX

if TYPE_CHECKING:
    from recognition.results import Verification

# Columns of what a verdict goes by, and of its figures, which stand at the right
_WIDTHS = (16, -7, -9, -11)


@click.command()
@click.argument("clip", type=FILE, required=False)
@click.argument("reference", type=FILE, required=False)
@click.option("-S1", "first", type=FILE, help="The same as CLIP.")
@click.option("-S2", "second", type=FILE, help="The same as REFERENCE.")
@click.option(
    "--person",
    "person_id",
    help="Compare with this person of the gallery instead of a second clip.",
)
@click.option(
    "-C",
    "--config",
    type=FILE,
    help='Settings as TOML, by their names in lower case, such as model_dir = "my_models".',
)
@LANGUAGE
@JSON
@refusals
def verify(
    *,
    clip: Path | None,
    reference: Path | None,
    first: Path | None,
    second: Path | None,
    person_id: str | None,
    config: Path | None,
    lang: str | None,
    json_lines: bool,
) -> None:
    """Say whether CLIP and REFERENCE are the same person.

    Prints score, threshold, probability and verdict.
    """
    from recognition.requests import ClipFile, VerificationRequest

    clip = _either(clip, first, "CLIP and -S1")
    reference = _either(reference, second, "REFERENCE and -S2")
    if clip is None or (reference is None) == (person_id is None):
        raise click.UsageError("Name a clip, and either a second clip or --person ID.")
    other = ClipFile(reference, reference.name) if reference else str(person_id)
    settings = read_settings(config)
    with open_recognizer(
        settings, first=lambda store: person_id and store.get_person(person_id)
    ) as opened:
        answer = opened.verify(VerificationRequest(ClipFile(clip, clip.name), other))
    click.echo(format_verification(clip, answer, json_lines, lang or language()))


def read_settings(config: Path | None) -> Settings:
    """Read the settings of the environment, and those of a TOML file over them.

    Raises ConfigError.
    """
    if config is None:
        return Settings.from_env()
    try:
        table = tomllib.loads(config.read_text(encoding="utf-8-sig"))  # editors of Windows mark it
    except (OSError, ValueError, RecursionError) as error:  # also of tables that are too deep
        raise ConfigError(
            f"A file of settings must be TOML in UTF-8. Received: {config.name}: {error}"
        ) from error
    texts = {
        PREFIX + name.upper().removeprefix(PREFIX): _as_text(value) for name, value in table.items()
    }
    return Settings.from_env({**os.environ, **texts})


def format_verification(clip: Path, answer: Verification, json_line: bool, lang: str = "en") -> str:
    """Format a verification as one JSON object, or as a table."""
    from recognition import as_json

    if json_line:
        return to_json({"clip": clip.name, **as_json.verification(answer)})
    lines = [_format_row("", *WORDS[lang].columns)]
    for modality, verdict in answer.verdicts.items():
        numbers = (verdict.score, verdict.threshold, verdict.probability)
        figures = ["-" if number is None else f"{number:.3f}" for number in numbers]
        word = WORDS[lang].verdicts[verdict.outcome]
        lines.append(_format_row(modality_words(modality, lang), *figures, word))
    by = answer.verdicts.fused.modality
    if answer.verdicts.fused.outcome == "same" and by is not None:
        lines.append(WORDS[lang].decided_by.format(by=modality_words(by, lang)))
    lines.append(WORDS[lang].aim.format(fmr=f"{answer.fmr:.2%}"))
    lines += [format_hint(hint, lang) for hint in answer.observation.hints]
    return "\n".join(lines)


def _format_row(*cells: str) -> str:
    """Format a row of the table: what a verdict goes by, three figures, and the verdict."""
    *filled, verdict = cells
    places = [fill(cell, width) for cell, width in zip(filled, _WIDTHS, strict=True)]
    return f"{' '.join(places)}  {verdict}"


def _either(one: Path | None, other: Path | None, names: str) -> Path | None:
    if one is not None and other is not None:
        raise click.UsageError(f"{names} name the same clip: leave one of them out.")
    return one or other


def _as_text(value: object) -> str:
    """A value of TOML as an environment variable states it."""
    return str(int(value)) if isinstance(value, bool) else str(value)
