"""The Markdown pages of the product, and the examples and links in them."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
NO_CODE = frozenset({"data", "runs"})
CODE = frozenset({".py", ".toml"})
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")
ASSIGNMENT = re.compile(r"[A-Z_]+=.*", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A line of shell that a page shows, without its comment."""

    page: Path
    line: str

    @property
    def words(self) -> list[str]:
        """The words of the line, without the settings in front."""
        words = shlex.split(self.line)
        while words and ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        return words

    def __str__(self) -> str:
        return f"{self.page.name}: {self.line}"


def all_pages() -> list[Path]:
    """Every Markdown page of the product."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), ROOT / "best_model/README.md"]


def written_pages() -> list[Path]:
    """Every page that is written by hand, so not the reference."""
    return [page for page in all_pages() if page.parent != REFERENCE]


def _files_of_code(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in CODE]


def source_files() -> list[Path]:
    """Every file of Python and configuration of the product and its tests."""
    folders = [
        x for x in ROOT.iterdir() if x.is_dir() and x.name[0] != "." and x.name not in NO_CODE
    ]
    nested = itertools.chain.from_iterable(map(_files_of_code, folders))
    return sorted([*ROOT.glob("*.py"), *nested])


def code_blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def examples() -> list[Example]:
    """Every line of shell on every page, continued lines joined."""
    lines = []
    for page in all_pages():
        blocks = code_blocks(page.read_text(encoding="utf-8"), "sh")
        lines += [
            Example(page, line) for line in itertools.chain.from_iterable(map(_lines, blocks))
        ]
    return lines


def links(page: Path) -> list[tuple[Path, str]]:
    """Files that a page links to, each with the anchor, which may be empty."""
    targets = LINK.findall(without_code(page.read_text(encoding="utf-8")))
    parts = [target.partition("#") for target in targets]
    return [((page.parent / path if path else page).resolve(), anchor) for path, _, anchor in parts]


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _lines(block: str) -> Iterator[str]:
    for line in block.replace("\\\n", " ").splitlines():
        without_comment = re.split(r"(?:^|\s)#\s", line)[0].strip()
        if without_comment:
            yield without_comment


def without_code(text: str) -> str:
    """A Markdown text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
