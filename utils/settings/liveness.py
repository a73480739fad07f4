"""Settings of the checks for liveness: what is done with what each of them finds."""

from __future__ import annotations

from dataclasses import dataclass, fields

from utils.settings.subject import Subject, setting

MODES = ("off", "report", "refuse")
"""What a check does: nothing, say what it found, or refuse a clip that it does not pass."""

FILM_S = 8.0
"""Seconds in which a mouth is filmed: the digits of a challenge, and time to begin."""


@dataclass(frozen=True)
class LivenessSettings(Subject):
    """Checks whether somebody is really there and talks (docs/liveness.md)."""

    liveness_mouth_motion: str = setting(
        "report",
        "Does the mouth move? off: not looked at. report: a field of the answer. refuse: nobody"
        " is named unless the check passes.",
        choices=MODES,
    )
    liveness_audio_visual_sync: str = setting(
        "report",
        "Does the mouth move as the sound does? off: not looked at. report: a field of the answer."
        " refuse: nobody is named unless the check passes, which takes 3 s of speech.",
        choices=MODES,
    )
    liveness_screen_or_print: str = setting(
        "off",
        "Is a print or a screen held before the camera? off: not looked at. report: a field of the"
        " answer. refuse: nobody is named unless the check passes. It takes a network.",
        choices=MODES,
    )
    liveness_challenge: str = setting(
        "report",
        "Are the digits said that POST /v1/challenges asked for? off: nothing is asked. report: a"
        " field of the answer to a clip with a challenge. refuse: nobody is named without one.",
        choices=MODES,
    )
    challenge_s: float = setting(
        45.0, "Time in which the digits of a challenge must be sent, in seconds.", 30, 60
    )
    liveness_enroll: bool = setting(
        False,
        "1: a clip is enrolled only if no check that is on fails, also one that only reports.",
    )

    @property
    def film_s(self) -> float:
        """Seconds from the start of a clip in which the mouth is filmed. 0.0: none."""
        return 0.0 if self.liveness_audio_visual_sync == "off" else FILM_S

    @property
    def looks_around(self) -> bool:
        """Whether what is around the face is looked at."""
        return self.liveness_screen_or_print != "off"

    @property
    def refuses(self) -> bool:
        """Whether any check refuses clips."""
        modes = {getattr(self, f"liveness_{check}") for check in CHECKS}
        return self.liveness_enroll or "refuse" in modes


CHECKS = tuple(
    field.name.removeprefix("liveness_")
    for field in fields(LivenessSettings)
    if field.metadata["choices"] == MODES
)
"""Names of the checks: of all settings above that have `MODES`."""
PASSIVE = tuple(check for check in CHECKS if check != "challenge")
"""Checks that ask for nothing."""
