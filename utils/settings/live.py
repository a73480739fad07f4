"""Settings of live transcription."""

from __future__ import annotations

from dataclasses import dataclass

from utils.errors import ConfigError
from utils.settings.subject import PREFIX, Subject, setting

NAMES = ("all", "registered", "gallery")
"""Whom a live session may name: `LiveSettings.live_names`."""


@dataclass(frozen=True)
class LiveSettings(Subject):
    """Live transcription (docs/live.md). A session may state the options after the ports."""

    live_sessions: int = setting(
        0,
        "Live sessions at the same time, at most half as many as there are threads. 0: one for"
        " every core.",
        0,
        64,
    )
    live_port: int = setting(
        0,
        "A port of its own for clients of the compatible live system, which state no path. 0:"
        " none.",
        0,
        65535,
    )
    wyoming_port: int = setting(
        0,
        "A port of its own for the Wyoming protocol, as Home Assistant speaks it. 0: none.",
        0,
        65535,
    )
    wyoming_host: str = setting(
        "127.0.0.1",
        "Address to listen on for the Wyoming protocol. It knows no keys: whoever reaches the"
        " address has speech written down, and is told who speaks.",
    )
    live_language: str = setting(
        "", "Code of the language that is spoken, as ko. Empty: it is detected."
    )
    live_model: str = setting(
        "", "Model that writes live: base or tiny.en. Empty: that of DUET_SPEECH_MODEL."
    )
    live_min_seg_duration: float = setting(
        0.2, "Least speech that is written down, in seconds.", 0.1, 5
    )
    live_silence_duration: float = setting(
        0.5, "Silence after which a turn ends, in seconds.", 0.2, 5
    )
    live_max_segment_duration: float = setting(
        12.0, "Length at which speech without a pause is cut, in seconds.", 2, 25
    )
    live_rms_threshold: float = setting(
        -60.0, "Level below which sound is silence, in dB relative to full scale.", -120, 0
    )
    live_var_threshold: float = setting(
        20.0,
        "Variance below which sound is silence, in 16-bit steps squared: a hum of direct current"
        " is loud and does not vary.",
        0,
        1e9,
    )
    live_vad_mode: int = setting(
        2, "How strictly voice activity is judged, from 0 (hears most) to 3 (hears least).", 0, 3
    )
    live_num_speakers: int = setting(
        0, "Most people who speak in a session. 0: any number.", 0, 100
    )
    live_similarity_threshold: float = setting(
        0.0,
        "Cosine from which a voice is that of a registered speaker. 0: the calibrated ratio"
        " says so.",
        0,
        1,
    )
    live_names: str = setting(
        "all", "Who may be named: all, registered (in the session alone), or gallery."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.live_names not in NAMES:
            raise ConfigError(
                f"{PREFIX}LIVE_NAMES must be one of {', '.join(NAMES)}. Received:"
                f" {self.live_names[:40]!r}"
            )
