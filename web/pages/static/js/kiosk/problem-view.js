// What went wrong, and the ways on: try again, send the clip again, enter a key.
import { DeviceError } from "../shared/devices.js";
import { buttonById, byId } from "../shared/dom.js";
import { describeHints } from "../shared/errors.js";
import { showLines } from "../shared/lines.js";
import { t } from "../shared/texts.js";

/** @import { ApiError } from "../shared/errors.js" */
/** @import { KioskState } from "./machine.js" */
/** @typedef {"give-key" | "resend" | "retry"} WayOn */

/** Errors after which the same clip may be accepted. */
const RESENDABLE = new Set([
  "server_gone",
  "busy",
  "rate_limited",
  "store_unavailable",
  "upload_timeout",
  "upload_broken",
  "internal",
  "key_required",
  "storage_full",
]);

/** @type {Record<string, string>} */
const TITLES = {
  server_gone: "problem.gone",
  busy: "problem.busy",
  rate_limited: "problem.busy",
  key_required: "problem.key",
  no_biometric: "problem.nothing",
  mixed_people: "problem.refused",
  several_people: "problem.refused",
  poor_quality: "problem.refused",
  not_live: "problem.refused",
  challenge_unknown: "answer.rejected_digits",
  challenge_expired: "answer.rejected_digits",
  challenge_used: "answer.rejected_digits",
  challenge_foreign: "answer.rejected_digits",
  unlike_person: "problem.refused",
};

/**
 * Fill the view with the problem. Returns the button to begin with.
 * @param {KioskState} state
 */
export function showProblem({ problem, clip }) {
  if (!problem) return null;
  const ways = waysOn(problem, Boolean(clip));
  if (problem instanceof DeviceError) showDeviceError(problem);
  else showApiError(problem, Boolean(clip));
  byId("retry").textContent = t(
    ways.includes("resend") ? "kiosk.again" : "device.retry",
  );
  byId("resend").hidden = !ways.includes("resend");
  byId("give-key").hidden = !ways.includes("give-key");
  return emphasise(ways[0] ?? "retry");
}

/**
 * List what the person can do, the best way first.
 * @param {ApiError | DeviceError} problem
 * @param {boolean} hasClip
 */
export function waysOn(problem, hasClip) {
  const code = problem instanceof DeviceError ? null : problem.code;
  /** @type {WayOn[]} */
  const ways = ["retry"];
  if (code && hasClip && RESENDABLE.has(code)) ways.unshift("resend");
  if (code === "key_required") ways.unshift("give-key");
  return ways;
}

/** @param {DeviceError} error */
function showDeviceError({ reason }) {
  byId("problem-title").textContent = t(`device.${reason}`);
  byId("problem-text").textContent = t(`device.${reason}_text`);
  showLines(byId("problem-hints"), []);
}

/**
 * @param {ApiError} error
 * @param {boolean} hasClip
 */
function showApiError(error, hasClip) {
  byId("problem-title").textContent = describeTitle(error);
  byId("problem-text").textContent = describeProblem(error, hasClip);
  showLines(byId("problem-hints"), describeHints(error));
}

/**
 * Say what is wrong, for how long, and that the clip waits for a service that is gone.
 * @param {ApiError} error
 * @param {boolean} hasClip
 */
export function describeProblem({ code, message, retryAfterS: wait }, hasClip) {
  const sentences = [message];
  if (wait) sentences.push(t("problem.retry_after", { n: wait }));
  if (code === "server_gone" && hasClip) sentences.push(t("problem.clip_kept"));
  return sentences.join(" ").trim();
}

/** @param {ApiError} error */
function describeTitle({ code, details }) {
  const isWrongKey = code === "key_required" && details.key !== "missing";
  return t(isWrongKey ? "header.key_wrong" : (TITLES[code] ?? "problem.other"));
}

/**
 * Make one button the one to begin with, and return it.
 * @param {WayOn} id
 */
function emphasise(id) {
  for (const way of ["give-key", "resend", "retry"]) {
    byId(way).classList.toggle("primary", way === id);
  }
  return buttonById(id);
}

/** Put the focus on sending once there is a key. */
export function offerResend() {
  if (!byId("give-key").hidden && !byId("resend").hidden) emphasise("resend").focus();
}
