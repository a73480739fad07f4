"""Reads the people whom an index found near a probe.

Their vectors are exact, whatever the index found them by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gallery.records.distinct import Pair
from gallery.records.feed import Revision
from gallery.results import StaleTemplates
from gallery.search.memory import Probe, Snapshot
from gallery.search.reading import Reader
from utils.modality import SINGLE, Modality


@dataclass(frozen=True)
class Nearest:
    """People who may be nearest to a probe.

    Attributes:
        keys: their internal numbers.
        totals: number of people who can be recognised, by modality.
        people: number of people who can be recognised at all.
        stale: templates that are not compared.
        distinct: entries that are two people by the operator's word.
    """

    keys: Sequence[int]
    totals: Mapping[Modality, int]
    people: int
    stale: tuple[StaleTemplates, ...]
    distinct: frozenset[Pair]


def read_nearest(
    connection: Connection, reader: Reader, revision: Revision, nearest: Nearest
) -> Snapshot:
    """Read the snapshot of these people, in the transaction that found them."""
    block, refs = reader.read_named(connection, nearest.keys)
    return Snapshot(
        revision=revision,
        keys=block.keys,
        vectors=block.vectors,
        has=block.has,
        refs=refs,
        stale=nearest.stale,
        people=nearest.people,
        totals=nearest.totals,
        distinct=nearest.distinct,
    )


def list_searches(probe: Probe) -> list[tuple[Modality, bool]]:
    """List the modalities to search, and whether among those who have it alone.

    That is each modality of the probe among all. For a probe with face and voice it is
    also each of the two among those who lack the other one.
    """
    searches = [(modality, False) for modality in probe]
    if Modality.FUSED in probe:
        searches += [(modality, True) for modality in SINGLE]
    return searches
