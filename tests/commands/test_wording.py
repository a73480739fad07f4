"""Verdicts and advice of the command line in three languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
from align.hints import CODES
from commands.clips import _word_reason, format_identification
from commands.jobs import format_item_error
from commands.verify import format_verification
from commands.wording import WORDS, fill, format_hint, language, word_refusal
from gallery.records.jobs import JobItem
from recognition.observation import Observation
from recognition.results import Decision, Identification, Match, Outcome, Verdict, Verification
from speech.lines import count_columns
from tests.support.page_texts import read_texts
from utils.errors import DuetError
from utils.media import Hint
from utils.modality import Modality, PerModality

PLACES = ("페이지", "页面", "선택한", "所选", "표가 있는", "表格所在", "서비스 사용자", "服务用户")
"""Words of a page, its fields and its service, which a terminal does not have."""


def end_of(word: str, line: str) -> int:
    """The column of a terminal in which a word of a line ends."""
    return count_columns(line[: line.index(word) + len(word)])


def answer() -> Identification:
    """Ann by face, nobody by voice, and advice."""
    ann = Match("ann", "Ann", 0.9, 0.99)
    decisions = PerModality(
        Decision(Outcome.CONFLICT, "The voice speaks against it"),
        Decision(
            Outcome.ACCEPTED,
            "Recognised by face",
            ann,
            threshold=0.5,
            margin=0.21,
            modality=Modality.FACE,
        ),
        Decision(Outcome.NO_PROBE, "The clip has no sound"),
    )
    ids = PerModality("f", "a", "v")
    seen = Observation(
        faces=(),
        face_quality=None,
        people_in_view=1,
        speech_segments=(),
        speech_quality=None,
        duration_s=1.0,
        hints=(Hint("no_sound", "There is no sound: allow the microphone."),),
        encoder_ids=ids,
        timings_ms={},
    )
    return Identification(decisions, seen, people=3, fpir=0.01, scale_ids=ids)


@pytest.mark.parametrize("lang", WORDS)
def test_an_identification_is_worded(lang: str) -> None:
    text = format_identification(Path("a.mp4"), answer(), json_line=False, lang=lang)
    words = WORDS[lang]
    head, fused, face, voice, advice = text.splitlines()
    assert words.gallery.format(n=3) in head
    assert words.outcomes["conflict"] in fused
    assert "Ann (ann)" in face
    assert all(figure in face for figure in words.figures)
    assert words.outcomes["no_probe"] in voice
    assert advice.strip().startswith(words.hint)
    assert ("Recognised by face" in text) is (lang == "en")
    if words.reasons:
        by_face = {"by": words.modalities.face, "margin": "0.21"}
        assert face.endswith(words.reasons["accepted"].format(**by_face))
        assert fused.endswith(words.reasons["conflict"])
        assert voice.endswith(words.reasons["no_probe"])
        assert _word_reason(Decision(Outcome.UNKNOWN, "."), lang) == words.reasons["unconfirmed"]
    group = format_identification(Path("a.mp4"), answer(), False, lang, of_group=True)
    assert words.group.format(n=3) in group.splitlines()[0]
    assert ("There is no sound" in text) is (lang == "en")
    by_voice = words.by.format(by=words.modalities.voice)
    starts = [fill(words.answer, 18), fill(by_voice, 18)]  # Korean signs take two columns
    assert [fused[2:].startswith(starts[0]), voice[2:].startswith(starts[1])] == [True, True]


@pytest.mark.parametrize("lang", ["ko", "zh"])
def test_all_advice_on_a_clip_is_translated(lang: str) -> None:
    told = {code: format_hint(Hint(code, "in English"), lang) for code in CODES}
    assert not [code for code, text in told.items() if "English" in text]
    assert "in English" in format_hint(Hint("of_tomorrow", "in English"), lang)


def test_the_language_comes_before_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    command = click.Command("tell", callback=lambda: told.append(language()))
    monkeypatch.setitem(cli.cli.commands, "tell", command)
    for words in (["tell"], ["--lang", "zh", "tell"]):
        assert CliRunner().invoke(cli.cli, words).exit_code == 0
    assert told == ["en", "zh"]
    assert CliRunner().invoke(cli.cli, ["--lang", "xx", "tell"]).exit_code == 2


def kinds_of(error: type[DuetError]) -> Iterator[type[DuetError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from kinds_of(kind)


@pytest.mark.parametrize("lang", ["ko", "zh"])
def test_what_is_said_of_an_error_holds_in_a_terminal_too(lang: str) -> None:
    kinds = {kind.code for kind in kinds_of(DuetError) if kind.__module__.startswith("utils.")}
    told = {code: word_refusal(code, lang) for code in kinds}
    assert told["media_not_found"]
    assert {code: text for code, text in told.items() if any(map(text.count, PLACES))} == {}


@pytest.mark.parametrize("lang", WORDS)
def test_a_refused_clip_is_worded(tmp_path: Path, lang: str) -> None:
    clip = tmp_path / "empty.mp4"
    clip.touch()
    done = CliRunner().invoke(cli.cli, ["--lang", lang, "convert", str(clip)])
    assert done.exit_code == 1
    assert "media_empty: The file has no content (0 bytes)" in done.output
    assert (read_texts(lang)["error.media_empty"] in done.output) is (lang != "en")


@pytest.mark.parametrize("lang", WORDS)
def test_a_failed_file_of_a_job_is_worded(lang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"code": "media_empty", "message": "Empty.", "hint": ""}
    item = JobItem(
        position=0, name="1.mp4", person_id="ann", state="failed", result=None, error=error
    )
    command = click.Command("tell", callback=lambda: click.echo(format_item_error(item)))
    monkeypatch.setitem(cli.cli.commands, "tell", command)
    told = CliRunner().invoke(cli.cli, ["--lang", lang, "tell"]).output
    assert "media_empty: Empty." in told
    assert (read_texts(lang)["error.media_empty"] in told) is (lang != "en")


@pytest.mark.parametrize("lang", WORDS)
def test_a_table_of_verdicts_has_its_heads_in_the_language_and_over_their_columns(
    lang: str,
) -> None:
    verdicts = PerModality(
        Verdict("same", 0.5, 0.25, 0.99), Verdict("different", 0.1, 0.3, 0.01), Verdict("no_probe")
    )
    verification = Verification(verdicts, answer().observation, None, fmr=0.01)
    text = format_verification(Path("a.mp4"), verification, json_line=False, lang=lang)
    heads, *rows = text.splitlines()[:4]
    assert heads.split() == list(WORDS[lang].columns)
    for head, figure in zip(WORDS[lang].columns, ["0.500", "0.250", "0.990"], strict=False):
        assert end_of(head, heads) == end_of(figure, rows[0])
    assert [row.rsplit("  ", 1)[1] for row in rows] == [
        WORDS[lang].verdicts[outcome] for outcome in ("same", "different", "no_probe")
    ]
    assert fill("긴 낱말", 4) == "긴 낱말"
