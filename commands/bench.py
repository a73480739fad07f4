"""Benchmarks: `bench NAME`. Each is imported when it is called.

They need a checkout of the source. Without the folder bench/ there is none.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

try:
    from bench import BENCHMARKS
except ModuleNotFoundError:
    BENCHMARKS = {}


class Benchmark(click.Command):
    """A benchmark whose options and work are imported when they are needed."""

    def __init__(self, name: str, summary: str) -> None:
        """`name` is that of a module of `bench`, which has a command `main`."""
        super().__init__(name, help=summary)
        self._module = f"bench.{name.replace('-', '_')}"

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Parse the words as the benchmark's own command does."""
        return self.load().make_context(*arguments, **options)

    def load(self) -> click.Command:
        """Import the benchmark's own command."""
        command: click.Command = importlib.import_module(self._module).main
        return command


@click.group()
def bench() -> None:
    """Measure the product: times, memory, error rates."""


for _name, _summary in BENCHMARKS.items():
    bench.add_command(Benchmark(_name, _summary))
