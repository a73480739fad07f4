"""Words for counts in texts that people read."""

from __future__ import annotations


def count_noun(count: int, singular: str, plural: str = "") -> str:
    """Write a count with its noun, as "1 person" or "2 people".

    `plural` is `singular` with an s unless it is given.
    """
    if count == 1:
        return f"1 {singular}"
    return f"{count} {plural or singular + 's'}"
