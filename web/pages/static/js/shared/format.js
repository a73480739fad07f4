// Figures, moments and names as the page's language writes them.
import { language } from "./texts.js";

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
