"""The states of the kiosk, each by the steps of the page's own machine that lead there.

Answers are what the service said of real clips, recorded in `answers.json`. Errors are
made by the service's own code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from utils import errors
from utils.errors import DuetError
from web.wire.errors import RateLimitedError, RoleForbiddenError, error_body, status_of

ANSWERS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "answers.json").read_text(encoding="utf-8")
)
LONG_NAME = "Maria Magdalena von und zu Hohenstein-Wallenburg"

_APPLY = """async (steps) => {
  const load = (name) => import(`/static/js/${name}.js`);
  const [{ kiosk }, machine, { DeviceError }, { errorFromAnswer, serverGone }, { loadLateViews }] =
    await Promise.all(
      ["kiosk", "kiosk/machine", "shared/devices", "shared/errors", "kiosk/stage-view"].map(load),
    );
  await loadLateViews();
  const make = {
    clip: () => new Blob(["clip"], { type: "video/webm" }),
    device: ({ reason }) => new DeviceError(reason),
    gone: serverGone,
    refusal: ({ status, body }) => errorFromAnswer(status, body, status === 503 ? "5" : null),
    value: ({ value }) => value,
  };
  for (const [step, ...facts] of steps)
    kiosk.apply(machine[step], ...facts.map((fact) => make[fact.kind](fact)));
}"""

Step = tuple[Any, ...]


def value(it: object) -> dict[str, Any]:
    """A fact as it is."""
    return {"kind": "value", "value": it}


def refusal(error: DuetError) -> dict[str, Any]:
    """What the service answers with."""
    return {"kind": "refusal", "status": status_of(error), "body": error_body(error, "f" * 32)}


CLIP = {"kind": "clip"}
SENT: Step = ("startSending", CLIP)


def answered(recorded: str, **changes: Any) -> list[Step]:
    """The steps to a recorded answer. `changes` are of the match."""
    answer = json.loads(json.dumps(ANSWERS[recorded]))
    if changes:
        answer["fused"]["match"] |= changes
    return [SENT, ("receiveAnswer", value(answer))]


def rejected() -> list[Step]:
    """The steps to an answer that a check for liveness takes the names off."""
    answer = json.loads(json.dumps(ANSWERS["recognised"]))
    nothing = dict.fromkeys(("match", "runner_up", "threshold", "margin", "decided_by"))
    for modality in ("fused", "face", "voice"):
        answer[modality] |= {"outcome": "rejected", **nothing}
    return [SENT, ("receiveAnswer", value(answer))]


def enrolment(*modalities: str, hints: tuple[str, ...] = ()) -> Step:
    """The step to what was stored."""
    stored = {
        "person": {"person_id": "ann", "name": "Ann Lee"},
        "templates": [{"modality": modality} for modality in modalities],
        "hints": [{"code": code, "text": code} for code in hints],
    }
    return ("finishEnrolment", value(stored))


def problem(error: DuetError) -> list[Step]:
    """The steps to an error of the service."""
    return [SENT, ("fail", refusal(error))]


def hints(*codes: str) -> dict[str, Any]:
    """Details of an error with hints."""
    return {"hints": [{"code": code, "text": code} for code in codes]}


def no_device(reason: str) -> list[Step]:
    """The steps to a camera that cannot be used."""
    return [("fail", {"kind": "device", "reason": reason})]


STRANGER = answered("stranger")
FORM: list[Step] = [*STRANGER, ("startEnrolment",)]
NOTHING = errors.NoBiometricError("Nothing.", details=hints("no_face", "too_dark", "no_sound"))
FORBIDDEN = RoleForbiddenError("No.", details={"role": "auditor", "needed": ["kiosk"]})
UNKNOWN_KEY = errors.KeyRequiredError("No.", details={"key": "unknown"})

STATES: dict[str, list[Step]] = {
    "waiting": [("reset",)],
    "sending": [SENT],
    "recognised": answered("recognised"),
    "recognised long name": answered("recognised", name=LONG_NAME),
    "recognised by face, noise": answered("noisy"),
    "recognised by face, another voice": answered("mixed_enrolled"),
    "recognised by face, no sound": answered("no_sound"),
    "recognised in the dark": answered("dark"),
    "mistaken": [*answered("recognised"), ("rejectName",)],
    "two people": answered("mixed_stranger"),
    "rejected": rejected(),
    "unknown": STRANGER,
    "unknown, no sound": answered("stranger_nosound"),
    "unknown, no picture": answered("sound_only"),
    "unknown, nobody enrolled": answered("empty"),
    "enrol": FORM,
    "enrol, somebody alike": [
        *FORM,
        ("questionIdentity", value({"person_id": "ann", "name": "Ann Lee"})),
    ],
    "enrol, same name": [*FORM, ("questionName", value("Anna Kim"))],
    "enrol, same long name": [*FORM, ("questionName", value(LONG_NAME))],
    "enrolled": [*FORM, enrolment("face", "voice")],
    "enrolled, face alone": [*FORM, enrolment("face", hints=("noisy", "short_speech"))],
    "problem nothing": problem(NOTHING),
    "problem mixed": problem(errors.MixedPeopleError("Two.")),
    "problem several": problem(errors.SeveralPeopleError("Two.")),
    "problem poor": problem(errors.PoorQualityError("Poor.")),
    "problem not live": problem(errors.NotLiveError("Still.")),
    "problem busy": problem(errors.BusyError("Busy.")),
    "problem too many": problem(RateLimitedError("Slow.", retry_after_s=30)),
    "problem key": problem(errors.KeyRequiredError("Key.", details={"key": "missing"})),
    "problem wrong key": problem(UNKNOWN_KEY),
    "problem role": problem(FORBIDDEN),
    "problem disk": problem(errors.StorageFullError("Full.")),
    "problem gone": [SENT, ("fail", {"kind": "gone"})],
    "device refused": no_device("refused"),
    "device missing": no_device("missing"),
    "device taken": no_device("taken"),
    "device silent": no_device("silent"),
    "device insecure": no_device("insecure"),
    "device unsupported": no_device("unsupported"),
}


@dataclass(frozen=True)
class Screen:
    """A size in CSS pixels."""

    name: str
    width: int
    height: int


SCREENS = (
    Screen("desk", 1280, 800),
    Screen("phone", 390, 844),
    Screen("small", 360, 640),
    Screen("upright", 1080, 1920),
)


def apply(page: Page, steps: list[Step]) -> None:
    """Take the kiosk's own machine from the start through these steps."""
    page.evaluate(_APPLY, [("reset",), *steps])
