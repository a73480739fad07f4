"""All checks that the settings turn on, asked about one clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from liveness import challenge as challenges
from liveness import mouth_motion
from liveness.challenge import Challenge
from liveness.judgement import Judge, Judgement, Liveness
from utils.liveness_settings import LivenessSettings
from utils.media import Capture

ALWAYS: Mapping[Judge, Callable[[Capture], Judgement]] = {Judge.MOUTH_MOTION: mouth_motion.judge}
"""Checks that need no more than the clip."""


class Judges:
    """The checks that are on. Threads may share them."""

    def __init__(self, settings: LivenessSettings) -> None:
        modes = {judge: getattr(settings, f"liveness_{judge}") for judge in Judge}
        self._on = frozenset(judge for judge in Judge if modes[judge] != "off")
        self._refusing = frozenset(judge for judge in self._on if modes[judge] == "refuse")
        self._refusing_enrolment = self._on if settings.liveness_enroll else frozenset()

    def examine(self, capture: Capture, challenge: Challenge | None = None) -> Liveness | None:
        """Ask every check that is on. None: all are off.

        `challenge`: the digits that the clip was asked to say.
        """
        judgements = dict(self._ask(capture, challenge))
        if not judgements:
            return None
        return Liveness(
            judgements=judgements,
            refusing=self._refusing,
            refusing_enrolment=self._refusing_enrolment,
        )

    def _ask(
        self, capture: Capture, challenge: Challenge | None
    ) -> Iterator[tuple[Judge, Judgement]]:
        for judge in Judge:
            if judge in ALWAYS and judge in self._on:
                yield judge, ALWAYS[judge](capture)
        # A clip that was asked nothing is not blamed for it, unless each one must be asked
        must_answer = Judge.CHALLENGE in self._refusing
        if challenge or must_answer:
            yield Judge.CHALLENGE, challenges.judge(capture, challenge)
