"""Linking faces over time, the main person, and how many people are in view."""

from __future__ import annotations

import numpy as np

from align.tracks import choose_main, count_people, link, select_steady
from utils.media import FaceDetection


def at(x: float, y: float, width: float = 100, score: float = 0.99) -> FaceDetection:
    box = np.array([x - width / 2, y - width * 0.65, x + width / 2, y + width * 0.65], np.float32)
    return FaceDetection(box, np.zeros((5, 2), np.float32), score)


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
