"""Settings of speech to text."""

from __future__ import annotations

from dataclasses import dataclass

from utils.settings.subject import Subject, setting


@dataclass(frozen=True)
class SpeechSettings(Subject):
    """Speech to text, which is an extra (docs/speech.md)."""

    speech_model: str = setting(
        "",
        "What writes down speech: base, tiny.en, or a folder: a Whisper model for CTranslate2, or"
        " what cli.py train speech made. Empty: base where it is installed, else tiny.en.",
    )
    speech_threads: int = setting(
        0,
        "Threads that write down speech. 0: half of the processors, so that the rest is left for"
        " clips.",
        0,
        256,
    )
    max_speech_s: float = setting(
        14400.0, "Longest recording that is written down, in seconds.", 1, 86400
    )
