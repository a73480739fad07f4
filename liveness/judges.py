"""All checks that the settings turn on, asked about one clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from liveness import audio_visual_sync, mouth_motion, screen_or_print
from liveness import challenge as challenges
from liveness.challenge import Challenge
from liveness.folders import find_folder
from liveness.judgement import Judge, Judgement, Liveness
from liveness.picture_model import load_picture_model
from liveness.sync_model import load_model
from utils.media import Capture
from utils.settings.liveness import LivenessSettings

Examine = Callable[[Capture], Judgement]
"""A check that needs no more than the clip."""


class Judges:
    """The checks that are on. Threads may share them."""

    def __init__(self, settings: LivenessSettings, model_dir: Path) -> None:
        """Turn on the checks of the settings. Raises ModelError for a damaged model."""
        modes = {judge: getattr(settings, f"liveness_{judge}") for judge in Judge}
        self._on = frozenset(judge for judge in Judge if modes[judge] != "off")
        self._refusing = frozenset(judge for judge in self._on if modes[judge] == "refuse")
        self._refusing_enrolment = self._on if settings.liveness_enroll else frozenset()
        passive = [judge for judge in Judge if judge in self._on and judge != Judge.CHALLENGE]
        self._always = {judge: _LOADERS[judge](model_dir) for judge in passive}

    @property
    def on(self) -> frozenset[Judge]:
        """The checks that are on."""
        return self._on

    @property
    def refuse(self) -> bool:
        """Whether any check lets nobody be named unless it passes."""
        return bool(self._refusing)

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

    def examine_faces(self, capture: Capture, before: Liveness | None) -> Liveness | None:
        """Ask the check of aligned faces again, after some of them were left out.

        What the others say stays as it was `before`: they look at the film, the pictures and
        the sound.
        """
        if before is None or Judge.MOUTH_MOTION not in before.judgements:
            return before
        again = {Judge.MOUTH_MOTION: self._always[Judge.MOUTH_MOTION](capture)}
        return replace(before, judgements={**before.judgements, **again})

    def _ask(
        self, capture: Capture, challenge: Challenge | None
    ) -> Iterator[tuple[Judge, Judgement]]:
        for judge, examine in self._always.items():
            yield judge, examine(capture)
        # A clip that was asked nothing is not blamed for it, unless each one must be asked
        must_answer = Judge.CHALLENGE in self._refusing
        if challenge or must_answer:
            yield Judge.CHALLENGE, challenges.judge(capture, challenge)


def _load_motion(_: Path) -> Examine:
    return mouth_motion.judge


def _load_sync(model_dir: Path) -> Examine:
    return partial(
        audio_visual_sync.judge, model=load_model(find_folder(model_dir, Judge.AUDIO_VISUAL_SYNC))
    )


def _load_pictures(model_dir: Path) -> Examine:
    model = load_picture_model(find_folder(model_dir, Judge.SCREEN_OR_PRINT))
    return partial(screen_or_print.judge, model=model)


_LOADERS: dict[Judge, Callable[[Path], Examine]] = {
    Judge.MOUTH_MOTION: _load_motion,
    Judge.AUDIO_VISUAL_SYNC: _load_sync,
    Judge.SCREEN_OR_PRINT: _load_pictures,
}
