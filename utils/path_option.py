"""Paths that are given on the command line."""

from __future__ import annotations

import os
from typing import Any

import click


class PathOption(click.Path):
    """A path that is not empty, which Python would take for the current folder."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Convert the text, or refuse it."""
        if not os.fsdecode(value).strip():
            self.fail(
                f"A path is not empty. Received: {value!r}. Name it, or write . for this folder.",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)
