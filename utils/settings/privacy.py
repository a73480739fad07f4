"""Settings of privacy: what is kept of people, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.settings.subject import Subject, setting


@dataclass(frozen=True)
class PrivacySettings(Subject):
    """What is kept of people, and how it is encrypted."""

    encryption_key: str = setting(
        "",
        "Key that encrypts templates and kept media: 32 bytes in base64. Empty: they are stored"
        " in the clear.",
        secret=True,
    )
    encryption_key_file: Path | None = setting(
        None, "File that holds the encryption key, instead of the variable."
    )
    encryption_key_old: str = setting(
        "", "The previous key, for `cli.py keys rotate-encryption` alone.", secret=True
    )
    keep_media: bool = setting(
        False,
        "1: keep aligned faces, speech and a thumbnail with each template, so that later models"
        " can embed them again. 0: keep vectors only.",
    )
    keep_transcripts: bool = setting(
        False, "1: keep transcripts, encrypted as templates are. 0: keep none."
    )
    transcript_days: float = setting(
        0,
        "Days after which a kept transcript is deleted, as people whose term is over. 0: it is"
        " kept until somebody deletes it.",
        0,
        36500,
    )
    feedback_days: int = setting(
        7,
        "Days for which the service remembers whom an answer named, so that people can report a"
        " wrong answer. 0: not at all.",
        0,
        90,
    )
