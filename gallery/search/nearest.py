"""The people whom an index found near a probe, read from their templates: their exact
vectors, whatever the index found them by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gallery.records import feed
from gallery.records.feed import Revision
from gallery.results import StaleTemplates
from gallery.search.memory import Probe, Snapshot
from gallery.search.reading import SINGLE, Reader
from utils.modality import Modality


@dataclass(frozen=True)
class Found:
    """Keys of the people who may be nearest, how many there are in all, of each
    modality and of any, and what is not compared.
    """

    keys: Sequence[int]
    totals: Mapping[Modality, int]
    people: int
    stale: tuple[StaleTemplates, ...]


def read_found(
    connection: Connection, reader: Reader, revision: Revision, found: Found
) -> Snapshot:
    """The snapshot of these people, in the transaction in which they were found."""
    block = reader.read(connection, found.keys)
    refs = feed.read_people(connection, found.keys)
    return Snapshot(
        revision,
        block.keys,
        block.vectors,
        block.has,
        {int(k): refs[int(k)] for k in block.keys},
        found.stale,
        found.people,
        found.totals,
    )


def lists(probe: Probe) -> list[tuple[Modality, bool]]:
    """What is searched: each modality of the probe and, for one with face and voice,
    those who have the one alone.
    """
    return [(m, False) for m in probe] + [(m, True) for m in SINGLE if Modality.FUSED in probe]
