"""What is seen and heard of a clip while the rest of it is decoded."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from align import decode
from align.ahead import Ahead, Heard
from align.aligner import Aligner
from align.audience import Nobody
from align.confinement import Confinement
from align.container import Track
from align.decode import ReadLimits, read_clip, read_timed
from align.decoders import Decoders
from align.faces import FaceDetector, FirstLook
from align.film import RATE_HZ as FILM_HZ
from align.mouth_film import MOUTHS, MouthFinder
from align.sound import decode_sound
from align.speech import analyse_speech
from tests.support import media
from utils.errors import MediaUnreadableError
from utils.media import Capture, Clip, Frame, GreyFrame, SpeechAnalysis, Waveform
from utils.settings.capture import CaptureSettings

SETTINGS = CaptureSettings(max_frames=5, accuracy="fast")  # of which a fast answer sees 4
BOUNDS = Confinement(memory_mb=512, processor_s=20, stall_s=20)

# Of these frames every second one is referred to by no other
SPARSE = {"preset": "ultrafast", "bf": "3", "b_strategy": "0", "x264-params": "b-pyramid=0"}


class Witness(Nobody):
    """An audience that notes what it is shown, copied."""

    def __init__(self, enough_s: float = math.inf) -> None:
        self.enough_s = enough_s
        self.asked: list[Clip] = []
        self.sounds: tuple[Waveform, ...] = ()
        self.frames: list[Frame] = []
        self.filmed_s: list[float] = []
        self.forgotten = 0

    def hear(self, waveforms: tuple[Waveform, ...]) -> None:
        """Note the sounds, which come first."""
        assert not self.frames
        self.sounds = waveforms

    def see(self, frame: Frame) -> Frame:
        """Note a frame."""
        self.frames.append(Frame(frame.image.copy(), frame.time_s))
        return frame

    def film(self, frame: GreyFrame) -> GreyFrame:
        """Note when a frame is of."""
        self.filmed_s.append(frame.time_s)
        return frame

    def forget(self, count: int, filmed: int) -> None:
        """Forget the last frames."""
        self.forgotten += count
        del self.frames[len(self.frames) - count :]
        del self.filmed_s[len(self.filmed_s) - filmed :]

    def is_enough(self, clip: Clip) -> bool:
        """Note when it was asked, and want no more than was asked for."""
        self.asked.append(clip)
        return clip.frames[-1].time_s >= self.enough_s


def want_more(_clip: Clip, _ahead: Ahead) -> Capture | None:
    """Find no opening enough."""


class Failing(Witness):
    """An audience that cannot look."""

    def see(self, frame: Frame) -> Frame:
        """Fail."""
        raise RuntimeError(f"at {frame.time_s} s")


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(SETTINGS, 1, bounds=BOUNDS, program="tests.support.hostile_decoder", film_s=8.0)
    yield made
    made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ahead")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return media.write_clip(folder / "a.mp4", person=1, seconds=1.0, fps=12)


@pytest.fixture(scope="module")
def sparse(folder: Path) -> Path:
    """A clip whose frames are too few for a film where those are skipped that may be."""
    return media.write_clip(
        folder / "sparse.mp4", person=1, seconds=2.0, fps=16, codec_options=SPARSE
    )


@pytest.fixture(scope="module")
def short_groups(folder: Path) -> Path:
    """A clip of groups that hold no wanted frame, most of them, and are decoded anew."""
    options = SPARSE | {"x264-params": "b-pyramid=0:keyint=3:min-keyint=3:scenecut=0"}
    return media.write_clip(
        folder / "groups.mp4", person=1, seconds=4.2, fps=16, codec_options=options
    )


def check_same(witness: Witness, path: Path) -> None:
    """Check that a witness was shown what this process reads."""
    here = read_clip(path, ReadLimits.from_settings(SETTINGS, 8.0))
    assert [f.time_s for f in witness.frames] == [f.time_s for f in here.frames]
    for seen, read in zip(witness.frames, here.frames, strict=True):
        np.testing.assert_array_equal(seen.image, read.image)
    for heard, sound in zip(witness.sounds, here.waveforms, strict=True):
        np.testing.assert_array_equal(heard.samples, sound.samples)


def test_sound_and_frames_are_told_before_the_clip_is_read(decoders: Decoders, clip: Path) -> None:
    witness = Witness()
    with decoders.read(clip, None, audience=witness) as (there, _):
        assert len(there.frames) == len(witness.frames) == 4
        for seen, read in zip(witness.frames, there.frames, strict=True):
            np.testing.assert_array_equal(seen.image, read.image)
    check_same(witness, clip)


def test_frames_that_are_decoded_anew_are_forgotten(decoders: Decoders, sparse: Path) -> None:
    here = Witness()
    there = Witness()
    read_timed(sparse, ReadLimits.from_settings(SETTINGS, 8.0), audience=here)
    with decoders.read(sparse, None, audience=there) as (clip, _):
        own = read_clip(sparse, ReadLimits.from_settings(SETTINGS, 8.0))
        for ours, theirs in zip(own.frames + own.film, clip.frames + clip.film, strict=True):
            np.testing.assert_array_equal(ours.image, theirs.image)
    assert here.forgotten == there.forgotten > 0
    check_same(here, sparse)
    check_same(there, sparse)


def test_sound_is_decoded_beside_the_picture(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is awaited before a frame is shown, and not before one is decoded."""
    is_filmed = threading.Event()
    original = decode_sound

    def decode_late(track: Track, limits: ReadLimits) -> Waveform | None:
        assert is_filmed.wait(60)
        return original(track, limits)

    class Filmed(Witness):
        def film(self, frame: GreyFrame) -> GreyFrame:
            is_filmed.set()
            return super().film(frame)

    monkeypatch.setattr(decode, "decode_sound", decode_late)
    witness = Filmed()
    read, _ = read_timed(clip, ReadLimits.from_settings(SETTINGS, 8.0), audience=witness)
    assert len(read.waveforms) == len(witness.sounds) == 1
    assert len(witness.frames) == len(read.frames)


def test_what_fails_beside_the_picture_is_raised_before_a_frame_is_shown(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_track: Track, _limits: ReadLimits) -> Waveform | None:
        raise MemoryError

    monkeypatch.setattr(decode, "decode_sound", fail)
    witness = Witness()
    with pytest.raises(MemoryError):
        read_timed(clip, ReadLimits.from_settings(SETTINGS, 8.0), audience=witness)
    assert not witness.frames


def test_film_is_told_whole_where_groups_are_decoded_anew(
    decoders: Decoders, short_groups: Path
) -> None:
    limits = ReadLimits.from_settings(SETTINGS, 8.0)
    whole_s = [frame.time_s for frame in read_clip(short_groups, limits).film]
    here = Witness()
    there = Witness()
    read_timed(short_groups, limits, audience=here)
    with decoders.read(short_groups, None, audience=there) as (clip, _):
        last_s = clip.frames[-1].time_s
    assert here.filmed_s == whole_s
    assert there.filmed_s == [time_s for time_s in whole_s if time_s <= last_s]


@pytest.mark.parametrize("seconds", [9.0, 12.0])
def test_decoding_stops_where_it_is_told_to(
    decoders: Decoders, folder: Path, seconds: float
) -> None:
    path = media.write_clip(folder / f"{seconds}.mp4", person=1, seconds=seconds, fps=10)
    here = Witness(enough_s=3.5)
    there = Witness(enough_s=3.5)
    read, _ = read_timed(path, ReadLimits.from_settings(SETTINGS, 8.0), audience=here)
    with decoders.read(path, None, audience=there) as (clip, _):
        for ours, theirs in zip(read.frames + read.film, clip.frames + clip.film, strict=True):
            np.testing.assert_array_equal(ours.image, theirs.image)
        assert [frame.time_s for frame in clip.frames] == [frame.time_s for frame in there.frames]
        assert len(clip.frames) >= 3
        assert 3.5 <= clip.frames[-1].time_s < 5
        assert clip.film[-1].time_s == pytest.approx(clip.frames[-1].time_s, abs=0.1)
        assert clip.duration_s == pytest.approx(seconds, abs=0.1)
    assert len(here.asked) == len(there.asked) > 0


def test_frames_of_an_opening_that_is_not_enough_do_not_stay(
    decoders: Decoders, folder: Path
) -> None:
    path = media.write_clip(folder / "on.mp4", person=1, seconds=12.0, fps=10)
    witness = Witness()
    whole = read_clip(path, ReadLimits.from_settings(SETTINGS, 8.0))
    with decoders.read(path, None, audience=witness) as (clip, _):
        assert witness.asked
        assert len(witness.frames) > len(clip.frames) == 4
        assert clip.frames[-1].time_s > 10
        for ours, theirs in zip(whole.frames + whole.film, clip.frames + clip.film, strict=True):
            np.testing.assert_array_equal(ours.image, theirs.image)


@pytest.mark.parametrize("name", ["clip", "sparse"])
def test_faces_are_those_of_a_look_at_the_whole_clip(
    name: str, decoders: Decoders, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(name)
    at_once = Aligner(SETTINGS, lambda path, name, limits, _: decoders.read(path, name, limits))
    ahead = Aligner(SETTINGS, decoders.read)
    here, there = (one.analyse(path).face_analysis for one in (at_once, ahead))
    assert len(here.faces) == len(there.faces) == SETTINGS.max_frames
    for ours, theirs in zip(here.faces, there.faces, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)


def test_mouths_are_those_of_each_frame_where_groups_are_decoded_anew(
    decoders: Decoders, short_groups: Path
) -> None:
    ways = (
        Aligner(SETTINGS, lambda path, name, limits, _: read_here(path, name, limits), film_s=8.0),
        Aligner(SETTINGS, film_s=8.0),
        Aligner(SETTINGS, decoders.read, film_s=8.0),
    )
    at_once, *others = (one.analyse(short_groups).mouth_film for one in ways)
    assert at_once is not None
    for other in others:
        assert other is not None
        np.testing.assert_array_equal(other.times_s, at_once.times_s)
        np.testing.assert_array_equal(other.mouths, at_once.mouths)


def test_mouths_that_are_known_are_of_the_same_frames() -> None:
    scene = media.scene(1, (320, 240), 120)
    film = [GreyFrame(scene[..., 0] // 2 + n, n / FILM_HZ) for n in range(MOUTHS + 1)]
    detector = FaceDetector()
    look = FirstLook(detector)
    look.add(scene)
    ((face,),) = look.finish()
    places = np.tile(face.box_xyxy, (len(film), 1)).astype(np.float64)
    finder = MouthFinder(detector)
    finder.find(film[1:], places[1:])
    found = finder.find(film, places)
    for ours, theirs in zip(found, MouthFinder(detector).find(film, places), strict=True):
        assert ours is not None
        assert theirs is not None
        np.testing.assert_array_equal(ours, theirs)


@contextmanager
def read_here(
    path: Path, name: str | None, limits: ReadLimits
) -> Iterator[tuple[Clip, dict[str, float]]]:
    """Read in this process, for nobody."""
    yield read_timed(path, limits, name)


def hear_nothing(_: tuple[Waveform, ...], tell: Callable[[Heard], None]) -> None:
    tell((analyse_speech(None, 1.0), 0, 0.0))


@pytest.mark.parametrize(("name", "is_used"), [("clip", True), ("sparse", False)])
def test_the_first_look_is_used_where_it_saw_what_counts(
    name: str, decoders: Decoders, request: pytest.FixtureRequest, *, is_used: bool
) -> None:
    path = request.getfixturevalue(name)
    with (
        Ahead(FaceDetector(), hear_nothing, SETTINGS.max_frames, want_more) as ahead,
        decoders.read(path, None, audience=ahead) as (read, _),
    ):
        assert (ahead.find(read.frames) is not None) is is_used


def test_an_audience_that_fails_costs_the_process_and_no_other_clip(
    decoders: Decoders, clip: Path
) -> None:
    """The process speaks of the clip that was given up until it ends."""
    before = decoders.pids
    with pytest.raises(RuntimeError, match="at 0"), decoders.read(clip, None, audience=Failing()):
        pass
    assert decoders.pids != before
    witness = Witness()
    with decoders.read(clip, None, audience=witness):
        check_same(witness, clip)


def test_a_death_after_the_first_frame_is_a_refusal(decoders: Decoders, tmp_path: Path) -> None:
    late = tmp_path / "late.mp4"
    late.write_bytes(b"late\n")
    witness = Witness()
    with (
        pytest.raises(MediaUnreadableError, match="SIGSEGV"),
        decoders.read(late, None, audience=witness),
    ):
        pass
    assert len(witness.frames) == 1


def test_no_more_is_looked_at_than_a_clip_may_have() -> None:
    """A decoder that is not what it was may tell of frames without end."""
    frames = [Frame(media.scene(1, (320, 240), 120), float(second)) for second in range(4)]
    with Ahead(FaceDetector(), lambda *_: pytest.fail("nothing is heard"), 2, want_more) as ahead:
        for frame in frames:
            ahead.see(frame)
        found = ahead.find(frames[:2])
        assert found is not None
        assert [len(faces) for faces in found] == [1, 1]
        assert ahead.find(frames) is None


class Wanting:
    """A demand that no opening meets. Notes by which moments it was asked."""

    def __init__(self, allowed_s: float) -> None:
        self.allowed_s = allowed_s
        self.asked_s: list[tuple[float, float]] = []

    def allows(self, speech: SpeechAnalysis, from_s: float, until_s: float) -> bool:
        """Note the moments."""
        del speech
        self.asked_s.append((from_s, until_s))
        return until_s >= self.allowed_s

    def is_met(self, capture: Capture) -> bool:
        """Want more."""
        del capture
        return False


def test_an_opening_is_examined_once_and_asked_about_by_the_clock_of_the_sound() -> None:
    image = media.scene(1, (320, 240), 120)
    frames = tuple(Frame(image, float(second)) for second in range(5))
    sound = Waveform(media.tone(0.1), 16_000)
    examined: list[int] = []

    def examine(clip: Clip, _: Ahead) -> Capture | None:
        examined.append(len(clip.frames))
        return None

    wanting = Wanting(allowed_s=6.0)
    with Ahead(FaceDetector(), hear_nothing, 5, examine, demand=wanting) as ahead:
        for count in (3, 4, 5):
            seen = Clip(frames[:count], (sound,), 10.0, "0" * 64, sound_starts_s=(-3.0,))
            assert not ahead.is_enough(seen)
    assert wanting.asked_s == [(3.0, 5.0), (3.0, 6.0)]
    assert examined == [4]
