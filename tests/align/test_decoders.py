"""Decoding in processes of their own: the same clips, and nothing that ends the service."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from align.aligner import Aligner
from align.confinement import Confinement
from align.decode import ReadLimits, read_clip
from align.decoder_process import DEATHS, DecoderProcess, SharedMemory
from align.decoders import Decoders
from tests.support import media
from tests.support.hostile_decoder import LIES, TRICKS
from tests.support.pictures import draw_corners
from tests.support.waiting import until
from utils.errors import ConfigError, MediaCorruptError, MediaNotFoundError, MediaUnreadableError
from utils.settings.capture import CaptureSettings

BOUNDS = Confinement(memory_mb=512, processor_s=1, stall_s=1.5)
SETTINGS = CaptureSettings(max_frames=4)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(SETTINGS, 2, bounds=BOUNDS, program="tests.support.hostile_decoder")
    yield made
    made.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.write_clip(tmp_path_factory.mktemp("decoders") / "a.mp4", seconds=1.0)


def hostile(folder: Path, trick: str) -> Path:
    """A file that makes the decoder do it."""
    assert trick.encode() in TRICKS | LIES
    path = folder / f"{trick}.mp4"
    path.write_bytes(trick.encode() + b"\n")
    return path


def refuse(decoders: Decoders, path: Path) -> MediaUnreadableError:
    with pytest.raises(MediaUnreadableError) as caught, decoders.read(path, "a.mp4"):
        pass
    return caught.value


def test_a_clip_is_the_one_that_this_process_would_read(decoders: Decoders, clip: Path) -> None:
    here = read_clip(clip, ReadLimits.from_settings(SETTINGS))
    with decoders.read(clip, "a.mp4") as (there, timings_ms):
        assert len(there.frames) == len(here.frames) == 4
        for ours, theirs in zip(here.frames, there.frames, strict=True):
            np.testing.assert_array_equal(ours.image, theirs.image)
            assert ours.time_s == theirs.time_s
        assert here.waveform is not None
        assert there.waveform is not None
        np.testing.assert_array_equal(here.waveform.samples, there.waveform.samples)
        assert there.source_sha256 == here.source_sha256
        assert there.duration_s == here.duration_s
        assert set(timings_ms) == {"decode", "sound"}


def test_many_short_clips_leave_nothing_behind(decoders: Decoders, clip: Path) -> None:
    """The frames of each would hold 64 MB of address space of the 512 MB there are."""
    for _ in range(24):
        with decoders.read(clip, "a.mp4") as (there, _timings_ms):
            assert len(there.frames) == 4


def test_a_picture_and_a_sound_alone(decoders: Decoders, tmp_path: Path) -> None:
    with decoders.read(media.write_photo(tmp_path / "a.png", draw_corners()), None) as (photo, _):
        np.testing.assert_array_equal(photo.frames[0].image, draw_corners())
        assert photo.waveform is None
    with decoders.read(media.write_sound(tmp_path / "a.wav", media.tone(0.5)), None) as (sound, _):
        assert sound.frames == ()
        assert sound.waveform is not None


def test_refusals_are_those_of_this_process(decoders: Decoders, tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match=r"no such file.*b\.mp4"):
        decoders.read(tmp_path / "gone.mp4", "b.mp4").__enter__()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypisom" + bytes(400))
    with pytest.raises(MediaCorruptError):
        decoders.read(broken, "b.mp4").__enter__()


@pytest.mark.parametrize(
    ("trick", "words", "name"),
    [
        ("segfault", "died (SIGSEGV)", "SIGSEGV"),
        ("loop", "took more than 1 s of processor time", "SIGXCPU"),
        ("hang", "did nothing for 1.5 s", "SIGKILL"),
        ("abort", "died (SIGABRT)", "SIGABRT"),
        ("exit", "ended with exit code 3", ""),
    ],
)
def test_a_death_is_one_refusal(
    decoders: Decoders, clip: Path, tmp_path: Path, trick: str, words: str, name: str
) -> None:
    before = set(decoders.pids)
    deaths = DEATHS.count
    error = refuse(decoders, hostile(tmp_path, trick))
    assert DEATHS.count == deaths + 1
    assert words in error.message
    assert error.details == {"signal": name}
    assert len(set(decoders.pids) - before) == 1
    with decoders.read(clip, None) as (next_clip, _):
        assert len(next_clip.frames) == 4


@pytest.mark.parametrize("lie", [lie.decode() for lie in LIES])
def test_a_decoder_that_makes_no_sense_is_replaced(
    decoders: Decoders, clip: Path, tmp_path: Path, lie: str
) -> None:
    before = set(decoders.pids)
    assert "makes no sense" in refuse(decoders, hostile(tmp_path, lie)).message
    assert len(set(decoders.pids) - before) == 1
    with decoders.read(clip, None) as (next_clip, _):
        assert len(next_clip.frames) == 4


def test_a_decoder_that_eats_memory_is_refused_it(decoders: Decoders, tmp_path: Path) -> None:
    before = decoders.pids
    error = refuse(decoders, hostile(tmp_path, "memory"))
    assert "needs more than 512 MB of memory" in error.message
    assert decoders.pids == before


def test_an_unforeseen_error_is_named_without_its_text(decoders: Decoders, tmp_path: Path) -> None:
    error = refuse(decoders, hostile(tmp_path, "fail"))
    assert "failed (RuntimeError)" in error.message
    assert "/a/path" not in error.message


@pytest.mark.parametrize("trick", ["network", "program", "write", "secrets", "heavy"])
def test_a_decoder_may_do_little(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trick: str
) -> None:
    monkeypatch.setenv("DUET_API_KEY", "a secret")
    one = Decoders(SETTINGS, 1, bounds=BOUNDS, program="tests.support.hostile_decoder")
    try:
        assert "failed (RuntimeError)" in refuse(one, hostile(tmp_path, trick)).message
    finally:
        one.close()


def test_a_death_leaves_the_other_clips_alone(
    decoders: Decoders, clip: Path, tmp_path: Path
) -> None:
    bad = hostile(tmp_path, "segfault")

    def count_frames(path: Path) -> int:
        try:
            with decoders.read(path, None) as (read, _):
                return len(read.frames)
        except MediaUnreadableError:
            return 0

    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(count_frames, [clip, bad] * 6))
    assert counts == [4, 0] * 6


def test_one_that_is_killed_while_idle_is_replaced(decoders: Decoders, clip: Path) -> None:
    before = DEATHS.count
    for pid in decoders.pids:
        os.kill(pid, signal.SIGKILL)
    wait_for_end(decoders.pids)
    with decoders.read(clip, None) as (read, _):
        assert len(read.frames) == 4
    assert DEATHS.count == before + 1  # the others are replaced when they are asked


def test_an_aligner_sees_and_hears_the_same(decoders: Decoders, clip: Path) -> None:
    here = Aligner(SETTINGS).analyse(clip)
    there = Aligner(SETTINGS, decoders.read).analyse(clip)
    assert len(there.face_analysis.faces) == len(here.face_analysis.faces) > 0
    for ours, theirs in zip(here.face_analysis.faces, there.face_analysis.faces, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)
    assert there.speech_analysis.quality == here.speech_analysis.quality
    assert set(there.timings_ms) == set(here.timings_ms)


def test_closing_and_forgetting_end_the_processes() -> None:
    closed = Decoders(SETTINGS, 1)
    forgotten = Decoders(SETTINGS, 1)
    pids = [*closed.pids, *forgotten.pids]
    closed.close()
    del forgotten
    gc.collect()
    wait_for_end(pids)


def wait_for_end(pids: list[int]) -> None:
    """Wait until no process of these runs."""
    until(lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    """Whether a process or one of its threads runs: it has ended with the last of them."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    return text.rsplit(")", 1)[1].split()[0] != "Z" or len(threads) > 1


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("align.decoder_program", (ReadLimits(), None)),
        ("align.sound_program", (9.0, None, False)),
        ("align.picture_program", ([[0.0]], None)),
    ],
)
def test_processor_time_is_bounded_from_the_start(
    program: str, arguments: tuple[object, ...], tmp_path: Path
) -> None:
    """The process reads a pipe, so that it is looked at while it has a file."""
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    process = DecoderProcess(SharedMemory(4096), BOUNDS, program)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(process.ask, pipe, *arguments)
        with pipe.open("wb"):  # once the process reads
            seconds, _ = resource.prlimit(process.pid, resource.RLIMIT_CPU)
        assert answer.result()["error"] == "MediaEmptyError"
    process.end()
    assert 0 < seconds < 60


@pytest.mark.parametrize(
    "program", ["align.decoder_program", "align.sound_program", "align.picture_program"]
)
def test_one_that_is_never_asked_ends_in_silence(
    program: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its first answer is never read, so the end of the service resets the socket."""
    process = DecoderProcess(SharedMemory(4096), Confinement(), program)
    assert process._connection.poll(120.0)
    process._connection.close()
    assert process._process.wait(60.0) == 0
    process.end()
    assert capfd.readouterr().err == ""


def test_a_limit_on_files_that_leaves_no_room_for_pictures_is_said() -> None:
    """It holds for memory without a name, too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(ConfigError, match=r"needs 1 MB .* Received: File too large"):
            SharedMemory(1 << 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
