"""What every folder may import: imports only point down, and never in a circle.

They are read from the source (tests/house/imports.py), also those in functions, under
`TYPE_CHECKING` and those by a name in a string. docs/architecture.md draws the picture.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable

import pytest

from tests.house.imports import (
    FOLDERS,
    PROGRAMS,
    ROOT,
    SUPPORT,
    Import,
    Kind,
    circle_of_modules,
    circle_within,
    folder_of,
    imports,
    imports_of,
    modules,
    ours,
    packages,
)

PURE = {"scoring", "utils"}
GALLERY = {*PURE, "gallery"}
RECOGNITION = {*GALLERY, "liveness", "recognition"}
PRODUCT = {*RECOGNITION, "align", "network", "speech", "assembly"}
MAY_IMPORT = {
    "utils": set(),
    "scoring": {"utils"},
    "align": {"utils"},
    "network": PURE,
    "demo": {"utils"},
    "gallery": PURE,
    "liveness": {*PURE, "align", "network"},
    "recognition": {*GALLERY, "liveness"},
    "speech": {*RECOGNITION, "align", "network"},
    "assembly": {*RECOGNITION, "align", "network"},
    "jobs": {*RECOGNITION, "align", "assembly", "speech"},
    "train": {*RECOGNITION, "align", "network", "speech"},
    "web": {*PRODUCT, "jobs"},
    "commands": {*PRODUCT, "bench", "demo", "jobs", "train"},
    "cli": {"commands", "utils"},
    "app": {"utils", "web"},
    "app_web": {"utils", "web"},
    "Request": set(),
    "bench": {*PRODUCT, "demo", "jobs", "train", "tests"},
    "deploy": {"tests"},
    "docs": {"cli", "utils", "web"},
}
"""For every folder and program, the others that it may import."""

SUBFOLDERS_MAY_IMPORT: dict[str, dict[str, set[str]]] = {
    "gallery": {
        "migrations": set(),
        "database": {"migrations"},
        "encryption": {"database"},
        "records": {"database", "encryption"},
        "search": {"database", "encryption", "records"},
        "transactions": {"database", "encryption", "records"},
        "overview": {"records"},
        "upkeep": {"encryption", "records"},
        "backup": {"database", "encryption", "migrations", "records", "upkeep"},
    },
    "network": {
        "backbones": set(),
        "frontends": set(),
        "serving": {"backbones", "frontends"},
    },
    "speech": {"ctc": set()},
    "train": {
        "data": set(),
        "loop": {"data"},
        "face": {"data", "loop"},
        "voice": {"data", "loop"},
        "fusion": {"data", "loop"},
        "speech": {"data", "loop", "voice"},
        "calibration": {"data", "fusion"},
        "liveness": set(),
        "measure": {"calibration", "data", "face", "fusion", "liveness", "voice"},
    },
    "web": {
        "wire": set(),
        "guard": {"wire"},
        "api": {"guard", "wire"},
        "compat": {"api", "guard", "wire"},
        "live": {"guard", "wire"},
        "pages": set(),
        "server": {"guard", "live", "wire"},
    },
}
"""The same for the sub-folders of a folder; its own modules are open to all of them."""

FRONTS = {"app", "app_web", "docs", "web"}
USERS = {
    "keras": {"network", "train"},
    "tensorflow": {"network", "train"},
    "flask": FRONTS,
    "flask_restx": FRONTS,
    "werkzeug": FRONTS,
    "gunicorn": {"web"},
    "celery": {"jobs"},
    "opentelemetry": {"jobs"},
    "mtcnn": {"align"},
    "faster_whisper": {"speech"},
    "ctranslate2": {"speech"},
}
"""The only folders that may import a library."""

LOADED_LATE = {"faster_whisper", "keras", "mtcnn", "onnxruntime", "tensorflow"}
"""Libraries that are imported where they are used, so that nothing else waits for them."""

LATE_FOLDERS = {
    "align",
    "assembly",
    "commands",
    "gallery",
    "jobs",
    "recognition",
    "speech",
    "utils",
    "web",
}


def described(read_imports: Iterable[Import]) -> str:
    """One import a line."""
    return "\n".join(str(one) for one in read_imports)


def subfolder_of(module: str, folder: str) -> str:
    """The sub-folder of `folder` that a module is in.

    Empty if it is in none.
    """
    parts = module.split(".")
    is_below = parts[0] == folder and ".".join(parts[:2]) in packages()
    return parts[1] if is_below and len(parts) > 1 else ""


def test_every_import_of_ours_leads_to_a_module() -> None:
    """mypy passes over a module that is missing, as packages without types are."""
    own = {*FOLDERS, *PROGRAMS}
    named = [one for one in imports() if folder_of(one.target) in own]
    assert len(named) > 1000
    assert [str(one) for one in named if one.target not in modules()] == []


def test_an_import_of_a_missing_module_of_ours_is_read_as_one() -> None:
    (read,) = imports_of("web.new", "from utils.moved import away")
    assert (read.target, read.target in modules()) == ("utils.moved", False)


def test_every_folder_is_in_the_plan() -> None:
    assert {folder_of(name) for name in modules()} - {"tests"} == set(MAY_IMPORT)
    for folder, plan in SUBFOLDERS_MAY_IMPORT.items():
        assert {subfolder_of(name, folder) for name in modules()} - {""} == set(plan)


def test_the_page_lists_every_folder() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)/` \|.*\|(.*)\|$", page, re.MULTILINE))
    assert rows.keys() >= {*FOLDERS} - {"tests"}
    below = [name.split(".")[:2] for name in packages() if "." in name]
    assert [one for one in below if one[0] != "tests" and f"`{one[1]}/`" not in rows[one[0]]] == []


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_what_it_may(folder: str) -> None:
    wrong = [
        one
        for one in ours(Kind)
        if folder_of(one.module) == folder
        and folder_of(one.target) not in {folder, *MAY_IMPORT[folder]}
    ]
    assert not wrong, described(wrong)


@pytest.mark.parametrize("folder", SUBFOLDERS_MAY_IMPORT)
def test_a_subfolder_imports_what_it_may(folder: str) -> None:
    wrong = []
    for one in ours(Kind):
        source = subfolder_of(one.module, folder)
        target = subfolder_of(one.target, folder)
        if source and target and target not in {source, *SUBFOLDERS_MAY_IMPORT[folder][source]}:
            wrong.append(one)
    assert not wrong, described(wrong)


@pytest.mark.parametrize("library", USERS)
def test_a_library_is_imported_where_it_may_be(library: str) -> None:
    wrong = [
        one
        for one in imports()
        if folder_of(one.target) == library
        and folder_of(one.module) not in {*USERS[library], "tests", "bench"}
    ]
    assert not wrong, described(wrong)


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    wrong = [
        one
        for one in imports()
        if folder_of(one.target) in LOADED_LATE
        and folder_of(one.module) in LATE_FOLDERS
        and one.kind is Kind.RUN
        and not one.in_function
    ]
    assert not wrong, described(wrong)


@pytest.mark.parametrize("kinds", [(Kind.RUN, Kind.NAME), tuple(Kind)], ids=["run", "types"])
def test_no_modules_import_each_other_in_a_circle(kinds: tuple[Kind, ...]) -> None:
    circle = circle_of_modules(kinds)
    assert not circle, " → ".join(circle)


@pytest.mark.parametrize("kinds", [(Kind.RUN, Kind.NAME), tuple(Kind)], ids=["run", "types"])
@pytest.mark.parametrize("folder", packages(), ids=lambda name: name or "all")
def test_no_rooms_of_a_folder_import_each_other_in_a_circle(
    folder: str, kinds: tuple[Kind, ...]
) -> None:
    circle = circle_within(folder, kinds)
    assert not circle, " → ".join(circle)


def test_the_client_needs_the_standard_library_and_requests_only() -> None:
    used = {folder_of(one.target) for one in imports() if one.module == "Request"}
    assert used <= set(sys.stdlib_module_names) | {"requests", "__future__"}


def test_tests_share_their_support_alone() -> None:
    """Benchmarks and the check of the deployment use the same."""
    wrong = [
        one
        for one in ours(Kind)
        if folder_of(one.target) == "tests"
        and folder_of(one.target, 2) not in {SUPPORT, folder_of(one.module, 2)}
    ]
    assert not wrong, described(wrong)


def test_support_of_tests_needs_no_benchmark() -> None:
    wrong = [
        one
        for one in ours(Kind)
        if folder_of(one.module, 2) == SUPPORT and folder_of(one.target) in {"bench", "deploy"}
    ]
    assert not wrong, described(wrong)


# ---- whether all this would notice


SOURCE = '''
"""Text that names web.state in a sentence."""
import utils.clock
from typing import TYPE_CHECKING
from gallery import store
if TYPE_CHECKING:
    from web.factory import create_app
TASK = "train.face.task"
WORKER = "web.server.gunicorn_worker.Worker"
def late() -> None:
    import jobs.worker
'''


def test_imports_of_every_kind_are_read() -> None:
    read_imports = {(one.target, one.kind, one.in_function) for one in imports_of("x", SOURCE)}
    assert read_imports == {
        ("utils.clock", Kind.RUN, False),
        ("typing", Kind.RUN, False),
        ("gallery.store", Kind.RUN, False),
        ("web.factory", Kind.TYPES, False),
        ("train.face.task", Kind.NAME, False),
        ("web.server.gunicorn_worker", Kind.NAME, False),
        ("jobs.worker", Kind.RUN, True),
    }


def test_relative_imports_are_refused() -> None:
    with pytest.raises(AssertionError, match="relative import"):
        list(imports_of("gallery.store", "from . import names"))


def test_sources_are_read() -> None:
    assert len(modules()) > 300
    assert len(list(ours(Kind))) > 1000
    assert set(FOLDERS) <= {folder_of(name) for name in modules()}
    assert all(ast.parse(file.read_text(encoding="utf-8")) for file in modules().values())
