// Bars of an answer: by both, by face and by voice, each score and its threshold.
import { create } from "./dom.js";
import { formatNumber } from "./format.js";
import { t } from "./texts.js";

/** @typedef {Api.Decision | Api.Verdict} Answer */
/** @typedef {{ fused: Answer, face: Answer, voice: Answer }} Answers */
/** @typedef {{ score: number, threshold: number }} Comparison */

/** @type {Api.Modality[]} */
export const MODALITIES = ["fused", "face", "voice"];

/** Characters from which on a name is written smaller. */
const LONG_NAME = 24;

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
 * Fill `list` with the three bars of an answer.
 * @param {HTMLElement} list
 * @param {Answers} answers
 */
export function showBars(list, answers) {
  const bars = MODALITIES.map((modality) => createBar(modality, answers[modality]));
  list.replaceChildren(...bars);
}

/**
 * @param {Api.Modality} modality
 * @param {Answer} answer
 */
function createBar(modality, answer) {
  const comparison = comparisonOf(answer);
  const isPassed = answer.outcome === "accepted" || answer.outcome === "same";
  const item = create(
    "li",
    { className: "bar" },
    createText("what", t(`by.${modality}`)),
    createText("verdict number", describeVerdict(answer, comparison, isPassed)),
    createTrack(comparison),
  );
  item.dataset.passed = String(isPassed);
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
 * @param {Answer} answer
 * @param {Comparison | null} comparison
 * @param {boolean} isPassed
 */
function describeVerdict(answer, comparison, isPassed) {
  if (answer.outcome === "conflict") return t("bars.conflict");
  if (!comparison) return t("bars.nothing");
  return t(isPassed ? "bars.passed" : "bars.failed", {
    score: formatNumber(comparison.score, 2),
    threshold: formatNumber(comparison.threshold, 2),
  });
}

/** @param {Comparison | null} comparison */
function createTrack(comparison) {
  const track = create("div", { className: "track" });
  track.setAttribute("aria-hidden", "true");
  if (!comparison) return track;
  const fill = create("div", { className: "fill" });
  fill.style.width = percentOfBar(comparison.score);
  const limit = create("div", { className: "limit" });
  limit.style.left = percentOfBar(comparison.threshold);
  track.append(fill, limit);
  return track;
}

/**
 * Place a score on the bar. Scores below 0 are drawn as 0.
 * @param {number} score in [-1, 1]
 */
const percentOfBar = (score) => `${100 * Math.min(1, Math.max(0, score))}%`;

/**
 * Write a name large, or smaller if it is long.
 * @param {HTMLElement} place
 * @param {string} name
 */
export function showName(place, name) {
  place.textContent = name;
  place.dataset.long = String([...name].length > LONG_NAME);
}

/**
 * Fill `list` with lines of text. Without lines it is hidden.
 * @param {HTMLElement} list
 * @param {string[]} lines
 */
export function showLines(list, lines) {
  list.replaceChildren(...lines.map((textContent) => create("li", { textContent })));
  list.hidden = !lines.length;
}
