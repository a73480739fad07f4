"""Words of verdicts and advice in English, Korean and Chinese: `cli.py --lang ko`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache

import click

from utils.config import ROOT
from utils.media import Hint
from utils.modality import Modality, PerModality

# The pages say the same advice. Their texts are files, a folder for each language.
_TEXTS = ROOT / "web" / "pages" / "static" / "i18n"


_STRANGER = re.compile(r"unknown ([0-9]+)")
WITHOUT_NAME = {"unknown": "speaker.nobody_told", "deleted person": "speaker.deleted"}
"""Texts of the pages for those who speak and have neither a name nor a number."""


@dataclass(frozen=True)
class Words:
    """What the command line says in one language.

    Attributes:
        modalities: what an answer goes by.
        outcomes: of an identification without a name, by `Outcome`.
        verdicts: of a verification.
        gallery: how many people were searched, with `{n}`.
        group: the same, where those of one group were.
        reasons: why somebody is named or nobody is, by outcome, with `{by}` and `{margin}`.
            "unconfirmed" is an unknown one without figures: nobody could be compared, or face
            and voice say too little. English has the reasons of the answer itself.
        figures: words for probability, score and threshold.
        columns: heads of a table of verdicts, behind what each goes by.
        by: introduces what an answer goes by, with `{by}`.
        decided_by: says what a verdict goes by, with `{by}`.
        aim: states the false match rate, with `{fmr}`.
        hint: introduces advice.
        also: introduces somebody else in view.
        face_at: says where a face is, with `{box}`.
        answer: introduces the answer by both, or by the one that suffices.
    """

    modalities: PerModality[str]
    outcomes: dict[str, str]
    verdicts: dict[str, str]
    gallery: str
    group: str
    reasons: dict[str, str]
    figures: tuple[str, str, str]
    columns: tuple[str, str, str, str]
    by: str
    decided_by: str
    aim: str
    hint: str
    also: str
    face_at: str
    answer: str


WORDS = {
    "en": Words(
        modalities=PerModality("face and voice", "face alone", "voice alone"),
        outcomes={
            "unknown": "unknown",
            "conflict": "conflict",
            "no_probe": "nothing to compare",
            "rejected": "rejected",
        },
        verdicts={
            "same": "same",
            "different": "different",
            "conflict": "conflict",
            "no_probe": "nothing to compare",
            "rejected": "rejected",
        },
        gallery="people in the gallery: {n}",
        group="people in the group: {n}",
        reasons={},
        figures=("p", "score", "threshold"),
        columns=("score", "threshold", "probability", "verdict"),
        by="by {by}",
        decided_by="Decided by {by}.",
        aim="Thresholds aim at a false match rate of {fmr}.",
        hint="hint",
        also="also in view",
        face_at="a face at {box}",
        answer="answer",
    ),
    "ko": Words(
        modalities=PerModality("얼굴과 목소리", "얼굴만", "목소리만"),
        outcomes={
            "unknown": "모르는 사람",
            "conflict": "얼굴과 목소리가 서로 다른 사람",
            "no_probe": "비교할 것 없음",
            "rejected": "거부됨",
        },
        verdicts={
            "same": "같음",
            "different": "다름",
            "conflict": "서로 다름",
            "no_probe": "비교할 것 없음",
            "rejected": "거부됨",
        },
        gallery="등록된 사람 {n}명",
        group="그룹의 사람 {n}명",
        reasons={
            "accepted": "판정 근거: {by}, 임계값보다 {margin} 높음",
            "unknown": "등록된 사람 중 충분히 닮은 사람이 없음, 임계값보다 {margin} 낮음",
            "unconfirmed": "충분히 확인되는 등록된 사람이 없음",
            "conflict": "얼굴과 목소리가 서로 맞지 않음",
            "no_probe": "클립에 비교할 것이 없음",
            "rejected": "실제로 말하는 사람인지 보는 검사를 통과하지 못함",
        },
        figures=("확률", "점수", "임계값"),
        columns=("점수", "임계값", "확률", "판정"),
        by="{by}",
        decided_by="판정 근거: {by}.",
        aim="임계값의 목표 오인식률은 {fmr}입니다.",
        hint="도움말",
        also="함께 보이는 사람",
        face_at="{box} 위치의 얼굴",
        answer="결과",
    ),
    "zh": Words(
        modalities=PerModality("脸和声音", "只凭脸", "只凭声音"),
        outcomes={
            "unknown": "不认识",
            "conflict": "脸和声音不是同一个人",
            "no_probe": "没有可比内容",
            "rejected": "已拒绝",
        },
        verdicts={
            "same": "相同",
            "different": "不同",
            "conflict": "不一致",
            "no_probe": "没有可比内容",
            "rejected": "已拒绝",
        },
        gallery="已登记 {n} 人",
        group="组内 {n} 人",
        reasons={
            "accepted": "判定依据：{by}，高于阈值 {margin}",
            "unknown": "已登记的人中没有足够相似的，低于阈值 {margin}",
            "unconfirmed": "没有已登记的人得到充分确认",
            "conflict": "脸和声音不相符",
            "no_probe": "片段中没有可比内容",
            "rejected": "未通过真人说话的检查",
        },
        figures=("概率", "得分", "阈值"),
        columns=("得分", "阈值", "概率", "判定"),
        by="{by}",
        decided_by="判定依据：{by}。",
        aim="阈值对应的目标误匹配率为 {fmr}。",
        hint="提示",
        also="画面中还有",
        face_at="{box} 处的脸",
        answer="结果",
    ),
}
"""The words of the pages, where they say the same."""

LANGUAGE = click.option(
    "--lang",
    type=click.Choice(list(WORDS)),
    default=None,
    help="Language of verdicts and advice [default: en].",
)


def language() -> str:
    """The language that was chosen, behind the name of the command or before it."""
    context = click.get_current_context(silent=True)
    while context:
        if context.params.get("lang"):
            return str(context.params["lang"])
        context = context.parent
    return "en"


def word_refusal(code: str, lang: str) -> str:
    """Word an error as the pages do ("" = English, or they never say it)."""
    return "" if lang == "en" else _texts(lang).get(f"error.{code}", "")


def word_code(code: str) -> str:
    """Word an error in the language that was chosen, as `word_refusal` does."""
    return word_refusal(code, language())


def word_speaker(speaker: str) -> str:
    """Word somebody without a name as the pages do. English has the words of the answer."""
    lang = language()
    if lang == "en":
        return speaker
    if speaker in WITHOUT_NAME:
        return _texts(lang)[WITHOUT_NAME[speaker]]
    stranger = _STRANGER.fullmatch(speaker)
    return _texts(lang)["speaker.unknown"].format(n=stranger[1]) if stranger else speaker


def format_hint(hint: Hint, lang: str) -> str:
    """Word advice. In English it has figures, elsewhere it is the text of the pages."""
    text = hint.text if lang == "en" else _texts(lang).get(f"hint.{hint.code}", hint.text)
    return f"{WORDS[lang].hint}: {text}"


def modality_words(modality: Modality, lang: str) -> str:
    """Word what an answer goes by."""
    return WORDS[lang].modalities[modality]


def fill(text: str, columns: int) -> str:
    """Fill a text up with spaces to the columns of a terminal, in front where they are negative.

    Korean and Chinese signs take two columns.
    """
    from speech.lines import count_columns

    spaces = " " * (abs(columns) - count_columns(text))
    return spaces + text if columns < 0 else text + spaces


@cache
def _texts(lang: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for path in sorted((_TEXTS / lang).glob("*.json")):
        texts.update(json.loads(path.read_text(encoding="utf-8")))
    return texts
