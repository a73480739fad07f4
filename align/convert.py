"""Turning a video into the WAV file that voice-only programs take (16 kHz, mono, 16
bit), by moviepy and the ffmpeg that comes with it.

This is for a user's own files on the command line: unlike `align.decode` it puts no
bounds on time or size.
"""

from __future__ import annotations

from pathlib import Path

from align.decode import identify_kind
from utils.arrays import RATE_HZ
from utils.errors import MediaCorruptError, MediaTypeError, OutputError
from utils.whole_file import whole_file


def video_to_wav(source: Path, target: Path, overwrite: bool = False) -> float:
    """Write the sound track of `source` (video or sound file) to `target` as WAV; its
    folder is made where it is not there.

    `target` appears whole or stays as it was.

    Returns:
        Length of the sound in seconds.

    Raises:
        MediaNotFoundError, MediaEmptyError, MediaTypeError, MediaCorruptError: no sound
            track, or one that cannot be decoded.
        OutputError: `target` is `source`, or is there and not to be overwritten, or
            cannot be written.
    """
    kind = identify_kind(source, source.name)
    if kind.is_photo:
        raise MediaTypeError(f"A picture has no sound. Received: {source.name} ({kind.name}).")
    try:
        _refuse_loss(source, target, overwrite)
        with whole_file(target) as draft:
            # Ffmpeg would say of a folder that it may not write to that the sound
            # cannot be read
            draft.touch()
            return _write(source, draft)
    except OSError as error:
        raise OutputError(
            f"The WAV file must be writable. Received: {target.name} ({error.strerror}).",
            "Name a folder that you may write to with --to.",
        ) from error


def _refuse_loss(source: Path, target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if target.samefile(source):
        raise OutputError(
            f"The WAV file must be another file than its source. Received: {source.name} for both.",
            "Name another folder with --to.",
        )
    if not overwrite:
        raise OutputError(
            f"The WAV file must not be there yet. Received: {target.name}.",
            "Overwrite it with --force, or name another folder with --to.",
        )


def _write(source: Path, target: Path) -> float:
    import soundfile
    from moviepy.config import FFMPEG_BINARY
    from moviepy.tools import ffmpeg_escape_filename, subprocess_call

    command = [
        FFMPEG_BINARY,
        "-y",
        "-v",
        "error",
        "-protocol_whitelist",
        "file",
        "-i",
        ffmpeg_escape_filename(str(source)),
        "-vn",
        "-ac",
        "1",
        "-ar",
        str(RATE_HZ),
        "-c:a",
        "pcm_s16le",
        "-f",
        "wav",
        ffmpeg_escape_filename(str(target)),
    ]
    try:
        subprocess_call(command, logger=None)
    except OSError:  # with everything that ffmpeg had to say, paths included
        raise MediaCorruptError(
            f"No sound track can be read from the file. Received: {source.name}."
        ) from None
    return float(soundfile.info(target).duration)
