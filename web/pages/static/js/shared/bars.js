// Bars of an answer: by both, by face and by voice. A bar that reaches its mark matches.
import { create } from "./dom.js";
import { t } from "./texts.js";

/** @typedef {Api.Decision | Api.Verdict} Answer */
/** @typedef {{ fused: Answer, face: Answer, voice: Answer }} Answers */
/** @typedef {{ score: number, threshold: number }} Comparison */

/** @type {Api.Modality[]} */
export const MODALITIES = ["fused", "face", "voice"];

/** Where on a bar the threshold is drawn, from 0 to 1: in the same place on each. */
const MARK = 0.6;

/**
 * Get what was compared; null if nothing was.
 * An identification states the score as its margin over the threshold.
 * @param {Answer} answer
 * @returns {Comparison | null}
 */
export function comparisonOf(answer) {
  const { threshold } = answer;
  if (threshold === null) return null;
  if ("score" in answer) {
    return answer.score === null ? null : { score: answer.score, threshold };
  }
  if (answer.margin === null) return null;
  return { score: threshold + answer.margin, threshold };
}

/**
 * Say which of the two does not confirm who is named by the other one; empty if both do.
 * @param {Answers} answers
 */
export function describeSilence({ fused, face, voice }) {
  if (fused.decided_by === "face" && voice.outcome !== "no_probe") {
    return t("answer.silent_voice");
  }
  if (fused.decided_by === "voice" && face.outcome !== "no_probe") {
    return t("answer.silent_face");
  }
  return "";
}

/**
 * Choose the bars of an answer. Where it holds although one of the two does not match
 * by itself, there is none of both: nothing may look as if face and voice had matched.
 * @param {Answers} answers
 */
export const modalitiesOf = ({ fused, face, voice }) =>
  isPassed(fused) && !(isPassed(face) && isPassed(voice))
    ? MODALITIES.slice(1)
    : MODALITIES;

/**
 * Fill `list` with the bars of an answer.
 * @param {HTMLElement} list
 * @param {Answers} answers
 */
export function showBars(list, answers) {
  const isByBoth = isPassed(answers.fused) && answers.fused.decided_by === "fused";
  const bars = modalitiesOf(answers).map((modality) =>
    createBar(modality, answers[modality], isByBoth),
  );
  list.replaceChildren(...bars);
}

/** @param {Answer} answer */
const isPassed = ({ outcome }) => outcome === "accepted" || outcome === "same";

/**
 * @param {Api.Modality} modality
 * @param {Answer} answer
 * @param {boolean} isConfirmed the two together confirm what this one may not suffice for
 */
function createBar(modality, answer, isConfirmed) {
  const comparison = comparisonOf(answer);
  const item = create(
    "li",
    { className: "bar" },
    createText("what", t(`by.${modality}`)),
    createText("verdict", describeVerdict(modality, answer, isConfirmed)),
  );
  if (comparison) item.append(createTrack(comparison));
  item.dataset.passed = String(isPassed(answer));
  item.dataset.modality = modality;
  return item;
}

/**
 * @param {string} className
 * @param {string} textContent
 */
const createText = (className, textContent) =>
  create("span", { className, textContent });

/**
 * @param {Api.Modality} modality
 * @param {Answer} answer
 * @param {boolean} isConfirmed
 */
function describeVerdict(modality, answer, isConfirmed) {
  if (answer.outcome === "conflict") return t("bars.conflict");
  if (answer.outcome === "rejected") return t("bars.rejected");
  if (!comparisonOf(answer)) return t(`bars.nothing_${modality}`);
  if (isPassed(answer)) return t("bars.passed");
  return t(isConfirmed ? "bars.fits" : "bars.failed");
}

/** @param {Comparison} comparison */
function createTrack(comparison) {
  const track = create("div", { className: "track" });
  track.setAttribute("aria-hidden", "true");
  const fill = create("div", { className: "fill" });
  fill.style.width = `${100 * fillOf(comparison)}%`;
  const limit = create("div", { className: "limit" });
  limit.style.left = `${100 * MARK}%`;
  track.append(fill, limit);
  return track;
}

/**
 * How much of the bar is filled: nothing at a score of 0 and below, MARK at the
 * threshold, all of it at a score of 1.
 * @param {Comparison} comparison
 */
export function fillOf({ score, threshold }) {
  if (score < threshold)
    return (MARK * Math.max(0, score)) / Math.max(score, threshold);
  const above = (score - threshold) / Math.max(1 - threshold, 0.01);
  return Math.min(1, MARK + (1 - MARK) * above);
}
