"""All checks that the settings turn on, asked about one clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from liveness import mouth_motion
from liveness.judgement import Judge, Judgement, Liveness
from utils.liveness_settings import LivenessSettings
from utils.media import Capture

ALWAYS: Mapping[Judge, Callable[[Capture], Judgement]] = {Judge.MOUTH_MOTION: mouth_motion.judge}
"""Checks that need no more than the clip."""


class Judges:
    """The checks that are on. Threads may share them."""

    def __init__(self, settings: LivenessSettings) -> None:
        modes = {judge: getattr(settings, f"liveness_{judge}") for judge in Judge}
        self._on = tuple(judge for judge in Judge if modes[judge] != "off")
        self._refusing = frozenset(judge for judge in self._on if modes[judge] == "refuse")
        self._refusing_enrolment = frozenset(self._on if settings.liveness_enroll else ())

    def examine(self, capture: Capture) -> Liveness | None:
        """Ask every check that is on. None: all are off."""
        if not self._on:
            return None
        return Liveness(
            judgements={judge: ALWAYS[judge](capture) for judge in self._on},
            refusing=self._refusing,
            refusing_enrolment=self._refusing_enrolment,
        )
