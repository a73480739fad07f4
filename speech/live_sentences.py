"""Sentences for the user of a live session, in the languages of the pages."""

from __future__ import annotations

SENTENCES = {
    "en": {
        "ready": "The model is ready. Register the speakers, or start.",
        "speak": "{speaker}: please speak for 3 to 5 seconds.",
        "registered": "{speaker} is registered.",
        "speaker": "speaker {number}",
    },
    "ko": {
        "ready": "모델이 준비되었습니다. 화자를 등록하거나 시작하세요.",
        "speak": "{speaker}: 3~5초 동안 말씀해 주세요.",
        "registered": "{speaker} 등록이 끝났습니다.",
        "speaker": "화자 {number}",
    },
    "zh": {
        "ready": "模型已就绪。请登记说话人，或直接开始。",
        "speak": "{speaker}：请说 3 到 5 秒。",
        "registered": "{speaker} 已登记。",
        "speaker": "说话人 {number}",
    },
}
"""Sentences by language and by what happened."""


def say(language: str, what: str, **values: object) -> str:
    """Write a sentence, in English where the language has none."""
    return SENTENCES.get(language, SENTENCES["en"])[what].format(**values)
