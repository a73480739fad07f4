// Shares as the page's language writes them.
import { t } from "../shared/texts.js";

/**
 * Format a share as a whole percentage.
 * @param {number} share from 0 to 1
 */
export const formatShare = (share) =>
  t("common.percent", { n: Math.round(100 * share) });
