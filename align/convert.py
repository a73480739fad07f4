"""Turning a video into the WAV file that voice-only programs take.

The WAV file is 16 kHz, mono, 16 bit. moviepy and the ffmpeg that comes with it write
it. This is for a user's own files on the command line: unlike `align.decode`, it puts
no bounds on time or size.
"""

from __future__ import annotations

from pathlib import Path

from align.decode import identify_kind
from utils.arrays import RATE_HZ
from utils.errors import MediaCorruptError, MediaTypeError, OutputError
from utils.whole_file import whole_file

# Options of ffmpeg, before the name of the source and before that of the target
_READ = ["-y", "-v", "error", "-protocol_whitelist", "file", "-i"]
_WRITE = ["-vn", "-ac", "1", "-ar", str(RATE_HZ), "-c:a", "pcm_s16le", "-f", "wav"]


def video_to_wav(source: Path, target: Path, *, overwrite: bool = False) -> float:
    """Write the sound track of a video or sound file as WAV.

    Args:
        source: the video or sound file.
        target: the WAV file. It appears whole or stays as it was. Its folder is created
            where it is missing.
        overwrite: replace a `target` that exists.

    Returns:
        Length of the sound in seconds.

    Raises:
        MediaNotFoundError, MediaEmptyError: there is no `source`, or it is empty.
        MediaTypeError, MediaCorruptError: it has no sound that can be decoded.
        OutputError: `target` is `source`, exists, or cannot be written.
    """
    kind = identify_kind(source, source.name)
    if kind.is_photo:
        raise MediaTypeError(f"A picture has no sound. Received: {source.name} ({kind.name}).")
    try:
        _refuse_loss(source, target, overwrite)
        with whole_file(target) as draft:
            # Where the folder is not writable, this says so. ffmpeg would say that the
            # sound cannot be read.
            draft.touch()
            return _write(source, draft)
    except OSError as error:
        raise OutputError(
            f"The WAV file {target.name} cannot be written: {error.strerror}."
        ) from error


def _refuse_loss(source: Path, target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if target.samefile(source):
        raise OutputError(
            f"The WAV file must not be its own source. Received: {source.name} for both."
        )
    if not overwrite:
        raise OutputError(f"The WAV file {target.name} exists.")


def _write(source: Path, target: Path) -> float:
    import soundfile
    from moviepy.config import FFMPEG_BINARY
    from moviepy.tools import ffmpeg_escape_filename, subprocess_call

    names = [ffmpeg_escape_filename(str(file)) for file in (source, target)]
    command = [FFMPEG_BINARY, *_READ, names[0], *_WRITE, names[1]]
    try:
        subprocess_call(command, logger=None)
    except OSError:
        # Its text is all that ffmpeg had to say, paths included
        raise MediaCorruptError(
            f"No sound track can be read from the file. Received: {source.name}."
        ) from None
    return float(soundfile.info(target).duration)
