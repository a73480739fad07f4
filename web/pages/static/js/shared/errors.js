// Failures of requests, each with a text that a person can act on.
import { hasText, t } from "./texts.js";

/**
 * `code` is the service's, or "server_gone". The message says in the page's language
 * what happened and what to do.
 */
export class ApiError extends Error {
  /**
   * @param {object} facts
   * @param {number} facts.status HTTP status, 0 without an answer
   * @param {string} facts.code
   * @param {string} facts.text
   * @param {Api.ErrorDetails} [facts.details]
   * @param {number | null} [facts.retryAfterS]
   */
  constructor({ status, code, text, details = {}, retryAfterS = null }) {
    super(text);
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfterS = retryAfterS;
  }
}

/** Error of a request that got no answer. */
export const serverGone = () =>
  new ApiError({ status: 0, code: "server_gone", text: t("error.server_gone") });

/**
 * Turn an answer of 400 or above into an error.
 * @param {number} status
 * @param {Api.ErrorBody | null} body
 * @param {string | null} retryAfter header of this name, in seconds
 */
export function errorFromAnswer(status, body, retryAfter) {
  const error = body?.error ?? {};
  const code = error.code ?? (status === 429 ? "rate_limited" : "internal");
  const retryAfterS = Number(retryAfter) || null;
  return new ApiError({
    status,
    code,
    text:
      describeAccess(error.details) ??
      describeWait(code, retryAfterS) ??
      describeCode(code, [error.message, error.hint]),
    details: error.details,
    retryAfterS,
  });
}

/**
 * Look up the text of an error code; without one, use what the service wrote. What is
 * wrong with a request is in those words alone.
 * @param {string} code
 * @param {(string | undefined)[]} sentences
 */
export function describeCode(code, sentences) {
  const written = sentences.filter(Boolean).join(" ");
  if (!hasText(`error.${code}`)) return written || t("error.internal");
  const text = t(`error.${code}`);
  return code === "invalid_request" ? `${text} ${written}`.trim() : text;
}

/**
 * Say when a request may be sent again, if there were too many.
 * @param {string} code
 * @param {number | null} seconds
 */
function describeWait(code, seconds) {
  const isKnown = code === "rate_limited" && seconds;
  return isKnown ? t("error.rate_limited_for", { seconds }) : null;
}

/**
 * Say what is wrong with the key of this page, if the details tell.
 * @param {Api.ErrorDetails | undefined} details
 */
function describeAccess({ key, role, needed } = {}) {
  const [enough] = needed ?? [];
  if (enough && role) return t("error.forbidden", { needed: enough, role });
  return key === "unknown" || key === "revoked" ? t(`error.key_${key}`) : null;
}

/**
 * Look up the text of a hint; without one, use what the service wrote.
 * @param {Api.Hint} hint
 */
export const describeHint = (hint) =>
  hasText(`hint.${hint.code}`) ? t(`hint.${hint.code}`) : hint.text;

/**
 * Describe the hints in the details of an error.
 * @param {ApiError} error
 */
export const describeHints = (error) => (error.details.hints ?? []).map(describeHint);

/**
 * Get the person whom a refused clip matches, if that is the error.
 * @param {ApiError} error
 * @returns {Api.PersonRef | null}
 */
export function duplicateOf({ code, details }) {
  const { person_id, name } = details;
  if (code !== "duplicate_person" || !person_id || name === undefined) return null;
  return { person_id, name };
}

/** Refusals of a clip that the operator may pass over. */
const REFUSALS = new Set([
  "mixed_people",
  "several_people",
  "poor_quality",
  "not_live",
  "unlike_person",
]);

/**
 * Whether the clip would be enrolled by force, whoever it is like.
 * @param {ApiError} error
 */
export const isForceable = ({ code }) => REFUSALS.has(code);

/**
 * Return an ApiError and throw anything else on: that is a fault of the page.
 * @param {unknown} error
 */
export function asApiError(error) {
  if (error instanceof ApiError) return error;
  throw error;
}
