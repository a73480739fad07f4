"""Imports of every module, read from the source: nothing is imported.

An import is of one of three kinds. `RUN`: a statement, at the top or in a function.
`TYPES`: under `if TYPE_CHECKING`. `NAME`: a string that names a module, as
`importlib.import_module` and a server's settings take it.
"""

from __future__ import annotations

import ast
import graphlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("app", "app_web", "assembly", "cli", "Request")
FOLDERS = (
    "align",
    "bench",
    "commands",
    "demo",
    "deploy",
    "docs",
    "gallery",
    "jobs",
    "liveness",
    "network",
    "recognition",
    "scoring",
    "speech",
    "tests",
    "train",
    "utils",
    "web",
)
SUPPORT = "tests.support"
_DOTTED = re.compile(r"\w+(\.\w+)+")


class Kind(Enum):
    """How a module names another one."""

    RUN = "run"
    TYPES = "types"
    NAME = "name"


@dataclass(frozen=True)
class Import:
    """One module names another one, ours or somebody else's."""

    module: str
    target: str
    kind: Kind
    line: int
    in_function: bool = False

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target} ({self.kind.value})"


@cache
def modules() -> Mapping[str, Path]:
    """Every module of this repository by its dotted name."""
    files = [ROOT / f"{name}.py" for name in PROGRAMS]
    for folder in FOLDERS:
        files += sorted((ROOT / folder).rglob("*.py"))
    return {_name_of(file): file for file in files if file.exists()}


def _name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module."""
    read = (imports_of(name, file.read_text("utf-8")) for name, file in modules().items())
    return tuple(itertools.chain.from_iterable(read))


def imports_of(module: str, source: str) -> Iterator[Import]:
    """The imports of one module."""
    yield from _Reader(module).read(ast.parse(source))


@dataclass(frozen=True)
class _Reader:
    module: str

    def read(
        self, node: ast.AST, kind: Kind = Kind.RUN, in_function: bool = False
    ) -> Iterator[Import]:
        """Read the imports of a node and of what is in it."""
        line = getattr(node, "lineno", 0)
        for target in self._targets(node):
            yield Import(self.module, target, kind, line=line, in_function=in_function)
        if isinstance(node, ast.Constant) and (name := _module_named(node.value)):
            yield Import(self.module, name, Kind.NAME, line=line, in_function=in_function)
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            typing = isinstance(node, ast.If) and _is_type_checking(node) and child in node.body
            yield from self.read(child, Kind.TYPES if typing else kind, inside)

    def _targets(self, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if not isinstance(node, ast.ImportFrom):
            return []
        assert node.level == 0, f"{self.module}:{node.lineno}: a relative import hides its folder"
        return sorted({_deepest(f"{node.module}.{alias.name}") for alias in node.names})


def _is_type_checking(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _deepest(name: str) -> str:
    """The module of `module.name`: itself, or the one that has the name."""
    return name if name in modules() else name.rpartition(".")[0]


def _module_named(value: object) -> str | None:
    """The module of ours that a text names, with or without a name in it."""
    if not isinstance(value, str) or not _DOTTED.fullmatch(value):
        return None
    while "." in value:
        if value in modules():
            return value
        value = value.rpartition(".")[0]
    return None


def folder_of(module: str, depth: int = 1) -> str:
    """The first `depth` parts of a module's name."""
    return ".".join(module.split(".")[:depth])


def ours(kinds: Iterable[Kind]) -> Iterator[Import]:
    """Imports of these kinds between two modules of this repository."""
    wanted = set(kinds)
    return (one for one in imports() if one.kind in wanted and one.target in modules())


def circle_of_modules(kinds: Iterable[Kind]) -> list[str]:
    """Modules that import each other in a circle.

    Empty if there is none.
    """
    return _circle((one.module, one.target) for one in ours(kinds))


def circle_within(folder: str, kinds: Iterable[Kind]) -> list[str]:
    """Rooms of a folder, modules and sub-folders, that import each other in a circle.

    The folder "" is the whole repository.
    """
    prefix = f"{folder}." if folder else ""
    depth = prefix.count(".") + 1
    return _circle(
        (_room(one.module, depth), _room(one.target, depth))
        for one in ours(kinds)
        if one.module.startswith(prefix) and one.target.startswith(prefix)
    )


def _room(module: str, depth: int) -> str:
    """The folder of a module.

    What tests and benchmarks share is a room of its own.
    """
    return SUPPORT if folder_of(module, 2) == SUPPORT else folder_of(module, depth)


def _circle(arrows: Iterable[tuple[str, str]]) -> list[str]:
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for source, target in arrows:
        if source != target:
            sorter.add(source, target)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return []


def packages() -> list[str]:
    """Every folder with modules in it, the whole repository ("") first."""
    return ["", *sorted({name.rpartition(".")[0] for name in modules()} - {""})]
