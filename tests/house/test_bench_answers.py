"""Records of answers are compared to the last digit, and fields of one run are not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.answers import main, parse_renames, select_pairs
from bench.differences import Answers, Difference, compare

REQUEST = "POST /v1/identify media=strangers/a.mp4"
FACE = {"outcome": "accepted", "score": 0.713251, "match": None}


def make_record(**fields: Any) -> Answers:
    """A record of one answer, with these fields beside the usual ones."""
    body = {
        "face": FACE,
        "hints": [],
        "timings_ms": {"decode": 130.1},
        "request_id": "3f0c",
        **fields,
    }
    return {REQUEST: {"status": 200, "body": copy.deepcopy(body)}}


def test_answers_that_differ_only_in_what_each_run_makes_anew_are_the_same() -> None:
    after = make_record(request_id="77aa", timings_ms={"decode": 98.0})
    assert compare(make_record(), after) == []


def test_the_last_digit_counts() -> None:
    after = make_record(face=FACE | {"score": 0.713252})
    expected = Difference(REQUEST, "body.face.score", "0.713251", "0.713252")
    assert compare(make_record(), after) == [expected]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("count", 1, 1.0), ("flag", True, 1), ("list", [1, 2], [2, 1]), ("empty", [], {})],
)
def test_type_and_order_count(name: str, before: Any, after: Any) -> None:
    assert compare(make_record(**{name: before}), make_record(**{name: after}))


def test_a_missing_or_new_field_is_a_difference() -> None:
    differences = compare(make_record(extra=1), make_record())
    assert differences == [Difference(REQUEST, "body.extra", "1", None)]
    assert compare(make_record(), make_record(extra=1))


def test_an_answer_that_one_record_lacks_is_a_difference() -> None:
    assert compare(make_record(), {})
    assert compare({}, make_record())


def test_the_status_counts() -> None:
    after = make_record()
    after[REQUEST]["status"] = 500
    assert compare(make_record(), after) == [Difference(REQUEST, "status", "200", "500")]


def test_a_field_of_each_run_must_still_be_there_and_of_its_kind() -> None:
    before = make_record()
    assert compare(before, make_record(request_id=None))
    assert compare(before, make_record(timings_ms={"faces": 130.1}))


def test_a_renamed_field_is_found_under_its_new_name() -> None:
    after = make_record()
    after[REQUEST]["body"]["advice"] = after[REQUEST]["body"].pop("hints")
    assert compare(make_record(), after)
    assert compare(make_record(), after, renamed={"hints": "advice"}) == []


def test_an_ignored_field_is_left_out_at_any_depth() -> None:
    after = make_record(face=FACE | {"score": 0.5})
    assert compare(make_record(), after, ignored=["score"]) == []


def test_renames_are_written_old_equals_new() -> None:
    assert parse_renames(["a=b"]) == {"a": "b"}
    with pytest.raises(ValueError, match="old=new"):
        parse_renames(["a"])


def test_pairs_are_the_same_each_time_and_never_of_one_clip() -> None:
    clips = [f"{number}.mp4" for number in range(9)]
    pairs = select_pairs(clips, 4)
    assert pairs == select_pairs(clips, 4)
    assert pairs[:2] == [("0.mp4", "1.mp4"), ("0.mp4", "4.mp4")]
    assert all(a != b for a, b in pairs)


def test_the_command_says_what_differs(tmp_path: Path) -> None:
    records = {"before.json": make_record(), "after.json": make_record(hints=["closer"])}
    for name, answers in records.items():
        (tmp_path / name).write_text(json.dumps(answers), encoding="utf-8")
    before = str(tmp_path / "before.json")
    same = CliRunner().invoke(main, ["compare", before, before])
    assert same.exit_code == 0
    result = CliRunner().invoke(main, ["compare", before, str(tmp_path / "after.json")])
    assert result.exit_code == 1
    assert 'body.hints.0: (missing) -> "closer"' in result.stdout
