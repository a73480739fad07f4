"""Time and memory of a running service that identifies a clip.

Also checks that parallel answers equal serial ones.

    python -m bench.identify [--repeat 9] [--requests 200] [--model-dir DIR]

Starts a service on a free port with an empty data folder. The clip is 5 s, 1280 × 720,
30 fps, H.264 with AAC sound: a real face from the research clips (DUET_SHARED_DATA)
scaled up where they are, a drawn one elsewhere. Prints the time of each stage of a warm
request, the total as a ratio to `ffmpeg -threads 2 -i clip -f null -` (decoding alone,
taken in turns with the requests so that both meet the same load), and resident memory
after 10, 50 and 200 requests. Times are wall time in milliseconds unless called
processor time.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import requests

from tests.support.media import speech, talking_frames, write_video
from tests.support.service import ROOT, Service, running

CLIPS = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data")) / "clips"
SECONDS = 5
WIDTH = 1280
HEIGHT = 720
FPS = 30
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TARGET_RATIO = 3.0
TARGET_MS = 600.0
TARGET_MB = 1200.0
ANSWER = ("fused", "face", "voice", "quality", "people_in_view", "hints", "gallery")


def make_clip(folder: Path) -> tuple[Path, str]:
    """The clip of the bench, and in words what it is."""
    path = folder / "clip.mp4"
    real = sorted(CLIPS.glob("people/*/test/*.mp4"))
    if real:
        size = f"scale=-2:{HEIGHT},pad={WIDTH}:{HEIGHT}:(ow-iw)/2:0,fps={FPS}"
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-v",
            "error",
            "-stream_loop",
            "1",
            "-i",
            str(real[0]),
            "-t",
            str(SECONDS),
            "-vf",
            size,
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
            str(path),
        ]
        subprocess.run(command, check=True)
        return (
            path,
            f"real face, {real[0].parent.parent.name}/{real[0].name} scaled to {WIDTH} × {HEIGHT}",
        )
    frames = talking_frames(1, SECONDS, FPS, size=(WIDTH, HEIGHT), face_px=500)
    return write_video(path, frames, speech(1, SECONDS), fps=FPS), f"drawn face, {WIDTH} × {HEIGHT}"


def people_to_enroll(folder: Path) -> list[Path]:
    """A clip each of some people, so that there is something to search."""
    real = (
        [sorted((p / "enroll").iterdir())[0] for p in sorted((CLIPS / "people").glob("*"))[:8]]
        if CLIPS.exists()
        else []
    )
    if real:
        return real
    return [
        write_video(folder / f"person{n}.mp4", talking_frames(n, 3.0), speech(n, 3.0), fps=25)
        for n in range(1, 5)
    ]


def ask(service: Service, clip: Path) -> dict[str, Any]:
    """One identification."""
    with clip.open("rb") as file:
        answer = requests.post(
            service.url + "/v1/identify", files={"media": (clip.name, file)}, timeout=120
        )
    answer.raise_for_status()
    return dict(answer.json())


def decode_only(clip: Path) -> tuple[float, float]:
    """Wall and processor time of decoding alone, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-v",
            "error",
            "-threads",
            "2",
            "-i",
            str(clip),
            "-f",
            "null",
            "-",
        ],
        check=True,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * wall, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def processor_ms(service: Service) -> float:
    """Processor time that the serving process has used so far."""
    fields = Path(f"/proc/{service.worker_pids()[0]}/stat").read_text().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident_mb(service: Service) -> float:
    """Resident memory of the serving process, in MB."""
    status = Path(f"/proc/{service.worker_pids()[0]}/status").read_text()
    line = next(x for x in status.splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def time_requests(service: Service, clip: Path, repeat: int) -> None:
    """Print the table of stages and the ratio to decoding alone."""
    walls = []
    processor = []
    decodes = []
    stages = []
    for _ in range(repeat):
        decodes.append(decode_only(clip))
        before = processor_ms(service)
        started = time.perf_counter()
        stages.append(ask(service, clip)["timings_ms"])
        walls.append(1000 * (time.perf_counter() - started))
        processor.append(processor_ms(service) - before)
    print(f"\n{'stage':24}{'best ms':>10}{'median ms':>11}")
    for name in stages[0]:
        print(
            f"{name:24}{min(s[name] for s in stages):10.1f}{statistics.median(s[name] for s in stages):11.1f}"
        )
    print(f"{'whole request':24}{min(walls):10.1f}{statistics.median(walls):11.1f}")
    print(f"{'  processor time':24}{min(processor):10.1f}{statistics.median(processor):11.1f}")
    alone = [d[0] for d in decodes]
    alone_cpu = [d[1] for d in decodes]
    print(f"{'ffmpeg decoding alone':24}{min(alone):10.1f}{statistics.median(alone):11.1f}")
    print(f"{'  processor time':24}{min(alone_cpu):10.1f}{statistics.median(alone_cpu):11.1f}")
    print(
        f"{'ratio':24}{min(walls) / min(alone):10.2f}{statistics.median(walls) / statistics.median(alone):11.2f}"
    )
    limit = max(TARGET_RATIO * min(alone), TARGET_MS)
    print(
        f"target: {limit:.0f} ms at most (the larger of {TARGET_RATIO:g} × decoding and"
        f" {TARGET_MS:g} ms): {'reached' if min(walls) <= limit else 'MISSED'} by the best request"
    )


def watch_memory(service: Service, clip: Path, done: int, counts: list[int]) -> None:
    """Print resident memory after `counts` requests in all.

    `done` of them were made before.
    """
    print(f"\n{'requests':>10}{'resident MB':>13}")
    for count in counts:
        for _ in range(done, count):
            ask(service, clip)
        done = max(done, count)
        print(f"{done:10}{resident_mb(service):13.0f}")


def compare_parallel(service: Service, clips: list[Path]) -> None:
    """Print whether eight requests at once answer what they answer one after another."""

    def answer(clip: Path) -> dict[str, Any]:
        return {k: v for k, v in ask(service, clip).items() if k in ANSWER}

    eight = (clips * 8)[:8]
    started = time.perf_counter()
    serial = [answer(c) for c in eight]
    between = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(answer, eight))
    ended = time.perf_counter()
    same = sum(a == b for a, b in zip(serial, parallel, strict=True))
    print(
        f"\n8 at once: {same} of 8 answers equal those one after another; "
        f"{between - started:.2f} s one after another, {ended - between:.2f} s at once"
    )


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=9, help="timed requests")
    parser.add_argument("--requests", type=int, default=200, help="requests for the memory test")
    parser.add_argument("--model-dir", type=Path, help="other networks than best_model/")
    chosen = parser.parse_args()
    settings = {"model_dir": chosen.model_dir.resolve()} if chosen.model_dir else {}
    with (
        tempfile.TemporaryDirectory() as name,
        running(Path(name), "app.py", **settings) as service,
    ):
        folder = Path(name)
        clip, what = make_clip(folder)
        people = people_to_enroll(folder)
        print(
            f"clip: {SECONDS} s, {FPS} fps, {what}; {os.cpu_count()} cores, load before:"
            f" {os.getloadavg()[0]:.1f}; {len(people)} people enrolled"
        )
        for number, path in enumerate(people):
            requests.post(
                f"{service.url}/v1/people", json={"person_id": f"p{number}"}, timeout=60
            ).raise_for_status()
            with path.open("rb") as file:
                requests.post(
                    f"{service.url}/v1/people/p{number}/templates",
                    files={"media": file},
                    data={"force": "true"},
                    timeout=120,
                ).raise_for_status()
        watch_memory(service, clip, len(people), [10])
        time_requests(service, clip, chosen.repeat)
        compare_parallel(service, [clip, *people])
        watch_memory(service, clip, 10 + chosen.repeat + 16, [50, chosen.requests])
        print(f"target: {TARGET_MB:g} MB at most, no growth after the first 50")


if __name__ == "__main__":
    main()
