"""The actions of the audit that pages and commands offer are those that the code writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from gallery.results import ACTIONS
from utils.config import ROOT

FOLDERS = ("commands", "gallery", "jobs", "recognition", "speech", "web/compat", "web/guard")
FILES = list(chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS))
FILES += [ROOT / "web/server/serve.py"]
WRITERS = re.compile(r"audit\.append|(store\(\)|store|self|source)\.record|_?journal\.note|^_note$")
"""Functions that write a row. Each is given the action first, or after the connection."""
OF_JOBS = {"append"}
"""What parsers of forms call an action."""


def written() -> Iterator[str]:
    """Every action that the code names where it writes a row, or asks somebody to."""
    for node in chain.from_iterable(ast.walk(ast.parse(path.read_text())) for path in FILES):
        if isinstance(node, ast.Call):
            yield from texts([word.value for word in node.keywords if word.arg == "action"])
            if WRITERS.search(ast.unparse(node.func)) and node.args:
                after = ast.unparse(node.args[0]) in ("connection", "write")
                yield from texts(node.args[1:2] if after else node.args[:1])


def texts(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def test_every_action_that_is_written_is_offered() -> None:
    assert set(written()) - OF_JOBS <= set(ACTIONS)


def test_every_action_that_is_offered_is_in_the_code() -> None:
    """Also those that are written by way of a variable."""
    names = set()
    for path in FILES:
        if path.name != "results.py" or path.parent.name != "gallery":
            names |= set(texts([ast.parse(path.read_text())]))
    assert set(ACTIONS) <= names
    assert list(ACTIONS) == sorted(set(ACTIONS))
