"""Who is shown a clip while the rest of it is decoded."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from utils.arrays import GreyArray
from utils.media import Clip, Frame, GreyFrame, Waveform


class Audience(Protocol):
    """Sees the frames of a video one after the other, and hears its sound before.

    Frames of the film may come before the sound. It is shown nothing of a photograph. The clip
    that is read in the end says what counts.
    """

    def hear(self, waveforms: tuple[Waveform, ...]) -> None:
        """Take the sounds, the one to be heard first."""
        ...

    def see(self, frame: Frame) -> Frame:
        """Take the next frame. Returns it, wherever its pixels lie from now on."""
        ...

    def room(self, shape: tuple[int, int]) -> GreyArray:
        """Memory where the image (h, w) of the next frame of the film may be written."""
        ...

    def film(self, frame: GreyFrame) -> GreyFrame:
        """Take the next frame of the film. Returns it, wherever its pixels lie from now on."""
        ...

    def forget(self, count: int, filmed: int) -> None:
        """Let go of the last `count` frames and `filmed` of the film, to be decoded anew."""
        ...

    def is_enough(self, clip: Clip) -> bool:
        """Whether what is read of a clip so far is all that is needed of its picture."""
        ...

    def spend_time(self) -> bool:
        """Do a piece of work while nothing new is there. Returns whether there was some."""
        ...


class Nobody:
    """An audience that does nothing."""

    def hear(self, waveforms: tuple[Waveform, ...]) -> None:
        """Take no sound."""

    def see(self, frame: Frame) -> Frame:
        """Return the frame."""
        return frame

    def room(self, shape: tuple[int, int]) -> GreyArray:
        """Return memory of this process."""
        return np.empty(shape, np.uint8)

    def film(self, frame: GreyFrame) -> GreyFrame:
        """Return the frame."""
        return frame

    def forget(self, count: int, filmed: int) -> None:
        """Have nothing to forget."""

    def is_enough(self, clip: Clip) -> bool:
        """Want all of the clip."""
        del clip
        return False

    def spend_time(self) -> bool:
        """Have nothing to do."""
        return False
