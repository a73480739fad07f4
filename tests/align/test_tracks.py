"""Linking faces over time, the main person, and how many people are in view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from align import tracks as tracks_module
from align.tracks import Track, View, link, select_candidates, select_others, select_steady
from utils.media import FaceDetection

STILL = 0.0
MOVES = 0.1


def at(x: float, y: float, width: float = 100, score: float = 0.99) -> FaceDetection:
    box = np.array([x - width / 2, y - width * 0.65, x + width / 2, y + width * 0.65], np.float32)
    return FaceDetection(box, np.zeros((5, 2), np.float32), score)


def choose_main(
    tracks: Sequence[Track], frame_count: int, motions: Sequence[float] = ()
) -> Track | None:
    """Choose the main person in frames of 640 × 360. Without motions all mouths are still."""
    candidates = select_candidates(tracks, frame_count)
    view = View(640, 360, frame_count)
    return tracks_module.choose_main(candidates, motions or [STILL] * len(candidates), view)


def count_people(tracks: Sequence[Track], frame_count: int) -> int:
    """Count the people beside the main person, and that one."""
    return tracks_module.count_people(tracks, choose_main(tracks, frame_count), frame_count)


def main_place(frames: list[list[FaceDetection]], motions: Sequence[float] = ()) -> float:
    """Where the middle of the main face is, from left to right."""
    main = choose_main(link(frames), len(frames), motions)
    assert main is not None
    return float(main.detections[0].centre_xy[0])


def test_who_talks_is_the_main_person() -> None:
    frames = [[at(320, 180, 160), at(100, 180, 80)] for _ in range(12)]
    assert main_place(frames) == 320
    assert main_place(frames, [STILL, MOVES]) == 100
    assert main_place(frames, [0.012, 0.03]) == 100
    assert main_place(frames, [MOVES, MOVES]) == 320


def test_a_listener_who_moves_a_little_is_not_the_main_person() -> None:
    frames = [[at(320, 180, 160), at(100, 180, 80)] for _ in range(12)]
    assert main_place(frames, [0.03, 0.3]) == 100


def test_the_central_one_comes_before_the_largest() -> None:
    assert main_place([[at(320, 180, 100), at(540, 180, 140)]]) == 320
    assert main_place([[at(320, 180, 60), at(440, 180, 140)]]) == 440


def test_the_uncut_one_comes_before_the_largest() -> None:
    assert main_place([[at(200, 180, 100), at(400, 360, 120)]]) == 200


def test_others_are_sure_and_seen_twice() -> None:
    frames = [[at(320, 200), at(100, 200)] if i < 2 else [at(320, 200)] for i in range(12)]
    frames[5] = [*frames[5], at(560, 100)]
    frames[7] = [*frames[7], at(320, 60, 40, score=0.85)]
    frames[8] = [*frames[8], at(320, 60, 40, score=0.85)]
    tracks = link(frames)
    main = choose_main(tracks, 12)
    assert main is not None
    (other,) = select_others(tracks, main, 12)
    assert other.frames == [0, 1]
    assert len(select_others(link([[at(320, 200), at(100, 200)]]), main, 1)) == 2


def test_two_people_who_move_stay_two_tracks() -> None:
    frames = [[at(100 + 10 * i, 200), at(500 - 10 * i, 200)] for i in range(10)]
    frames[4] = frames[4][::-1]
    tracks = link(frames)
    assert [len(t.frames) for t in tracks] == [10, 10]
    for track in tracks:
        lefts = [face.box_xyxy[0] for face in track.detections]
        assert np.all(np.abs(np.diff(lefts)) < 20)


def test_a_gap_does_not_break_a_track() -> None:
    (track,) = link([[at(100, 100)], [], [], [at(110, 100)]])
    assert track.frames == [0, 3]


def test_a_face_of_quite_another_size_is_another_person() -> None:
    assert len(link([[at(100, 100, 200)], [at(100, 100, 60)]])) == 2


def test_the_nearest_continues_a_track() -> None:
    tracks = link([[at(100, 100)], [at(180, 100), at(105, 100)]])
    assert tracks[0].detections[1].box_xyxy[0] == at(105, 100).box_xyxy[0]


def test_the_main_person_is_large_and_steady() -> None:
    frames = [[at(100, 200, 120), at(500, 200, 60)] for _ in range(12)]
    frames[5] = [*frames[5], at(320, 100, 320)]  # a poster that is found once
    main = choose_main(link(frames), 12)
    assert main is not None
    assert len(main.frames) == 12
    assert main.area_px > 120 * 120


def test_what_is_hardly_a_face_is_not_the_main_person() -> None:
    assert choose_main(link([[at(100, 100, score=0.83)] for _ in range(12)]), 12) is None
    assert choose_main(link([[at(100, 100, score=0.83)]]), 1) is None


def test_someone_seen_briefly_counts_only_when_sure() -> None:
    assert choose_main(link([[], [at(100, 100, score=0.9)], *[[]] * 10]), 12) is None
    assert choose_main(link([[], [at(100, 100, score=0.99)], *[[]] * 10]), 12) is not None
    assert choose_main([], 12) is None


@pytest.mark.parametrize(("frames", "least"), [(4, 2), (8, 2), (9, 3), (12, 3), (16, 4)])
def test_steady_is_who_is_seen_in_a_quarter_of_the_frames(frames: int, least: int) -> None:
    for count in range(1, 6):
        (track,) = link([[at(100, 100)]] * count + [[]] * (frames - count))
        assert bool(select_steady([track], frames)) is (count >= least)


def test_a_photograph_needs_one_sighting() -> None:
    tracks = link([[at(100, 100), at(300, 100)]])
    assert len(select_steady(tracks, 1)) == 2
    assert count_people(tracks, 1) == 2


def test_people_in_view() -> None:
    two = [[at(100, 200), at(400, 200)] for _ in range(12)]
    assert count_people(link(two), 12) == 2
    assert count_people(link([[at(100, 200)] for _ in range(12)]), 12) == 1
    assert count_people([], 12) == 0


def test_flicker_hands_and_far_passers_by_are_no_people_in_view() -> None:
    alone = [[at(100, 200)] for _ in range(12)]
    flicker = [[*f, at(400, 300)] if i in (3, 9) else f for i, f in enumerate(alone)]
    hands = [[*f, at(400, 300, score=0.88)] for f in alone]
    far = [[*f, at(400, 100, 25)] for f in alone]
    for frames in (flicker, hands, far):
        assert count_people(link(frames), 12) == 1


def test_one_after_the_other_is_one_in_view() -> None:
    frames = [[at(100, 200)] if i < 6 else [at(500, 200)] for i in range(12)]
    assert count_people(link(frames), 12) == 1
