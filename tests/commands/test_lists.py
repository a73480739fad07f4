"""What lists say where they are empty, and what is asked before something of a list is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.cli, words)


@pytest.mark.parametrize(
    ("command", "none"),
    [
        ("keys list", "There is no key."),
        ("webhooks list", "No event waits for a receiver, and none was given up."),
        ("events", "There is no event."),
        ("groups list", "There is no group."),
        ("jobs list", "There is no job."),
        ("visits list", "There is no such visit."),
        ("strangers list", "There is no unknown visitor."),
        ("audit show --action feedback", "There is no such row."),
    ],
)
def test_an_empty_list_says_so_beside_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, none: str
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    listed = run(*command.split())
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert listed.stderr.endswith(f"{none}\n")


def test_groups_are_deleted_once_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    run("groups", "create", "staff", "--name", "Staff")
    asked = CliRunner().invoke(cli.cli, ["groups", "delete", "staff"], input="n\n")
    assert asked.exit_code == 1
    assert "Delete the group Staff (staff) of 0 people" in asked.output
    assert "staff" in run("groups", "list").stdout
    assert run("groups", "delete", "staff", "--yes").stdout == "Deleted: staff\n"
    assert "group_not_found" in run("groups", "delete", "staff").stderr


@pytest.mark.parametrize(
    ("kept", "code"),
    [
        ("people", "person_not_found"),
        ("groups", "group_not_found"),
        ("strangers", "stranger_not_found"),
        ("transcripts", "transcript_not_found"),
    ],
)
def test_nothing_is_asked_about_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str, code: str
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    refused = run(kept, "delete", "nobody")
    assert refused.stdout == ""
    assert code in refused.stderr


def test_a_person_without_templates_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    run("people", "create", "ann")
    listed = run("people", "templates", "ann")
    assert (listed.stdout, listed.stderr) == ("", "The person has no template.\n")
