"""The ways in which training speech is heard: a voice, and a channel.

A configuration's table `[data]` names them: `speeds`, `disguises` (speed and formants)
and `prosody` make voices, `channels` and `fluent_channels` are channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CHANNELS = ("clean", "room", "phone", "codec", "mobile", "any")


@dataclass(frozen=True)
class Variant:
    """One way in which training files are heard.

    Attributes:
        speed: Factor of tempo, pitch and formants: another speaker. With `prosody` of
            tempo and pitch alone: the same speaker (`perturb_prosody`).
        channel: One of `CHANNELS`.
        formants: Factor of the formants alone, beside that of `speed`.
        prosody: Whether the speaker stays the same.

    Raises:
        ValueError: An unknown channel, or both `formants` and `prosody`, which moves
            the formants itself.
    """

    speed: float
    channel: str
    formants: float = 1.0
    prosody: bool = False

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS:
            raise ValueError(
                f"A channel must be one of {', '.join(CHANNELS)}. Received:"
                f" channel={self.channel!r}"
            )
        if self.prosody and self.formants != 1.0:
            raise ValueError(f"formants must be 1 with prosody. Received: formants={self.formants}")

    @property
    def voice(self) -> str:
        """Name of the voice.

        "s090" for a speed, "s085f110" with formants moved by themselves, "p090" for a
        prosody.
        """
        letter = "p" if self.prosody else "s"
        formants = "" if self.formants == 1.0 else f"f{round(100 * self.formants):03d}"
        return f"{letter}{round(100 * self.speed):03d}{formants}"

    @property
    def name(self) -> str:
        """Name of the bank, such as "s090_phone"."""
        return f"{self.voice}_{self.channel}"


def check_channels(data: Mapping[str, Any]) -> None:
    """Raise ValueError for a channel of a table `[data]` that there is none of."""
    for channel in (*data["channels"], *data.get("fluent_channels", ())):
        Variant(1.0, channel)


def voices(data: Mapping[str, Any]) -> list[tuple[Variant, Sequence[str]]]:
    """Clean voices of a table `[data]`, with the groups of speakers that have them.

    `speeds` come first, for everybody (no groups named). `disguises` follow, for the
    groups `fluent`.
    """
    natural: list[tuple[Variant, Sequence[str]]] = [
        (Variant(speed, "clean"), ()) for speed in data["speeds"]
    ]
    fluent = tuple(data.get("fluent", ()))
    return natural + [
        (Variant(speed, "clean", formants), fluent) for speed, formants in data.get("disguises", [])
    ]


def prosodies(data: Mapping[str, Any]) -> list[Variant]:
    """Prosodies of a table `[data]`: the first voice's people at other moments.

    `prosody` holds factors of pitch and tempo. The teacher does not hear these. Their
    targets are those of the first voice.
    """
    return [Variant(factor, "clean", prosody=True) for factor in data.get("prosody", ())]
