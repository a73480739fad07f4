"""What is asked of the opening of a clip, so that the rest of it need not be decoded."""

from __future__ import annotations

from typing import Protocol

from utils.media import Capture, SpeechAnalysis


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
