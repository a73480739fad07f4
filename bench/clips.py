"""Clips that benchmarks send to a running service, and what they ask it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import requests

from tests.support.media import speech, talking_frames, write_video
from tests.support.service import ROOT, Service

CLIPS = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data")) / "clips"
SECONDS = 5
WIDTH = 1280
HEIGHT = 720
FPS = 30
# People to search, at most, of the research clips.
PEOPLE = 8
ANSWER = ("fused", "face", "voice", "quality", "people_in_view", "hints", "gallery")
"""Fields of an answer that must not depend on who else asks."""


def ffmpeg(reading: str, clip: Path, writing: str, out: Path | str) -> None:
    """Run ffmpeg on a clip, with these options for either side."""
    options = ("-v", "error", *shlex.split(reading), "-i", clip, *shlex.split(writing), out)
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *map(str, options)], check=True)


def make_clip(folder: Path) -> tuple[Path, str]:
    """Write the clip to ask about, and say in words what it is.

    It is 5 s, 1280 × 720, 30 fps, H.264 with AAC: a real face of the research clips
    scaled up, or a drawn one where they are missing.
    """
    path = folder / "clip.mp4"
    clips = sorted(CLIPS.glob("people/*/test/*.mp4"))
    if not clips:
        frames = talking_frames(1, SECONDS, FPS, size=(WIDTH, HEIGHT), face_px=500)
        write_video(path, frames, speech(1, SECONDS), fps=FPS)
        return path, f"drawn face, {WIDTH} × {HEIGHT}"
    size = f"scale=-2:{HEIGHT},pad={WIDTH}:{HEIGHT}:(ow-iw)/2:0,fps={FPS}"
    coding = f"-t {SECONDS} -vf {size} -c:v libx264 -pix_fmt yuv420p -c:a aac"
    ffmpeg("-stream_loop 1", clips[0], coding, path)
    source = f"{clips[0].parent.parent.name}/{clips[0].name}"
    return path, f"real face, {source} scaled to {WIDTH} × {HEIGHT}"


def people_to_enroll(folder: Path) -> list[Path]:
    """A clip each of some people, so that there is somebody to search."""
    people = sorted((CLIPS / "people").glob("*"))[:PEOPLE]
    if people:
        return [min((person / "enroll").iterdir()) for person in people]
    return [
        write_video(folder / f"person{n}.mp4", talking_frames(n, 3.0), speech(n, 3.0), fps=25)
        for n in range(1, 5)
    ]


def enroll_each(service: Service, clips: Iterable[Path]) -> None:
    """Enrol one person by each clip."""
    for number, clip in enumerate(clips):
        enroll(service, f"p{number}", [clip])


def enroll(service: Service, person_id: str, clips: Iterable[Path]) -> None:
    """Create a person and enrol these clips."""
    people = f"{service.url}/v1/people"
    requests.post(people, json={"person_id": person_id}, timeout=60).raise_for_status()
    for clip in clips:
        requests.post(
            f"{people}/{person_id}/templates",
            files={"media": (clip.name, clip.read_bytes())},
            data={"force": "true"},
            timeout=120,
        ).raise_for_status()


def ask(service: Service, clip: Path) -> dict[str, Any]:
    """Identify a clip."""
    with clip.open("rb") as file:
        answer = requests.post(
            f"{service.url}/v1/identify", files={"media": (clip.name, file)}, timeout=120
        )
    answer.raise_for_status()
    return dict(answer.json())


def ask_for_answer(service: Service, clip: Path) -> dict[str, Any]:
    """The fields `ANSWER` of an identification."""
    return {name: value for name, value in ask(service, clip).items() if name in ANSWER}


def resident_mb(service: Service) -> float:
    """Memory of the serving process and its decoders, in MB. What they share counts once."""
    total_kb = 0
    for pid in [*service.worker_pids(), *service.decoder_pids()]:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        line = next(line for line in lines if line.startswith("Pss:"))
        total_kb += int(line.split()[1])
    return total_kb * 1024 / 1e6
