// Shares and moments as the page's language writes them.
import { language, t } from "../shared/texts.js";

/**
 * Format a share as a whole percentage.
 * @param {number} share from 0 to 1
 */
export const formatShare = (share) =>
  t("common.percent", { n: Math.round(100 * share) });

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
