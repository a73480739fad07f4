// What hinders the service, in the language of the page.
import { formatMoment } from "../shared/format.js";
import { hasText, t } from "../shared/texts.js";

/**
 * Say what hinders the service. What the page has no text for is said as it came.
 * @param {Api.HealthReason} reason
 */
export function describeReason({ code, text, details }) {
  const { days = 0, shown = null, made_at: madeAt = null } = details;
  const key = `health.${chooseText(code, days, madeAt)}`;
  if (!hasText(key)) return text;
  return t(key, {
    ...details,
    days: Math.abs(Math.round(days)),
    shown: formatMoment(shown, ""),
    made_at: formatMoment(madeAt, ""),
  });
}

/**
 * @param {string} code
 * @param {number} days
 * @param {string | null} madeAt
 */
function chooseText(code, days, madeAt) {
  if (code === "clock") return days < 0 ? "clock_behind" : "clock_ahead";
  return code === "backup_old" && !madeAt ? "backup_missing" : code;
}
