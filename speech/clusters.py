"""Which voices of a recording are one: agglomerative clustering. Pure.

Voices of the windows are joined as long as the mean log-likelihood ratio between two
groups (average linkage) says that they are one. Then the groups are, by all that was
heard of each. Voices of one window are two people.
Many voices are grouped in blocks first, and the groups of the blocks after that, so
comparing them takes no more memory in a recording of hours than in one of minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from speech.voice_windows import LocalVoice, VoiceWindow
from utils.arrays import Float32Array, Float64Array, IndexArray, unit

ONE_VOICE = 1.5
"""Mean log-likelihood ratio down to which groups are joined.

Near even odds: the ratio knows what voices of one place share. Figures: docs/speech.md.
"""
# Ratio down to which groups of several stretches are one, by all that was heard of both
_ONE_GROUP = 2.8
# Groups of less speech, each second of which is in four windows, join one down to this ratio
_SMALL_S = 12.0
_NEAR = 0.5
# Two speakers of one window are less likely one than any others. Two stretches of one are
# more likely so than their sound says
_TOGETHER = -15.0
_SAME_SPEAKER = 2.0
# A share of windows in which two groups of one person are heard by mistake
_STRAY_SHARE = 0.2
# Shorter voices make no groups, and join one down to this ratio
_LONG_S = 1.0
_ALIKE = -1.5
_BLOCK = 600

Compare = Callable[[Float32Array, Float64Array], Float64Array]
"""Vectors (n, 512) and seconds (n,) to ratios (n, n), as `recognition.voices` has it."""


@dataclass(frozen=True)
class _Group:
    """Voices that are taken for one. `places` are their windows and speakers there."""

    members: tuple[int, ...]
    places: frozenset[tuple[int, int]]
    vector: Float32Array
    seconds: float

    @property
    def is_one(self) -> bool:
        """Whether it is a single stretch."""
        return len(self.members) == 1

    @property
    def windows(self) -> frozenset[int]:
        """Windows in which they are heard."""
        return frozenset(window for window, _ in self.places)


def group_voices(
    windows: Sequence[VoiceWindow], compare: Compare, *, count: int | None = None
) -> dict[tuple[int, int], int]:
    """Group the voices of all windows that have a vector.

    Voices of less than a second say too little to make groups. They join the nearest
    group that the longer ones make, unless they are unlike all of them. So do small groups.

    Args:
        windows: those of one recording.
        compare: says how likely two voices are one.
        count: number of people who speak. None: it is found.

    Returns:
        The group, from 0, of each voice: by numbers of window and of voice.
    """
    keys: list[tuple[int, int]] = []
    for number, window in enumerate(windows):
        keys += [(number, place) for place in _places_with_vector(window)]
    voices = [windows[number].voices[place] for number, place in keys]
    singles = [_single(row, keys[row][0], voice) for row, voice in enumerate(voices)]
    long = [single for single in singles if single.seconds >= _LONG_S]
    short = [single for single in singles if single.seconds < _LONG_S]
    groups = _join_all(long or short, compare, count)
    if long:
        large = [group for group in groups if group.seconds >= _SMALL_S]
        small = [group for group in groups if group.seconds < _SMALL_S]
        groups = _add_short(large, [*small, *short], compare, count)
    labels: dict[tuple[int, int], int] = {}
    for number, group in enumerate(groups):
        labels |= dict.fromkeys([keys[row] for row in group.members], number)
    return labels


def _join_all(groups: list[_Group], compare: Compare, count: int | None) -> list[_Group]:
    """Join stretches to groups, in blocks where there are many, and then the groups."""
    least = ONE_VOICE
    while len(groups) > _BLOCK:
        joined: list[_Group] = []
        for start in range(0, len(groups), _BLOCK):
            joined += _join(groups[start : start + _BLOCK], compare, least)
        if len(joined) == len(groups):
            break
        groups = joined
        least = _ONE_GROUP
    groups = _join(groups, compare, least, count)
    return groups if count else _join_groups(groups, compare)


def _add_short(
    groups: list[_Group], short: list[_Group], compare: Compare, count: int | None
) -> list[_Group]:
    """Add each short voice to the nearest group that is not heard beside it."""
    others: list[_Group] = []
    members: list[list[_Group]] = [[group] for group in groups]
    if not groups:
        return _join_all(short, compare, count)
    for single in short:
        ratios = _ratios([*groups, single], compare)[-1, :-1]
        best = int(ratios.argmax())
        least = _ALIKE if single.seconds < _LONG_S else _NEAR
        if ratios[best] >= least or count:
            members[best].append(single)
        elif ratios[best] > _TOGETHER or single.seconds >= _LONG_S:
            others.append(single)
    return [*map(_merge, members), *_join_all(others, compare, None)]


def _places_with_vector(window: VoiceWindow) -> list[int]:
    return [place for place, voice in enumerate(window.voices) if voice.vector is not None]


def _single(row: int, window: int, voice: LocalVoice) -> _Group:
    assert voice.vector is not None
    return _Group((row,), frozenset([(window, voice.speaker)]), voice.vector, voice.clean_s)


def _join(
    groups: list[_Group], compare: Compare, least: float, count: int | None = None
) -> list[_Group]:
    """Join those groups that are one voice, in the order of their first members."""
    if not groups:
        return []
    labels = cluster(_ratios(groups, compare), least=least, count=count)
    members: list[list[_Group]] = [[] for _ in range(labels.max() + 1)]
    for group, label in zip(groups, labels, strict=True):
        members[label].append(group)
    return [_merge(alike) for alike in members]


def _join_groups(groups: list[_Group], compare: Compare) -> list[_Group]:
    """Join the two groups that are most alike, again and again."""
    while len(groups) > 1:
        ratios = _ratios(groups, compare)
        np.fill_diagonal(ratios, -np.inf)
        one, other = sorted(np.unravel_index(ratios.argmax(), ratios.shape))
        if ratios[one, other] < _ONE_GROUP:
            break
        groups[one] = _merge([groups[one], groups.pop(other)])
    return groups


def _ratios(groups: Sequence[_Group], compare: Compare) -> Float64Array:
    """Ratios (n, n) that two groups are one voice. Those heard side by side are not."""
    ratios = compare(
        np.stack([group.vector for group in groups]),
        np.array([group.seconds for group in groups]),
    )
    for row, group in enumerate(groups):
        for other in range(row):
            if group.places & groups[other].places:
                ratios[row, other] += _SAME_SPEAKER * (group.is_one and groups[other].is_one)
            elif _are_together(group, groups[other]):
                ratios[row, other] = _TOGETHER
            ratios[other, row] = ratios[row, other]
    return ratios


def _are_together(one: _Group, other: _Group) -> bool:
    """Whether two groups are heard side by side. A single window may be wrong."""
    windows = one.windows & other.windows
    return len(windows) > _STRAY_SHARE * min(len(one.windows), len(other.windows))


def _merge(groups: Sequence[_Group]) -> _Group:
    total = np.sum([group.vector * np.float32(group.seconds) for group in groups], axis=0)
    return _Group(
        members=sum((group.members for group in groups), ()),
        places=frozenset().union(*(group.places for group in groups)),
        vector=unit(total[None])[0],
        seconds=sum(group.seconds for group in groups),
    )


def cluster(
    ratios: Float64Array, *, least: float = ONE_VOICE, count: int | None = None
) -> IndexArray:
    """Cluster by average linkage.

    Args:
        ratios: (n, n) symmetric, how likely two rows are one.
        least: mean ratio down to which rows are joined.
        count: number of clusters. None: it is found.

    Returns:
        (n,) the cluster of each row, numbered in the order of their first rows.
    """
    links = np.array(ratios, np.float64)
    np.fill_diagonal(links, -np.inf)
    sizes = np.ones(len(links))
    owner = np.arange(len(links))
    for left in range(len(links), 1, -1):
        one, other = sorted(np.unravel_index(links.argmax(), links.shape))
        enough = left <= count if count else links[one, other] < least
        if enough:
            break
        weights = sizes[one] + sizes[other]
        mean = (sizes[one] * links[one] + sizes[other] * links[other]) / weights
        links[one] = links[:, one] = mean
        links[other] = links[:, other] = -np.inf
        links[one, one] = -np.inf
        sizes[one] = weights
        owner[owner == other] = one
    return np.unique(owner, return_inverse=True)[1]
