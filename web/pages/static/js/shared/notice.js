// A line on the page that reports an error.
import { byId } from "./dom.js";
import { asApiError, describeHints } from "./errors.js";

/**
 * Show an error of the service and its hints.
 * @param {string} id
 * @param {unknown} error
 */
export function showError(id, error) {
  const failure = asApiError(error);
  const notice = byId(id);
  notice.textContent = [failure.message, ...describeHints(failure)].join(" ");
  notice.hidden = false;
}
