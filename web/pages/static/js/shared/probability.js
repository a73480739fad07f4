// Probabilities, as percentages and in words.
import { t } from "./texts.js";

const ALMOST_CERTAIN = 0.999;

/**
 * Words for a probability of at least the first figure.
 * @type {[number, string][]}
 */
export const SURENESS = [
  [ALMOST_CERTAIN, "sure.almost_certain"],
  [0.99, "sure.very"],
  [0.9, "sure.quite"],
  [0.5, "sure.likely"],
];

/**
 * Format a probability as a percentage that never claims certainty.
 * It is "over 99.9%" at most and "under 1%" at least. It is rounded down, so that it
 * never reaches a word's threshold before the word is said.
 * @param {number} probability from 0 to 1
 */
export function formatPercent(probability) {
  if (probability >= ALMOST_CERTAIN) return t("common.percent_over", { n: "99.9" });
  if (probability < 0.01) return t("common.percent_under", { n: "1" });
  // 1e-9: 0.29 is 28.999999999999996 hundredths
  return t("common.percent", { n: Math.floor(100 * probability + 1e-9) });
}

/**
 * Say in words how sure a probability is.
 * @param {number} probability from 0 to 1
 */
export function describeSureness(probability) {
  const words = SURENESS.find(([least]) => probability >= least);
  return t(words ? words[1] : "sure.doubtful");
}
