"""A person who says digits, joined from recordings in which they say one each.

No recording of somebody who says digits that are asked for is at hand. One speaker of the
GRID corpus says a "five" in one sentence and a "seven" in another. They are put one after
the other, picture and sound, at three quarters of the speed: digits are said more slowly than in
a sentence. So both jump from digit to digit. Before and after the digits the picture goes
on without sound.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

DIGITS = "575757"
SPEAKER = "grid_sF_drpato"
LENGTH_S = 6.0
"""Length of a clip: what a page records."""

_SENTENCES = ("enroll/1600ms_ex1.mpg", "test/800ms_ex1.mpg")
# When each sentence has its digit, in seconds
_SAID_S = ((0.88, 1.24), (1.04, 1.40))
_SLOWER = 4 / 3
PAUSE_S = 0.04
_FADE_S = 0.01
_LEAD_S = 0.6
_LOOK = "fps=25,scale=360:288,setsar=1"
_WHOLE = f"{_LOOK},tpad=stop_mode=clone:stop_duration={LENGTH_S},trim=0:{LENGTH_S}[seen]"


def write_digits(path: Path, speaker: Path, pause_s: float = PAUSE_S) -> Path:
    """Write a clip in which the speaker says `DIGITS`. `speaker` is the folder of recordings."""
    pieces = [_cut(number, pause_s) for number in range(len(DIGITS))]
    names = "".join(f"[v{number}][a{number}]" for number in range(len(DIGITS)))
    first_s = _SAID_S[0][0]
    graph = [
        *pieces,
        f"{names}concat=n={len(pieces)}:v=1:a=1[said][sound]",
        f"{_cut_picture(0, first_s - _LEAD_S / _SLOWER, first_s)}[before]",
        f"{_cut_picture(1, _SAID_S[1][1], LENGTH_S)}[after]",
        f"[before][said][after]concat=n=3,{_WHOLE}",
        f"aevalsrc=0:d={_LEAD_S}[silence]",
        f"[silence][sound]concat=n=2:v=0:a=1,apad,atrim=0:{LENGTH_S}[heard]",
    ]
    return _write(path, [speaker / one for one in _SENTENCES], graph, "[heard]")


def write_still(path: Path, speaker: Path) -> Path:
    """Write a picture of the speaker, with the digits under it."""
    said = write_digits(path.with_suffix(".said.mkv"), speaker)
    picture = f"[0:v]trim=end_frame=1,setpts=PTS-STARTPTS,{_WHOLE}"
    return _write(path, [speaker / _SENTENCES[0], said], [picture], "1:a")


def write_dub(path: Path, speaker: Path) -> Path:
    """Write the sentences of the speaker, with the digits over them: more than 3 s of speech."""
    said = write_digits(path.with_suffix(".said.mkv"), speaker, 2 * PAUSE_S)
    both = [f"[{number}:v]{_LOOK}[v{number}]" for number in range(2)]
    joined = f"[v0][v1]concat=n=2,{_WHOLE}"
    clips = [*(speaker / one for one in _SENTENCES), said]
    return _write(path, clips, [*both, joined], "2:a")


def _write(path: Path, clips: list[Path], graph: list[str], sound: str) -> Path:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    for clip in clips:
        command += ["-i", str(clip)]
    command += ["-filter_complex", ";".join(graph), "-map", "[seen]", "-map", sound]
    subprocess.run([*command, "-c:v", "mpeg4", "-q:v", "3", "-c:a", "flac", path], check=True)
    return path


def _cut(number: int, pause_s: float) -> str:
    """Cut out the digit at a place, picture and sound."""
    start_s, end_s = _SAID_S[number % 2]
    fades = f"afade=d={_FADE_S},afade=t=out:d={_FADE_S}:st={end_s - start_s - _FADE_S:.2f}"
    sound = f"atrim={start_s}:{end_s},asetpts=PTS-STARTPTS,{fades},atempo={1 / _SLOWER}"
    picture = _cut_picture(number % 2, start_s, end_s)
    hold = f"tpad=stop_mode=clone:stop_duration={pause_s}"
    return f"{picture},{hold}[v{number}];[{number % 2}:a]{sound},apad=pad_dur={pause_s}[a{number}]"


def _cut_picture(sentence: int, start_s: float, end_s: float) -> str:
    trim = f"trim={start_s:.2f}:{end_s:.2f},setpts=(PTS-STARTPTS)*{_SLOWER}"
    return f"[{sentence}:v]{trim},{_LOOK}"
