"""Say in words what is wrong with an installation, and what to do about it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.shared import to_json
from commands.wording import LANGUAGE, language
from utils.config import Settings
from utils.errors import ConfigError

if TYPE_CHECKING:
    from commands.diagnosis import Finding

_TEXTS = Path(__file__).resolve().parent / "texts"
_MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@LANGUAGE
def doctor(*, as_json: bool, lang: str | None) -> None:  # noqa: ARG001 - language() reads it
    """Say what is wrong with this installation, and what to do.

    It looks at packages, models, disk, key, ports, certificate, cameras, proxy, backups
    and gallery, and changes nothing. The exit status is 1 where something is wrong.
    """
    findings = []
    for finding in _look():
        findings.append(finding)
        if not as_json:
            click.echo(_describe(finding))
    if as_json:
        click.echo(to_json([_as_dict(one) for one in findings], indent=2))
    problems = sum(finding.level == "bad" for finding in findings)
    if not as_json:
        click.echo(_texts(language())["end.bad" if problems else "end.ok"].format(n=problems))
    if problems:
        raise click.exceptions.Exit(1)


def _look() -> Iterator[Finding]:
    from commands.diagnosis import LOOKS, bad, ok, say
    from commands.diagnosis_gallery import look_at_gallery

    try:
        settings = Settings.from_env()
        yield ok("settings")
    except ConfigError as error:
        yield bad("settings", "wrong", reason=say(error))
        settings = Settings()  # the rest is looked at as far as it does not hang on them
    for look in (*LOOKS, look_at_gallery):
        try:
            yield from look(settings)
        except Exception as error:  # what nobody foresaw must not hide the other findings
            yield bad(
                "doctor", "failed", look=look.__name__, reason=f"{type(error).__name__}: {error}"
            )


def _describe(finding: Finding) -> str:
    text, advice = _word(finding)
    line = f"{_MARKS[finding.level]} {text}"
    return f"{line}\n     {advice}" if advice else line


def _word(finding: Finding) -> tuple[str, str]:
    """Word a finding, and what to do about it ("" = nothing)."""
    texts = _texts(language())
    name = f"{finding.subject}.{finding.code}"
    advice = texts.get(f"{name}.do", "")
    return texts[name].format(**finding.facts), advice.format(**finding.facts)


def _as_dict(finding: Finding) -> dict[str, object]:
    text, advice = _word(finding)
    return {**dataclasses.asdict(finding), "text": text, "advice": advice}


@cache
def _texts(lang: str) -> dict[str, str]:
    return dict(json.loads((_TEXTS / f"doctor.{lang}.json").read_text(encoding="utf-8")))
