"""The documentation is true.

References match the code, examples parse, links lead somewhere, and every page is
reached from the index.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
import Request
from commands.bench import Benchmark
from docs.reference import generate
from tests.support.documentation import (
    DOCS,
    ROOT,
    Example,
    all_pages,
    anchors,
    examples,
    links,
    source_files,
    without_code,
    written_pages,
)
from tests.support.prose import measure_prose
from utils import errors
from utils.settings.subject import PREFIX

EXAMPLES = examples()
WRITTEN = "\n".join(page.read_text(encoding="utf-8") for page in written_pages())
INLINE = re.findall(r"`([^`\n]+)`", WRITTEN)
PLACEHOLDERS = {f"{PREFIX}NAME", f"{PREFIX}SHARED_DATA"}
FILES = re.compile(r"[\w./-]+\.(mp4|wav|png|onnx|whl|txt|csv|toml|json|zip|key|crt)")
FOLDERS = re.compile(r"[\w.][\w.-]*(/[\w.-]+)*/?")
README_WORDS = 700
MEDIAN_WORDS = 20
LONGEST_SENTENCE = 40
SEMICOLONS_PER_100 = 5
WIDEST = 140


def example_lines(pattern: str) -> list[Example]:
    return [example for example in EXAMPLES if re.search(pattern, example.line)]


def make_paths(words: list[str]) -> None:
    """Make files and folders of these names, so that arguments which must exist do."""
    for word in words:
        path = Path(word)
        if FILES.fullmatch(word):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        elif FOLDERS.fullmatch(word) and not path.exists():
            path.mkdir(parents=True, exist_ok=True)


def parse_command(command: click.Command, words: list[str]) -> None:
    """Parse the words as the real program does. Nothing is executed."""
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        known = words[0] in command.commands
        command = command.commands[words[0] if known else getattr(command, "default", "")]
        words = words[1:] if known else words
    command.make_context(command.name, list(words))


# ---- the reference


@pytest.mark.parametrize("name", generate.PAGES)
def test_the_reference_matches_the_code(name: str) -> None:
    text = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert text == generate.PAGES[name](), "run `python -m docs.reference.generate`"


def test_no_reference_is_left_over() -> None:
    names = {page.name for page in (DOCS / "reference").glob("*.md")}
    assert names == set(generate.PAGES)


@pytest.mark.parametrize(("path", "command"), list(generate.walk_commands(cli.cli)))
def test_every_command_is_shown_in_an_example_and_has_help(
    path: str, command: click.Command
) -> None:
    assert any(path in example.line for example in EXAMPLES)
    result = CliRunner().invoke(cli.cli, [*path.split()[1:], "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 3
    assert command.help


def test_every_error_has_a_meaning() -> None:
    for error in generate.error_classes():
        assert error.__doc__, error


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = dict(re.findall(r"── (\w+)(?:: (.+))?$", errors.__doc__ or "", re.MULTILINE))
    named = {name: error for name, error in vars(errors).items() if name.endswith("Error")}
    assert set(drawn) == named.keys() - {"DuetError"}
    codes = {name: code for name, code in drawn.items() if re.fullmatch(r"[a-z_]+", code)}
    assert codes == {name: named[name].code for name in codes}


# ---- examples


@pytest.mark.parametrize("example", example_lines(r"\bcli\.py\b"), ids=str)
def test_examples_of_the_command_line_parse(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example is parsed by the real command, with files of those names."""
    monkeypatch.chdir(tmp_path)
    words = example.words
    words = words[words.index("cli.py") + 1 :]
    make_paths(words)
    parse_command(cli.cli, words)


@pytest.mark.parametrize("example", example_lines(r"\bRequest\.py\b"), ids=str)
def test_examples_of_the_client_parse(example: Example) -> None:
    words = example.words
    args = Request.parse(words[words.index("Request.py") + 1 :])
    assert args.challenge or args.clip.suffix == ".mp4"


@pytest.mark.parametrize("example", example_lines(r"(^|[;&=\w] )make [a-z]+"), ids=str)
def test_make_targets_exist(example: Example) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)", example.line):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_there_are_examples_to_check() -> None:
    assert len(example_lines(r"\bcli\.py\b")) >= 60
    assert len(example_lines(r"\bcli\.py (train|evaluate|calibrate)\b")) >= 12
    assert len(example_lines(r"\bRequest\.py\b")) >= 5
    assert len(example_lines(r"\bmake [a-z]+")) >= 5


# ---- what the text names


@pytest.mark.parametrize("text", [x for x in INLINE if re.match(r"(python )?cli\.py [a-z]", x)])
def test_commands_in_the_text_exist(text: str) -> None:
    words = text.removeprefix("python ").split()[1:]
    command: click.Command = cli.cli
    while isinstance(command, click.Group) and words and re.fullmatch("[a-z][a-z-]*", words[0]):
        known = words[0] in command.commands
        command = command.commands[words[0] if known else getattr(command, "default", "")]
        words = words[1:] if known else words
    command = command.load() if isinstance(command, Benchmark) else command
    options = set(
        itertools.chain.from_iterable([*o.opts, *o.secondary_opts] for o in command.params)
    )
    assert {word for word in words if word.startswith("--")} <= options


def test_settings_in_the_text_exist() -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", WRITTEN))
    assert named - PLACEHOLDERS <= set(re.findall(r"\w+", generate.settings_page()))


def test_files_and_modules_in_the_text_exist() -> None:
    history = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files = [x for x in INLINE if re.fullmatch(r"[a-z_]+(/[a-z_]+)+\.(py|toml|js)", x)]
    modules = re.findall(r"python -m ((?:train|bench|tests|docs|deploy)[\w.]*)", WRITTEN)
    paths = [*files, *(module.replace(".", "/") + ".py" for module in modules)]
    assert len(paths) > 40
    assert [p for p in paths if not (ROOT / p).exists() and f"`{p}`" not in history] == []


def test_pages_and_modules_that_the_code_names_exist() -> None:
    code = "\n".join(source.read_text(encoding="utf-8") for source in source_files())
    pages = set(re.findall(r"\bdocs/[\w/-]+\.md\b", code))
    modules = set(re.findall(r"`([a-z_]+(?:/[a-z_0-9]+)+\.py)`", code))
    assert len(pages) > 5
    assert len(modules) > 30
    assert [path for path in pages | modules if not (ROOT / path).exists()] == []


def test_error_codes_in_the_text_exist() -> None:
    codes = set(re.findall(r"\b[45]\d\d `(\w+)`", WRITTEN))
    assert codes
    assert codes <= set(re.findall(r"`(\w+)`", generate.errors_page()))


# ---- links and index


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target.name}#{anchor}"


def test_every_page_is_reached_from_the_index() -> None:
    index = {target for target, _ in links(DOCS / "README.md")}
    assert set(DOCS.rglob("*.md")) - {DOCS / "README.md"} <= index


# ---- English


def test_readme_is_short() -> None:
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) <= README_WORDS


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_sentences_are_short(page: Path) -> None:
    """`python -m tests.support.prose` prints the figures of every page."""
    prose = measure_prose(page.read_text(encoding="utf-8"))
    assert prose.median <= MEDIAN_WORDS
    assert prose.longest <= LONGEST_SENTENCE
    assert prose.semicolons_per_100 <= SEMICOLONS_PER_100


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *DOCS.glob("*.md")], ids=lambda page: page.name
)
def test_lines_are_narrow(page: Path) -> None:
    """Those of prose. Measurements and research are notes of the laboratory, and may be wider."""
    lines = without_code(page.read_text(encoding="utf-8")).splitlines()
    assert [line for line in lines if len(line) > WIDEST and not line.startswith("|")] == []
