"""Turning a video into the WAV file that voice-only programs take (16 kHz, mono, 16 bit), by moviepy and the ffmpeg that comes with it.

This is for a user's own files on the command line: unlike `align.decode` it puts no bounds on time or size.
"""
from __future__ import annotations

from pathlib import Path

from align.decode import identify_kind
from utils.errors import MediaCorruptError, MediaTypeError
from utils.types import RATE_HZ


def video_to_wav(source: Path, target: Path) -> float:
    """Write the sound track of `source` (video or sound file) to `target` as WAV.

    Returns:
        Length of the sound in seconds.

    Raises:
        MediaNotFoundError, MediaEmptyError, MediaTypeError, MediaCorruptError: no sound track, or one that cannot be decoded. Then `target`
        is not left behind.
    """
    kind = identify_kind(source, source.name)
    if kind.is_photo:
        raise MediaTypeError(f"A picture has no sound. Received: {source.name} ({kind.name}).")
    import soundfile
    from moviepy.config import FFMPEG_BINARY
    from moviepy.tools import ffmpeg_escape_filename, subprocess_call

    command = [FFMPEG_BINARY, "-y", "-v", "error", "-protocol_whitelist", "file", "-i", ffmpeg_escape_filename(str(source)), "-vn",
               "-ac", "1", "-ar", str(RATE_HZ), "-c:a", "pcm_s16le", "-f", "wav", ffmpeg_escape_filename(str(target))]
    try:
        subprocess_call(command, logger=None)
    except OSError:  # with everything that ffmpeg had to say, paths included
        target.unlink(missing_ok=True)
        raise MediaCorruptError(f"No sound track can be read from the file. Received: {source.name}.") from None
    return float(soundfile.info(target).duration)
