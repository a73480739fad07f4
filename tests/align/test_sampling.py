"""Which frames are worth decoding."""

from __future__ import annotations

import pytest

from align.sampling import choose_nearest, choose_times, plan


def test_one_time_in_each_even_bin() -> None:
    times = choose_times([i / 10 for i in range(100)], [i == 0 for i in range(100)], 10)
    assert [int(t) for t in times] == list(range(10))
    assert times[1:] == pytest.approx([i + 0.5 for i in range(1, 10)], abs=0.051)


def test_bins_may_end_before_the_clip() -> None:
    times = [i / 10 for i in range(100)]
    keys = [i in {0, 30, 60} for i in range(100)]
    chosen = choose_times(times, keys, 5, end_s=5.0)
    assert [int(t) for t in chosen] == [0, 1, 2, 3, 4]
    assert chosen == choose_times([t for t in times if t < 5], keys[:50], 5)
    assert [group.start for group in plan(times, keys, chosen)] == [0, 30]
    assert choose_times([0.0, 4.0], [True, True], 3, end_s=2.5) == [0.0]


def test_the_nearest_times_are_chosen_once() -> None:
    assert choose_nearest([0.0, 0.4, 0.5, 2.0], [0.1, 0.44, 0.46, 1.9]) == [0, 1, 2, 3]
    assert choose_nearest([0.0, 1.0], [0.8, 0.9, 1.2]) == [1]


def test_a_keyframe_stands_for_its_bin() -> None:
    keys = [i % 25 == 0 for i in range(100)]
    assert choose_times([i / 10 for i in range(100)], keys, 4) == [0.0, 2.5, 5.0, 7.5]


def test_fewer_frames_than_bins_are_all_taken() -> None:
    assert choose_times([0.0, 0.5, 1.0], [True, False, False], 12) == [0.0, 0.5, 1.0]


def test_bins_without_a_frame_are_left_out() -> None:
    assert choose_times([0.0, 0.1, 9.8, 9.9], [True] * 4, 5) == [0.1, 9.8]


def test_nothing_from_nothing() -> None:
    assert choose_times([], [], 12) == []
    assert plan([], [], []) == []


def test_groups_without_a_wanted_frame_are_not_decoded() -> None:
    times = [i / 25 for i in range(1500)]
    keys = [i % 25 == 0 for i in range(1500)]
    groups = plan(times, keys, choose_times(times, keys, 12))
    assert len(groups) == 12
    assert all(g.keyframe_only and g.stop - g.start == 25 for g in groups)


def test_one_long_group_is_decoded_as_a_whole() -> None:
    times = [i / 30 for i in range(150)]
    groups = plan(times, [i == 0 for i in range(150)], times[6::12])
    assert [(g.start, g.stop, len(g.wanted_s), g.keyframe_only) for g in groups] == [
        (0, 150, 12, False)
    ]


def test_a_stream_that_starts_between_keyframes() -> None:
    groups = plan([0.0, 0.1, 0.2, 0.3], [False, False, True, False], [0.0, 0.1, 0.2, 0.3])
    assert [g.start for g in groups] == [0, 2]
    assert not groups[0].keyframe_only


def test_decoding_order_may_differ_from_the_order_of_showing() -> None:
    times = [0.0, 0.3, 0.1, 0.2, 0.4, 0.7, 0.5, 0.6]
    (group,) = plan(times, [True] + [False] * 7, sorted(times))
    assert list(group.wanted_s) == sorted(times)
