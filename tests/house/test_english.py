"""The English of the code.

Docstrings begin with one plain phrase, messages show a value after "Received:", and
names say what a thing is.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documentation import ROOT, source_files

SOURCES = [source for source in source_files() if source.suffix == ".py"]
PRODUCT = [source for source in SOURCES if source.relative_to(ROOT).parts[0] != "tests"]
AFTER = re.compile(r"Received: (.*)", re.DOTALL)
VALUE = re.compile(r"([a-zA-Z_-]+[= ])?(['\"(<\[]*\{\}|\d|True|False|'[^']+')")
"""How a value looks in a message: {} is one that is filled in."""
EMPTY_NAMES = frozenset({"known", "found", "told", "said", "kept", "tried", "owe", "settle"})
"""Names that say how a value came about, or nothing. A boolean may be named `found`."""
PARTICIPLE = re.compile(r"_?(?!embed|feed|need|read|reembed|seed|speed|timed|wrapped)[a-z]+ed")
FAULTY = '''"""Reads a file; writes it."""
known = "A file is needed. Received: none"
size = f"The size must be 1. Received: {known}"

def decoded():
    """Decode a file that
    is long.
    """
'''
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def name_of(source: Path) -> str:
    return str(source.relative_to(ROOT))


def parse(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring."""
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string. A value that is filled in reads as {}."""
    inner = set(map(id, itertools.chain.from_iterable(map(_parts, ast.walk(tree)))))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_piece(part) for part in node.values)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        ):
            yield node.lineno, node.value


def _parts(node: ast.AST) -> list[ast.AST]:
    return [x for x in ast.walk(node) if x is not node] if isinstance(node, ast.JoinedStr) else []


def _piece(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "{}"


def assigned_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of all variables, functions, classes, parameters and aliases."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def find_docstring_faults(tree: ast.Module) -> list[tuple[int, str]]:
    """First lines with a semicolon, and first lines whose sentence goes on below."""
    lines = [(line, text.splitlines()[0]) for line, text in docstrings(tree)]
    return [(line, first) for line, first in lines if ";" in first or first[-1] not in ".:?!"]


def find_message_faults(tree: ast.Module) -> list[tuple[int, str]]:
    """What follows "Received:" and is no value."""
    shown = [(line, AFTER.findall(text)) for line, text in messages(tree)]
    return [(line, after[0]) for line, after in shown if after and not VALUE.match(after[0])]


def find_name_faults(tree: ast.Module) -> list[tuple[int, str]]:
    """Names without a meaning, and functions named by a participle alone."""
    functions = [x for x in ast.walk(tree) if isinstance(x, ast.FunctionDef | ast.AsyncFunctionDef)]
    participles = [(x.lineno, x.name) for x in functions if PARTICIPLE.fullmatch(x.name)]
    return [x for x in assigned_names(tree) if x[1] in EMPTY_NAMES] + participles


@pytest.mark.parametrize("source", PRODUCT, ids=name_of)
def test_docstrings_begin_with_one_phrase(source: Path) -> None:
    assert find_docstring_faults(parse(source)) == []


@pytest.mark.parametrize("source", PRODUCT, ids=name_of)
def test_received_is_followed_by_a_value(source: Path) -> None:
    assert find_message_faults(parse(source)) == []


@pytest.mark.parametrize("source", PRODUCT, ids=name_of)
def test_names_say_what_a_thing_is(source: Path) -> None:
    assert find_name_faults(parse(source)) == []


def test_faults_are_found() -> None:
    faulty = ast.parse(FAULTY)
    assert [line for line, _ in find_docstring_faults(faulty)] == [1, 5]
    assert [text for _, text in find_message_faults(faulty)] == ["none"]
    assert {name for _, name in find_name_faults(faulty)} == {"known", "decoded"}


def test_there_are_sources() -> None:
    assert len(PRODUCT) > 150
