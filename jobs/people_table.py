"""A table of people to be enrolled, as spreadsheets save it: CSV in any common encoding.

The first row names the columns. Rows are counted as a spreadsheet shows them, from 1.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.errors import (
    DuetError,
    PathForbiddenError,
    TableColumnsError,
    TableEncodingError,
    TableMalformedError,
)

MAX_TABLE_BYTES = 5_000_000
MAX_ROWS = 10_000
MAX_COLUMNS = 100
AUTO = "auto"
ENCODINGS = (AUTO, "utf-8", "utf-16", "cp949", "gb18030", "cp1252")
"""What `read_table` may be told. `auto` tells UTF-8, UTF-16, cp949 and gb18030 apart."""
FILE = "file"
TEXTS = ("person_id", "name", "note", "consent", "retention_days")
_DELIMITERS = ",;\t"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Share of Hangul in what is not ASCII from which on bytes are read as Korean. In Chinese
# text that is read as Korean, about half is.
_KOREAN = 0.9
_SEPARATOR = re.compile(r"sep=[,;\t]\r?\n")
_WORKBOOKS = {
    b"PK\x03\x04": "a workbook (xlsx, ods) or another archive",
    b"\xd0\xcf\x11\xe0": "a workbook of an old kind (xls)",
    b"\x1f\x8b": "an archive (gz)",
    b"%PDF": "a PDF document",
}
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Row:
    """A person of the table, in texts as they stand there, without spaces around them.

    `number` is that of a spreadsheet. `files` are paths with "/" between folders. `fault`
    says why the row cannot be used.
    """

    number: int
    person_id: str = ""
    name: str = ""
    note: str = ""
    consent: str = ""
    retention_days: str = ""
    files: tuple[str, ...] = ()
    fault: DuetError | None = None


@dataclass(frozen=True)
class PeopleTable:
    """Rows that are not empty, and the encoding in which they were read."""

    rows: tuple[Row, ...]
    encoding: str


def open_table(file: Path, encoding: str = AUTO) -> PeopleTable:
    """Read a table from a file, as `read_table` does. Raises OSError too."""
    with file.open("rb") as stream:
        return read_table(stream.read(MAX_TABLE_BYTES + 1), encoding)


def read_table(data: bytes, encoding: str = AUTO) -> PeopleTable:
    """Read a table. Raises TableEncodingError, TableMalformedError, TableColumnsError."""
    if len(data) > MAX_TABLE_BYTES:
        raise TableMalformedError(
            f"A table has at most {MAX_TABLE_BYTES:,} bytes. Received: {len(data):,}"
        )
    _refuse_workbook(data)
    text, name = _decode(data, encoding)
    records = _records(text)
    header = next(records, (0, []))[1]
    if _SEPARATOR.match(text):  # Excel's own first line, which a spreadsheet does not show
        header = next(records, (0, []))[1]
    columns = _read_header(header)
    rows = tuple(_read_row(columns, number, cells) for number, cells in records if any(cells))
    if not rows:
        raise TableMalformedError("The table has no row below the names of its columns.")
    return PeopleTable(rows, name)


def _refuse_workbook(data: bytes) -> None:
    """Raise TableEncodingError for what a spreadsheet saves when it is not told CSV."""
    for magic, what in _WORKBOOKS.items():
        if data.startswith(magic):
            raise TableEncodingError(f"The table must be text. Received: {what}")


def clean_path(text: str) -> str:
    """Write a path below a folder in one way: NFC, and "/" between the parts.

    Raises PathForbiddenError for one that leads elsewhere.
    """
    path = unicodedata.normalize("NFC", text.strip()).replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or not parts or _DRIVE.match(path):
        raise PathForbiddenError(
            f"A file must lie in the folder of the table. Received: {text[:80]!r}",
            "Name its path from that folder on, or choose a folder above both.",
        )
    return "/".join(parts)


def _decode(data: bytes, encoding: str) -> tuple[str, str]:
    """Decode the bytes, and name the encoding."""
    name = _find_encoding(data) if encoding == AUTO else encoding
    if encoding == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16-le"
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        raise TableEncodingError(
            f"The table must be text in {name}. Byte {error.start + 1:,} is none."
        ) from None
    if "\0" in text:
        raise TableEncodingError(f"The table must be text in {name}. It holds NUL characters.")
    return text.removeprefix("\ufeff"), name


def _find_encoding(data: bytes) -> str:
    """Tell the encoding by its mark of byte order, else by what the bytes can be."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    head = data[:16]
    if len(head) == 16 and not any(head[1::2]):  # ASCII in two bytes a character
        return "utf-16-le"
    if len(head) == 16 and not any(head[::2]):
        return "utf-16-be"
    if _can_be(data, "utf-8"):
        return "utf-8"
    if _can_be(data, "cp949") and _share_of_hangul(data.decode("cp949")) >= _KOREAN:
        return "cp949"
    for name in ("gb18030", "cp949"):
        if _can_be(data, name):
            return name
    raise TableEncodingError("The table is neither in UTF-8 nor in UTF-16, cp949 or gb18030.")


def _can_be(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _share_of_hangul(text: str) -> float:
    """Share of Hangul in the characters that are not ASCII."""
    others = [character for character in text if not character.isascii()]
    hangul = sum("\uac00" <= character <= "\ud7a3" for character in others)
    return hangul / max(len(others), 1)


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each record. Raises TableMalformedError."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, 1):
            if number > MAX_ROWS + 1:
                raise TableMalformedError(f"A table has at most {MAX_ROWS:,} rows. It has more.")
            yield number, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise TableMalformedError(
            f"The table must be CSV. Row {number + 1} cannot be parsed: {error}."
        ) from None


def _delimiter(text: str) -> str:
    """Find what stands between the names of the columns: a comma, semicolon or tab."""
    head = text.lstrip().split("\n", 1)[0]
    return max(_DELIMITERS, key=head.count)


def _read_header(cells: Sequence[str]) -> list[str]:
    """Read the names of the columns. Raises TableColumnsError."""
    if len(cells) > MAX_COLUMNS:
        raise TableColumnsError(
            f"A table has at most {MAX_COLUMNS} columns. Received: {len(cells)}"
        )
    names = [re.sub(r"[\s-]+", "_", cell.casefold()) for cell in cells]
    columns = [FILE if name.startswith(FILE) else name for name in names]
    unknown = [name for name in columns if name and name != FILE and name not in TEXTS]
    if unknown:
        raise TableColumnsError(
            f"The columns must be {', '.join((*TEXTS, FILE))}. Received: {unknown[0][:40]!r}",
            details={"columns": [name[:40] for name in unknown]},
        )
    twice = [name for name in TEXTS if columns.count(name) > 1]
    if twice:
        raise TableColumnsError(
            f"A column must be there once. Received: {twice[0]!r}", details={"columns": twice}
        )
    if FILE not in columns or not {"person_id", "name"} & set(columns):
        raise TableColumnsError(
            "A table needs a column file, and one of person_id and name.",
            details={"columns": [FILE, "person_id"]},
        )
    return columns


def _read_row(columns: Sequence[str], number: int, cells: Sequence[str]) -> Row:
    """Read a row. Cells that are missing at its end are empty."""
    pairs = list(zip(columns, cells, strict=False))
    texts = dict(pairs)
    row = Row(
        number,
        person_id=texts.get("person_id", ""),
        name=texts.get("name", ""),
        note=texts.get("note", ""),
        consent=texts.get("consent", ""),
        retention_days=texts.get("retention_days", ""),
    )
    nameless = [cell for name, cell in pairs if not name]
    outside = sum(map(bool, [*nameless, *cells[len(columns) :]]))
    if outside:
        fault = TableMalformedError(
            f"A row must have no cell outside the named columns. Received: {outside}",
            details={"row": number},
        )
        return replace(row, fault=fault)
    try:
        files = [clean_path(cell) for name, cell in pairs if name == FILE and cell]
        return replace(row, files=tuple(files))
    except PathForbiddenError as error:
        return replace(row, fault=error)
