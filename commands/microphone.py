"""Sound from the microphone, as a temporary WAV file or as a stream.

Needs the optional package sounddevice, and PortAudio.
"""

from __future__ import annotations

import math
import tempfile
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from utils.errors import ConfigError

_BLOCK_S = 0.1


@contextmanager
def stream() -> Iterator[Iterator[bytes]]:
    """Open the microphone: blocks of PCM16, 16 kHz mono, a tenth of a second each.

    Raises ConfigError without the package or a microphone. So do the blocks, once the
    microphone is gone.
    """
    from utils.arrays import RATE_HZ

    sounddevice = load_sounddevice()
    size = round(_BLOCK_S * RATE_HZ)
    with ExitStack() as opened:
        with _refusing(sounddevice, "Recording needs a microphone that takes 16 kHz mono"):
            microphone = opened.enter_context(
                sounddevice.RawInputStream(
                    samplerate=RATE_HZ, blocksize=size, channels=1, dtype="int16"
                )
            )

        def read() -> bytes:
            with _refusing(sounddevice, "The microphone was lost while it recorded"):
                return bytes(microphone.read(size)[0])

        yield iter(read, b"")


@contextmanager
def record(seconds: float) -> Iterator[Path]:
    """Record `seconds` of 16 kHz mono sound now.

    The file is removed at the end. Raises ConfigError without the package or a
    microphone, or where it is lost meanwhile.
    """
    from utils.arrays import RATE_HZ  # NumPy: --help does without it

    with stream() as blocks:
        sound = b"".join(islice(blocks, math.ceil(seconds / _BLOCK_S)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "microphone.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(sound[: 2 * round(seconds * RATE_HZ)])
        yield path


def load_sounddevice() -> Any:
    """Load the package for the microphone. Raises ConfigError where a part of it is missing."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the package is there, PortAudio is not
        missing = "sounddevice" if isinstance(error, ImportError) else "PortAudio"
        raise ConfigError(
            "The microphone needs the package sounddevice and the library PortAudio. There is no"
            f" {missing}.",
            "pip install sounddevice; on Debian and Ubuntu also: apt-get install libportaudio2",
        ) from error
    return sounddevice


@contextmanager
def _refusing(sounddevice: Any, rule: str) -> Iterator[None]:
    """Say what is wrong with the device. Raises ConfigError."""
    try:
        yield
    except sounddevice.PortAudioError as error:
        raise ConfigError(
            f"{rule}: {error}", "`python -m sounddevice` lists the devices of this machine."
        ) from error
