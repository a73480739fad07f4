// The answer in words: who, how sure, why not, and what would help.
import { describeSilence, showBars } from "../shared/bars.js";
import { byId } from "../shared/dom.js";
import { describeHint } from "../shared/errors.js";
import { showLines, showName } from "../shared/lines.js";
import { describeSureness } from "../shared/probability.js";
import { t } from "../shared/texts.js";

/** @import { KioskState } from "./machine.js" */

/** Hints that say no more than to record again, or to send less. */
const AGAIN = new Set(["incomplete", "unequal_length", "long_clip"]);

/**
 * Fill the view with a new answer, or without the name once that was wrong. What was
 * shown before is left as it is.
 * @param {KioskState} state
 * @param {KioskState} previous
 */
export function showAnswer({ answer, isRejected }, previous) {
  const isNew = answer !== previous.answer || isRejected !== previous.isRejected;
  if (answer && isNew) {
    byId("feedback").hidden = true;
    if (isRejected) showMistake();
    else fillView(answer);
  }
  return byId("again");
}

/** @param {Api.Identification} answer */
function fillView(answer) {
  const { match } = answer.fused;
  showVerdict({
    lead: t(match ? "answer.hello" : "answer.sorry"),
    who: match ? match.name : describeNobody(answer),
    sure: match ? describeMatch(answer, match) : explain(answer),
    isRecognised: Boolean(match),
  });
  showLines(byId("hints"), adviceFor(answer));
  showBars(byId("bars"), answer);
  byId("bars").hidden = !answer.gallery.people || isRefused(answer);
  byId("enrol").hidden =
    Boolean(match) || answer.fused.outcome === "conflict" || isRefused(answer);
}

/** Show that the name was wrong, and neither the name nor what spoke for it. */
function showMistake() {
  showVerdict({
    lead: t("answer.sorry"),
    who: t("answer.mistaken"),
    sure: t("answer.mistaken_about"),
    isRecognised: false,
  });
  showLines(byId("hints"), []);
  byId("bars").replaceChildren();
  byId("bars").hidden = true;
  byId("enrol").hidden = false;
}

/** @param {{ lead: string, who: string, sure: string, isRecognised: boolean }} verdict */
function showVerdict({ lead, who, sure, isRecognised }) {
  byId("lead").textContent = lead;
  showName(byId("who"), who);
  byId("who").dataset.recognised = String(isRecognised);
  byId("sure").textContent = sure;
  byId("not-me").hidden = !isRecognised;
  byId("again").textContent = t(isRecognised ? "kiosk.again" : "device.retry");
}

/** @param {Api.Identification} answer */
const isRefused = ({ fused }) => fused.outcome === "rejected";

/** @param {Api.Identification} answer */
const wasAskedDigits = ({ liveness }) => Boolean(liveness?.challenge);

/** @param {Api.Identification} answer */
function describeNobody(answer) {
  const { fused } = answer;
  if (fused.outcome === "rejected")
    return t(wasAskedDigits(answer) ? "answer.rejected_digits" : "answer.rejected");
  return t(fused.outcome === "conflict" ? "answer.two" : "answer.unknown");
}

/**
 * @param {Api.Identification} answer
 * @param {Api.Match} match
 */
export function describeMatch(answer, { probability }) {
  const sure = t("answer.sure", {
    words: describeSureness(probability),
    by: t(`recognised.${answer.fused.decided_by ?? "fused"}`),
  });
  return `${sure} ${describeSilence(answer)}`.trim();
}

/**
 * Explain in one sentence why nobody is named.
 * @param {Api.Identification} answer
 */
export function explain(answer) {
  const { fused, face, voice, gallery } = answer;
  if (fused.outcome === "rejected")
    return t(wasAskedDigits(answer) ? "answer.digits_about" : "answer.rejected_about");
  const isFaceKnown = face.outcome === "accepted";
  const isVoiceKnown = voice.outcome === "accepted";
  if (fused.outcome === "conflict") {
    if (isFaceKnown === isVoiceKnown) return t("answer.conflict");
    return t(isFaceKnown ? "answer.conflict_voice" : "answer.conflict_face");
  }
  if (isFaceKnown || isVoiceKnown) return t("answer.both_needed");
  if (!gallery.people) return t("answer.empty");
  if (face.outcome === "no_probe") return t("answer.voice_only");
  if (voice.outcome === "no_probe") return t("answer.face_only");
  return t("answer.nobody");
}

/**
 * List the service's hints, or general advice for a stranger who got none. Whoever is recognised
 * is not asked to record again: a slow computer often records less picture than sound.
 * @param {Api.Identification} answer
 */
export function adviceFor({ fused, hints, gallery }) {
  const isKnown = fused.outcome === "accepted";
  const useful = hints.filter(({ code }) => !isKnown || !AGAIN.has(code));
  if (useful.length) return useful.map(describeHint);
  const isStranger = fused.outcome === "unknown" && gallery.people > 0;
  return isStranger ? [t("answer.advice")] : [];
}
