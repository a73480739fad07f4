// The answer in words: who, how sure, why not, and what would help.
import { describeSilence, showBars, showLines, showName } from "../shared/bars.js";
import { buttonById, byId } from "../shared/dom.js";
import { describeHint } from "../shared/errors.js";
import { describeSureness, formatPercent } from "../shared/format.js";
import { t } from "../shared/texts.js";

/** @import { KioskState } from "./machine.js" */

/**
 * Fill the view with a new answer. One that was shown before is left as it is.
 * @param {KioskState} state
 * @param {KioskState} previous
 */
export function showAnswer({ answer }, previous) {
  if (answer && answer !== previous.answer) fillView(answer);
  return byId("again");
}

/** @param {Api.Identification} answer */
function fillView(answer) {
  const { match } = answer.fused;
  byId("lead").textContent = t(match ? "answer.hello" : "answer.sorry");
  showName(byId("who"), match ? match.name : describeNobody(answer));
  byId("who").dataset.recognised = String(Boolean(match));
  byId("sure").textContent = match ? describeMatch(answer, match) : explain(answer);
  showLines(byId("hints"), adviceFor(answer));
  showBars(byId("bars"), answer);
  showButtons(Boolean(match));
}

/** @param {boolean} isRecognised */
function showButtons(isRecognised) {
  byId("feedback").hidden = true;
  buttonById("not-me").hidden = !isRecognised;
  buttonById("not-me").disabled = false;
  buttonById("enrol").hidden = isRecognised;
}

/** @param {Api.Identification} answer */
const describeNobody = ({ fused }) =>
  t(fused.outcome === "conflict" ? "answer.two" : "answer.unknown");

/**
 * @param {Api.Identification} answer
 * @param {Api.Match} match
 */
export function describeMatch(answer, { probability }) {
  const sure = t("answer.sure", {
    words: describeSureness(probability),
    percent: formatPercent(probability),
    by: t(`recognised.${answer.fused.decided_by ?? "fused"}`),
  });
  return `${sure} ${describeSilence(answer)}`.trim();
}

/**
 * Explain in one sentence why nobody is named.
 * @param {Api.Identification} answer
 */
export function explain({ fused, face, voice, gallery }) {
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
 * List the service's hints, or general advice for a stranger who got none.
 * @param {Api.Identification} answer
 */
export function adviceFor({ fused, hints, gallery }) {
  if (hints.length) return hints.map(describeHint);
  const isStranger = fused.outcome === "unknown" && gallery.people > 0;
  return isStranger ? [t("answer.advice")] : [];
}
