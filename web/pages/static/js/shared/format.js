// Figures, probabilities and moments as the page's language writes them.
import { language, t } from "./texts.js";

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

/**
 * Format a number with a fixed count of decimals.
 * @param {number} value
 * @param {number} digits
 */
export function formatNumber(value, digits = 1) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, options).format(value);
}

/**
 * Format a figure of a table; a dash where there is none.
 * @param {number | null} value
 */
export const formatFigure = (value) => (value === null ? "–" : formatNumber(value, 3));

/**
 * Format a moment as date and time; `missing` stands for none.
 * @param {string | null} iso
 * @param {string} missing
 */
export function formatMoment(iso, missing) {
  if (!iso) return missing;
  const format = new Intl.DateTimeFormat(language, {
    dateStyle: "medium",
    timeStyle: "short",
  });
  return format.format(new Date(iso));
}

/**
 * Write names one after the other, as a language does.
 * @param {string[]} names
 * @param {{ more?: boolean, inLanguage?: string }} options more: others follow, so that
 *   no "and" stands before the last
 */
export function formatList(names, { more = false, inLanguage = language } = {}) {
  const format = new Intl.ListFormat(inLanguage, { style: "narrow" });
  if (!more) return format.format(names);
  // One more name in the end, which is cut off with what stands before it
  const parts = format.formatToParts([...names, "…"]).slice(0, -2);
  return parts.map(({ value }) => value).join("");
}
