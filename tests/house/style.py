"""Figures of the style rules over all Python files, and where they are not kept.

`python -m tests.house.style` prints them.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRAGMA = re.compile(r"\s*# (noqa|type: ignore).*")
"""Notes to the checkers, which cannot be wrapped."""
WIDE = 88
WIDEST = 100
LONG_FILE = 400
MANY_ARGUMENTS = 6
DECLARATIONS = ("Table", "create_table", "Index", "print")
"""Calls that declare or print a row of things, which may have many arguments."""
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Figures:
    """What was measured. Places read `file:line`."""

    widths: list[int] = field(default_factory=list)
    function_lines: list[int] = field(default_factory=list)
    long_files: list[str] = field(default_factory=list)
    wide_lines: list[str] = field(default_factory=list)
    long_calls: list[str] = field(default_factory=list)
    tuple_assignments: list[str] = field(default_factory=list)
    nested_comprehensions: list[str] = field(default_factory=list)
    joined_first_lines: list[str] = field(default_factory=list)

    @property
    def narrow_share(self) -> float:
        """Share of lines within `WIDE` columns."""
        return sum(width <= WIDE for width in self.widths) / len(self.widths)

    def function_quantile(self, share: float) -> int:
        """Number of lines that this share of the functions has at most."""
        ordered = sorted(self.function_lines)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def measure() -> Figures:
    """Measure every Python file that git knows."""
    listed = subprocess.check_output(["git", "ls-files", "*.py"], cwd=ROOT, text=True)
    figures = Figures()
    for name in listed.split():
        path = ROOT / name
        if path.exists():
            _measure_file(name, path.read_text(encoding="utf-8"), figures)
    return figures


def _measure_file(name: str, text: str, figures: Figures) -> None:
    lines = text.splitlines()
    if len(lines) > LONG_FILE:
        figures.long_files.append(f"{name}: {len(lines)} lines")
    figures.widths += [len(line) for line in lines if line]
    figures.wide_lines += [
        f"{name}:{number}"
        for number, line in enumerate(lines, 1)
        if len(PRAGMA.sub("", line)) > WIDEST
    ]
    tree = ast.parse(text)
    for node in ast.walk(tree):
        _measure_node(name, node, figures)


def _measure_node(name: str, node: ast.AST, figures: Figures) -> None:
    where = f"{name}:{getattr(node, 'lineno', 1)}"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        figures.function_lines.append((node.end_lineno or node.lineno) - node.lineno + 1)
    if isinstance(node, ast.Call) and _is_long(node):
        figures.long_calls.append(where)
    if isinstance(node, ast.Assign) and _assigns_unrelated(node):
        figures.tuple_assignments.append(where)
    if isinstance(node, COMPREHENSIONS) and _is_nested(node):
        figures.nested_comprehensions.append(where)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
        docstring = ast.get_docstring(node)
        if docstring and ";" in docstring.split("\n")[0]:
            figures.joined_first_lines.append(where)


def _is_long(call: ast.Call) -> bool:
    if ast.unparse(call.func).split(".")[-1] in DECLARATIONS:
        return False
    plain = [argument for argument in call.args if not isinstance(argument, ast.Starred)]
    return len(plain) >= MANY_ARGUMENTS


def _assigns_unrelated(assignment: ast.Assign) -> bool:
    """`a, b = x, y`, unless it swaps: then a target is one of the values."""
    target = assignment.targets[0]
    if not isinstance(target, ast.Tuple) or not isinstance(assignment.value, ast.Tuple):
        return False
    names = {ast.unparse(element) for element in target.elts}
    used = {ast.unparse(node) for node in ast.walk(assignment.value) if isinstance(node, ast.expr)}
    return not names & used


def _is_nested(comprehension: ast.AST) -> bool:
    generators = getattr(comprehension, "generators", [])
    return len(generators) > 1 or any(
        isinstance(node, COMPREHENSIONS)
        for node in ast.walk(comprehension)
        if node is not comprehension
    )


def report(figures: Figures) -> Iterator[str]:
    """Yield the figures, one line each, with the places behind them."""
    yield f"lines within {WIDE} columns: {figures.narrow_share:.1%} of {len(figures.widths)}"
    yield (
        f"lines of a function: median {figures.function_quantile(0.5)}, 90 % within"
        f" {figures.function_quantile(0.9)}, longest {max(figures.function_lines)}"
    )
    for title, places in (
        (f"lines over {WIDEST} columns", figures.wide_lines),
        (f"files over {LONG_FILE} lines", figures.long_files),
        (f"calls with {MANY_ARGUMENTS} or more positional arguments", figures.long_calls),
        ("tuple assignments of unrelated values", figures.tuple_assignments),
        ("comprehensions of two levels", figures.nested_comprehensions),
        ("first lines of docstrings with a semicolon", figures.joined_first_lines),
    ):
        yield f"{title}: {len(places)}"
        yield from (f"  {place}" for place in places)


if __name__ == "__main__":
    print("\n".join(report(measure())))
