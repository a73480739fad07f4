"""The layer rule, read from the imports of every module (AST; nothing is imported):
imports only point down.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = ("app", "app_web", "cli")
_PURE = {"utils", "scoring"}
_BASE = {*_PURE, "align", "network"}
_GALLERY = {*_BASE, "gallery"}
_CORE = {*_GALLERY, "recognition"}
ALLOWED = {
    "utils": set(),
    "scoring": {"utils"},
    "align": {"utils"},
    "network": {"scoring", "utils"},
    "gallery": _PURE,
    "recognition": {*_PURE, "gallery"},
    "assembly": _CORE,
    "jobs": {*_CORE, "assembly"},
    "train": _CORE,
    "web": {*_CORE, "assembly", "jobs"},
    "commands": {*_CORE, "assembly", "jobs", "train"},
    "cli": {"commands"},
    "app": {*_CORE, "web"},
    "app_web": {*_CORE, "web"},
}
LAYERS = set(ALLOWED)
KERAS_USERS = {"network", "train"}
FLASK_USERS = {"web", "app", "app_web"}


def sources() -> list[Path]:
    found = [ROOT / f"{name}.py" for name in TOP] + [
        f for layer in ALLOWED for f in sorted((ROOT / layer).rglob("*.py"))
    ]
    return [f for f in found if f.exists()]


def layer_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.AST) -> set[str]:
    """Top-level packages that a module imports, in functions too."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            names.add((node.module or "").split(".")[0])
    return names


def at_import_time(tree: ast.Module) -> set[str]:
    """Top-level packages imported as soon as the module is (not those inside
    functions).
    """
    body = [
        n
        for n in tree.body
        if not isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return imports(ast.Module(body=body, type_ignores=[]))


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    layer = layer_of(path)
    used = imports(tree)
    assert (used & LAYERS) - {layer} <= ALLOWED[layer], (
        f"{layer} may import {sorted(ALLOWED[layer])} only"
    )
    if layer not in KERAS_USERS:
        assert not used & {"keras", "tensorflow"}, (
            "only network/ and train/ import Keras or TensorFlow"
        )
    if "mtcnn" in used:
        assert layer == "align", "mtcnn is used in align only"
    if layer not in FLASK_USERS:
        assert not used & {"flask", "flask_restx", "werkzeug"}, (
            "only web/, app.py and app_web.py know HTTP"
        )
    if layer in ("utils", "align", "gallery", "recognition", "web"):
        assert not at_import_time(tree) & {"mtcnn", "onnxruntime"}, (
            "heavy runtimes are imported where they are loaded"
        )


def test_the_client_needs_the_standard_library_and_requests_only() -> None:
    tree = ast.parse((ROOT / "Request.py").read_text(encoding="utf-8"))
    import sys

    assert imports(tree) <= set(sys.stdlib_module_names) | {"requests", "__future__"}


def test_utils_imports_nothing_of_ours() -> None:
    assert all(
        not imports(ast.parse(f.read_text())) & (LAYERS - {"utils"})
        for f in (ROOT / "utils").rglob("*.py")
    )
