"""What is asked of a clip while it is decoded: speech, and whether its opening is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from utils.media import AlignedFace, Capture, SpeechAnalysis, Waveform

Listen = Callable[[Waveform], None]
"""Is given the speech of a clip as soon as it is found, while the picture is decoded."""


class Watch(Protocol):
    """Looks at the faces of a clip while no new one is there."""

    def __call__(self, faces: Sequence[AlignedFace], frames: int) -> bool:
        """Do something with the faces so far. Returns whether there was something to do.

        Args:
            faces: one of each frame so far, in order of time.
            frames: how many frames there will be.
        """
        ...


class Demand(Protocol):
    """Decides whether the opening of one clip is enough. All of the sound is heard already."""

    def allows(self, speech: SpeechAnalysis, from_s: float, until_s: float) -> bool:
        """Whether pictures until then can be enough. They begin at `from_s`.

        Both are by the clock of the sound, which may begin before the picture or after it.
        """
        ...

    def is_met(self, capture: Capture) -> bool:
        """Whether what was made of the opening is enough."""
        ...
