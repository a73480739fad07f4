"""What enrolling many people would do: tables in any encoding, folders, and refusals."""

from __future__ import annotations

import csv
import io
import time
import unicodedata
from dataclasses import replace
from typing import Any

import pytest

from gallery.records.jobs import JobItem
from jobs.enrolment_people import Plan, PlannedPerson
from jobs.enrolment_plan import (
    Existing,
    ListedFile,
    Rules,
    plan_enrolment,
)
from jobs.enrolment_report import names_in_table, report_people, write_report
from jobs.people_table import MAX_ROWS, MAX_TABLE_BYTES, read_table
from utils.errors import (
    DuetError,
    InvalidRequestError,
    TableColumnsError,
    TableEncodingError,
    TableMalformedError,
)

MP4 = b"\0\0\0\x18ftypisom"
RULES = Rules(most_bytes=1000)
HEAD = "person_id,name,file,file2\r\n"


def listed(*names: str) -> list[ListedFile]:
    """Files of 10 bytes that begin as a film does."""
    return [ListedFile(name, 10, MP4) for name in names]


def plan(files: list[ListedFile], table: str | bytes | None = None, **more: object) -> Plan:
    """Plan for a gallery where Zoe is known."""
    data = table.encode() if isinstance(table, str) else table
    rules = Rules(most_bytes=1000, **more)  # type: ignore[arg-type]
    return plan_enrolment(files, read_table(data) if data else None, ["zoe"], rules)


def refusals(made: Plan) -> dict[str, list[str]]:
    """Codes of what is refused, by person."""
    people = [person for person in made.people if person.refusals]
    return {person.person_id or person.name: codes_of(person) for person in people}


def codes_of(person: PlannedPerson) -> list[str]:
    return [error.code for error in person.refusals]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "민준"),
        ("utf-8-sig", "민준"),
        ("utf-16", "민준"),
        ("utf-16-le", "민준"),
        ("utf-16-be", "민준"),
        ("cp949", "김민준 박서연 이도윤 뷁"),
        ("gb18030", "王伟 张敏 李娜 刘洋"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_are_read_as_spreadsheets_save_them(
    encoding: str, text: str, delimiter: str
) -> None:
    lines = [delimiter.join(row) for row in (["Person ID", "NAME", "file"], ["m", text, "a.mp4"])]
    table = read_table("\r\n".join(lines).encode(encoding))
    (row,) = table.rows
    assert (row.number, row.person_id, row.name, row.files) == (2, "m", text, ("a.mp4",))


def test_an_encoding_can_be_named() -> None:
    data = "person_id,name,file\na,José,a.mp4".encode("cp1252")
    with pytest.raises(TableEncodingError, match="neither in UTF-8"):
        read_table(data)
    assert read_table(data, "cp1252").rows[0].name == "José"
    with pytest.raises(TableEncodingError, match=r"in utf-8\. Byte 26 is none"):
        read_table(data, "utf-8")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", TableColumnsError),
        ("person_id,file", TableMalformedError),
        ("person_id,name\na,b", TableColumnsError),
        ("file\na.mp4", TableColumnsError),
        ("person_id,consnt,file\na,yes,a.mp4", TableColumnsError),
        ("person_id,name,name,file\na,b,c,a.mp4", TableColumnsError),
        ('person_id,file\na,"b', TableMalformedError),
        ("person_id,file\na\0,b", TableEncodingError),
        ("person_id,file\n" + "x" * 200_000, TableMalformedError),
        ("person_id,file\n" + "a,b\n" * (MAX_ROWS + 1), TableMalformedError),
        ("," * 500 + "\na", TableColumnsError),
        ("x" * (MAX_TABLE_BYTES + 1), TableMalformedError),
        ("=cmd|' /C calc'!A0,file\na,b", TableColumnsError),
    ],
)
def test_tables_that_cannot_be_used(text: str, error: type[DuetError]) -> None:
    with pytest.raises(error):
        read_table(text.encode())


def test_people_of_a_table() -> None:
    made = plan(
        listed("ann/1.mp4", "b.mp4", "c\u0327.mp4", "left.txt"),
        "person_id,name,file,file 2,consent,retention_days\n"
        "ann,Ann,ann\\1.mp4,./b.mp4,on paper,30\n\n"
        ",홍길동,\u00e7.mp4,,,none\n",
        retention_days=365,
        consent="by mail",
    )
    ann, hong = made.people
    assert [file.name for file in ann.files] == ["ann/1.mp4", "b.mp4"]
    assert ann.facts == {"name": "Ann", "consent": "on paper", "retention_days": 30}
    assert (hong.row, hong.facts["name"], hong.facts["consent"]) == (4, "홍길동", "by mail")
    assert (hong.person_id.startswith("p_"), "retention_days" in hong.facts) == (True, False)
    assert (made.files, made.unused, made.count_refusals()) == (3, ("left.txt",), {})
    assert [item.name for item in made.items()] == ["ann/1.mp4", "b.mp4", "\u00e7.mp4"]
    assert all(item.awaited and item.uploaded for item in made.items())


def test_what_a_table_has_refused() -> None:
    files = listed("ok.mp4", "two.mp4", "paper.pdf")
    files += [
        ListedFile("zip.mp4", 10, b"PK\x03\x04"),
        ListedFile("none.mp4", 0, b""),
        ListedFile("huge.mp4", 1001, MP4),
        ListedFile("doc.csv", 10),
    ]
    rows = (
        "ok,,ok.mp4,gone.mp4",
        "zoe,,ok2.mp4,",
        "ZOE2,,,",
        "a b,,two.mp4,",
        "up,,../../etc/passwd,",
        "abs,,/etc/passwd,",
        "win,,C:\\clip.mp4,",
        "zip,,zip.mp4,",
        "none,,none.mp4,",
        "huge,,huge.mp4,",
        "doc,,doc.csv,",
        "one,,two.mp4,",
        "other,,two.mp4,",
        "twin,Twin,ok2.mp4,",
        "Twin,Twin,ok2.mp4,",
        "long,,two.mp4,,more",
        'line,"a\u202eb",two.mp4,',
    )
    made = plan(files, HEAD + "\n".join(rows))
    assert refusals(made) == {
        "ok": ["media_not_found"],
        "zoe": ["person_exists"],
        "ZOE2": ["media_missing"],
        "a b": ["invalid_name"],
        "up": ["path_forbidden"],
        "abs": ["path_forbidden"],
        "win": ["path_forbidden"],
        "zip": ["media_type"],
        "none": ["media_empty"],
        "huge": ["media_too_large"],
        "doc": ["media_type"],
        "one": ["file_shared"],
        "other": ["file_shared"],
        "twin": ["row_conflict"],
        "Twin": ["row_conflict"],
        "long": ["table_malformed"],
        "line": ["invalid_name"],
    }
    assert made.files == 1
    refused = [item for item in made.items() if item.refused]
    assert all(not item.awaited and item.media == "" for item in refused)


def test_rows_that_agree_are_one_person() -> None:
    made = plan(listed("1.mp4", "2.mp4"), HEAD + "ann,Ann,1.mp4,\nann,,2.mp4,1.mp4\n")
    (ann,) = made.people
    assert ([file.name for file in ann.files], ann.refused) == (["1.mp4", "2.mp4"], None)


def test_people_who_are_there_are_added_to_when_asked() -> None:
    for existing in (Existing.ADD, Existing.REPLACE):
        made = plan(listed("a.mp4"), HEAD + "zoe,,a.mp4,", existing=existing)
        assert (made.people[0].exists, made.files) == (True, 1)
    made = plan(listed("a.mp4"), HEAD + "Zoe,,a.mp4,", existing=Existing.ADD)
    assert refusals(made) == {"Zoe": ["person_exists"]}, "which differs in case alone"


def test_folders_and_names_of_files() -> None:
    made = plan(listed("ann/1.mp4", "ann/x/2.mp4", "홍길동/1.mp4", "stray.mp4", "ann/Thumbs.db"))
    assert [len(person.files) for person in made.people] == [2, 1, 1]
    assert [person.facts.get("name") for person in made.people][2] == "홍길동"
    assert refusals(made) == {"stray": ["invalid_request"]}
    made = plan(listed("ann@x.org-1.mp4", "ann@x.org-2.mp4", "ben.mp4", ".DS_Store", "a.txt"))
    assert {person.person_id: len(person.files) for person in made.people} == {
        "ann@x.org": 2,
        "ben": 1,
    }
    assert made.unused == (".DS_Store", "a.txt")
    odd = plan(listed("../../etc/passwd", "/etc/shadow", "a\0b/1.mp4", "\ud800/1.mp4", "x" * 300))
    assert odd.files == 0
    assert all(item.refused for item in odd.items())


def test_ten_thousand_rows_and_their_bounds() -> None:
    rows = "".join(f"p{n},Person {n},p{n}.mp4,\n" for n in range(MAX_ROWS))
    files = listed(*(f"p{n}.mp4" for n in range(MAX_ROWS)))
    started = time.perf_counter()
    made = plan(files, HEAD + rows)
    assert made.files == MAX_ROWS
    assert time.perf_counter() - started < 10, "it takes about half a second"
    with pytest.raises(InvalidRequestError, match=r"At most 20,000 files"):
        plan(listed(*(f"{n}.mp4" for n in range(20_001))))
    named = HEAD + "ann,,a.mp4,b.mp4\n" * MAX_ROWS
    assert plan(listed("a.mp4", "b.mp4"), named).files == 2
    with pytest.raises(InvalidRequestError, match=r"Received: 20,002"):
        plan([], f"{HEAD.strip()},file3\n" + "ann,,a,b,c\n" * 6667 + "ann,,a\n")


def test_a_file_is_opened_as_the_disk_writes_its_name() -> None:
    on_disk = [unicodedata.normalize("NFD", "홍길동/1.mp4"), "ann/ 2.mp4 ", "ann\\3.mp4"]
    on_disk += ["张\u3000三/1.mp4", "ben/Bild 3\u202fPM.jpg"]
    made = plan(listed(*on_disk))
    assert refusals(made) == {}
    items = made.items(awaited=False)
    assert sorted(item.media for item in items) == sorted(on_disk)
    assert {"홍길동/1.mp4", "ann/3.mp4", "张\u3000三/1.mp4"} < {item.name for item in items}
    assert {item.media for item in made.items()} == {""}


def item(
    name: str,
    person_id: str | None,
    state: str,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, str] | None = None,
) -> JobItem:
    return JobItem(
        position=0, name=name, person_id=person_id, state=state, result=result, error=error
    )


def test_no_cell_of_a_report_is_a_formula() -> None:
    error = {"code": "media_type", "message": "=HYPERLINK(1)", "hint": ""}
    items = [
        item("1.mp4", "ann", "done", result={"person": {"name": "=cmd|'/C calc'!A0"}}),
        item("2.mp4", "ann", "failed", error=error),
        item("=3.mp4", "ann", "failed", error=error),
        item("", "@ben", "failed", error=error),
        item("4.mp4", "dan", "done", result={"person": {"name": "Dan; =1+1;x-ray\t＝2"}}),
        item("3.mp4", "cem", "awaited"),
        item("", None, "forgotten"),
    ]
    text = write_report(report_people(items, {}))
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [(row["person_id"], row["outcome"]) for row in rows] == [
        ("ann", "partly"),
        ("'@ben", "refused"),
        ("dan", "enrolled"),
        ("cem", "open"),
        ("", "forgotten"),
    ]
    assert (rows[0]["name"], rows[0]["enrolled"], rows[0]["refused"]) == (
        "'=cmd|'/C calc'!A0",
        "1",
        "2",
    )
    assert rows[2]["name"] == "Dan;' =1+1;x-ray\t'＝2", "nor where semicolons part the cells"
    assert (rows[0]["reasons"], rows[1]["reasons"]) == (
        "2.mp4: =HYPERLINK(1). [media_type]\n'=3.mp4: =HYPERLINK(1). [media_type]",
        "'=HYPERLINK(1). [media_type]",
    )


def test_refusals_are_worded_in_another_language_where_there_are_words() -> None:
    error = {"code": "media_empty", "message": "Empty.", "hint": ""}
    refused = [item("1.mp4", "ann", "failed", error=error)]
    (person,) = report_people(refused, {}, word={"media_empty": "빈 파일입니다."}.__getitem__)
    assert person.reasons == ["1.mp4: 빈 파일입니다. (Empty.) [media_empty]"]


def test_who_is_refused_has_the_name_of_a_folder_or_of_the_table() -> None:
    error = {"code": "media_empty", "message": "Empty.", "hint": ""}
    refused = [
        item("Ann Lee/1.mp4", "ann_lee_e4959174ae", "failed", error=error),
        item("clips/1.mp4", "ben", "failed", error=error),
        item("clips/2.mp4", "c d", "failed", error=error),
        item("clips/3.mp4", None, "failed", error=error),
    ]
    long = "x" * 300  # no id can be made of it
    rows = f"ben,Ben,clips/1.mp4\nc d,Cem,clips/2.mp4\n,{long},clips/3.mp4\n"
    table = read_table(f"person_id,name,file\n{rows}".encode())
    assert [person.name for person in report_people(refused, {})] == ["Ann Lee", "", "", ""]
    named = report_people(refused, {}, names_in_table(table))
    assert [person.name for person in named] == ["Ann Lee", "Ben", "Cem", long]


def refused_items(made: Plan) -> list[JobItem]:
    """What the job of a plan keeps of those who are refused."""
    return [
        replace(item(new.name, new.person_id, "failed", error=new.refused.to_dict()), position=n)
        for n, new in enumerate(made.items())
        if new.refused
    ]


def test_a_report_names_every_row_of_the_table() -> None:
    long_id = "x" * 128
    far = "/".join("folder" for _ in range(50))
    rows = (
        ",Ann,a.mp4,,extra",
        f"{long_id}1,Ben,b.mp4,",
        f"{long_id}2,Cem,c.mp4,",
        f",{'D' * 201},{far}/d.mp4,",
        "eve,Eve,,",
    )
    table = HEAD + "\n".join(rows)
    kept = refused_items(plan([], table))
    report = report_people(kept, {}, names_in_table(read_table(table.encode())))
    assert [person.name for person in report] == ["Ann", "Ben", "Cem", "D" * 201, "Eve"]
    assert len({person.person_id for person in report[1:3]} - {long_id}) == 2
    assert report[0].reasons[0].startswith("#2: A row must have no cell outside")
    assert report[4].reasons[0].startswith("#6: No file is named for this person. Name one")


def test_a_report_says_what_to_do_about_a_refusal() -> None:
    made = plan(listed("paper.pdf"), HEAD + "ann,Ann,paper.pdf,\nzoe,Zoe,paper.pdf,")
    hints = {"file_shared": "Name each file once.", "person_exists": "Choose another id."}
    report = report_people(refused_items(made), hints)
    for person, hint in zip(report, hints.values(), strict=True):
        assert f". {hint} [" in person.reasons[0]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_by_which_excel_knows_the_separator(separator: str, end: str) -> None:
    """It is passed over, and rows keep the numbers that they have in the file."""
    lines = (f"sep={separator}", f"person_id{separator}file", f"ann{separator}a.mp4", "")
    (row,) = read_table(end.join(lines).encode()).rows
    assert (row.number, row.person_id, row.files) == (3, "ann", ("a.mp4",))


@pytest.mark.parametrize("magic", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF"])
def test_a_workbook_is_named(magic: bytes) -> None:
    with pytest.raises(TableEncodingError, match=r"must be text\. Received: a"):
        read_table(magic + b"person_id,file\nann,a.mp4\n")
